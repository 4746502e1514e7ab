"""Whether a coordinator runs, whether it lets us in, and whether one could be started."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from traffic_tui.cli.failures import CommandFailed
from traffic_tui.cli.finding import Finding

if TYPE_CHECKING:
    from server.settings import Settings
    from server.wire.operator import StatsView
    from traffic_tui.cli.options import Where
    from traffic_tui.cli.settings import Start

MAX_SKEW_MS = 5_000


def coordinator_findings(start: Start, where: Where) -> list[Finding]:
    """What runs here; and of what the flags or variables name, whether it answers."""
    import os

    from server.discovery import find_running

    running = find_running(start.folder)
    findings = [_running_finding(running.url, running.pid) if running else _NONE_RUNNING]
    if running is None:
        findings.append(port_finding(start.settings))
    if running is not None or where.url or os.environ.get("TRAFFIC_TUI_URL"):
        findings.append(answer_finding(where))
    return findings


_NONE_RUNNING = Finding("ok", "coordinator", "none of yours runs on these data")


def _running_finding(url: str, pid: int) -> Finding:
    return Finding("ok", "coordinator", f"{url}, process {pid}")


def answer_finding(where: Where) -> Finding:
    """Whether the coordinator that a command would talk to answers, with the key it would use."""
    from server.clock import SystemClock
    from traffic_tui.cli.connection import Connection, talk

    connection = Connection(where)

    async def ask() -> tuple[str, StatsView]:
        return connection.client.url, await connection.client.stats()

    try:
        url, stats = talk(connection, ask())
    except CommandFailed as failure:
        return Finding("bad", "answers", failure.message, "see --url, --key-file and --ca")
    skew_ms = abs(stats.now - SystemClock().now_ms())
    if skew_ms > MAX_SKEW_MS:
        words = f"{url}, but its clock is {skew_ms / 1000:.0f}s away from this one"
        return Finding("warn", "answers", words, "set both clocks by a time server")
    return Finding("ok", "answers", f"{url} lets this user in, version {stats.version}")


def port_finding(settings: Settings) -> Finding:
    """Whether a coordinator could listen where it is told to."""
    host, port = settings.server.host, settings.server.port
    try:
        [family, kind, protocol, _, address] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        words = f"{host}:{port} cannot be listened on: {error.strerror or error}"
        return Finding("bad", "port", words, "free it, or choose another with --port")
    return Finding("ok", "port", f"{host}:{port} is free")
