"""uvicorn's WebSocket protocol with a keepalive of our own, and bounds on what one peer may cost.

uvicorn's pings carry a payload and only a pong with the same one counts. Peers that answer in
their own way, and such that are busy sending one huge message, are alive all the same.

Frames may be empty, so neither how many of them come nor of how many a message is made is bounded
by its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

from server.turns import let_others_read

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent
    from websockets.frames import Frame


MAX_FRAMES = 10_000
"""Of one message. The original's programs send one; 64 MiB in frames of 16 KiB are 4,096."""


class KeptAliveWebSocket(WebSocketsSansIOProtocol):
    """One connection: pinged from its first moment on, cut when nothing comes any more.

    ``ws_ping_interval`` and ``ws_ping_timeout`` of the configuration are the pace and the longest
    silence, in seconds.
    """

    _heard_at: float = 0.0

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        super().data_received(data)
        if not self.read_paused:
            let_others_read(self.transport, len(data), lambda: not self.read_paused)

    def start_keepalive(self) -> None:
        self._heard_at = self.loop.time()
        if self.ping_interval:
            self.send_keepalive_ping()

    def send_keepalive_ping(self) -> None:
        """One beat: cut a silent peer, else ping it and come again."""
        self.ping_timer = None
        if self.close_sent or self.transport.is_closing():
            return
        now = self.loop.time()
        if self.read_paused and self.writable.is_set():
            self._heard_at = now  # it is us who do not read
        if self.ping_timeout and now - self._heard_at >= self.ping_timeout:
            self.transport.abort()  # a closing handshake with nobody would only take longer
            return
        self.conn.send_ping(b"")
        self.transport.write(b"".join(self.conn.data_to_send()))
        assert self.ping_interval is not None
        self.ping_timer = self.loop.call_later(self.ping_interval, self.send_keepalive_ping)

    async def send(self, message: ASGISendEvent) -> None:
        """An upgrade that was refused with a response is answered, too."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def handle_pong(self, event: Frame) -> None:
        """Any data is a sign of life, so nothing is left to do for a pong."""

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAMES:
            self.frames = []
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {MAX_FRAMES} frames")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Text that is not UTF-8 is handed on as bytes: whoever listens knows what to think."""
        if self.curr_msg_data_type == "text" and not _is_utf8(self.frames):
            self.curr_msg_data_type = "bytes"
        super().send_receive_event_to_app()


def _is_utf8(frames: list[bytes]) -> bool:
    data = frames[0] if len(frames) == 1 else b"".join(frames)
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
