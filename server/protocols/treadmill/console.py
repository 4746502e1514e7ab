"""Console output on its way into the store: one write at a time, with all that came meanwhile.

A write is a commit. A job that says little at a time says it often, and must not need one for each.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_WAITING = 256 * 1024
"""Bytes; who brings more is kept waiting, and with that the supervisor."""


class ConsoleIntake:
    """The output of one job.

    Args:
        write: takes bytes in that follow those before.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[object]]) -> None:
        self._write = write
        self._waiting = bytearray()
        self._writing: asyncio.Task[None] | None = None

    async def add(self, data: bytes) -> None:
        """Take in what follows.

        Raises:
            NotFound: the job is gone.
        """
        if self._writing is not None and self._writing.done():
            await self.flush()
        self._waiting += data
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="console output")
            self._writing.add_done_callback(_looked_at)
        if len(self._waiting) >= MAX_WAITING:
            await self.flush()

    async def flush(self) -> None:
        """Wait until all is stored, as it has to be before what came after it is looked at."""
        if self._writing is not None:
            await asyncio.shield(self._writing)
            self._writing = None

    async def _write_all(self) -> None:
        while self._waiting:
            data = bytes(self._waiting)
            self._waiting.clear()
            await self._write(data)


def _looked_at(writing: asyncio.Task[None]) -> None:
    """A failure is for whoever flushes; a job that went away meanwhile has nobody to do that."""
    if not writing.cancelled():
        writing.exception()
