"""What is written to a connection in one go leaves in one go.

uvicorn writes the head of an answer, then its body, and uvloop sends each at once. Sending is a
system call that costs as much as all else that is done for a small answer, so the head waits for
what follows it: for the rest of this round of the loop at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class JoinedWrites:
    """A connection as its answers see it: the part of a transport that these use."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
            self._transport.write(data)
        elif data:
            self._held = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what nothing has followed."""
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self.flush()
        self._transport.close()
