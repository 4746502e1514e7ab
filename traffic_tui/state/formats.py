"""Numbers, ages, bars and times as the console writes them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from traffic_tui.state.clean_text import cells, clean, crop, fit
from traffic_tui.state.glyphs import DRAWN, GlyphSet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from server.wire.operator import ProgressView

__all__ = [
    "AGE_WIDTH",
    "Zone",
    "age",
    "bar",
    "cells",
    "clean",
    "clock_time",
    "count",
    "crop",
    "day_and_time",
    "duration",
    "fit",
    "fraction_done",
    "marked_age",
    "per_minute",
    "progress_words",
    "share",
    "size",
    "sparkline",
]

Zone: TypeAlias = Literal["utc", "local"]
AGE_WIDTH = 5
_EXACT_BELOW = 100_000
_PERCENT_WIDTH = 4


def age(milliseconds: int) -> str:
    """An age in at most 5 cells: ``4s``, ``12m``, ``3h20``, ``6d02``, ``120d``."""
    seconds = max(0, milliseconds) // 1000
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3_600:
        return f"{seconds // 60}m"
    if seconds < 86_400:
        return f"{seconds // 3600}h{seconds // 60 % 60:02}"
    days = seconds // 86_400
    if days < 100:
        return f"{days}d{seconds // 3600 % 24:02}"
    return f"{days}d" if days < 1_000 else f"{min(days // 365, 999)}y"


def marked_age(milliseconds: int, mark: str) -> str:
    """An age with ``!`` or ``?`` after it, still in 5 cells."""
    text = age(milliseconds)
    if mark and len(text) >= AGE_WIDTH:
        text = text[: text.index("h") + 1] if "h" in text else text[: text.index("d") + 1]
    return text + mark


def duration(milliseconds: int) -> str:
    """A length of time in words for facts: ``0.3s``, ``41s``, ``12m40``, ``3h20``, ``6d02``."""
    if 0 < milliseconds < 1_000:
        return f"{max(1, milliseconds // 100) / 10:.1f}s"
    seconds = max(0, milliseconds) // 1000
    if 60 <= seconds < 3_600:
        return f"{seconds // 60}m{seconds % 60:02}"
    return age(milliseconds)


def count(number: int, *, is_estimate: bool = False) -> str:
    """A count, exact below 100,000, then ``120k``, ``1.2M``; ``~`` marks an estimate."""
    prefix = "~" if is_estimate else ""
    if abs(number) < _EXACT_BELOW:
        return f"{prefix}{number:,}"
    return prefix + _scaled(number, (("k", 10**3), ("M", 10**6), ("G", 10**9)), 1_000)


def per_minute(rate: float) -> str:
    """A rate, fine where it is low: ``0``, ``0.4``, ``12``, ``1,204``."""
    return f"{rate:.1f}" if 0 < rate < 9.95 else count(round(rate))


def size(byte_count: int) -> str:
    """A size, in steps of 1024 as caps are given: ``812 B``, ``1.2 MB``."""
    if byte_count < 1024:
        return f"{max(0, byte_count)} B"
    units = ((" kB", 1024), (" MB", 1024**2), (" GB", 1024**3), (" TB", 1024**4))
    return _scaled(byte_count, units, 1024)


def _scaled(number: float, units: Sequence[tuple[str, int]], step: int) -> str:
    """``number`` in the unit that leaves one to three digits before the point."""
    for position, (unit, factor) in enumerate(units):
        value = number / factor
        if round(abs(value)) < step or position == len(units) - 1:
            digits = 1 if abs(value) < 9.95 else 0
            return f"{value:,.{digits}f}{unit}"
    raise AssertionError("there is always a last unit")


def share(part: float, whole: float) -> str:
    """A percentage without decimals, never 100% before all is done; ``-`` of nothing."""
    if whole <= 0:
        return "-"
    if part >= whole:
        return "100%"
    nearly = 1e-9  # 0.29 * 100 is 28.999999999999996
    return f"{min(99, math.floor(max(0.0, part / whole) * 100 + nearly))}%"


def fraction_done(progress: ProgressView | None) -> float | None:
    """How much is done, between 0 and 1; None where that is not known."""
    if progress is None or progress.current is None or not progress.total:
        return None
    fraction = progress.current / progress.total
    return max(0.0, min(1.0, fraction)) if math.isfinite(fraction) else None


def progress_words(progress: ProgressView | None) -> str:
    """Progress where no total is known: ``1.2k rows``, or what the runner says of it."""
    if progress is None:
        return ""
    if progress.current is None or not math.isfinite(progress.current):
        return clean(progress.text)
    number = _short(progress.current)
    return f"{number} {clean(progress.text)}".rstrip()


def _short(number: float) -> str:
    if abs(number) < 1_000:
        return f"{number:g}" if number == int(number) else f"{number:.1f}"
    return _scaled(number, (("k", 10**3), ("M", 10**6), ("G", 10**9), ("T", 10**12)), 1_000)


def bar(fraction: float, width: int, glyphs: GlyphSet = DRAWN) -> str:
    """A bar of ``width`` cells, in eighths of a cell where the terminal can draw them."""
    steps = len(glyphs.bar_steps)
    filled = math.floor(max(0.0, min(1.0, fraction)) * width * steps)
    whole, rest = divmod(filled, steps)
    text = glyphs.bar_steps[-1] * whole + (glyphs.bar_steps[rest - 1] if rest else "")
    return text + glyphs.bar_rest * (width - len(text))


def sparkline(
    values: Sequence[float | None], glyphs: GlyphSet = DRAWN, *, top: float | None = None
) -> str:
    """One mark a value; the lowest is a true zero, a blank was not measured.

    ``top`` fixes the scale, so that two lines can share one.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    highest = top if top is not None else max(known, default=0.0)
    return "".join(_spark(value, highest, glyphs.spark) for value in values)


def _spark(value: float | None, highest: float, levels: str) -> str:
    if value is None or not math.isfinite(value):
        return " "
    if value <= 0 or highest <= 0:
        return levels[0]
    last = len(levels) - 1
    return levels[max(1, min(last, math.ceil(value / highest * last)))]


def clock_time(
    milliseconds: int, zone: Zone = "utc", *, seconds: bool = True, local: tzinfo | None = None
) -> str:
    """A time of day: ``03:12:44Z``, or ``14:02 +02`` in the local zone. ``-``: there is none."""
    moment = _moment(milliseconds, zone, local)
    if moment is None:
        return "-"
    text = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    return text + _zone_mark(moment, zone)


def day_and_time(
    milliseconds: int, zone: Zone = "utc", *, now: int = 0, local: tzinfo | None = None
) -> str:
    """A time without its zone, with its day where that is not the day of ``now``."""
    moment = _moment(milliseconds, zone, local)
    if moment is None:
        return "-"
    today = _moment(now, zone, local)
    if today is not None and today.date() == moment.date():
        return moment.strftime("%H:%M:%S")
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _moment(milliseconds: int, zone: Zone, local: tzinfo | None) -> datetime | None:
    if milliseconds <= 0:
        return None
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
        return moment if zone == "utc" else moment.astimezone(local)
    except (ValueError, OverflowError, OSError):
        return None


def _zone_mark(moment: datetime, zone: Zone) -> str:
    if zone == "utc":
        return "Z"
    offset = moment.strftime("%z") or "+0000"
    return " " + (offset[:3] if offset.endswith("00") else offset)
