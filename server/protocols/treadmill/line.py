"""One connection of a supervisor: what is to be sent waits here, so that nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from server.http.sockets import SocketGone
from server.wire.treadmill import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.http.sockets import Socket
    from server.wire.treadmill import ToSupervisor

MAX_WAITING = 200
"""Messages; a supervisor that takes none for so long is as good as gone."""
SUPERSEDED = 4003
OVERLOADED = 1008
CLOSE_SECONDS = 1.0


class Line:
    """Reads for a desk and writes what it posts, until either side ends it."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._waiting: deque[str] = deque()
        self._has_news = asyncio.Event()
        self._ended = asyncio.Event()
        self._code = 1000
        self._reason = ""

    @property
    def address(self) -> str:
        return self._socket.address

    def post(self, message: ToSupervisor) -> None:
        """Send a message as soon as the supervisor reads."""
        self._waiting.append(encode(message))
        self._has_news.set()
        if len(self._waiting) > MAX_WAITING:
            self.end(OVERLOADED, "it reads nothing")

    def end(self, code: int = 1000, reason: str = "") -> None:
        """Close, without waiting for anything."""
        if not self._ended.is_set():
            self._code, self._reason = code, reason
            self._ended.set()

    async def run(self, hear: Callable[[str | bytes], Awaitable[None]]) -> None:
        """Serve the connection until it ends. The next message is read when one was heard, so
        that a supervisor which sends too fast is slowed down by its own socket; what was read is
        always heard to its end."""
        writing = asyncio.create_task(self._write(), name="supervisor: write")
        try:
            await self._read(hear)
        finally:
            writing.cancel()
            await asyncio.wait([writing])
        with contextlib.suppress(SocketGone, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(self._code, self._reason)

    async def _read(self, hear: Callable[[str | bytes], Awaitable[None]]) -> None:
        ended = asyncio.create_task(self._ended.wait(), name="supervisor: end")
        try:
            while not ended.done():
                reading = asyncio.create_task(self._socket.read(), name="supervisor: read")
                await _first_of(reading, ended)
                if not reading.done():
                    return
                await hear(reading.result())
        except SocketGone:
            return
        finally:
            ended.cancel()

    async def _write(self) -> None:
        """A supervisor that has gone is noticed by reading; what it sent before counts."""
        with contextlib.suppress(SocketGone):
            while True:
                await self._has_news.wait()
                self._has_news.clear()
                while self._waiting:
                    await self._socket.write(self._waiting[0])
                    self._waiting.popleft()


async def _first_of(reading: asyncio.Task[str | bytes], ended: asyncio.Task[bool]) -> None:
    """Wait for either; what was not read by then will not be."""
    try:
        await asyncio.wait((reading, ended), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not reading.done():
            reading.cancel()
