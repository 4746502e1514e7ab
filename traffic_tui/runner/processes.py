"""Child processes in groups of their own: started, watched, signalled, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from server.model import Usage
from traffic_tui.runner.guard import Guard
from traffic_tui.runner.sandbox.news import KILLED, LauncherNews
from traffic_tui.runner.sandbox.plan import Plan
from traffic_tui.runner.sandbox.starting import close_all, has_launcher, launcher_start
from traffic_tui.runner.sandbox.view import TEMPORARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from traffic_tui.runner.sandbox.cgroups.job_group import JobGroup
    from traffic_tui.runner.sandbox.confinement import Confinement

log = logging.getLogger(__name__)

KIB = 1024
READ_BYTES = 64 * KIB


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None = None
    has_stdin: bool = False
    pass_fds: tuple[int, ...] = ()
    confinement: Confinement | None = None
    """What is put around it; None: nothing but its group."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a child and all its descendants."""

    code: int
    """The child's own return code, as :mod:`subprocess` tells it."""
    problem: str | None = None
    """Why it was never started."""
    usage: Usage = Usage()
    memory_kills: int = 0
    refused_processes: int = 0


@dataclass(slots=True)
class ProcessGroup:
    """A running child and everything in its group. Made by :class:`ProcessGroups`."""

    process: subprocess.Popen[bytes]
    guard: Guard
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    """The leader is no more; it is not reaped yet, so its group cannot be mistaken."""
    news: LauncherNews | None = None
    """Of a child that a launcher started."""
    control: JobGroup | None = None
    """Its control group, where it has one."""
    is_roomed: bool = False
    """The child is the first of namespaces of its own."""
    _pidfd: int = -1

    @property
    def id(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group. The leader is not reaped yet, so the number is still ours."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.id, number)
        if number == signal.SIGKILL and self.control is not None:
            self.control.kill()

    def watch(self) -> None:
        """Begin to notice the child's exit."""
        loop = asyncio.get_running_loop()
        if self.news is not None:
            self.news.watch(self.exited.set)
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(self.id)
                loop.add_reader(self._pidfd, self._leader_exited)
                return
        threading.Thread(target=self._wait_in_thread, args=(loop,), daemon=True).start()

    def close(self) -> Account:
        """Kill what is left of the group, reap the leader, let go of everything."""
        self.signal(signal.SIGKILL)
        code, used = self._reap()
        self.guard.forget(self.id)
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self.news is not None:
            self.news.close()
        return self._account(code, used)

    async def clear(self) -> None:
        """Take the control group away, once the kernel has ended everything in it."""
        if self.control is not None and not await self.control.remove():
            log.warning("the control group of process %d cannot be removed", self.id)

    def _reap(self) -> tuple[int, Usage]:
        """The leader's return code, and what it and the children it waited for have used."""
        if self.process.returncode is not None:
            return self.process.returncode, Usage()
        _, status, used = os.wait4(self.id, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        peak_bytes = used.ru_maxrss * (1 if sys.platform == "darwin" else KIB)
        return self.process.returncode, Usage(used.ru_utime + used.ru_stime, peak_bytes)

    def _account(self, code: int, used: Usage) -> Account:
        problem, news = None, self.news
        if news is not None:
            problem = news.problem
            if self.is_roomed:
                # The leader is only a launcher; what it says of the child counts.
                own = code if code < 0 else KILLED
                code = own if news.exit_code is None else news.exit_code
                peak = news.peak_kibibytes
                used = used._replace(peak_memory_bytes=None if peak is None else peak * KIB)
        if self.control is None:
            return Account(code, problem, used)
        usage = self.control.usage().or_else(used)
        return Account(
            code, problem, usage, self.control.memory_kills, self.control.refused_processes
        )

    def _leader_exited(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self.exited.set()

    def _wait_in_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        """Where the system has no descriptor to watch; the leader stays to be reaped here too."""
        os.waitid(os.P_PID, self.id, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self.exited.set)


class ProcessGroups:
    """Starts process groups for one agent, all of them under one guard."""

    def __init__(self) -> None:
        self._guard = Guard()

    def watch_control_groups(self, paths: list[str]) -> None:
        """Have the guard end everything in these too, should the agent die."""
        self._guard.watch_control_groups(paths)

    def start(self, launch: Launch) -> ProcessGroup:
        """Start a child in a session of its own. Raises OSError where that cannot be done."""
        self._guard.ready()
        confinement = launch.confinement
        if confinement is None or not has_launcher():
            group = ProcessGroup(self._spawn(launch), self._guard)
        else:
            group = self._confined(launch, confinement)
        self._guard.remember(group.id)
        for pipe in (group.process.stdin, group.process.stdout, group.process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        group.watch()
        return group

    def _confined(self, launch: Launch, confinement: Confinement) -> ProcessGroup:
        """Let a launcher put everything around the child, and start it."""
        start = launcher_start(self._plan(launch, confinement))
        inner = replace(launch, argv=start.argv, env={}, cwd="/", pass_fds=start.pass_fds)
        try:
            process = self._spawn(inner)
        except OSError:
            os.close(start.news_fd)
            raise
        finally:
            close_all(start.theirs)
        return ProcessGroup(
            process,
            self._guard,
            news=LauncherNews(start.news_fd),
            control=confinement.group,
            is_roomed=confinement.room is not None,
        )

    def _plan(self, launch: Launch, confinement: Confinement) -> Plan:
        here = TEMPORARY if confinement.room is not None else str(Path.cwd())
        return Plan(
            tuple(launch.argv),
            self._guard.marked(launch.env),
            launch.cwd or here,
            launch.pass_fds,
            () if confinement.group is None else confinement.group.doors,
            confinement.rlimits,
            confinement.room,
        )

    def _spawn(self, launch: Launch) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  (running what is asked for is the purpose)
            list(launch.argv),
            stdin=subprocess.PIPE if launch.has_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=launch.cwd,
            env=self._guard.marked(launch.env),
            start_new_session=True,
            pass_fds=launch.pass_fds,
            bufsize=0,
        )

    def close(self) -> None:
        """Let the guard go. Groups are closed by whoever started them."""
        self._guard.close()


async def read_some(fd: int) -> bytes:
    """The next bytes of a non-blocking pipe; empty at its end. Nothing is read ahead."""
    while True:
        try:
            return os.read(fd, READ_BYTES)
        except BlockingIOError:
            await _ready(fd, for_writing=False)


async def write_all(fd: int, data: bytes) -> None:
    """Write to a non-blocking pipe; a reader that went away is no error."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            await _ready(fd, for_writing=True)
        except BrokenPipeError:
            return


async def _ready(fd: int, *, for_writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    add, remove = (
        (loop.add_writer, loop.remove_writer)
        if for_writing
        else (loop.add_reader, loop.remove_reader)
    )
    add(fd, ready.set)
    try:
        await ready.wait()
    finally:
        remove(fd)
