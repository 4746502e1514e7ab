"""The kinds of values a configuration has: how each is read, and how it is written again.

Reading raises ValueError with words that finish the sentence "KEY: ...".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from server.configuration.secrets import looks_like_a_secret
from server.durations import duration_words, parse_duration_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE = "none"
FOREVER_MS = 1000 * 365 * 86_400_000
"""What "none" means for how long something is kept."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)")
_UNIT_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


class Kind(Protocol):
    """How a value is written in TOML."""

    def read(self, value: object) -> Any:
        """What the settings hold. Raises ValueError in words."""
        ...

    def write(self, setting: Any) -> Any:
        """The shortest TOML value that reads as ``setting``."""
        ...


def shown(value: object) -> str:
    """A value as an error may show it: short, and never a secret."""
    if isinstance(value, str) and looks_like_a_secret(value):
        return "something that looks like a secret (not shown)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


@dataclass(frozen=True, slots=True)
class Text:
    """A string of at most ``longest`` characters."""

    may_be_empty: bool = True
    longest: int = 1000

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"has to be text in quotes, not {shown(value)}")
        if not value and not self.may_be_empty:
            raise ValueError("must not be empty")
        if len(value) > self.longest or not value.isprintable():
            raise ValueError(f"has to be one line of at most {self.longest} printable characters")
        return value

    def write(self, setting: str) -> str:
        return setting


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder's name, empty for none."""

    def read(self, value: object) -> Path | None:
        name = Text().read(value)
        return Path(name) if name else None

    def write(self, setting: Path | None) -> str:
        return str(setting) if setting is not None else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values, strings or booleans."""

    values: tuple[str | bool, ...]

    def read(self, value: object) -> str | bool:
        for choice in self.values:
            if type(value) is type(choice) and value == choice:
                return choice
        wanted = ", ".join(shown(choice) for choice in self.values)
        raise ValueError(f"has to be one of {wanted}, not {shown(value)}")

    def write(self, setting: str | bool) -> str | bool:
        return setting


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"has to be true or false, not {shown(value)}")
        return value

    def write(self, setting: bool) -> bool:
        return setting


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in a range."""

    least: int
    most: int

    def read(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"has to be a whole number, not {shown(value)}")
        if not self.least <= value <= self.most:
            raise ValueError(f"has to be from {self.least} to {self.most}, not {shown(value)}")
        return value

    def write(self, setting: int) -> int:
        return setting


@dataclass(frozen=True, slots=True)
class OptionalInteger:
    """A whole number in a range, or "none"."""

    least: int
    most: int

    def read(self, value: object) -> int | None:
        if value == NONE:
            return None
        try:
            return Integer(self.least, self.most).read(value)
        except ValueError as error:
            raise ValueError(f'{error}; "none" means no limit') from None

    def write(self, setting: int | None) -> int | str:
        return NONE if setting is None else setting


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a range."""

    least: float
    most: float

    def read(self, value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(f"has to be a number, not {shown(value)}")
        if not self.least <= value <= self.most:
            raise ValueError(f"has to be from {self.least:g} to {self.most:g}, not {shown(value)}")
        return float(value)

    def write(self, setting: float) -> float:
        return setting


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds as a number, or words such as "90s", "1h30m", "7d"; milliseconds in the settings."""

    least_ms: int = 0
    most_ms: int = FOREVER_MS
    none_ms: int | None = None
    """What "none" stands for; None: it is not accepted here."""

    def read(self, value: object) -> int:
        if value == NONE and self.none_ms is not None:
            return self.none_ms
        milliseconds = _milliseconds(value)
        if milliseconds is None:
            none = ' or "none"' if self.none_ms is not None else ""
            raise ValueError(
                f'has to be a number of seconds or words such as "90s", "10m", "7d"{none}, '
                f"not {shown(value)}"
            )
        if not self.least_ms <= milliseconds <= self.most_ms:
            least, most = duration_words(self.least_ms), duration_words(self.most_ms)
            raise ValueError(f"has to be from {least} to {most}, not {shown(value)}")
        return milliseconds

    def write(self, setting: int) -> str:
        return NONE if setting == self.none_ms else duration_words(setting)


def _milliseconds(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        if not math.isfinite(value) or value >= 1e15:
            return None
        # What is not 0 does not become 0, as with words: that means never in many places.
        return max(1, round(value * 1000)) if value > 0 else math.floor(value * 1000)
    return parse_duration_ms(value) if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes as a number, or words such as "64MiB"."""

    least: int = 0

    def read(self, value: object) -> int:
        size = _bytes(value)
        if size is None:
            raise ValueError(
                f'has to be a number of bytes or words such as "64MiB", not {shown(value)}'
            )
        if not self.least <= size < 2**60:
            raise ValueError(f"has to be at least {size_words(self.least)}, not {shown(value)}")
        return size

    def write(self, setting: int) -> str:
        return size_words(setting)


def _bytes(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 40 and (match := _SIZE.fullmatch(value)):
        return round(float(match[1]) * _UNIT_BYTES[match[2]])
    return None


def size_words(size: int) -> str:
    """The shortest way to say a size: "1GiB"."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _UNIT_BYTES[unit] == 0:
            return f"{size // _UNIT_BYTES[unit]}{unit}"
    return f"{size}B"


def text_map(value: object, what: str) -> Mapping[str, str]:
    """A table of strings, as labels are."""
    if not isinstance(value, dict) or not all(
        isinstance(entry, str) and len(entry) <= 200 for entry in value.values()
    ):
        raise ValueError(f'{what} has to be a table of short texts, such as {{rack = "r12"}}')
    return dict(value)
