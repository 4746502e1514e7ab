"""Cron expressions: when something is due, in the time of a place with all its summer times.

The library finds dates; what a place's clock does when it is set is decided here, alike for five
and six fields: a time of day happens once a day, whatever the clock does (docs/decisions/).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from server.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_EXPRESSION: Final = 200
FIELDS: Final = (
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day-of-month", "1-31, L or LW"),
    ("month", "1-12 or JAN-DEC"),
    ("day-of-week", "0-7 or SUN-SAT (0 and 7 are Sunday), 5#2 or 5L"),
)
"""Name of each field, and what it takes besides lists, ranges and steps."""
_MINUTE: Final = timedelta(minutes=1)
_LOOK_BACK_MS: Final = tuple(
    1_000 * seconds for seconds in (60, 600, 3_600, 6 * 3_600, 86_400, 7 * 86_400)
)
"""Widths in which the last due time is looked for: the narrow ones are enough for busy ones."""
MAX_LOOK_BACK_MS: Final = _LOOK_BACK_MS[-1]


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression that was understood, and whose clock it goes by."""

    expression: str
    time_zone: str

    def after(self, moment_ms: int) -> int:
        """The next due time later than ``moment_ms``; 0: there is none in 50 years."""
        return next(self.all_after(moment_ms), 0)

    def all_after(self, moment_ms: int) -> Iterator[int]:
        """Due times later than ``moment_ms``, in order, each once."""
        zone = zone_of(self.time_zone)
        last_ms = moment_ms
        start = datetime.fromtimestamp(moment_ms // 1000, zone)
        found = CronSim(
            self.expression, start.replace(tzinfo=None) if self._is_wall_time else start
        )
        for date in found:
            due = _moment(date, zone) if date.tzinfo is None else date
            due_ms = int(due.timestamp()) * 1000
            if due_ms > last_ms:  # an hour that comes twice is gone through once
                last_ms = due_ms
                yield due_ms

    def last(self, after_ms: int, until_ms: int) -> int:
        """The last due time after ``after_ms`` and not after ``until_ms``; 0: there is none.

        It looks back no further than ``MAX_LOOK_BACK_MS``.
        """
        for width_ms in _LOOK_BACK_MS:
            begin_ms = max(after_ms, until_ms - width_ms)
            last_ms = 0
            for due_ms in self.all_after(begin_ms):
                if due_ms > until_ms:
                    break
                last_ms = due_ms
            if last_ms or begin_ms == after_ms:
                return last_ms
        return 0

    @property
    def _is_wall_time(self) -> bool:
        """Whether minutes and hours are named, so that a time of day is meant, not a rhythm."""
        minute, hour = self.expression.split()[-5:-3]
        return not minute.startswith("*") and not hour.startswith("*")


def read_cron(expression: str, time_zone: str) -> Cron:
    """Understand an expression of 5 fields, or of 6 with seconds in front, or say what is wrong.

    Raises:
        InvalidInput: naming the field and its place, or the time zone.
    """
    if len(expression) > MAX_EXPRESSION:
        raise InvalidInput(f"cron: more than {MAX_EXPRESSION} characters")
    zone_of(time_zone)
    fields = expression.split()
    if len(fields) not in (5, 6):
        raise InvalidInput(
            f"cron: {expression!r} has {len(fields)} fields; wanted are 5 (minute hour "
            "day-of-month month day-of-week), or 6 with the second in front"
        )
    try:
        CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise InvalidInput(_words(expression, fields, str(error))) from None
    cron = Cron(" ".join(fields), time_zone)
    if not cron.after(0):
        raise InvalidInput(f"cron: {expression!r} is never due")
    return cron


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name, such as ``Europe/Berlin``.

    Raises:
        InvalidInput: there is none of that name; the nearest that there is, is named.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no relative path, a folder
        known = {zone.lower(): zone for zone in available_timezones()}
        near = difflib.get_close_matches(name.lower()[:60], known, n=1)
        hint = f"; did you mean {known[near[0]]}" if near else "; say for example Europe/Berlin"
        raise InvalidInput(f"time_zone: there is no {name[:60]!r}{hint}") from None


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """When a clock in that zone shows this: the first time where it does twice; where it never
    does, because the clock is put forward over it, as soon as that is done."""
    moment = wall.replace(tzinfo=zone)
    while moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall:
        wall = wall.replace(second=0) + _MINUTE
        moment = wall.replace(tzinfo=zone)
    return moment


def _words(expression: str, fields: list[str], error: str) -> str:
    """The library's word for a bad field, with the field's place and what it takes."""
    names = FIELDS[-len(fields) :]
    for number, (name, accepted) in enumerate(names):
        if error == f"Bad {name}":
            text = fields[number]
            place = expression.index(text, sum(len(field) for field in fields[:number])) + 1
            return (
                f"cron: field {number + 1} ({name}), at character {place}: {text!r} is not "
                f"understood or never comes; it takes {accepted}, with lists, ranges and steps"
            )
    return f"cron: {expression!r}: {error}"
