"""``fib``: the N-th Fibonacci number, counted from 1 (1 gives 0, 2 gives 1); memory is the limit.

Large ones are worked out by a process of their own, so that neither other jobs nor the agent's
heartbeats wait for them, and so that stopping works at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from server.settings import LimitSettings
from traffic_tui.runner.jobs.command_end import Ended
from traffic_tui.runner.jobs.parameters import known, whole
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.processes import Launch, read_some
from traffic_tui.runner.progress_lines import LastLine, in_channel_line

if TYPE_CHECKING:
    from traffic_tui.runner.processes import ProcessGroup, ProcessGroups
    from traffic_tui.runner.request import ExecutionRequest
    from traffic_tui.runner.sandbox.confinement import Confinement
    from traffic_tui.runner.sandbox.sandbox import Sandbox

FIB = "fib"
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

    def __init__(self, groups: ProcessGroups, sandbox: Sandbox | None = None) -> None:
        self._groups = groups
        self._sandbox = sandbox

    async def run(self, request: ExecutionRequest) -> object:
        n = _read(request.params)
        if n <= SMALL_N:
            value = small(n)
            return value if value <= EXACT_IN_JSON else str(value)
        argv = [sys.executable, "-I", "-S", str(SCRIPT), str(n)]
        confinement = self._confinement()
        try:
            group = self._groups.start(Launch(argv, dict(os.environ), confinement=confinement))
        except OSError:
            if confinement is not None and confinement.group is not None:
                await confinement.group.remove()
            raise
        limits = LimitSettings() if confinement is None else confinement.limits
        outcome = await _Calculation(request, group, n, limits).finish()
        return replace(outcome, isolation="" if confinement is None else confinement.words)

    def _confinement(self) -> Confinement | None:
        """Its limits, where it has some; being our own program, it needs no room."""
        if self._sandbox is None or self._sandbox.limits_for(FIB) == LimitSettings():
            return None
        return self._sandbox.limit(self._sandbox.limits_for(FIB))


class _Calculation:
    """One number being worked out by another process."""

    def __init__(
        self, request: ExecutionRequest, group: ProcessGroup, n: int, limits: LimitSettings
    ) -> None:
        self._request = request
        self._group = group
        self._limits = limits
        self._is_printed = n >= PRINTED_N
        self._digits: list[bytes] = []
        self._count = 0

    async def finish(self) -> ExecutionOutcome:
        is_over_time = False
        try:
            async with asyncio.timeout(_seconds(self._limits)):
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._take_digits())
                    pumps.create_task(self._take_progress())
                await self._group.exited.wait()
        except TimeoutError:
            is_over_time = True
        finally:
            account = self._group.close()
            await self._group.clear()
        if is_over_time or account.memory_kills or account.problem is not None:
            return Ended(account, self._limits, False, is_over_time).outcome(self._request)
        outcome = self._failed(account.code) if account.code != 0 else self._succeeded()
        return replace(outcome, usage=account.usage)

    def _succeeded(self) -> ExecutionOutcome:
        value: object = b"".join(self._digits).decode("ascii")
        if self._is_printed:
            value = {"digits": self._count, "value": "printed to the output"}
        return ExecutionOutcome.success(self._request.job_id, self._request.request_id, value)

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


def _seconds(limits: LimitSettings) -> float | None:
    return None if limits.wall_ms is None else limits.wall_ms / 1000


def _read(params: object) -> int:
    return whole(known(params, ("n",)), "n", least=1, most=MAX_N)
