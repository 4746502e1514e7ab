"""Connections over TLS, of which only those there is room for come to the handshake.

A loop's own server says nothing of a connection before its handshake is over: whoever connects and
is silent takes a file, those that are kept back for the store and for runners included.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

HANDSHAKE_SECONDS = 15.0
"""How long a handshake may take."""
PAUSE_SECONDS = 0.1
"""Before the next try where none could be taken in, as no file is left even for that."""


class TlsDoor:
    """Takes connections in; may stand where a server of the loop would.

    Args:
        listener: bound, listening, not blocking; it is closed with the door.
        protocol: makes what speaks over a connection.
        takes: whether a connection with this descriptor may stay.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        takes: Callable[[int], bool],
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._context = context
        self._takes = takes
        self._shaking_hands: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept(), name="TLS: accept")

    def close(self) -> None:
        """Take nobody in any more; who was is not cut off."""
        self._accepting.cancel()
        for task in self._shaking_hands:
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.wait({self._accepting, *self._shaking_hands})

    async def _accept(self) -> None:
        with self._listener:
            while True:
                connection = await self._next()
                if self._takes(connection.fileno()):
                    task = asyncio.create_task(self._shake_hands(connection), name="TLS: handshake")
                    self._shaking_hands.add(task)
                    task.add_done_callback(self._shaking_hands.discard)
                else:
                    connection.close()
                await asyncio.sleep(0)  # else who knocks without end would have all turns

    async def _next(self) -> socket.socket:
        while True:
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            except OSError:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return connection

    async def _shake_hands(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # it is no TLS, too slow, refused, or gone
            await loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
            return
        connection.close()
