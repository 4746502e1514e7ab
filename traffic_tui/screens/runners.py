"""The Runners screen: who is there, who is in trouble, what each holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from server.wire.operator import DrainRequest
from traffic_tui.screens import fleet_notes, wording
from traffic_tui.screens.dialogs import QuestionDialog
from traffic_tui.screens.fleet_screen import FleetScreen
from traffic_tui.screens.held_jobs import HeldJobs
from traffic_tui.screens.job_flows import JobFlows
from traffic_tui.screens.preview import LEAST_LINES
from traffic_tui.screens.rows import runner_rows
from traffic_tui.screens.text_dialog import TextDialog
from traffic_tui.state.clean_text import clean
from traffic_tui.state.order import RUNNER_ORDERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from textual import events
    from textual.widget import Widget

    from server.wire.operator import JobView, RunnerView
    from traffic_tui.actions import Scope
    from traffic_tui.link import Heard
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.order import SortOrder
    from traffic_tui.widgets.line_table import LineTable, RowKey

DRAIN_DEADLINE_SECONDS = 1800.0
MAX_HELD = 1_000
"""Jobs of one runner that are acted on at once."""


class RunnersScreen(FleetScreen["RunnerView"]):
    """See the module's words."""

    scope: ClassVar[Scope] = "runners"
    orders: ClassVar[Mapping[str, SortOrder[RunnerView]]] = RUNNER_ORDERS
    heading: ClassVar[str] = "Runners"
    what: ClassVar[str] = "runners"
    fields: ClassVar[tuple[str, ...]] = ("name", "state", "kind", "address", "type")

    def __init__(self, desk: Desk) -> None:
        columns = desk.config.columns.get("runners", ())
        source = runner_rows(lambda: self.views, desk.context, columns)
        super().__init__(desk, source, order="problem")
        self._flows = JobFlows(desk, self)
        self._held = HeldJobs(desk, lambda words: self.say(words, "warn"))
        self._wants_held = desk.config.preview

    def body(self) -> Iterable[Widget]:
        yield self.table
        yield self._held.block
        yield self._filter_bar

    # what is held by the runner under the cursor -----------------------------------------------

    @property
    def has_held(self) -> bool:
        """Whether its jobs are shown below the list."""
        return self._wants_held and self.size.height >= LEAST_LINES

    def _show_held(self) -> None:
        """Ask for them where the cursor is on another runner, or something happened."""
        self.set_class(self.has_held, "-held")
        runner = self.cursor_view()
        if not self.has_held or runner is None:
            return
        if not self._held.is_aimed_at(runner):
            self._held.aim(runner)
        if self._held.is_due and self.desk.link.state == "live":
            self.load(self._held.load(), group="held")
        self._held.paint()

    def heard(self, heard: Heard) -> None:
        if heard:
            self._held.is_outdated = True
        super().heard(heard)

    def tick(self) -> None:
        self._show_held()
        super().tick()

    def on_resize(self, event: events.Resize) -> None:
        self._show_held()

    def on_line_table_cursor_moved(self, event: LineTable.CursorMoved) -> None:
        self._show_held()

    def do_preview(self) -> None:
        self._wants_held = not self._wants_held
        if self.size.height < LEAST_LINES:
            self.say(f"its jobs need {LEAST_LINES} lines; enter lists them")
        self._show_held()

    # loading ----------------------------------------------------------------------------------

    async def fetch(self) -> dict[str, RunnerView]:
        view = await self.desk.client.runners()
        self.desk.runners = {runner.id: runner for runner in view.runners}
        return dict(self.desk.runners)

    def fields_of(self, view: RunnerView) -> Mapping[str, str]:
        return {
            "name": view.name,
            "state": view.state,
            "kind": view.protocol,
            "address": view.address,
            "type": " ".join(view.types),
        }

    def labels_of(self, view: RunnerView) -> Mapping[str, str]:
        return view.labels

    def is_problem(self, view: RunnerView) -> bool:
        return view.state not in ("ok", "drained", "gone")

    def note(self) -> tuple[str, Role]:
        runner = self.cursor_view()
        if runner is None:
            return "", "plain"
        role: Role = "bad" if runner.state in ("lost", "quiet") else "plain"
        return fleet_notes.runner_note(runner, self.desk.context), role

    def row_text(self, key: RowKey) -> str:
        return self.views[str(key)].name

    def open_row(self, key: RowKey) -> None:
        self.desk.navigator.show_jobs(fleet_notes.runner_filter(self.views[str(key)]))

    # acts -------------------------------------------------------------------------------------

    def do_drain(self) -> None:
        if runner := self.cursor_view():
            is_draining = runner.draining_since > 0
            self.act(self._resume(runner) if is_draining else self._drain(runner))

    async def _drain(self, runner: RunnerView) -> None:
        question = wording.drain_question(runner)
        answer = await self.ask(QuestionDialog(question, glyphs=self.desk.context.glyphs))
        if answer is None:
            return
        request = DrainRequest(
            deadline_seconds=DRAIN_DEADLINE_SECONDS if answer.value == "deadline" else None,
            move=answer.value == "move",
            reason=answer.reason,
        )
        view = await self.desk.client.drain(runner.id, request)
        self.put(view.id, view)
        self.say(f"{view.name}: {view.state}, d ends it")

    async def _resume(self, runner: RunnerView) -> None:
        question = wording.resume_question(runner)
        answer = await self.ask(QuestionDialog(question, glyphs=self.desk.context.glyphs))
        if answer is not None:
            view = await self.desk.client.resume_runner(runner.id, reason=answer.reason)
            self.put(view.id, view)
            self.say(f"{view.name}: takes jobs again")

    def do_forget(self) -> None:
        if runner := self.cursor_view():
            self.act(self._forget(runner))

    async def _forget(self, runner: RunnerView) -> None:
        question = wording.forget_question(runner)
        answer = await self.ask(QuestionDialog(question, glyphs=self.desk.context.glyphs))
        if answer is not None:
            await self.desk.client.forget(runner.id, reason=answer.reason)
            self._catch_up.hurry()
            self.say(f"{runner.name}: forgotten")

    def do_move_jobs(self) -> None:
        self._on_held(self._flows.reassign)

    def do_stop_jobs(self) -> None:
        self._on_held(self._flows.stop)

    def _on_held(self, flow: Callable[[Sequence[JobView]], Awaitable[None]]) -> None:
        if runner := self.cursor_view():
            self.act(self._with_held(runner, flow))

    async def _with_held(
        self, runner: RunnerView, flow: Callable[[Sequence[JobView]], Awaitable[None]]
    ) -> None:
        """Act on what the runner holds, as it is now."""
        filter_text = f"{fleet_notes.runner_filter(runner)} state:claimed,running,stopping"
        page = await self.desk.client.jobs(filter=filter_text, limit=MAX_HELD)
        held = [job for job in page.jobs if job.runner is not None and job.runner.id == runner.id]
        if held:
            await flow(held)
        else:
            self.say(f"{runner.name} holds no jobs")

    def do_explain_runner(self) -> None:
        if runner := self.cursor_view():
            self.act(self._explain(runner))

    async def _explain(self, runner: RunnerView) -> None:
        page = await self.desk.client.events(runner=runner.name, limit=12)
        known = await self.desk.client.runner_with_log(runner.id)
        lines = fleet_notes.runner_words(known.runner, page.events, self.desk.context)
        lines += fleet_notes.runner_log_words(known.log, self.desk.context)
        title = f"{clean(runner.name)} is {runner.state}"
        await self.ask(TextDialog(title, lines, glyphs=self.desk.context.glyphs))
