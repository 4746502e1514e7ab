"""A connector that only remembers what it is told, and waiting for things to come true."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from traffic_tui.runner.seam import StartOrder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.model import Stream
    from traffic_tui.runner.errors import JobError
    from traffic_tui.runner.outcome import ExecutionOutcome
    from traffic_tui.runner.seam import JobUpdate
    from traffic_tui.runner.supervisor import Supervisor

DEADLINE_SECONDS = 20.0


async def until(condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Return once the condition holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (the condition lies outside)
            await asyncio.sleep(0.005)


async def until_true(condition: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    """Like :func:`until`, for conditions that have to be asked for."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  (the condition lies outside)
            await asyncio.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process runs. One that ended may wait for its parent, or init, to take note."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def children_with(word: str, pid: int) -> list[psutil.Process]:
    """Child processes of one that have a word in their command; what ends meanwhile has not."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):
            if any(word in part for part in child.cmdline()):
                found.append(child)
    return found


def open_descriptors() -> int:
    """How many files, pipes and sockets this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def order(
    function_name: str,
    params: Any = None,
    *,
    request_id: str = "attempt-1",
    timeout_seconds: float | None = None,
) -> StartOrder:
    return StartOrder(request_id, "job-1", function_name, params or {}, timeout_seconds)


class RecordingConnector:
    """Stands in for a coordinator; ``room`` bounds how much console output it takes."""

    max_result_bytes = 100_000
    is_told = True

    def __init__(self, room: int = 10**9) -> None:
        self.room = room
        self.console: dict[tuple[str, Stream], bytearray] = defaultdict(bytearray)
        self.updates: list[tuple[str, JobUpdate]] = []
        self.errors: list[tuple[str, JobError]] = []
        self._more = asyncio.Event()

    async def run(self, supervisor: Supervisor) -> None:
        """There is nothing to serve."""

    def drain(self) -> None:
        """There is nothing to end."""

    def stop(self, within_seconds: float) -> None:
        """There is nothing to end."""

    def update_job_state(self, request_id: str, update: JobUpdate) -> None:
        self.updates.append((request_id, update))

    def report_job_error(self, request_id: str, error: JobError) -> None:
        self.errors.append((request_id, error))

    def send_console_bytes(self, request_id: str, stream: Stream, data: bytes) -> int:
        piece = data[: self.room]
        self.room -= len(piece)
        self.console[request_id, stream] += piece
        return len(piece)

    async def console_room(self, request_id: str) -> None:
        self._more.clear()
        await self._more.wait()

    def make_room(self, count: int) -> None:
        self.room += count
        self._more.set()

    def text(self, stream: Stream = "console", request_id: str = "attempt-1") -> str:
        return self.console[request_id, stream].decode()

    def outcome(self, request_id: str = "attempt-1") -> ExecutionOutcome | None:
        for key, update in self.updates:
            if key == request_id and update.outcome is not None:
                return update.outcome
        return None

    async def ended(self, request_id: str = "attempt-1") -> ExecutionOutcome:
        """Wait for the outcome."""
        await until(lambda: self.outcome(request_id))
        outcome = self.outcome(request_id)
        assert outcome is not None
        return outcome
