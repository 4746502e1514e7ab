"""What people type on a command line, turned into values. Pure: the time is handed in."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from server.durations import parse_duration_ms

MAX_SECONDS = 31_536_000.0
"""A year: what the coordinator accepts at most."""

_WHOLE = re.compile(r"-?[0-9]{1,30}")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


class BadValue(ValueError):
    """Something typed that cannot be understood, in words."""


def duration_seconds(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``10m`` or ``1h30m``."""
    seconds = _duration_or_none(text.strip())
    if seconds is None:
        raise BadValue(f"{text!r} is no duration; say for example 90, 90s, 10m or 1h30m")
    if seconds > MAX_SECONDS:
        raise BadValue(f"{text!r} is longer than a year")
    return seconds


def _duration_or_none(text: str) -> float | None:
    milliseconds = parse_duration_ms(text)
    return None if milliseconds is None else milliseconds / 1000


def moment_ms(text: str, now_ms: int, *, is_past: bool) -> int:
    """Epoch milliseconds from a duration (from now on, or back from now), a date or a time of day.

    Dates without a zone and times of day are local, as people mean them.
    """
    lowered = text.strip().lower()
    seconds = _duration_or_none(lowered.removeprefix("+"))
    if seconds is not None:
        return max(0, now_ms + round((-seconds if is_past else seconds) * 1000))
    clock = _CLOCK.fullmatch(lowered)
    if clock is not None:
        return _time_of_day_ms(clock, text, now_ms, is_past=is_past)
    try:
        moment = datetime.fromisoformat(text.strip())
        return max(0, round(moment.astimezone(UTC).timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        raise BadValue(
            f"{text!r} is no time; say for example 10m, 14:05 or 2030-01-31T14:05"
        ) from None


def cursor_us(text: str, now_ms: int) -> int:
    """A cursor's microseconds: a whole number as it is, ``now``, or a time that is past."""
    plain = text.strip().replace("_", "")
    if _WHOLE.fullmatch(plain):
        return int(plain)
    if plain.lower() == "now":
        return now_ms * 1000
    complaint = f"{text!r} is no place of a cursor; say microseconds, now, 2h (ago) or 2030-01-31"
    if not any(letter.isalpha() or letter in ":-" for letter in plain):
        raise BadValue(complaint)  # a bare number would be seconds elsewhere
    try:
        return moment_ms(text, now_ms, is_past=True) * 1000
    except BadValue:
        raise BadValue(complaint) from None


def _time_of_day_ms(clock: re.Match[str], text: str, now_ms: int, *, is_past: bool) -> int:
    """The last such time of day where the past is meant, else the next one."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone()
    hour, minute, second = (int(part or 0) for part in clock.groups())
    try:
        moment = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
    except ValueError:
        raise BadValue(f"{text!r} is no time of day") from None
    if is_past and moment > now:
        moment -= timedelta(days=1)
    if not is_past and moment < now:
        moment += timedelta(days=1)
    return round(moment.timestamp() * 1000)


def pairs(items: list[str], what: str) -> dict[str, str]:
    """``k=v`` as often as given; a bare ``k`` asks for any value (``*``)."""
    found: dict[str, str] = {}
    for item in items:
        name, has_value, value = item.partition("=")
        if not name.strip():
            raise BadValue(f"{item!r} is no {what}; say NAME=VALUE")
        found[name.strip()] = value if has_value else "*"
    return found


def assignments(items: list[str], what: str) -> dict[str, str]:
    """``k=v`` as often as given; nothing is meant by a bare ``k``."""
    for item in items:
        if "=" not in item:
            raise BadValue(f"{item!r} is no {what}; say NAME=VALUE")
    return pairs(items, what)


def limit_or_none(text: str) -> int | None:
    """A limit of a queue: a number from 1 on, or ``none``. 0 is refused: that is pausing."""
    if text.strip().lower() == "none":
        return None
    if not re.fullmatch(r"\d{1,9}", text.strip()):
        raise BadValue(f"{text!r} is no limit; say a number from 1 on, or none")
    if int(text) == 0:
        raise BadValue("a limit of 0 would be a pause; use 'traffic-tui queues pause'")
    return int(text)
