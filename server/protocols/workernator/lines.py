"""Lines out of pieces of bytes, each with the time its end came in."""

from __future__ import annotations

from typing import NamedTuple

MAX_LINE_BYTES = 65_536
"""A longer line is told in parts."""


class Line(NamedTuple):
    text: str
    at: int
    """Epoch milliseconds."""


class LineCutter:
    """Cuts one stream into lines."""

    def __init__(self) -> None:
        self._rest = b""
        self._at = 0

    def feed(self, data: bytes, at: int) -> list[Line]:
        """The lines that are whole now."""
        *whole, rest = (self._rest + data).split(b"\n")
        self._at = at
        while len(rest) > MAX_LINE_BYTES:
            whole.append(rest[:MAX_LINE_BYTES])
            rest = rest[MAX_LINE_BYTES:]
        self._rest = rest
        return [_line(each, at) for each in whole]

    def end(self) -> list[Line]:
        """A last line without an end, if there is one."""
        rest, self._rest = self._rest, b""
        return [_line(rest, self._at)] if rest else []


def _line(raw: bytes, at: int) -> Line:
    return Line(raw.removesuffix(b"\r").decode("utf-8", "replace"), at)
