"""Durations as Treadmill's programs write them: ``90s``, ``1.5h``, its client also ``1m 30s``.

The original refuses the compound form that its own client sends; it is read here, never written.
"""

from __future__ import annotations

import re

from server.errors import InvalidInput

MAX_CHARACTERS = 100
MAX_MS = 1000 * 365 * 86_400_000
_UNIT_MS = {
    "ns": 1e-6,
    "Ms": 1e-3,
    "ms": 1.0,
    "s": 1e3,
    "": 1e3,
    "m": 6e4,
    "h": 3.6e6,
    "d": 8.64e7,
    "w": 6.048e8,
}
_PART = re.compile(r"\+?((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)(ns|Ms|ms|s|m|h|d|w)?", re.ASCII)


def milliseconds(text: str) -> int:
    """A duration; at least 1, and at most a thousand years, which ``inf`` stands for.

    Raises:
        InvalidInput: it is none.
    """
    words = text.strip()
    if len(words) > MAX_CHARACTERS:
        raise InvalidInput("that is too long for a duration")
    if words.lower() in ("inf", "+inf", "infinity", "+infinity"):
        return MAX_MS
    total, at = 0.0, 0
    while at < len(words):
        part = _PART.match(words, at)
        if part is None:
            break
        total += float(part[1]) * _UNIT_MS[part[2] or ""]
        at = part.end()
        while at < len(words) and words[at] == " ":
            at += 1
    if not words or at < len(words):
        raise InvalidInput(f"{words[:40]!r} is no duration, such as 90s or 1h 30m")
    return max(1, round(min(total, MAX_MS)))
