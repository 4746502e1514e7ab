"""Hostile text made harmless, and measured in terminal cells.

Names, errors and output come from outside: nothing of them may move the cursor, colour the
screen, turn the reading direction or be wider than its place.
"""

from __future__ import annotations

import re
import unicodedata

from rich.cells import cell_len, split_graphemes

MAX_TEXT = 2_000
"""Longest text that is looked at, in characters: more never fits on a line."""
_MAX_COMBINING = 3
_REPLACEMENT = "\ufffd"

ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*(?:[0-~]|$)"
)
"""Terminal control sequences: CSI, then strings (OSC, DCS, SOS, PM, APC), then the short ones."""


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """``text`` as one line that is safe to show, at most ``limit`` characters long."""
    if len(text) > limit:
        text = text[:limit]
    if text.isascii() and text.isprintable():
        return text
    return strip_controls(ESCAPES.sub("", text))


def strip_controls(text: str) -> str:
    """``text`` without control, format and direction marks; white space becomes blanks."""
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    combining = 0
    for character in text:
        category = unicodedata.category(character)
        is_combining = category in ("Mn", "Me")
        combining = combining + 1 if is_combining else 0
        if is_combining and (combining > _MAX_COMBINING or not kept):
            continue
        kept.append(_harmless(character, category))
    return "".join(kept)


def _harmless(character: str, category: str) -> str:
    if category in ("Zs", "Zl", "Zp") or character in "\t\n\r\v\f":
        return " "
    if category == "Cs":
        return _REPLACEMENT
    if category in ("Cc", "Cf") or "\ufe00" <= character <= "\ufe0f":
        return ""
    return character


def cells(text: str) -> int:
    """How many terminal cells ``text`` takes."""
    return len(text) if text.isascii() else cell_len(text)


def crop(text: str, width: int, ellipsis: str = "…") -> str:
    """``text`` in at most ``width`` cells; what was cut off is marked with ``ellipsis``."""
    if cells(text) <= width:
        return text
    if width <= 0:
        return ""
    return head(text, width - 1) + ellipsis


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = "…") -> str:
    """``text`` padded or cropped to exactly ``width`` cells."""
    cropped = crop(text, width, ellipsis)
    padding = " " * (width - cells(cropped))
    return padding + cropped if right else cropped + padding


def head(text: str, width: int) -> str:
    """The longest beginning of ``text`` that takes at most ``width`` cells."""
    if text.isascii():
        return text[:width]
    taken = 0
    for start, _end, size in split_graphemes(text[: 4 * width + 64])[0]:
        if taken + size > width:
            return text[:start]
        taken += size
    return text[: 4 * width + 64]
