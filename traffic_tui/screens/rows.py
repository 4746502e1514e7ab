"""The rows of each list, as its table asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from traffic_tui.state import (
    event_columns,
    group_columns,
    job_columns,
    queue_columns,
    runner_columns,
    schedule_columns,
)
from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, Cell, Column, PlacedColumn, fit_columns
from traffic_tui.state.formats import day_and_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from server.wire.operator import (
        EventView,
        GroupView,
        JobView,
        LateWriteView,
        QueueView,
        RunnerView,
    )
    from server.wire.schedules import ScheduleView
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.row_context import RowContext

View = TypeVar("View")


class Rows(Generic[View]):
    """Views by key, with the columns of their list."""

    def __init__(
        self,
        views: Callable[[], Mapping[Any, View]],
        context: RowContext,
        *,
        columns: Callable[[int], Sequence[Column]],
        cell: Callable[[View, str, RowContext, int], Cell],
        role: Callable[[View], Role],
        chosen: Sequence[str] = (),
        wants: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._views = views
        self._context = context
        self._columns = columns
        self._cell = cell
        self._role = role
        self._chosen = chosen
        self._wants = wants

    def columns(self, width: int) -> Sequence[PlacedColumn]:
        """The columns that fit; where the operator chose some, those in that order."""
        columns = self._columns(width)
        by_key = {column.key: column for column in columns}
        picked = [by_key[key] for key in self._chosen if key in by_key]
        return fit_columns(picked or columns, width, self._wants())

    def cell(self, key: Any, column: PlacedColumn) -> Cell:
        view = self._views().get(key)
        if view is None:
            return EMPTY
        return self._cell(view, column.column.key, self._context, column.width)

    def row_role(self, key: Any) -> Role:
        view = self._views().get(key)
        return "muted" if view is None else self._role(view)


def job_rows(
    jobs: Callable[[], Mapping[int, JobView]], context: RowContext, chosen: Sequence[str] = ()
) -> Rows[JobView]:
    return Rows(
        jobs,
        context,
        columns=lambda width: job_columns.JOB_COLUMNS,
        cell=job_columns.job_cell,
        role=job_columns.job_row_role,
        chosen=chosen,
        wants=lambda: job_columns.job_wants(jobs().values()),
    )


def group_rows(
    groups: Callable[[], Mapping[str, GroupView]],
    context: RowContext,
    *,
    by: Callable[[], str],
    total: Callable[[], int],
) -> Rows[GroupView]:
    return Rows(
        groups,
        context,
        columns=lambda width: group_columns.group_columns(by()),
        cell=lambda group, key, context, width: group_columns.group_cell(
            group, key, context, by(), total()
        ),
        role=lambda group: "plain",
        wants=lambda: group_columns.group_wants(groups().values()),
    )


def runner_rows(
    runners: Callable[[], Mapping[str, RunnerView]],
    context: RowContext,
    chosen: Sequence[str] = (),
) -> Rows[RunnerView]:
    return Rows(
        runners,
        context,
        columns=runner_columns.runner_columns,
        cell=runner_columns.runner_cell,
        role=runner_columns.runner_row_role,
        chosen=chosen,
    )


def queue_rows(
    queues: Callable[[], Mapping[str, QueueView]],
    context: RowContext,
    chosen: Sequence[str] = (),
) -> Rows[QueueView]:
    return Rows(
        queues,
        context,
        columns=lambda width: queue_columns.QUEUE_COLUMNS,
        cell=queue_columns.queue_cell,
        role=queue_columns.queue_row_role,
        chosen=chosen,
    )


def schedule_rows(
    schedules: Callable[[], Mapping[str, ScheduleView]],
    context: RowContext,
    chosen: Sequence[str] = (),
) -> Rows[ScheduleView]:
    return Rows(
        schedules,
        context,
        columns=lambda width: schedule_columns.SCHEDULE_COLUMNS,
        cell=schedule_columns.schedule_cell,
        role=schedule_columns.schedule_row_role,
        chosen=chosen,
    )


def event_rows(
    events: Callable[[], Mapping[int, EventView]], context: RowContext
) -> Rows[EventView]:
    return Rows(
        events,
        context,
        columns=lambda width: event_columns.EVENT_COLUMNS,
        cell=event_columns.event_cell,
        role=lambda event: "plain",
    )


LATE_WRITE_COLUMNS: tuple[Column, ...] = (
    Column("at", " TIME", 0, 9, 20),
    Column("number", "JOB", 0, 8, 12, is_right=True),
    Column("attempt", "TRY", 0, 3, 5, is_right=True),
    Column("runner", "RUNNER", 0, 9, 14),
    Column("kind", "WHAT", 0, 10, 16),
    Column("detail", "WHY REFUSED", 1, 16, UNBOUNDED, grows=True),
)


def late_write_rows(
    late: Callable[[], Mapping[int, LateWriteView]], context: RowContext
) -> Rows[LateWriteView]:
    return Rows(
        late,
        context,
        columns=lambda width: LATE_WRITE_COLUMNS,
        cell=_late_write_cell,
        role=lambda late: "plain",
    )


def _late_write_cell(late: LateWriteView, key: str, context: RowContext, width: int) -> Cell:
    if key == "at":
        return Cell(
            " " + day_and_time(late.at, context.zone, now=context.now)[-width + 1 :], "muted"
        )
    if key in ("number", "attempt"):
        return Cell(str(getattr(late, key)))
    if key == "runner":
        return Cell(clean(late.runner.name)) if late.runner else EMPTY
    return Cell(clean(late.kind), "warn") if key == "kind" else Cell(clean(late.detail, 400))
