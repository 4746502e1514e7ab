"""The agent: a supervisor, a connector and a person's signals, as one process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from traffic_tui.runner.errors import RunnerError, WrongOptions
from traffic_tui.runner.handlers import load_handlers
from traffic_tui.runner.images import add_images
from traffic_tui.runner.jobs import COMMAND, built_in
from traffic_tui.runner.jobs.command import Commands
from traffic_tui.runner.journal import Journal
from traffic_tui.runner.options import AgentOptions
from traffic_tui.runner.own_process import end_now, log_for_people, loop_factory
from traffic_tui.runner.processes import ProcessGroups
from traffic_tui.runner.registry import Registry
from traffic_tui.runner.sandbox.opening import opened, say
from traffic_tui.runner.supervisor import Supervisor
from traffic_tui.runner.telemetry import telemetry_from_environment
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from traffic_tui.runner.options import AgentProtocol
    from traffic_tui.runner.sandbox.sandbox import Sandbox
    from traffic_tui.runner.seam import SupervisorConnector

log = logging.getLogger(__name__)

DONE, REFUSED = 0, 1
STOP_GRACE_SECONDS = 10.0
"""Between the second signal and killing what runs."""
REPORT_SECONDS = 10.0
"""After that, how long the coordinator may take to hear of it."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_agent(options: AgentOptions) -> int:
    """Run an agent until it is told to end; the answer is the process's exit code.

    0: drained; 1: refused, or not everything could be told; 2: wrong options; 3: the coordinator
    was never reached.
    """
    log_for_people()
    groups = ProcessGroups()
    try:
        options.check()
        with _sandbox(options, groups) as sandbox:
            registry = registry_for(options, groups, sandbox)
            return _serve(options, registry)
    except RunnerError as error:
        log.error("%s", error)
        return error.exit_code
    finally:
        groups.close()


def run(
    registry: Registry,
    *,
    url: str,
    key: str = "",
    protocol: AgentProtocol = "native-v2",
    name: str = "",
    capacity: int | None = None,
    data_dir: Path | None = None,
    listen: str | None = None,
) -> None:
    """Serve a coordinator with one's own handlers until a signal ends it.

    Args:
        listen: ``HOST:PORT`` where Traffic Light brings its jobs; for that protocol alone.

    Raises:
        SystemExit: with the agent's exit code, where that is not 0.
    """
    log_for_people()
    options = AgentOptions(
        url, name, capacity, key=key, protocol=protocol, data_dir=data_dir, listen=listen
    )
    try:
        options.check()
        code = _serve(options, registry)
    except RunnerError as error:
        log.error("%s", error)
        code = error.exit_code
    if code:
        raise SystemExit(code)


@contextlib.contextmanager
def _sandbox(options: AgentOptions, groups: ProcessGroups) -> Iterator[Sandbox | None]:
    """The sandbox of whatever runs as a process; None: nothing here needs one."""
    if not options.runs_programs and not options.sandbox.limits.get("fib"):
        yield None
        return
    with opened(options.sandbox, options.folder, groups) as sandbox:
        if options.runs_programs:
            say(sandbox, COMMAND)
        yield sandbox


def registry_for(
    options: AgentOptions, groups: ProcessGroups, sandbox: Sandbox | None = None
) -> Registry:
    """The built-in types and one's own, cut down to the types asked for, and images."""
    registry = built_in(groups, allow_command=options.may_command, sandbox=sandbox)
    built_in_types = set(registry.names)
    if options.handlers is not None:
        for entry in load_handlers(options.handlers).entries.values():
            if entry.name in registry:
                log.info("the built-in type %r is replaced by %s", entry.name, options.handlers)
            registry.add(entry)
            built_in_types.discard(entry.name)
    chosen = _chosen(registry, options.types)
    if options.protocol == "treadmill":
        add_images(chosen, options.images, Commands(groups, sandbox), built_in_types)
    return chosen


def _chosen(registry: Registry, types: Sequence[str]) -> Registry:
    """Of a registry only these; all, where none is named."""
    if not types:
        return registry
    chosen = Registry()
    for name in types:
        wanted = registry.get(name)
        if wanted is None:
            known = ", ".join(registry.names)
            raise WrongOptions(f"there is no handler for {plain(name, 60)!r}; there are: {known}")
        chosen.add(wanted)
    return chosen


class Agent:
    """One supervisor with its connector, and the ladder of signals that ends them."""

    def __init__(self, supervisor: Supervisor, connector: SupervisorConnector) -> None:
        self._supervisor = supervisor
        self._connector = connector
        self._signals = 0

    async def run(self) -> None:
        """Serve until drained or stopped. Raises RunnerError where the coordinator refuses."""
        with self._listening():
            async with self._supervisor:
                await self._connector.run(self._supervisor)

    def signalled(self) -> None:
        """First drain, then stop, then die; a person who asks again means it."""
        self._signals += 1
        running = len(self._supervisor.running)
        if self._signals == 1:
            log.info("draining: %d jobs run on, nothing new is taken; again to stop them", running)
            self._supervisor.drain()
            self._connector.drain()
        elif self._signals == 2:
            log.info("stopping %d jobs, %g s for them to end", running, STOP_GRACE_SECONDS)
            self._supervisor.stop_all(grace_seconds=STOP_GRACE_SECONDS)
            self._connector.stop(STOP_GRACE_SECONDS + REPORT_SECONDS)
        else:
            log.warning("killed with %d jobs running", running)
            end_now(REFUSED)  # the guard kills their processes

    def hung_up(self) -> None:
        """The terminal went away. Shells and the kernel both say so: that is no second signal."""
        if not self._signals:
            self.signalled()

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        added: list[signal.Signals] = []
        told = dict.fromkeys(SIGNALS, self.signalled)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            told[signal.SIGHUP] = self.hung_up  # with nohup it means nothing
        for number, called in told.items():
            with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
                loop.add_signal_handler(number, called)
                added.append(number)
        try:
            yield
        finally:
            for number in added:
                loop.remove_signal_handler(number)


def _serve(options: AgentOptions, registry: Registry) -> int:
    """Run the agent, with spans where the environment asks for them."""
    with telemetry_from_environment() as telemetry:
        seen = registry if telemetry is None else telemetry.traced(registry)
        return _serve_coordinator(options, seen)


def _serve_coordinator(options: AgentOptions, registry: Registry) -> int:
    """Run the agent on a loop of its own."""
    if options.protocol == "rrq":
        return _serve_rrq(options, registry)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        agent_ended = runner.run(_serve_on_loop(options, registry))
        if agent_ended.left:
            end_now(REFUSED)  # a handler that cannot be ended would keep the loop from closing
    return DONE if agent_ended.is_told else REFUSED


def _serve_rrq(options: AgentOptions, registry: Registry) -> int:
    """Listen for orchestrators, and be as patient at the end as whoever started us lets us be."""
    from server.wire.rrq import MAX_IN_FLIGHT
    from traffic_tui.runner.parent_guard import is_managed
    from traffic_tui.runner.runtime import DRAIN_SECONDS, RunnerRuntime
    from traffic_tui.runner.tcp_socket import parse_tcp_socket

    has_manager = is_managed(sys.argv[1:])
    runtime = RunnerRuntime(
        min(options.capacity or MAX_IN_FLIGHT, MAX_IN_FLIGHT),
        max_jobs=options.capacity,
        drain_seconds=DRAIN_SECONDS if has_manager else None,
        ends_with_parent=has_manager,
    )
    runtime.run_tcp(registry, parse_tcp_socket(options.tcp_socket or ""))
    return DONE


class _Ended:
    """How serving ended."""

    def __init__(self, *, is_told: bool, left: list[str]) -> None:
        self.is_told = is_told
        self.left = left


async def _serve_on_loop(options: AgentOptions, registry: Registry) -> _Ended:
    folder = options.folder
    journal = Journal(folder / "spool" / f"{os.getpid()}-{secrets.token_hex(4)}")
    try:
        journal.open()
    except OSError as error:
        raise RunnerError(f"the folder {folder} cannot be used: {error}") from None
    try:
        connector = connector_for(options, registry, journal)
        supervisor = Supervisor(registry, connector, slots=options.slots)
        await Agent(supervisor, connector).run()
        return _Ended(is_told=connector.is_told, left=supervisor.running)
    finally:
        journal.close()


def connector_for(
    options: AgentOptions, registry: Registry, journal: Journal
) -> SupervisorConnector:
    """The connector of the protocol asked for. HTTP is loaded only here: it takes long."""
    from traffic_tui.runner.connectors.link import Address

    address = Address(options.url, options.key, options.ca, options.cert, options.key_file)
    if options.protocol == "runpack":
        from traffic_tui.runner.connectors.runpack import RunpackConnector

        return RunpackConnector(
            address,
            registry.names,
            folder=options.folder,
            name=options.name,
            notify_relay=options.notify_relay,
        )
    if options.protocol == "traffic-light":
        from traffic_tui.runner.connectors.traffic_light import (
            TrafficLightConnector,
            range_handler,
        )
        from traffic_tui.runner.listen_address import parse_listen

        keyless = replace(address, key="")  # this protocol knows none
        return TrafficLightConnector(
            keyless, parse_listen(options.listen or ""), function_name=range_handler(registry)
        )
    if options.protocol == "treadmill":
        from traffic_tui.runner.connectors.treadmill import TreadmillConnector

        return TreadmillConnector(address, options.name, journal)
    from traffic_tui.runner.connectors.native_session import Introduction
    from traffic_tui.runner.connectors.native_v2 import NativeV2Connector

    introduction = Introduction(
        options.full_name, options.slots, registry.names, options.labels, _version()
    )
    return NativeV2Connector(address, introduction, journal)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("traffic-tui")
    except PackageNotFoundError:
        return ""
