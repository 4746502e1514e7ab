"""A WebSocket whose pings can be seen: the library answers them, and tells nobody."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode


class PingedConnection(ClientConnection):
    """Remembers when the other side last pinged."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pinged_at = self.loop.time()
        """The loop's time; the beginning counts as a ping."""

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pinged_at = self.loop.time()
        super().process_event(event)
