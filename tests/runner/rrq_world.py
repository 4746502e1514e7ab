"""The real RRQ: its orchestrator and a Redis server, as packages bring them, on free ports."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ports import free_port
from tests.runner.recording import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from rrq.client import RRQClient

PROGRAMS = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
"""The packages' own programs come first."""
START_SECONDS = 20.0
STOP_SECONDS = 15.0


def program(name: str) -> str:
    """A program of the test tools; the test is skipped where the platform has none."""
    found = shutil.which(name, path=PROGRAMS)
    if found is None:
        pytest.skip(f"there is no {name} here: its package has none for this platform")
    return found


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def process(
    argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose words are in ``log``; it is ended in the end, by its number."""
    with log.open("wb") as file:
        started = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env, cwd=log.parent
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@dataclass
class World:
    """A running orchestrator, and a client of it."""

    client: RRQClient
    orchestrator: subprocess.Popen[bytes]
    log: Path
    tcp_port: int

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    async def result(self, job_id: str, seconds: float = 30.0) -> Any:
        """How a job ended."""
        ended = await self.client.wait_for_completion(
            job_id, timeout_seconds=seconds, block_interval_seconds=0.05
        )
        assert ended is not None, f"job {job_id} did not end; the orchestrator said:\n{self.said()}"
        return ended

    async def outcome(self, name: str, params: dict[str, Any], **options: Any) -> Any:
        """Enqueue a job and wait for its end."""
        return await self.result(await self.enqueue(name, params, **options))

    async def enqueue(self, name: str, params: dict[str, Any], **options: Any) -> str:
        job_id: str = await self.client.enqueue(name, {"params": params, **options})
        return job_id


@asynccontextmanager
async def real_orchestrator(
    folder: Path, cmd: Sequence[str] = (), *, external_port: int | None = None
) -> AsyncIterator[World]:
    """Redis and an orchestrator with one runner.

    Args:
        folder: for configuration and logs.
        cmd: what starts the runner; the orchestrator appends ``--tcp-socket``.
        external_port: where a runner listens that somebody else started; then there is no ``cmd``.
    """
    pytest.importorskip("rrq", reason="the rrq package has no wheel for this platform")
    from rrq.client import RRQClient

    redis_port, tcp_port = free_port(), external_port or free_port()
    dsn = f"redis://127.0.0.1:{redis_port}/0"
    config = folder / "rrq.toml"
    config.write_text(_configuration(dsn, tcp_port, cmd))
    redis = [program("redis-server"), "--port", str(redis_port), "--bind", "127.0.0.1"]
    orchestrator = [program("rrq"), "worker", "run", "--config", str(config)]
    orchestrator += [] if external_port is None else ["--runner-mode", "external"]
    with process([*redis, "--save", "", "--dir", str(folder)], folder / "redis.log"):
        await until(lambda: is_open(redis_port), START_SECONDS)
        log = folder / "orchestrator.log"
        with process(orchestrator, log, env=_environment()) as worker:
            await until(lambda: is_open(tcp_port) or worker.poll() is not None, START_SECONDS)
            assert worker.poll() is None, log.read_text()
            client = RRQClient(config={"redis_dsn": dsn})
            try:
                yield World(client, worker, log, tcp_port)
            finally:
                await client.close()


def _configuration(dsn: str, port: int, cmd: Sequence[str]) -> str:
    command = f"cmd = {json.dumps(list(cmd))}" if cmd else ""
    return f"""
[rrq]
redis_dsn = "{dsn}"
default_runner_name = "ours"
default_poll_delay_seconds = 0.02
base_retry_delay_seconds = 0.2
default_max_retries = 3
runner_shutdown_term_grace_seconds = 5.0
worker_shutdown_grace_period_seconds = 1

[rrq.runners.ours]
type = "socket"
{command}
tcp_port = {port}
pool_size = 1
max_in_flight = 4
"""


def _environment() -> dict[str, str]:
    """The runner finds this working copy, and nothing of the person's own settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RRQ_")}
    return {**clean, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def children(process_id: int) -> list[int]:
    """The processes that a process has started."""
    tasks = Path(f"/proc/{process_id}/task")
    with contextlib.suppress(OSError):
        return [
            int(child)
            for task in tasks.iterdir()
            for child in (task / "children").read_text().split()
        ]
    return []


async def ended(process_id: int, seconds: float = 10.0) -> None:
    """Return once there is no such process any more, other than as a zombie."""

    def is_over() -> bool:
        try:
            status = Path(f"/proc/{process_id}/stat").read_text()
        except OSError:
            return True
        return status.rpartition(")")[2].split()[0] == "Z"

    await until(is_over, seconds)
