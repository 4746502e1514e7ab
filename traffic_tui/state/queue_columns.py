"""The Queues list: its columns, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, Cell, Column
from traffic_tui.state.formats import age, count, day_and_time, marked_age, per_minute, sparkline
from traffic_tui.state.glyphs import QUEUE_MARKS, QueueState, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.wire.operator import QueueView
    from traffic_tui.state.row_context import RowContext

    QueueCell: TypeAlias = Callable[[QueueView, RowContext, int], Cell]

QUEUE_COLUMNS: tuple[Column, ...] = (
    Column("name", "   QUEUE", 0, 16, 34, grows=True, order="name"),
    Column("waiting", "WAITING", 0, 8, 8, is_right=True, order="waiting"),
    Column("oldest", "OLDEST", 0, 6, 6, is_right=True, ages=True, order="oldest"),
    Column("running", "RUNNING/LIMIT", 0, 13, 13, is_right=True, order="running"),
    Column("in", "IN/min", 1, 7, 7, is_right=True, order="in"),
    Column("out", "OUT/min", 1, 8, 8, is_right=True, order="out"),
    Column("state", "STATE", 2, 12, UNBOUNDED, grows=True, order="state"),
    Column("flow", "IN, 60 MIN   OUT, 60 MIN", 3, 25, 25),
)


def queue_state(queue: QueueView, context: RowContext) -> QueueState:
    """Open, paused, or late: its oldest job has waited longer than it should."""
    if queue.paused_at:
        return "paused"
    return "late" if is_late(queue, context) else "open"


def all_waiting(queue: QueueView) -> int:
    """Its jobs that have not started, those put off too: as the header counts them."""
    return queue.waiting + queue.scheduled


def is_late(queue: QueueView, context: RowContext) -> bool:
    """Whether its oldest job has waited longer than it should."""
    limit, oldest = context.late_limit(queue.name), queue.oldest_pending_at
    return limit is not None and oldest > 0 and context.now - oldest > limit


def queue_cell(queue: QueueView, key: str, context: RowContext, width: int) -> Cell:
    """What stands in the column ``key`` of a queue's row."""
    return _CELLS[key](queue, context, width)


def queue_row_role(queue: QueueView) -> Role:
    return "plain"


def _name(queue: QueueView, context: RowContext, width: int) -> Cell:
    mark = QUEUE_MARKS[queue_state(queue, context)]
    return Cell(f" {context.glyphs.of(mark)} {clean(queue.name)}", "plain", 3, mark.glyph_role)


def _waiting(queue: QueueView, context: RowContext, width: int) -> Cell:
    return Cell(count(all_waiting(queue)))


def _oldest(queue: QueueView, context: RowContext, width: int) -> Cell:
    if not queue.oldest_pending_at:
        return EMPTY
    passed = context.now - queue.oldest_pending_at
    if context.is_stale:
        return Cell(marked_age(passed, "?"))
    is_bad = is_late(queue, context)
    return Cell(marked_age(passed, "!"), "bad") if is_bad else Cell(age(passed))


def _running(queue: QueueView, context: RowContext, width: int) -> Cell:
    limit = "-" if queue.limit is None else count(queue.limit)
    is_full = queue.limit is not None and queue.active >= queue.limit
    return Cell(f"{count(queue.active)}/{limit}", "warn" if is_full else "plain")


def _in(queue: QueueView, context: RowContext, width: int) -> Cell:
    return Cell(per_minute(queue.in_per_minute))


def _out(queue: QueueView, context: RowContext, width: int) -> Cell:
    return Cell(per_minute(queue.out_per_minute))


def _state(queue: QueueView, context: RowContext, width: int) -> Cell:
    if not queue.paused_at:
        return Cell("open")
    since = day_and_time(queue.paused_at, context.zone, now=context.now)
    why = f' "{clean(queue.pause_reason)}"' if queue.pause_reason else ""
    return Cell(f"paused by {clean(queue.paused_by)} {since}{why}", "warn", 6, "warn")


def _flow(queue: QueueView, context: RowContext, width: int) -> Cell:
    """Both on one scale, so that a queue that fills up is seen."""
    lines = (queue.in_buckets, queue.out_buckets)
    top = max((value for line in lines for value in line if value is not None), default=0)
    drawn = (sparkline(line, context.glyphs, top=top) for line in lines)
    return Cell(" ".join(drawn), "active")


_CELLS: Mapping[str, QueueCell] = {
    "name": _name,
    "waiting": _waiting,
    "oldest": _oldest,
    "running": _running,
    "in": _in,
    "out": _out,
    "state": _state,
    "flow": _flow,
}
