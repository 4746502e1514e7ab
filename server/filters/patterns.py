"""How the texts of a filter are compared: without case, with ``*`` for anything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["whole", "begins", "contains", "glob"]


def fold(text: str) -> str:
    """The form in which texts are compared: without case, and without NUL, which ends a pattern."""
    return text.casefold().replace("\0", "\ufffd")


def folded_error(kind: str, message: str) -> str:
    """An error as filters see it: its type and its message."""
    return fold(f"{kind}: {message}" if kind and message else kind or message)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One text to look for. ``text`` is folded; a glob keeps its asterisks."""

    text: str
    mode: Mode

    def matches(self, folded: str) -> bool:
        """Whether an already folded text fits."""
        if self.mode == "whole":
            return folded == self.text
        if self.mode == "begins":
            return folded.startswith(self.text)
        if self.mode == "contains":
            return self.text in folded
        return glob_matches(self.text, folded)

    def fits(self, text: str) -> bool:
        """Whether a text as it came fits."""
        return self.matches(fold(text))


def glob_matches(pattern: str, text: str) -> bool:
    """Whether ``text`` fits a pattern with asterisks. Takes time in proportion to both."""
    first, *middle, last = pattern.split("*")
    if len(text) < len(first) + len(last) or not text.startswith(first):
        return False
    place, end = len(first), len(text) - len(last)
    if not text.endswith(last):
        return False
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _may_match(params: bytes, patterns: tuple[Pattern, ...]) -> bool:
    """A quick look that spares most parameters the reading.

    Plain letters and digits stand in JSON as they are, unless it has escapes or other alphabets.
    """
    if not params.isascii() or b"\\" in params:
        return True
    lowered = params.lower()
    return any(
        pattern.mode == "glob"
        or not (pattern.text.isascii() and pattern.text.isalnum())
        or pattern.text.encode() in lowered
        for pattern in patterns
    )


def _value_at(params: bytes, path: tuple[str, ...]) -> tuple[str, ...]:
    try:
        values: list[Any] = [json.loads(params)]
    except (ValueError, RecursionError):
        return ()
    for name in path:
        values = [value[name] for value in values if isinstance(value, dict) and name in value]
    return tuple(_texts(values))


def _texts(values: list[Any]) -> list[str]:
    """What a value says, as text; a list says what any of its items says."""
    texts: list[str] = []
    for value in values:
        if isinstance(value, str):
            texts.append(fold(value))
        elif isinstance(value, list):
            texts += [one for item in value if not isinstance(item, list) for one in _texts([item])]
        else:
            texts.append(fold(json.dumps(value, separators=(",", ":"), ensure_ascii=False)))
    return texts


def argument_matches(params: bytes, path: tuple[str, ...], patterns: tuple[Pattern, ...]) -> bool:
    """Whether a job's parameters have at ``path`` a value that fits any of the patterns."""
    if not _may_match(params, patterns):
        return False
    return any(pattern.matches(text) for text in _value_at(params, path) for pattern in patterns)
