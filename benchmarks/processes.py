"""Processes beside a measurement: started, ended, and the CPU time they take."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

END_SECONDS = 10.0
DEADLINE_SECONDS = 300.0


class Measured(NamedTuple):
    per_second: float
    cpu_us: float
    """CPU time of all that took part, our own process too, for each job."""


class Meter:
    """A clock of wall time, and of the CPU time of this process and the trees named."""

    def __init__(self, *roots: int) -> None:
        self._roots = roots
        self._cpu = self._cpu_seconds()
        self._start = time.perf_counter()

    def stop(self, count: int) -> Measured:
        seconds = time.perf_counter() - self._start
        return Measured(count / seconds, (self._cpu_seconds() - self._cpu) / count * 1e6)

    def _cpu_seconds(self) -> float:
        own = os.times()
        return own.user + own.system + sum(_tree_cpu_seconds(root) for root in self._roots)


def _tree_cpu_seconds(root: int) -> float:
    total = 0.0
    process = psutil.Process(root)
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:  # a child that ended since it was listed
            continue
        total += times.user + times.system
    return total


def drained(left: Callable[[], int], *roots: int, pause_seconds: float) -> Measured:
    """Watch a worker that was just started, from the first job it takes to the last.

    Its start is not counted: a worker lives for days, and here only for seconds.
    """

    def left_while_all_run() -> int:
        if any(psutil.Process(root).status() == psutil.STATUS_ZOMBIE for root in roots):
            raise SystemExit("a worker that is measured beside ended before its work was done")
        return left()

    waiting = left()
    until(lambda: left_while_all_run() < waiting, pause_seconds=pause_seconds)
    meter, begun = Meter(*roots), left()
    until(lambda: left_while_all_run() == 0, pause_seconds=pause_seconds)
    return meter.stop(begun)


def until(is_so: Callable[[], bool], *, pause_seconds: float = 0.002) -> None:
    """Ask again and again; give up at a deadline, so that nothing is left running."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if is_so():
            return
        time.sleep(pause_seconds)
    raise SystemExit("a process that is measured beside did not do its work in time")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    command: Sequence[str],
    log: Path,
    env: dict[str, str] | None = None,
    *,
    user: str | None = None,
    end_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[int]:
    """Run a command beside; its process id. It is ended afterwards, by force where it must be."""
    with log.open("wb") as file:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, **(env or {})},
            user=user,
        )
    try:
        yield started.pid
    finally:
        started.send_signal(end_signal)
        try:
            started.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
