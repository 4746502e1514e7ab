"""``command``: runs a program in a process group of its own, without a shell."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from traffic_tui.runner import progress_lines
from traffic_tui.runner.jobs.command_end import Ended, not_started
from traffic_tui.runner.jobs.command_line import environment, find_program, read_command
from traffic_tui.runner.jobs.command_room import ask
from traffic_tui.runner.processes import Launch, read_some, write_all
from traffic_tui.runner.progress_lines import LastLine
from traffic_tui.runner.sandbox.limits import narrowed
from traffic_tui.runner.sandbox.sandbox import NO_LIMITS, Asked

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from server.model import Stream
    from server.settings import LimitSettings
    from traffic_tui.runner.jobs.command_line import CommandLine
    from traffic_tui.runner.outcome import ExecutionOutcome
    from traffic_tui.runner.processes import Account, ProcessGroup, ProcessGroups
    from traffic_tui.runner.request import ExecutionRequest
    from traffic_tui.runner.sandbox.confinement import Confinement
    from traffic_tui.runner.sandbox.sandbox import Sandbox

COMMAND = "command"
PROGRESS_VARIABLE = "TRAFFIC_TUI_PROGRESS_FD"
JOB_VARIABLE = "TRAFFIC_TUI_JOB"
LINGER_SECONDS = 1.0
"""After the program ended: how long others of its group may still print, or hold its pipes."""
LOOK_SECONDS = 0.05
SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""What the system says that has no file, memory or process left for us at the moment."""
SHORTAGE_SECONDS = 60.0
SHORTAGE_PAUSE_SECONDS = 1.0
WALL_GRACE_SECONDS = 5.0
"""Between asking and killing a program whose limit of time is over."""


class Commands:
    """The handler of ``command`` jobs."""

    def __init__(self, groups: ProcessGroups, sandbox: Sandbox | None = None) -> None:
        self._groups = groups
        self._sandbox = sandbox
        """None: commands have their process group and nothing else around them."""

    def check(self, params: object) -> None:
        """Refuse an unknown program, or arguments that cannot be, before anything starts."""
        self._read(params)

    async def run(self, request: ExecutionRequest) -> ExecutionOutcome:
        try:
            command, limits, asked = self._read(request.params)
            group, progress_read, words = await self._begun(request, command, limits, asked)
        except OSError as error:
            return not_started(request, str(error), is_shortage=error.errno in SHORTAGES)
        except ValueError as error:
            return not_started(request, str(error))
        request.isolated(words)
        run = CommandRun(request, group, progress_read, command.stdin, limits)
        return replace(await run.finish(), isolation=words)

    async def _begun(
        self, request: ExecutionRequest, command: CommandLine, limits: LimitSettings, asked: Asked
    ) -> tuple[ProcessGroup, int, str]:
        """The started program, where its progress is read, and what is around it. What this box
        is short of, other jobs may give back: that is waited for.

        Raises:
            OSError: it cannot be started.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + SHORTAGE_SECONDS
        while True:
            try:
                return await self._begin(request, command, limits, asked)
            except OSError as error:
                if error.errno not in SHORTAGES or loop.time() >= until:
                    raise
            await asyncio.sleep(SHORTAGE_PAUSE_SECONDS)

    async def _begin(
        self, request: ExecutionRequest, command: CommandLine, limits: LimitSettings, asked: Asked
    ) -> tuple[ProcessGroup, int, str]:
        progress_read, progress_write = os.pipe()
        confinement: Confinement | None = None
        try:
            confinement = self._confinement(request, limits, asked)
            group = self._start(request, command, asked.env, confinement, progress_write)
        except OSError:
            os.close(progress_read)
            if confinement is not None and confinement.group is not None:
                await confinement.group.remove()
            raise
        finally:
            os.close(progress_write)
        return group, progress_read, "" if confinement is None else confinement.words

    def _read(self, params: object) -> tuple[CommandLine, LimitSettings, Asked]:
        """Raises ValueError in words."""
        command = read_command(params)
        if self._sandbox is None:
            limits = narrowed(NO_LIMITS, command.limits)
            if limits != NO_LIMITS:
                raise ValueError("limits cannot be held: this runner has no sandbox")
        else:
            limits = narrowed(self._sandbox.limits_for(COMMAND), command.limits)
            if self._sandbox.is_roomy:
                command, asked = ask(command, self._sandbox)
                return command, limits, asked
        find_program(command)
        return command, limits, Asked(environment(command))

    def _confinement(
        self, request: ExecutionRequest, limits: LimitSettings, asked: Asked
    ) -> Confinement | None:
        if self._sandbox is None:
            return None
        return self._sandbox.confine(request.job_id, limits, asked)

    def _start(
        self,
        request: ExecutionRequest,
        command: CommandLine,
        env: Mapping[str, str],
        confinement: Confinement | None,
        progress_fd: int,
    ) -> ProcessGroup:
        told = {PROGRESS_VARIABLE: str(progress_fd), JOB_VARIABLE: request.job_id}
        has_stdin = command.stdin is not None
        return self._groups.start(
            Launch(
                command.argv, {**env, **told}, command.cwd, has_stdin, (progress_fd,), confinement
            )
        )


class CommandRun:
    """A program from its start until its group, its pipes and its bytes are all accounted for."""

    def __init__(
        self,
        request: ExecutionRequest,
        group: ProcessGroup,
        progress_fd: int,
        stdin: bytes | None,
        limits: LimitSettings = NO_LIMITS,
    ) -> None:
        self._request = request
        self._group = group
        self._progress_fd = progress_fd
        self._stdin = stdin
        self._limits = limits
        self._is_over_time = False
        self._has_channel = False
        self._was_signalled = False
        self._quiet_since: dict[str, float] = {}
        """Pipe -> since when nothing came from it although we were ready to take it."""

    async def finish(self) -> ExecutionOutcome:
        """The outcome, once all output was handed on. Being cancelled leads to TERM, then KILL."""
        pumps = self._pumps()
        timers = self._time_limit()
        try:
            await self._wait_for_exit()
            await self._wait_for_output(pumps)
        finally:
            for timer in timers:
                timer.cancel()
            for pump in pumps:
                pump.cancel()
            await self._wait_whatever(asyncio.gather(*pumps, return_exceptions=True))
            os.close(self._progress_fd)
            account = self._group.close()
        await self._wait_whatever(asyncio.ensure_future(self._group.clear()))
        return self._outcome(account)

    def _time_limit(self) -> list[asyncio.TimerHandle]:
        """Ask the program to end when its time is over, and insist a little later."""
        if self._limits.wall_ms is None:
            return []
        loop = asyncio.get_running_loop()
        seconds = self._limits.wall_ms / 1000
        return [
            loop.call_later(seconds, self._time_is_over, signal.SIGTERM),
            loop.call_later(seconds + WALL_GRACE_SECONDS, self._time_is_over, signal.SIGKILL),
        ]

    def _time_is_over(self, number: signal.Signals) -> None:
        self._is_over_time = self._is_over_time or not self._group.exited.is_set()
        self._group.signal(number)

    async def _wait_whatever(self, end: asyncio.Future[Any]) -> None:
        """Wait for a step of the end, also while being stopped: the rest of it must follow."""
        while not end.done():
            try:
                await asyncio.wait([end])
            except asyncio.CancelledError:
                self._pass_on_stop()

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

    def _outcome(self, account: Account) -> ExecutionOutcome:
        ended = Ended(account, self._limits, self._was_signalled, self._is_over_time)
        return ended.outcome(self._request)
