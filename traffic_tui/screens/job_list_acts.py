"""What can be done from a list of jobs to the one under the cursor, or to those that are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.screens.job_flows import JobFlows
from traffic_tui.screens.job_pages import jobs_by_number
from traffic_tui.screens.list_screen import ListScreen
from traffic_tui.screens.range_facts import show_pieces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.wire.operator import JobView
    from traffic_tui.screens.desk import Desk
    from traffic_tui.widgets.line_table import RowKey, RowSource


class JobListActs(ListScreen["JobView"]):
    """A subclass lists the jobs and says which one the cursor is on."""

    def __init__(self, desk: Desk, source: RowSource, *, about: str, order: str) -> None:
        super().__init__(desk, source, about=about, order=order)
        self._flows = JobFlows(desk, self)

    def cursor_job(self) -> JobView | None:
        """The job under the cursor."""
        raise NotImplementedError

    def open_row(self, key: RowKey) -> None:
        self.desk.navigator.show_job(int(key))

    def do_output(self) -> None:
        if job := self.cursor_job():
            self.desk.navigator.show_output(job.number, job.attempts)

    def do_pieces(self) -> None:
        if job := self.cursor_job():
            self.act(self._pieces(job))

    async def _pieces(self, job: JobView) -> None:
        show_pieces(self, (await self.desk.client.job(job.id)).job)

    def do_events(self) -> None:
        if job := self.cursor_job():
            self.desk.navigator.show_events(job.number)

    def do_mark(self) -> None:
        self.table.toggle_mark()

    def do_mark_range(self) -> None:
        begins = self.table.selection.range_start is None
        self.table.toggle_range()
        marked = len(self.table.selection.marks)
        self.say("v marks from here to where it is pressed next" if begins else f"{marked} marked")

    def do_clear_marks(self) -> None:
        self.table.clear_marks()

    def do_stop(self) -> None:
        self._on_chosen(self._flows.stop)

    def do_reassign(self) -> None:
        self._on_chosen(self._flows.reassign)

    def do_resubmit(self) -> None:
        self._on_chosen(self._flows.resubmit)

    def do_priority(self, argument: str) -> None:
        if (priority := self._flows.priority_of(argument)) is not None:
            self._on_chosen(lambda jobs: self._flows.set_priority(jobs, priority))

    def do_edit(self) -> None:
        if job := self.cursor_job():
            self.act(self._flows.edit(job))

    def do_explain(self) -> None:
        if job := self.cursor_job():
            self.act(self._flows.explain(job))

    def do_start_job(self) -> None:
        self.act(self._flows.start())

    def _on_chosen(self, flow: Callable[[Sequence[JobView]], Awaitable[None]]) -> None:
        self.act(self._with_chosen(flow))

    async def _with_chosen(self, flow: Callable[[Sequence[JobView]], Awaitable[None]]) -> None:
        """Act on the marked jobs, else on the one under the cursor, as they are now."""
        numbers = [int(key) for key in self.table.selection.chosen()]
        jobs = await jobs_by_number(self.desk.client, numbers)
        if jobs:
            await flow(jobs)
        else:
            self.say("no job is chosen")
