"""Child processes in groups of their own: started, watched, signalled, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from traffic_tui.runner.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None = None
    has_stdin: bool = False
    pass_fds: tuple[int, ...] = ()


@dataclass(slots=True)
class ProcessGroup:
    """A running child and everything in its group. Made by :class:`ProcessGroups`."""

    process: subprocess.Popen[bytes]
    guard: Guard
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    """The leader is no more; it is not reaped yet, so its group cannot be mistaken."""
    _pidfd: int = -1

    @property
    def id(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group. The leader is not reaped yet, so the number is still ours."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.id, number)

    def watch(self) -> None:
        """Begin to notice the leader's exit."""
        loop = asyncio.get_running_loop()
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(self.id)
                loop.add_reader(self._pidfd, self._leader_exited)
                return
        threading.Thread(target=self._wait_in_thread, args=(loop,), daemon=True).start()

    def close(self) -> int:
        """Kill what is left of the group, reap the leader, let go of everything.

        The answer is the leader's return code, as :mod:`subprocess` tells it.
        """
        self.signal(signal.SIGKILL)
        code = self.process.wait()
        self.guard.forget(self.id)
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return code

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

    def start(self, launch: Launch) -> ProcessGroup:
        """Start a child in a session of its own. Raises OSError where that cannot be done."""
        self._guard.ready()
        process = subprocess.Popen(  # noqa: S603  (running what is asked for is the purpose)
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
        self._guard.remember(process.pid)
        group = ProcessGroup(process, self._guard)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        group.watch()
        return group

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
