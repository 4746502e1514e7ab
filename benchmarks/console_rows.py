"""What one changed row costs the console when 100,000 jobs are listed.

Method: the table is mounted without a terminal at 160x50 cells over 100,000 job views. A change is
one event that moves a job on, applied to the mirror, taken by the table, and its line composed and
encoded for the terminal. CPU time is measured over many changes of rows in view, of rows out of
view, and of arrivals at the top. Exit 1 when a row in view costs 1 ms or more.

    python -m benchmarks.console_rows
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from typing import TYPE_CHECKING, Any

from textual.app import App

from server.wire.operator import EventView, JobsView, JobTimes, JobView, ProgressView, RunnerRef
from traffic_tui.state.columns import PlacedColumn, fit_columns
from traffic_tui.state.job_columns import JOB_COLUMNS, job_cell, job_row_role
from traffic_tui.state.mirror import Mirror
from traffic_tui.state.order import JOB_ORDERS, OrderedRows
from traffic_tui.state.row_context import RowContext
from traffic_tui.themes import FALLBACK_VARIABLES, register
from traffic_tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from traffic_tui.state.columns import Cell
    from traffic_tui.state.glyphs import Role

ROWS = 100_000
ROUNDS = 300
BUDGET_MS = 1.0
NOW = 1_700_000_000_000


class JobRows:
    """The rows of a mirror, as the Jobs screen gives them to its table."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._context = RowContext(NOW)

    def columns(self, width: int) -> Sequence[PlacedColumn]:
        return fit_columns(JOB_COLUMNS, width)

    def cell(self, key: Any, column: PlacedColumn) -> Cell:
        job = self._mirror.jobs[key]
        return job_cell(job, column.column.key, self._context, column.width)

    def row_role(self, key: Any) -> Role:
        return job_row_role(self._mirror.jobs[key])


class Console(App[None]):
    """The table alone."""

    def __init__(self, table: LineTable) -> None:
        super().__init__()
        self._table = table
        register(self)
        self.theme = "dark"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(FALLBACK_VARIABLES)

    def compose(self) -> ComposeResult:
        yield self._table

    def frame(self) -> int:
        """Compose and encode what waits to be painted; how many bytes the terminal gets.

        Without a terminal the application skips this part, so it is done here as it does it.
        """
        screen = self.screen
        compositor = screen._compositor
        regions = [
            region.translate(self._table.region.offset)
            for region in self._table._exchange_repaint_regions()
        ]
        compositor._dirty_regions.update(regions)
        update = compositor.render_update(screen_stack=self._background_screens)
        if update is None:
            return 0
        if hasattr(update, "render_segments"):
            return len(update.render_segments(self.console))
        segments = self.console.render(update)
        return len("".join(text for text, _style, _control in segments))


def job(number: int) -> JobView:
    return JobView(
        id=f"id-{number}",
        number=number,
        type="resize-images",
        state="in_progress",
        queue="gpu",
        priority=5,
        requires={},
        runner=RunnerRef(id="r7", name="lab-07"),
        attempt=None,
        attempts=1,
        tries=1,
        max_attempts=3,
        phase="",
        progress=ProgressView(current=float(number % 100), total=100.0),
        times=JobTimes(created=NOW, since=NOW, due=0, started=NOW, ended=0, deadline=0),
        quiet_since=NOW,
        error=None,
        owner="ci-main",
        origin="native-v2",
        wanted="run",
    )


def event(seq: int, kind: str, number: int) -> EventView:
    return EventView(
        seq=seq,
        at=NOW + seq,
        kind=kind,
        job=f"id-{number}",
        number=number,
        jobs=[number],
        attempt=None,
        runner=None,
        queue="gpu",
        actor="lab-07",
        reason="",
        data=None,
    )


def milliseconds_each(rounds: int, step: Callable[[int], object]) -> float:
    """CPU time of one round, collection of garbage held off as the console does while it paints."""
    gc.collect()
    gc.disable()
    started = time.process_time()
    for number in range(rounds):
        step(number)
    spent = time.process_time() - started
    gc.enable()
    return spent / rounds * 1_000


async def measure() -> float:
    mirror = Mirror()
    jobs = [job(number) for number in range(1, ROWS + 1)]
    mirror.load_jobs(JobsView(jobs=jobs, next=None, count=ROWS, count_is_exact=True))
    rows = OrderedRows(mirror.jobs, JOB_ORDERS["number"])
    rows.place_again(list(mirror.jobs))
    table = LineTable(JobRows(mirror))
    console = Console(table)
    async with console.run_test(size=(160, 50)) as pilot:
        table.set_order(rows.keys)
        await pilot.pause()
        console.frame()
        seq = 0

        def change(number: int) -> int:
            nonlocal seq
            seq += 1
            mirror.apply(event(seq, ("stop_requested", "started")[seq % 2], number))
            table.rows_changed(mirror.take_changes().jobs)
            return console.frame()

        def arrive(position: int) -> int:
            number = ROWS + position + 1
            mirror.put_jobs([job(number)])
            mirror.take_changes()
            rows.add(number)
            table.set_order(rows.keys)
            return console.frame()

        in_view = milliseconds_each(ROUNDS, lambda step: change(ROWS - step % 40))
        size = change(ROWS - 5)
        out_of_view = milliseconds_each(ROUNDS, lambda step: change(1 + step))
        arrivals = milliseconds_each(ROUNDS, arrive)
    print(f"{ROWS:,} jobs listed, 160x50")
    print(f"  a row in view changes       {in_view:6.3f} ms CPU, {size} characters out")
    print(f"  a row out of view changes   {out_of_view:6.3f} ms CPU")
    print(f"  a row arrives at the top    {arrivals:6.3f} ms CPU")
    return in_view


def main() -> int:
    in_view = asyncio.run(measure())
    is_met = in_view < BUDGET_MS
    print(f"budget {BUDGET_MS} ms: {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
