"""Durations as operators write them: ``90``, ``90s``, ``10m``, ``1h30m``, and ``3h20`` as lists do.

One grammar for filters, the command line and the configuration.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNIT_MS: Final[Mapping[str, int]] = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
MAX_MS: Final = 10**15
_PART: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d|w)?", re.ASCII)
_UNIT_AFTER: Final[Mapping[str, str]] = {"": "s", "m": "s", "h": "m", "d": "h"}
"""What a last number without a unit counts, by the unit before it."""


def parse_duration_ms(text: str) -> int | None:
    """Milliseconds, large and small letters alike; None: it is no duration.

    What is not 0 stays at least 1, as 0 means never in many places.
    """
    text = text.lower()
    place = 0
    total = 0.0
    unit = ""
    while place < len(text):
        part = _PART.match(text, place)
        if part is None or (part[2] is None and part.end() < len(text)):
            return None
        found = part[2] or _UNIT_AFTER.get(unit)
        if found is None:
            return None
        unit = found
        total += float(part[1]) * _UNIT_MS[unit]
        place = part.end()
    if not text or total > MAX_MS:
        return None
    return max(1, round(total)) if total else 0


def duration_words(milliseconds: int) -> str:
    """The same way round, with nothing left out: ``1h30m``, ``30d``, ``0s``."""
    parts: list[str] = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, milliseconds = divmod(milliseconds, _UNIT_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
