"""RRQ's frames: four bytes of length, big-endian, then so many bytes of JSON.

Cut out of whatever pieces a connection brings. A frame that is too long can be passed over without
losing the ones behind it, keeping its two ends, so that whoever it was meant for can be found.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

HEADER_BYTES = 4
MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Of the JSON; exactly this much is allowed."""
MAX_SKIPPED_BYTES = 1024 * 1024 * 1024
"""A length beyond this is no length: every text read as one is, so it is another protocol."""
KEPT_BYTES = 64 * 1024
"""What is kept of each end of a frame that is passed over."""

_HEADER = struct.Struct(">I")


class FrameTooLarge(ValueError):
    """A message of our own is longer than anybody would read."""


class FramingError(ValueError):
    """What came cannot be cut into frames any more: the connection is of no use."""


class Oversized(NamedTuple):
    """A frame that was longer than allowed and was passed over."""

    size: int
    head: bytes
    """Its first bytes."""
    tail: bytes
    """Its last bytes, which do not overlap with the first."""


Frame: TypeAlias = bytes | Oversized


def frame_bytes(body: bytes) -> bytes:
    """A message as it goes on the wire.

    Raises:
        FrameTooLarge: nobody would read it.
    """
    if len(body) > MAX_FRAME_BYTES:
        raise FrameTooLarge(
            f"the message has {len(body)} bytes, at most {MAX_FRAME_BYTES} can be sent"
        )
    return _HEADER.pack(len(body)) + body


class FrameCutter:
    """Takes what arrives on one connection, piece by piece, and gives whole frames.

    Args:
        skips_oversized: pass over frames that are too long, up to ``MAX_SKIPPED_BYTES``, instead
            of raising at their first bytes.
    """

    def __init__(self, *, skips_oversized: bool) -> None:
        self._longest = MAX_SKIPPED_BYTES if skips_oversized else MAX_FRAME_BYTES
        self._buffer = bytearray()
        self._skipping: _Skipping | None = None

    @property
    def is_between_frames(self) -> bool:
        """Whether the connection could end here without cutting a frame."""
        return not self._buffer and self._skipping is None

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes, in order.

        Raises:
            FramingError: a length is zero or too large.
        """
        if self._skipping is None and not self._buffer and _is_one_frame(data):
            return [data[HEADER_BYTES:]]
        self._buffer += data
        frames: list[Frame] = []
        start = self._take_frames(frames)
        del self._buffer[:start]
        return frames

    def _take_frames(self, frames: list[Frame]) -> int:
        """Move whole frames out of the buffer; how much of it is done with."""
        buffer, start = self._buffer, 0
        while True:
            if self._skipping is not None:
                start = self._skipping.take(buffer, start)
                if self._skipping.missing:
                    return start
                frames.append(self._skipping.frame())
                self._skipping = None
            if len(buffer) - start < HEADER_BYTES:
                return start
            (size,) = _HEADER.unpack_from(buffer, start)
            self._check(size)
            body = start + HEADER_BYTES
            if size > MAX_FRAME_BYTES:
                self._skipping = _Skipping(size)
                start = body
            elif len(buffer) - body < size:
                return start
            else:
                frames.append(bytes(memoryview(buffer)[body : body + size]))
                start = body + size

    def _check(self, size: int) -> None:
        if size == 0:
            raise FramingError("a frame of no length came")
        if size > self._longest:
            raise FramingError(f"a frame of {size} bytes was announced")


class _Skipping:
    """A frame that is being passed over: what of it is still to come, and its two ends."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.missing = size
        self._head = bytearray()
        self._tail = bytearray()

    def take(self, buffer: bytearray, start: int) -> int:
        """Pass over what is there; where in the buffer the next byte of interest is."""
        end = min(len(buffer), start + self.missing)
        self.missing -= end - start
        for_head = min(end, start + KEPT_BYTES - len(self._head))
        self._head += buffer[start:for_head]
        self._tail += buffer[max(for_head, end - KEPT_BYTES) : end]
        del self._tail[:-KEPT_BYTES]
        return end

    def frame(self) -> Oversized:
        return Oversized(self._size, bytes(self._head), bytes(self._tail))


def _is_one_frame(data: bytes) -> bool:
    """Whether a piece is exactly one frame of sound length, as nearly all are."""
    if len(data) <= HEADER_BYTES:
        return False
    (size,) = _HEADER.unpack_from(data)
    return bool(size == len(data) - HEADER_BYTES <= MAX_FRAME_BYTES)
