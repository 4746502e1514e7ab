"""The Events list: its columns, and events in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, Cell, Column
from traffic_tui.state.formats import day_and_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.wire.operator import EventView
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.row_context import RowContext

    EventCell: TypeAlias = Callable[[EventView, RowContext, int], Cell]

EVENT_COLUMNS: tuple[Column, ...] = (
    Column("at", " TIME", 0, 9, 20),
    Column("kind", "EVENT", 0, 16, 20),
    Column("job", "JOB", 0, 8, 12, is_right=True),
    Column("runner", "RUNNER", 1, 9, 14),
    Column("queue", "QUEUE", 4, 7, 10),
    Column("actor", "BY", 2, 10, 14),
    Column("reason", "WHY", 3, 16, UNBOUNDED, grows=True),
)

_BAD = frozenset({"failed", "expired", "lease_lost", "runner_lost", "stop_ignored", "abandoned"})
_WARN = frozenset(
    {
        "stop_requested",
        "kill_requested",
        "runner_suspect",
        "runner_faulty",
        "runner_rebooted",
        "message_ignored",
        "runner_draining",
        "late_write",
        "output_truncated",
        "piece_spent",
        "queue_paused",
        "schedule_paused",
        "schedule_skipped",
        "clock_jumped",
    }
)
_GOOD = frozenset({"completed", "runner_recovered", "runner_connected"})


def event_words(event: EventView) -> str:
    """The kind of an event as people say it: ``lease lost``."""
    return clean(event.kind).replace("_", " ")


def event_reason(event: EventView) -> str:
    """Why, and of which schedule: nothing else in a line names that."""
    schedule = event.data.get("schedule") if isinstance(event.data, dict) else None
    if not isinstance(schedule, str):
        return event.reason
    return f"{schedule}: {event.reason}" if event.reason else f"schedule {schedule}"


def event_role(event: EventView) -> Role:
    """Whether an event is trouble, a warning, good news or plain."""
    if event.kind in _BAD:
        return "bad"
    if event.kind in _WARN:
        return "warn"
    return "good" if event.kind in _GOOD else "plain"


def event_cell(event: EventView, key: str, context: RowContext, width: int) -> Cell:
    """What stands in the column ``key`` of an event's row."""
    return _CELLS[key](event, context, width)


def _at(event: EventView, context: RowContext, width: int) -> Cell:
    text = day_and_time(event.at, context.zone, now=0 if width >= 20 else context.now)
    return Cell(" " + (text if len(text) < width else text[-8:]), "muted")


def _kind(event: EventView, context: RowContext, width: int) -> Cell:
    return Cell(event_words(event), event_role(event))


def _job(event: EventView, context: RowContext, width: int) -> Cell:
    if event.number is not None:
        return Cell(str(event.number))
    return Cell(f"{len(event.jobs):,} jobs") if event.jobs else EMPTY


def _runner(event: EventView, context: RowContext, width: int) -> Cell:
    return Cell(clean(event.runner.name)) if event.runner is not None else EMPTY


def _queue(event: EventView, context: RowContext, width: int) -> Cell:
    return Cell(clean(event.queue))


def _actor(event: EventView, context: RowContext, width: int) -> Cell:
    return Cell(clean(event.actor))


def _reason(event: EventView, context: RowContext, width: int) -> Cell:
    return Cell(clean(event_reason(event), 400))


_CELLS: Mapping[str, EventCell] = {
    "at": _at,
    "kind": _kind,
    "job": _job,
    "runner": _runner,
    "queue": _queue,
    "actor": _actor,
    "reason": _reason,
}
