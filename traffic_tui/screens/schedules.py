"""The Schedules screen: what is made when, how its last job is doing, and what is paused."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from server.filters import quoted
from traffic_tui.screens.fleet_screen import FleetScreen
from traffic_tui.screens.rows import schedule_rows
from traffic_tui.screens.schedule_words import schedule_note, schedule_words
from traffic_tui.screens.text_dialog import TextDialog
from traffic_tui.state.clean_text import clean
from traffic_tui.state.order import SCHEDULE_ORDERS
from traffic_tui.state.schedule_columns import is_failing, schedule_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.wire.schedules import ScheduleView
    from traffic_tui.actions import Scope
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.order import SortOrder
    from traffic_tui.widgets.line_table import RowKey


DUE_TIMES = 8
"""Shown in the dialog of a schedule."""


class SchedulesScreen(FleetScreen["ScheduleView"]):
    """See the module's words."""

    scope: ClassVar[Scope] = "schedules"
    orders: ClassVar[Mapping[str, SortOrder[ScheduleView]]] = SCHEDULE_ORDERS
    heading: ClassVar[str] = "Schedules"
    what: ClassVar[str] = "schedules"
    fields: ClassVar[tuple[str, ...]] = ("name", "state", "type", "queue")

    def __init__(self, desk: Desk) -> None:
        columns = desk.config.columns.get("schedules", ())
        source = schedule_rows(lambda: self.views, desk.context, columns)
        super().__init__(desk, source, order="next")

    async def fetch(self) -> dict[str, ScheduleView]:
        view = await self.desk.client.schedules()
        return {schedule.name: schedule for schedule in view.schedules}

    def fields_of(self, view: ScheduleView) -> Mapping[str, str]:
        state = schedule_state(view)
        return {"name": view.name, "state": state, "type": view.type, "queue": view.queue}

    def is_problem(self, view: ScheduleView) -> bool:
        return view.paused_at > 0 or is_failing(view)

    def note(self) -> tuple[str, Role]:
        schedule = self.cursor_view()
        if schedule is None:
            return "", "plain"
        words = schedule_note(schedule, self.desk.context)
        return words, "warn" if self.is_problem(schedule) else "plain"

    def open_row(self, key: RowKey) -> None:
        self.desk.navigator.show_jobs(f"schedule:{quoted(str(key))}")

    def do_pause(self) -> None:
        if schedule := self.cursor_view():
            self.act(self._pause(schedule))

    async def _pause(self, schedule: ScheduleView) -> None:
        client = self.desk.client
        if schedule.paused_at:
            view = await client.resume_schedule(schedule.name)
        else:
            view = await client.pause_schedule(schedule.name)
        self.put(view.name, view)
        words = "paused: it makes no more jobs" if view.paused_at else "on, from its next due time"
        self.say(f"{clean(view.name)}: {words}; p turns it back")

    def do_explain_schedule(self) -> None:
        if schedule := self.cursor_view():
            self.act(self._explain(schedule))

    async def _explain(self, schedule: ScheduleView) -> None:
        due = await self.desk.client.schedule_due(schedule.name, count=DUE_TIMES)
        lines = schedule_words(schedule, due.due, self.desk.context)
        title = f"When {clean(schedule.name)}?"
        await self.ask(TextDialog(title, lines, glyphs=self.desk.context.glyphs))
