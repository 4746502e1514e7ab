# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Schedules in a transaction: all in memory, all written through."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final

import msgspec

from server.schedules import Schedule, ScheduledTask
from server.store.sqlite_base import TxBase

if TYPE_CHECKING:
    from server.store.codes import Row

SCHEDULE_FIELDS: Final = tuple(field.name for field in fields(Schedule))
SELECT_SCHEDULES: Final = f"SELECT {', '.join(SCHEDULE_FIELDS)} FROM schedules"
_MARKS: Final = ",".join("?" * len(SCHEDULE_FIELDS))
_PUT: Final = f"INSERT OR REPLACE INTO schedules ({', '.join(SCHEDULE_FIELDS)}) VALUES ({_MARKS})"
_TASK: Final = SCHEDULE_FIELDS.index("task")
_IS_CONFIGURED: Final = SCHEDULE_FIELDS.index("is_configured")


class ScheduleOps(TxBase):
    """The part of a transaction that concerns schedules."""

    def schedules(self) -> list[Schedule]:
        return [one for one in self.memory.schedules.values() if not one.deleted_at]

    def schedule(self, name: str) -> Schedule | None:
        return self.memory.schedules.get(name)

    def put_schedule(self, schedule: Schedule) -> Schedule:
        cursor = self.db.execute(_PUT, _schedule_row(schedule))
        kept = schedule if schedule.id else replace(schedule, id=cursor.lastrowid or 0)
        self.memory.put(self.memory.schedules, kept.name, kept)
        return kept


def _schedule_row(schedule: Schedule) -> Row:
    values = [getattr(schedule, name) for name in SCHEDULE_FIELDS]
    values[0] = schedule.id or None
    values[_TASK] = msgspec.json.encode(schedule.task).decode()
    values[_IS_CONFIGURED] = int(schedule.is_configured)
    return tuple(values)


def schedule_of(row: Row) -> Schedule:
    """A schedule from the columns of :data:`SCHEDULE_FIELDS`."""
    values = list(row)
    values[_TASK] = msgspec.json.decode(row[_TASK], type=ScheduledTask)
    values[_IS_CONFIGURED] = bool(row[_IS_CONFIGURED])
    return Schedule(*values)
