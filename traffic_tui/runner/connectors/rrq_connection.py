"""One connection of an RRQ orchestrator: frames in, answers out, and never more kept than bounded.

While the orchestrator does not read, nothing more is read from it either.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol, cast

from server.wire import rrq
from server.wire.rrq_frames import FrameCutter, FramingError
from server.wire.unreadable import UNREADABLE
from traffic_tui.runner.connectors import rrq_answers
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from server.wire.rrq import Cancel, ReceivedRequest, Response

log = logging.getLogger(__name__)

WRITE_AHEAD_BYTES = 256 * 1024
"""Written and not read by the orchestrator: beyond it, nothing is read from it."""
MAX_UNREAD_BYTES = 128 * 1024 * 1024
"""So much of answers is kept for an orchestrator that reads slowly."""
STALLED_SECONDS = 30.0
"""After so long without taking a byte, an orchestrator is taken for dead."""


class Owner(Protocol):
    """What connections tell of themselves."""

    def opened(self, connection: RrqConnection) -> None: ...

    def take(self, connection: RrqConnection, request: ReceivedRequest) -> None: ...

    def cancel(self, cancel: Cancel) -> None: ...

    def closing(self, connection: RrqConnection) -> None:
        """Nothing can be answered on it any more."""
        ...

    def lost(self, connection: RrqConnection) -> None: ...


class RrqConnection(asyncio.Protocol):
    """Between one orchestrator and the connector that owns it."""

    _transport: asyncio.Transport

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._cutter = FrameCutter(skips_oversized=False)
        self._is_open = True
        self._stall: asyncio.TimerHandle | None = None
        self._written_bytes = 0

    def send(self, response: Response) -> None:
        """Answer. The bytes are taken at once, however slowly they are read."""
        if not self._is_open:
            return
        room = MAX_UNREAD_BYTES - self._transport.get_write_buffer_size()
        frame = rrq_answers.frame_of(response, room)
        if frame is None:
            self._fail("a request has ids so long that no answer to it can be sent")
        else:
            self._written_bytes += len(frame)
            self._transport.write(frame)

    def close(self) -> None:
        """Send what is to be sent, then close."""
        self._end()
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._end()
        self._transport.abort()

    # what asyncio calls ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._transport.set_write_buffer_limits(high=WRITE_AHEAD_BYTES)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._cutter.feed(data)
        except FramingError as error:
            self._fail(str(error))
            return
        for frame in frames:
            assert isinstance(frame, bytes)  # oversized ones are not passed over here
            if self._is_open:
                self._read(frame)

    def eof_received(self) -> None:
        """The orchestrator says nothing more; as in RRQ, it then waits for nothing either."""
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        self._unwatch()
        self._end()
        self._owner.lost(self)

    def pause_writing(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._watch(self._taken_bytes())

    def resume_writing(self) -> None:
        self._unwatch()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # inside ------------------------------------------------------------------------------------

    def _read(self, frame: bytes) -> None:
        try:
            message = rrq.read_for_runner(frame)
        except UNREADABLE as error:
            self._fail(f"a message cannot be read: {error}")
            return
        if isinstance(message, rrq.ReceivedRequestMessage):
            self._owner.take(self, message.payload)
        elif isinstance(message, rrq.CancelMessage):
            self._owner.cancel(message.payload)
        else:
            self.send(rrq_answers.unexpected())

    def _fail(self, words: str) -> None:
        """Nothing that comes on it can be understood any more."""
        log.warning("closing the connection of an orchestrator: %s", plain(words))
        self.close()

    def _end(self) -> None:
        if self._is_open:
            self._is_open = False
            self._owner.closing(self)

    def _taken_bytes(self) -> int:
        """What of our answers was taken off our hands, however many more there are since."""
        return self._written_bytes - self._transport.get_write_buffer_size()

    def _watch(self, taken: int) -> None:
        """Look again after a while whether anything was read."""
        self._unwatch()
        loop = asyncio.get_running_loop()
        self._stall = loop.call_later(STALLED_SECONDS, self._look, taken)

    def _look(self, taken_before: int) -> None:
        taken = self._taken_bytes()
        if taken > taken_before:
            self._watch(taken)
            return
        log.warning("an orchestrator reads nothing for %g s, closing", STALLED_SECONDS)
        self.abort()

    def _unwatch(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
