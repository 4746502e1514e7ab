"""Below the Runners list: what the runner under the cursor holds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from traffic_tui.client.base import ClientError
from traffic_tui.screens.catch_up import FAILURE_PAUSE_SECONDS, may_pass
from traffic_tui.screens.preview import SETTLE_SECONDS
from traffic_tui.state.clean_text import cells, clean, crop, fit
from traffic_tui.state.columns import Cell, fit_columns
from traffic_tui.state.glyphs import Span
from traffic_tui.state.job_columns import JOB_COLUMNS, job_cell, job_wants
from traffic_tui.widgets.facts import FactsBlock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.wire.operator import JobView, RunnerView
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.columns import PlacedColumn
    from traffic_tui.state.row_context import RowContext

HELD_STATES = "state:claimed,running,stopping"
COLUMNS = tuple(column for column in JOB_COLUMNS if column.key != "runner")
LINES = 12
"""Title and heading, then one line a job."""


class HeldJobs:
    """Follows the cursor of the list with the jobs of one runner."""

    def __init__(self, desk: Desk, failed: Callable[[str], None]) -> None:
        self._client = desk.client
        self._clock = desk.clock
        self._failed = failed
        self._failed_until = 0.0
        self._context = desk.context
        self._runner: RunnerView | None = None
        self._jobs: Sequence[JobView] = ()
        self._count = 0
        self._is_loaded = self._is_loading = False
        self.is_outdated = True
        """Whether something happened since these jobs were asked for."""
        self.block = FactsBlock(id="held")
        self.block.glyphs = desk.context.glyphs

    def is_aimed_at(self, runner: RunnerView) -> bool:
        return self._runner is not None and self._runner.id == runner.id

    def aim(self, runner: RunnerView) -> None:
        """The cursor is on this runner now; none of its jobs are known yet."""
        self._runner, self._jobs, self._count = runner, (), 0
        self._is_loaded, self._is_loading, self.is_outdated = False, False, True

    @property
    def is_due(self) -> bool:
        """Whether to ask now. Not while an answer is awaited: where news come faster than answers
        there would never be one."""
        is_wanted = self.is_outdated and self._clock.monotonic() >= self._failed_until
        return is_wanted and not self._is_loading

    async def load(self) -> None:
        """Ask for its jobs, once the cursor rests."""
        if self._runner is None:
            return
        runner, self.is_outdated, self._is_loading = self._runner, False, True
        try:
            await asyncio.sleep(SETTLE_SECONDS)
            page = await self._client.jobs(
                filter=f"runner:{runner.id} {HELD_STATES}", limit=LINES - 2
            )
        except ClientError as error:
            if not may_pass(error):
                raise
            self.is_outdated = True
            self._failed_until = self._clock.monotonic() + FAILURE_PAUSE_SECONDS
            self._failed(error.message)
            return
        finally:
            if runner is self._runner:
                self._is_loading = False
        if runner is not self._runner:
            return
        self._jobs, self._count, self._is_loaded = page.jobs, page.count, True
        self.paint()

    def paint(self) -> None:
        """Draw what is known in the screen's width; only lines that changed are painted."""
        if self._runner is None or not self.block.is_attached:  # its screen may be gone meanwhile
            return
        width = self.block.screen.size.width
        title = held_title(clean(self._runner.name), len(self._jobs), self._count)
        lines = [_rule(title, width, self._context.glyphs.rule)]
        if self._jobs:
            placed = fit_columns(COLUMNS, width, job_wants(self._jobs))
            context = replace(self._context, notes={})  # notes are kept fresh for the Jobs list
            lines.append(_heading(placed))
            lines += [_row(job, placed, context) for job in self._jobs]
        elif self._is_loaded:
            lines.append([Span("  It holds no jobs.", "muted")])
        self.block.show(lines)


def held_title(name: str, shown: int, count: int) -> str:
    """Whose jobs these are, and whether there are more."""
    return f"jobs of {name}" + (f", {shown} of {count}; enter lists all" if count > shown else "")


def _rule(title: str, width: int, rule: str) -> list[Span]:
    words = crop(title, max(0, width - 6))
    return [Span(f"{rule}{rule} {words} {rule * max(0, width - cells(words) - 4)}")]


def _heading(placed: Sequence[PlacedColumn]) -> list[Span]:
    labels = (fit(one.column.label, one.width, right=one.column.is_right) for one in placed)
    return [Span(" ".join(labels), "muted")]


def _row(job: JobView, placed: Sequence[PlacedColumn], context: RowContext) -> list[Span]:
    spans: list[Span] = []
    for one in placed:
        cell = job_cell(job, one.column.key, context, one.width)
        text = fit(
            cell.text, one.width, right=one.column.is_right, ellipsis=context.glyphs.ellipsis
        )
        head = 0 if one.column.is_right else cell.head
        spans += (*Cell(text, cell.role, head, cell.head_role).spans(), Span(" "))
    return spans
