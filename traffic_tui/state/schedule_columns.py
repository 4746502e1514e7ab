"""The Schedules list: its columns, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, Cell, Column
from traffic_tui.state.formats import age, count, day_and_time, marked_age
from traffic_tui.state.glyphs import JOB_MARKS, SCHEDULE_MARKS, Role, ScheduleState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.wire.schedules import ScheduleView
    from traffic_tui.state.row_context import RowContext

    ScheduleCell: TypeAlias = Callable[[ScheduleView, RowContext, int], Cell]

SCHEDULE_COLUMNS: tuple[Column, ...] = (
    Column("name", "   SCHEDULE", 0, 16, 34, grows=True, order="name"),
    Column("in", "IN", 0, 6, 6, is_right=True, ages=True, order="next"),
    Column("cron", "CRON", 1, 14, 22),
    Column("last", "LAST JOB", 0, 18, 20, order="last"),
    Column("type", "TYPE", 2, 12, 24, grows=True, order="type"),
    Column("zone", "ZONE", 4, 13, 20),
    Column("next", "NEXT", 5, 19, 19),
    Column("queue", "QUEUE", 6, 8, 14, order="queue"),
    Column("fired", "MADE", 7, 6, 6, is_right=True, order="fired"),
    Column("skipped", "LEFT OUT", 7, 8, 8, is_right=True, order="skipped"),
    Column("state", "STATE", 3, 24, UNBOUNDED, grows=True, order="state"),
)


def schedule_state(schedule: ScheduleView) -> ScheduleState:
    return "paused" if schedule.paused_at else "on"


def is_failing(schedule: ScheduleView) -> bool:
    """Whether the job that it made last came to a bad end."""
    return schedule.last_job is not None and schedule.last_job.state in ("failed", "expired")


def schedule_cell(schedule: ScheduleView, key: str, context: RowContext, width: int) -> Cell:
    """What stands in the column ``key`` of a schedule's row."""
    return _CELLS[key](schedule, context, width)


def schedule_row_role(schedule: ScheduleView) -> Role:
    return "plain"


def _name(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    mark = SCHEDULE_MARKS[schedule_state(schedule)]
    return Cell(f" {context.glyphs.of(mark)} {clean(schedule.name)}", "plain", 3, mark.glyph_role)


def _in(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    if not schedule.next_at:
        return EMPTY
    left = schedule.next_at - context.now
    return Cell(marked_age(left, "?") if context.is_stale else age(left))


def _cron(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    return Cell(clean(schedule.cron))


def _last(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    job = schedule.last_job
    if job is None:
        return EMPTY
    mark = JOB_MARKS[job.state]
    return Cell(
        f"{context.glyphs.of(mark)} {job.number} {mark.word}", mark.role, 1, mark.glyph_role
    )


def _type(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    return Cell(clean(schedule.type))


def _zone(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    return Cell(clean(schedule.time_zone))


def _next(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    if not schedule.next_at:
        return EMPTY
    return Cell(day_and_time(schedule.next_at, context.zone, now=context.now))


def _queue(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    return Cell(clean(schedule.queue))


def _fired(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    return Cell(count(schedule.fired))


def _skipped(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    return Cell(count(schedule.skipped))


def _state(schedule: ScheduleView, context: RowContext, width: int) -> Cell:
    if not schedule.paused_at:
        return Cell("on")
    since = day_and_time(schedule.paused_at, context.zone, now=context.now)
    why = f' "{clean(schedule.pause_reason)}"' if schedule.pause_reason else ""
    return Cell(f"paused by {clean(schedule.paused_by)} {since}{why}", "warn", 6, "warn")


_CELLS: Mapping[str, ScheduleCell] = {
    "name": _name,
    "in": _in,
    "cron": _cron,
    "last": _last,
    "type": _type,
    "zone": _zone,
    "next": _next,
    "queue": _queue,
    "fired": _fired,
    "skipped": _skipped,
    "state": _state,
}
