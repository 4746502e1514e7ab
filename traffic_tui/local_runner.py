"""A runner on this box that lives as long as the console: a child process, its words piped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CAPACITY = 2
MAX_WORDS = 200
"""Lines of what it said that are kept, for the person who wonders why it ended."""
STOP_SECONDS = 4.0
MAX_LINE_BYTES = 65_536


class LocalRunner:
    """``traffic-tui agent`` as a child. Its output would paint over the screen, so it is piped."""

    def __init__(self, url: str, arguments: Sequence[str] = ()) -> None:
        self._arguments = ("--url", url, "--capacity", str(CAPACITY), *arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._is_starting = False
        self._words: deque[str] = deque(maxlen=MAX_WORDS)

    @property
    def is_running(self) -> bool:
        """Whether it is there, or about to be."""
        if self._is_starting:
            return True
        return self._process is not None and self._process.returncode is None

    def last_words(self) -> str:
        """The last line it wrote."""
        return self._words[-1] if self._words else "it said nothing"

    async def start(self) -> None:
        """Start it; OSError where that cannot be."""
        self._is_starting = True
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "traffic_tui",
                "agent",
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                limit=MAX_LINE_BYTES,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        finally:
            self._is_starting = False
        self._reader = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Keep the pipe empty, else the runner would stand still."""
        assert process.stdout is not None
        while data := await process.stdout.read(MAX_LINE_BYTES):
            self._words.extend(data.decode("utf-8", "replace").splitlines())

    async def ended(self) -> int:
        """Wait until it ends; its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """End it, in bounded time: the first signal lets jobs finish, the second stops them."""
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
                await self._wait(process, STOP_SECONDS if number != signal.SIGTERM else 1.0)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)

    async def _wait(self, process: asyncio.subprocess.Process, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await process.wait()
