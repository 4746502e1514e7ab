"""Keys of ``[schedules.NAME]``, and what they say together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from server.carriers import check_correlation
from server.configuration.keys import Key
from server.configuration.kinds import Choice, Duration, Flag, Integer, Text
from server.configuration.rrq_keys import Labels
from server.cron import MAX_EXPRESSION, read_cron
from server.errors import InvalidInput
from server.model import MAX_NAME, MAX_PRIORITY
from server.payloads import check_payload
from server.schedules import MAX_CATCH_UP_MS, Overlap
from server.settings import ScheduleSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

YEAR_MS = 365 * 86_400_000
MAX_PARAMS = 1024 * 1024
_NAME = Text(may_be_empty=False, longest=MAX_NAME)


@dataclass(frozen=True, slots=True)
class JsonValue:
    """Anything that JSON can say too: a table, a list, a text, a number."""

    def read(self, value: object) -> bytes:
        try:
            payload = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
            check_payload(payload, "it")
        except (TypeError, ValueError, RecursionError, InvalidInput):
            raise ValueError(
                "has to be what JSON can say: dates in quotes, and no nan or inf"
            ) from None
        if len(payload) > MAX_PARAMS:
            raise ValueError(f"has more than {MAX_PARAMS} bytes")
        return payload

    def write(self, setting: bytes) -> Any:
        return json.loads(setting)


SCHEDULE_KEYS = (
    Key(
        "cron",
        "cron",
        Text(longest=MAX_EXPRESSION),
        "minute hour day-of-month month day-of-week; 6 fields: the second in front",
    ),
    Key("time_zone", "time_zone", Text(longest=100), "whose clock it goes by"),
    Key("type", "type", _NAME, "job type"),
    Key("params", "params", JsonValue(), ""),
    Key("queue", "queue", _NAME, ""),
    Key("priority", "priority", Integer(-MAX_PRIORITY, MAX_PRIORITY), ""),
    Key("requires", "requires", Labels(), "labels the runner must have"),
    Key(
        "timeout",
        "timeout_ms",
        Duration(most_ms=YEAR_MS, none_ms=0),
        "longest a try may take",
    ),
    Key("max_attempts", "max_attempts", Integer(0, 1000), "0: as [retry] says"),
    Key("correlation", "correlation", Labels(), "goes to the runner with each job"),
    Key(
        "overlap",
        "overlap",
        Choice(get_args(Overlap)),
        'the last job has not ended: "skip" the run, "queue" it, or "replace" that job',
    ),
    Key(
        "catch_up",
        "catch_up_ms",
        Duration(least_ms=1000, most_ms=MAX_CATCH_UP_MS, none_ms=0),
        'how late the last run that was missed is still made up for; "none": not at all',
    ),
    Key("paused", "paused", Flag(), ""),
)
EXAMPLE_SCHEDULE = (
    "nightly",
    ScheduleSettings(
        cron="30 2 * * *", time_zone="Europe/Berlin", type="report", params=b'{"days": 1}'
    ),
)


def check_schedule(name: str, schedule: ScheduleSettings) -> Iterator[tuple[str, str]]:
    """What is missing in a schedule, and what it says that can never be."""
    missing = [key for key in ("cron", "type") if not getattr(schedule, key)]
    if missing:
        yield "", f"needs {' and '.join(missing)}"
        return
    try:
        read_cron(schedule.cron, schedule.time_zone)
    except InvalidInput as error:
        key, _, words = error.message.partition(": ")
        yield key, words
    try:
        check_correlation(schedule.correlation, "it")
    except InvalidInput as error:
        yield "correlation", error.message
