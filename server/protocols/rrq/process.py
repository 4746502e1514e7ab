"""One runner process of ours: started in a group of its own, listened to, ended as a group.

Started from the coordinator's thread only. Its exit is noticed by a descriptor of its own, so no
handler of signals is needed and none of another's children is reaped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from typing import IO, TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from server.model import Stream

READ_BYTES = 64 * 1024
MAX_READS_NOW = 64
"""Reads in a row: a process that never stops printing must not keep the loop to itself."""
REAP_SECONDS = 1.0
ENDED_FROM_OUTSIDE = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
)
"""Signals that somebody else sends: they say nothing about the job that was running."""


class Launch(NamedTuple):
    """What to start, and where."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None


class Exit(NamedTuple):
    """How a process ended: with a code, or by a signal."""

    code: int | None
    signal: int | None

    @property
    def words(self) -> str:
        if self.signal is None:
            return f"with exit code {self.code}"
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(self.signal).name}"
        return f"by signal {self.signal}"

    @property
    def is_crash(self) -> bool:
        """Whether it went down by itself."""
        if self.signal is not None:
            return self.signal not in ENDED_FROM_OUTSIDE
        return self.code != 0


class RunnerProcess:
    """A running process and everything in its group.

    Args:
        came: called with a stream and what was printed to it.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, launch: Launch, came: Callable[[Stream, bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._came = came
        self._process = subprocess.Popen(  # noqa: S603  (the command is the configuration's)
            list(launch.argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=launch.cwd,
            env=dict(launch.env),
            start_new_session=True,
            bufsize=0,
        )
        self.pid = self._process.pid
        """Also the number of its group and of its session."""
        self.exited = asyncio.Event()
        """The leader is no more; it is not reaped yet, so its group cannot be mistaken."""
        self.exit: Exit | None = None
        self._is_paused = False
        self._pipes: dict[Stream, IO[bytes]] = {
            "stdout": cast("IO[bytes]", self._process.stdout),
            "stderr": cast("IO[bytes]", self._process.stderr),
        }
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._leader_exited)
        for pipe in self._pipes.values():
            os.set_blocking(pipe.fileno(), False)
        self.resume_reading(is_first=True)

    # output --------------------------------------------------------------------------------------

    def read_now(self) -> None:
        """Hand over what is in the pipes at this moment."""
        for stream in list(self._pipes):
            for _ in range(MAX_READS_NOW):
                if not self._read(stream):
                    break

    def pause_reading(self) -> None:
        """Leave what it prints in the pipes, and so in the end make it wait."""
        if not self._is_paused:
            self._is_paused = True
            for pipe in self._pipes.values():
                self._loop.remove_reader(pipe.fileno())

    def resume_reading(self, *, is_first: bool = False) -> None:
        if self._is_paused or is_first:
            self._is_paused = False
            for stream, pipe in self._pipes.items():
                self._loop.add_reader(pipe.fileno(), self._read, stream)

    def _read(self, stream: Stream) -> bool:
        """Hand over one piece; whether there was one."""
        pipe = self._pipes.get(stream)
        if pipe is None:
            return False
        try:
            data = os.read(pipe.fileno(), READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._close_pipe(stream)
            return False
        self._came(stream, data)
        return True

    def _close_pipe(self, stream: Stream) -> None:
        pipe = self._pipes.pop(stream, None)
        if pipe is not None:
            self._loop.remove_reader(pipe.fileno())
            pipe.close()

    # the end -------------------------------------------------------------------------------------

    async def end(self, grace_seconds: float) -> Exit:
        """Ask the group to end, wait, then kill what is left of it: its leader and all others."""
        if not self.exited.is_set() and grace_seconds > 0:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self.exited.wait()
        return self.close()

    def close(self) -> Exit:
        """Kill what is left of the group, reap the leader, let go of all. May be repeated."""
        if self.exit is not None:
            return self.exit
        self._signal(signal.SIGKILL)
        try:
            code = self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:  # stuck in the kernel: it is dead, but not buried
            code = -signal.SIGKILL
        self.exit = Exit(None, -code) if code < 0 else Exit(code, None)
        self.exited.set()
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.read_now()
        for stream in list(self._pipes):
            self._close_pipe(stream)
        return self.exit

    def _signal(self, number: signal.Signals) -> None:
        """Signal the whole group. The leader is not reaped yet, so the number is still ours."""
        if self.exit is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _leader_exited(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self.exited.set()
