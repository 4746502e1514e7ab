"""One TCP connection to a runner: frames out, frames in, and word of its end."""

from __future__ import annotations

import asyncio
import select
import socket
from typing import TYPE_CHECKING, cast

from server.tcp import keep_alive
from server.turns import let_others_read
from server.wire.rrq_frames import FrameCutter, FramingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.wire.rrq_address import Address
    from server.wire.rrq_frames import Frame

MAX_EARLY_BYTES = 1024 * 1024
"""Of what comes before anybody attends: a runner that was asked nothing has nothing to say."""
_HUNG_UP = getattr(select, "POLLRDHUP", 0)  # elsewhere the loop tells, a moment later


class Connection(asyncio.Protocol):
    """A connection that is open from the moment it is made until it is lost, once.

    What comes before :meth:`attend` is kept for it.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._cutter = FrameCutter(skips_oversized=True)
        self._early: list[Frame] = []
        self._early_bytes = 0
        self._on_frame: Callable[[Frame], None] | None = None
        self._on_change: Callable[[], None] | None = None
        self._is_paused = False
        self._is_unread = False
        self._poll = select.poll()
        self.loss = ""
        """Why the connection ended; empty: it has not."""
        self.lost = asyncio.Event()

    @property
    def is_writable(self) -> bool:
        """Whether the runner still takes in what it was sent before."""
        return not (self._is_paused or self.loss)

    def attend(self, on_frame: Callable[[Frame], None], on_change: Callable[[], None]) -> None:
        """Hand over frames from now on, and tell when the connection ends or can be written to."""
        self._on_frame, self._on_change = on_frame, on_change
        early, self._early = self._early, []
        for frame in early:
            on_frame(frame)

    @property
    def is_open(self) -> bool:
        """Whether what is written now is sent at all."""
        transport = self._transport
        return not (self.loss or transport is None or transport.is_closing())

    @property
    def is_hung_up(self) -> bool:
        """Whether the runner closed its end, which the loop may not have told us yet: what is
        written then is sent, but never read."""
        return bool(self._poll.poll(0))

    def write(self, *frames: bytes) -> None:
        """Send frames, together: each one sent by itself costs a system call."""
        if frames and self.is_open and self._transport is not None:
            self._transport.writelines(frames)

    def read_no_further(self) -> None:
        """Leave what the runner sends unread for now."""
        self._is_unread = True
        if self.is_open and self._transport is not None:
            self._transport.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        self._is_unread = False
        if self.is_open and self._transport is not None:
            self._transport.resume_reading()

    def close(self, reason: str) -> None:
        """End it now, whatever is still to be written."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("socket")
        if peer is not None:
            _tune(peer)
            self._poll.register(peer.fileno(), _HUNG_UP)

    def data_received(self, data: bytes) -> None:
        if self.loss:
            return
        try:
            frames = self._cutter.feed(data)
        except FramingError as error:
            self.close(f"the runner does not speak this protocol: {error}")
            return
        if self._on_frame is None:
            self._early += frames
            self._early_bytes += len(data)
            if self._early_bytes > MAX_EARLY_BYTES:
                self.close("the runner talks on without having been asked anything")
            return
        for frame in frames:
            self._on_frame(frame)
        if self._transport is not None and not self._is_unread:
            let_others_read(self._transport, len(data), lambda: not self._is_unread)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._on_change is not None:
            self._on_change()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._end(f"the connection to the runner broke: {error}")
        elif self._cutter.is_between_frames:
            self._end("the runner closed the connection")
        else:
            self._end("the runner closed the connection in the middle of an answer")

    def _end(self, reason: str) -> None:
        if self.loss:
            return
        self.loss = reason
        self._poll = select.poll()  # the number of its file may soon be another's
        self.lost.set()
        if self._on_change is not None:
            self._on_change()


async def dial(address: Address, *, seconds: float) -> Connection:
    """Connect to a runner.

    Raises:
        OSError: nobody listens there, or (``TimeoutError``) nobody answers in time.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        _, connection = await loop.create_connection(Connection, address.host, address.port)
    return connection


def _tune(peer: socket.socket) -> None:
    """Requests leave at once, and a box that went away without a word is noticed."""
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keep_alive(peer)
