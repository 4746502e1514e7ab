"""``fib``: the N-th Fibonacci number, counted from 1 (1 gives 0, 2 gives 1); memory is the limit.

Large ones are worked out by a process of their own, so that neither other jobs nor the agent's
heartbeats wait for them, and so that stopping works at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from traffic_tui.runner.jobs.parameters import known, whole
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.processes import Launch, read_some
from traffic_tui.runner.progress_lines import LastLine, in_channel_line

if TYPE_CHECKING:
    from traffic_tui.runner.processes import ProcessGroup, ProcessGroups
    from traffic_tui.runner.request import ExecutionRequest

SCRIPT = Path(__file__).with_name("fibonacci_process.py")
MAX_N = 10**15
SMALL_N = 2_000
"""Up to here it takes less time than starting a process."""
PRINTED_N = 4_700_000
"""From here on the number has about a million digits: it is printed, not returned."""
EXACT_IN_JSON = 2**53


def check(params: object) -> None:
    _read(params)


def small(n: int) -> int:
    """The ``n``-th number, by adding."""
    current, following = 0, 1
    for _ in range(n - 1):
        current, following = following, current + following
    return current


class Fibonacci:
    """The handler of ``fib`` jobs."""

    def __init__(self, groups: ProcessGroups) -> None:
        self._groups = groups

    async def run(self, request: ExecutionRequest) -> object:
        n = _read(request.params)
        if n <= SMALL_N:
            value = small(n)
            return value if value <= EXACT_IN_JSON else str(value)
        argv = [sys.executable, "-I", "-S", str(SCRIPT), str(n)]
        group = self._groups.start(Launch(argv, dict(os.environ)))
        return await _Calculation(request, group, n).finish()


class _Calculation:
    """One number being worked out by another process."""

    def __init__(self, request: ExecutionRequest, group: ProcessGroup, n: int) -> None:
        self._request = request
        self._group = group
        self._is_printed = n >= PRINTED_N
        self._digits: list[bytes] = []
        self._count = 0

    async def finish(self) -> object:
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._take_digits())
                pumps.create_task(self._take_progress())
            await self._group.exited.wait()
        finally:
            self._group.signal(signal.SIGKILL)
            code = self._group.close().code
        if code != 0:
            return self._failed(code)
        if self._is_printed:
            return {"digits": self._count, "value": "printed to the output"}
        return b"".join(self._digits).decode("ascii")

    async def _take_digits(self) -> None:
        assert self._group.process.stdout is not None
        while data := await read_some(self._group.process.stdout.fileno()):
            self._count += len(data)
            if self._is_printed:
                await self._request.write(data, "stdout")
            else:
                self._digits.append(data)

    async def _take_progress(self) -> None:
        assert self._group.process.stderr is not None
        lines = LastLine()
        while data := await read_some(self._group.process.stderr.fileno()):
            line = lines.feed(data)
            progress = None if line is None else in_channel_line(line)
            if progress is not None:
                self._request.progress(*progress)

    def _failed(self, code: int) -> ExecutionOutcome:
        return ExecutionOutcome.failure(
            self._request.job_id,
            self._request.request_id,
            "there was not enough memory for a number this large",
            "memory",
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
        )


def _read(params: object) -> int:
    return whole(known(params, ("n",)), "n", least=1, most=MAX_N)
