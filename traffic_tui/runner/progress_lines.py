"""Progress as programs print it: ``12/40`` or ``37%`` in a line, or plain lines on a channel. Pure.

Only the newest line counts, and only its last part is looked at, so a flood costs little.
"""

from __future__ import annotations

import math
import re

from server.model import Progress

MAX_LINE = 400
"""How much of a line is looked at, in bytes."""
MAX_TEXT = 200

_LINE_END = re.compile(rb"[\r\n]")
_SHARE = re.compile(r"(?<![\w/.:-])(\d{1,12}) ?/ ?(\d{1,12})(?![\w/-]|\.\d)")
_PERCENT = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,6})?) ?%")


def in_line(line: str) -> Progress | None:
    """The progress a line of output tells, if it does."""
    for found in reversed(list(_SHARE.finditer(line))):
        current, total = int(found[1]), int(found[2])
        if 0 < total >= current:
            return Progress(float(current), float(total))
    for found in reversed(list(_PERCENT.finditer(line))):
        share = float(found[1])
        if share <= 100:
            return Progress(share, 100.0)
    return None


def in_channel_line(line: str) -> Progress | None:
    """``current total text``; the total may be ``-`` where it is not known, the text missing."""
    words = line.split(maxsplit=2)
    if len(words) < 2:
        words = [*words, "-"]
    current, total = _number(words[0] if words else ""), _number(words[1])
    if current is None or (total is None and words[1] != "-"):
        return None
    text = words[2][:MAX_TEXT] if len(words) > 2 else ""
    return Progress(current, total, "".join(c for c in text if c.isprintable()))


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


class LastLine:
    """Finds the newest whole line in pieces of output; ``\\r`` ends one too."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> str | None:
        """The last line that ended in ``data``; None: none did."""
        ends = [found.start() for found in _LINE_END.finditer(data[-8 * MAX_LINE :])]
        data = data[-8 * MAX_LINE :]
        if not ends:
            self._begun = (self._begun + data)[-MAX_LINE:]
            return None
        line = self._newest(data, ends)
        self._begun = data[ends[-1] + 1 :][-MAX_LINE:]
        return line

    def _newest(self, data: bytes, ends: list[int]) -> str | None:
        starts = [0, *(end + 1 for end in ends[:-1])]
        for start, end in zip(reversed(starts), reversed(ends), strict=True):
            line = data[start:end] if start else self._begun + data[:end]
            if line.strip():
                return line[-MAX_LINE:].decode("utf-8", "replace")
        return None
