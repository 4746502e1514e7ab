"""The Events list: its columns, and events in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, Cell, Column
from traffic_tui.state.formats import day_and_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.events import EventKind
    from server.wire.operator import EventView
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.row_context import RowContext

    EventCell: TypeAlias = Callable[[EventView, RowContext, int], Cell]

EVENT_COLUMNS: tuple[Column, ...] = (
    Column("at", " TIME", 0, 9, 20),
    Column("kind", "EVENT", 0, 16, 20),
    Column("job", "JOB", 0, 8, 12, is_right=True),
    Column("runner", "RUNNER", 1, 10, 18, wide_width=18),
    Column("queue", "QUEUE", 4, 7, 12, wide_width=10),
    Column("actor", "BY", 2, 11, 18, wide_width=15),
    Column("reason", "WHY", 3, 16, UNBOUNDED, grows=True),
)

MAX_NAMED = 8
"""Jobs of one event that are named."""
EVENT_WORDS: Mapping[EventKind, tuple[str, Role]] = {
    "submitted": ("submitted", "plain"),
    "claimed": ("claimed", "plain"),
    "started": ("started", "plain"),
    "completed": ("completed", "good"),
    "failed": ("failed", "bad"),
    "stopped": ("stopped", "plain"),
    "expired": ("expired", "bad"),
    "queued": ("back in line", "plain"),
    "scheduled": ("put off", "plain"),
    "stop_requested": ("stop asked for", "warn"),
    "kill_requested": ("kill asked for", "warn"),
    "stop_ignored": ("stop ignored", "bad"),
    "abandoned": ("given up", "bad"),
    "attempt_ended": ("old try ended", "plain"),
    "lease_lost": ("lease lost", "bad"),
    "reassigned": ("reassigned", "plain"),
    "resubmitted": ("resubmitted", "plain"),
    "priority_changed": ("priority changed", "plain"),
    "deleted": ("deleted", "plain"),
    "late_write": ("late write", "warn"),
    "exit_declared": ("exit declared", "plain"),
    "output_truncated": ("output cut", "warn"),
    "range_planned": ("range planned", "plain"),
    "piece_spent": ("piece spent", "warn"),
    "runner_registered": ("runner is new", "plain"),
    "runner_connected": ("runner connected", "good"),
    "runner_rebooted": ("runner rebooted", "warn"),
    "runner_suspect": ("runner is late", "warn"),
    "runner_faulty": ("runner faulty", "warn"),
    "runner_recovered": ("runner is back", "good"),
    "runner_lost": ("runner lost", "bad"),
    "runner_left": ("runner ended", "plain"),
    "runner_draining": ("runner draining", "warn"),
    "runner_drained": ("runner drained", "plain"),
    "runner_resumed": ("runner resumed", "plain"),
    "runner_forgotten": ("runner forgotten", "plain"),
    "runner_renamed": ("runner renamed", "plain"),
    "message_ignored": ("message ignored", "warn"),
    "queue_paused": ("queue paused", "warn"),
    "queue_resumed": ("queue opened", "plain"),
    "queue_limited": ("queue limit set", "plain"),
    "schedule_created": ("schedule made", "plain"),
    "schedule_changed": ("schedule changed", "plain"),
    "schedule_deleted": ("schedule deleted", "plain"),
    "schedule_paused": ("schedule paused", "warn"),
    "schedule_resumed": ("schedule resumed", "plain"),
    "schedule_fired": ("schedule fired", "plain"),
    "schedule_skipped": ("schedule skipped", "warn"),
    "coordinator_started": ("coordinator up", "plain"),
    "coordinator_stopped": ("coordinator down", "plain"),
    "key_created": ("key created", "plain"),
    "key_revoked": ("key revoked", "plain"),
    "clock_jumped": ("clock jumped", "warn"),
    "retention": ("old jobs removed", "plain"),
}
"""Each kind as people say it, in the 16 cells of its column, and how bad it is."""


def event_words(event: EventView) -> str:
    """The kind of an event as people say it: ``lease lost``."""
    known = EVENT_WORDS.get(cast("EventKind", event.kind))
    return known[0] if known else clean(event.kind).replace("_", " ")


def event_reason(event: EventView) -> str:
    """Why, and of which schedule: nothing else in a line names that."""
    schedule = event.data.get("schedule") if isinstance(event.data, dict) else None
    if not isinstance(schedule, str):
        return event.reason
    return f"{schedule}: {event.reason}" if event.reason else f"schedule {schedule}"


def event_role(event: EventView) -> Role:
    """Whether an event is trouble, a warning, good news or plain."""
    known = EVENT_WORDS.get(cast("EventKind", event.kind))
    return known[1] if known else "plain"


def event_note(event: EventView, context: RowContext) -> str:
    """All of an event in one line: what a narrow list has no room for."""
    told = ", ".join(str(number) for number in event.jobs[:MAX_NAMED])
    more = f" and {len(event.jobs) - MAX_NAMED:,} more" if len(event.jobs) > MAX_NAMED else ""
    about = f"job{'s' if len(event.jobs) > 1 else ''} {told}{more}" if told else ""
    attempt = f"try {event.attempt}" if event.attempt else ""
    runner = f"on {clean(event.runner.name)}" if event.runner is not None else ""
    queue = f"queue {clean(event.queue)}" if event.queue else ""
    where = " ".join(part for part in (about, attempt, runner, queue) if part)
    head = f"{day_and_time(event.at, context.zone)} {event_words(event)}: {where}"
    reason = clean(event.reason, 400)
    parts = [head.removesuffix(": "), f"by {clean(event.actor)}", reason, _data_words(event.data)]
    return "; ".join(part for part in parts if part and part != "by ")


def _data_words(data: object) -> str:
    """What else an event holds, in few words."""
    if not isinstance(data, dict):
        return ""
    return ", ".join(
        f"{clean(str(key), 40)} {clean(str(value), 80)}" for key, value in data.items()
    )


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
