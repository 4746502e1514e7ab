"""``command``: runs a program in a process group of its own, without a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from traffic_tui.runner import progress_lines
from traffic_tui.runner.jobs.command_line import environment, read_command
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.processes import Launch, read_some, write_all
from traffic_tui.runner.progress_lines import LastLine

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from server.model import Stream
    from traffic_tui.runner.jobs.command_line import CommandLine
    from traffic_tui.runner.processes import ProcessGroup, ProcessGroups
    from traffic_tui.runner.request import ExecutionRequest

PROGRESS_VARIABLE = "TRAFFIC_TUI_PROGRESS_FD"
JOB_VARIABLE = "TRAFFIC_TUI_JOB"
LINGER_SECONDS = 1.0
"""After the program ended: how long others of its group may still print, or hold its pipes."""
LOOK_SECONDS = 0.05


class Commands:
    """The handler of ``command`` jobs."""

    def __init__(self, groups: ProcessGroups) -> None:
        self._groups = groups

    def check(self, params: object) -> None:
        """Refuse an unknown program, or arguments that cannot be, before anything starts."""
        read_command(params)

    async def run(self, request: ExecutionRequest) -> ExecutionOutcome:
        try:
            command = read_command(request.params)
            progress_read, progress_write = os.pipe()
            try:
                group = self._start(request, command, progress_write)
            except OSError:
                os.close(progress_read)
                raise
            finally:
                os.close(progress_write)
        except (OSError, ValueError) as error:
            words = f"the program could not be started: {error}"
            return ExecutionOutcome.failure(request.job_id, request.request_id, words, "invalid")
        return await CommandRun(request, group, progress_read, command.stdin).finish()

    def _start(
        self, request: ExecutionRequest, command: CommandLine, progress_fd: int
    ) -> ProcessGroup:
        env = environment(command)
        env[PROGRESS_VARIABLE] = str(progress_fd)
        env[JOB_VARIABLE] = request.job_id
        return self._groups.start(
            Launch(command.argv, env, command.cwd, command.stdin is not None, (progress_fd,))
        )


class CommandRun:
    """A program from its start until its group, its pipes and its bytes are all accounted for."""

    def __init__(
        self,
        request: ExecutionRequest,
        group: ProcessGroup,
        progress_fd: int,
        stdin: bytes | None,
    ) -> None:
        self._request = request
        self._group = group
        self._progress_fd = progress_fd
        self._stdin = stdin
        self._has_channel = False
        self._was_signalled = False
        self._quiet_since: dict[str, float] = {}
        """Pipe -> since when nothing came from it although we were ready to take it."""

    async def finish(self) -> ExecutionOutcome:
        """The outcome, once all output was handed on. Being cancelled leads to TERM, then KILL."""
        pumps = self._pumps()
        try:
            await self._wait_for_exit()
            await self._wait_for_output(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            os.close(self._progress_fd)
            code = self._group.close()
        return self._outcome(code)

    # waiting ---------------------------------------------------------------------------------

    async def _wait_for_exit(self) -> None:
        while not self._group.exited.is_set():
            try:
                await self._group.exited.wait()
            except asyncio.CancelledError:
                self._pass_on_stop()

    async def _wait_for_output(self, pumps: list[asyncio.Task[None]]) -> None:
        """Until the pipes end. What is left of the group is killed after a moment.

        A pipe that stays open after that is held by something that left the group; it is given
        up once it is silent. Output that waits for room is never given up, unless killed.
        """
        loop = asyncio.get_running_loop()
        kill_at = loop.time() + LINGER_SECONDS
        left = set(pumps)
        is_killed = False
        while left:
            try:
                _, left = await asyncio.wait(left, timeout=LOOK_SECONDS)
            except asyncio.CancelledError:
                self._pass_on_stop()
                is_killed = True
            if self._request.stopping.is_kill:
                return
            if not is_killed and loop.time() >= kill_at:
                self._group.signal(signal.SIGKILL)
                is_killed = True
            if is_killed and self._all_silent(left, loop.time()):
                return

    def _all_silent(self, pumps: set[asyncio.Task[None]], now: float) -> bool:
        return all(
            now - self._quiet_since.get(pump.get_name(), now) > LINGER_SECONDS for pump in pumps
        )

    def _pass_on_stop(self) -> None:
        """Hand the request to stop on to the group."""
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        stopping = self._request.stopping
        self._was_signalled = self._was_signalled or not self._group.exited.is_set()
        self._group.signal(signal.SIGKILL if stopping.is_kill else signal.SIGTERM)

    # moving bytes ----------------------------------------------------------------------------

    def _pumps(self) -> list[asyncio.Task[None]]:
        process = self._group.process
        assert process.stdout is not None
        assert process.stderr is not None
        pumps: dict[str, Coroutine[None, None, None]] = {
            "stdout": self._pump(process.stdout.fileno(), "stdout"),
            "stderr": self._pump(process.stderr.fileno(), "stderr"),
            "progress": self._pump_progress(),
        }
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(pump, name=name) for name, pump in pumps.items()]
        if process.stdin is not None:
            tasks.append(loop.create_task(self._feed(process.stdin.fileno()), name="stdin"))
        return tasks

    async def _pump(self, fd: int, stream: Stream) -> None:
        """Pipe to console. While there is no room the pipe is not read, so the child waits."""
        lines = LastLine()
        while data := await self._read(fd, stream):
            await self._request.write(data, stream)
            if self._has_channel:
                continue
            line = lines.feed(data)
            if line is not None and (progress := progress_lines.in_line(line)) is not None:
                self._request.progress(*progress)

    async def _pump_progress(self) -> None:
        os.set_blocking(self._progress_fd, False)
        lines = LastLine()
        while data := await self._read(self._progress_fd, "progress"):
            line = lines.feed(data)
            progress = None if line is None else progress_lines.in_channel_line(line)
            if progress is not None:
                self._has_channel = True
                self._request.progress(*progress)

    async def _read(self, fd: int, name: str) -> bytes:
        self._quiet_since[name] = asyncio.get_running_loop().time()
        data = await read_some(fd)
        del self._quiet_since[name]
        return data

    async def _feed(self, fd: int) -> None:
        pipe = self._group.process.stdin
        assert pipe is not None
        self._quiet_since["stdin"] = asyncio.get_running_loop().time()
        await write_all(fd, self._stdin or b"")
        with contextlib.suppress(OSError):
            pipe.close()

    # the end ---------------------------------------------------------------------------------

    def _outcome(self, code: int) -> ExecutionOutcome:
        job_id, request_id = self._request.job_id, self._request.request_id
        exit_code, killed_by = (code, None) if code >= 0 else (None, -code)
        if self._was_signalled:
            ended = ExecutionOutcome.cancelled(job_id, request_id)
            return replace(ended, exit_code=exit_code, signal=killed_by)
        if code == 0:
            result = {"exit_code": 0}
            return ExecutionOutcome.success(job_id, request_id, result, exit_code=0)
        if killed_by is None:
            return ExecutionOutcome.failure(
                job_id, request_id, f"exit status {code}", "exit_status", exit_code=code
            )
        words = f"killed by signal {killed_by} ({_signal_name(killed_by)})"
        return ExecutionOutcome.failure(job_id, request_id, words, "signal", signal=killed_by)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
