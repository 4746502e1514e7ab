"""The Queues screen: what waits where, since when, and what is paused or full."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from server.filters import quoted
from traffic_tui.screens import fleet_notes
from traffic_tui.screens.commands import whole_number
from traffic_tui.screens.dialogs import InputDialog
from traffic_tui.screens.fleet_screen import FleetScreen
from traffic_tui.screens.rows import queue_rows
from traffic_tui.state.clean_text import clean
from traffic_tui.state.order import QUEUE_ORDERS
from traffic_tui.state.queue_columns import is_late

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.wire.operator import QueueView
    from traffic_tui.actions import Scope
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.order import SortOrder
    from traffic_tui.widgets.line_table import RowKey


class QueuesScreen(FleetScreen["QueueView"]):
    """See the module's words."""

    scope: ClassVar[Scope] = "queues"
    orders: ClassVar[Mapping[str, SortOrder[QueueView]]] = QUEUE_ORDERS
    heading: ClassVar[str] = "Queues"
    what: ClassVar[str] = "queues"
    fields: ClassVar[tuple[str, ...]] = ("name", "state")

    def __init__(self, desk: Desk) -> None:
        columns = desk.config.columns.get("queues", ())
        source = queue_rows(lambda: self.views, desk.context, columns)
        super().__init__(desk, source, order="name")

    async def fetch(self) -> dict[str, QueueView]:
        view = await self.desk.client.queues()
        return {queue.name: queue for queue in view.queues}

    def fields_of(self, view: QueueView) -> Mapping[str, str]:
        return {"name": view.name, "state": "paused" if view.paused_at else "open"}

    def is_problem(self, view: QueueView) -> bool:
        return view.paused_at > 0 or view.failed > 0 or is_late(view, self.desk.context)

    def note(self) -> tuple[str, Role]:
        queue = self.cursor_view()
        if queue is None:
            return "", "plain"
        words = fleet_notes.queue_note(queue, self.desk.context)
        return words, "warn" if queue.paused_at else "plain"

    def open_row(self, key: RowKey) -> None:
        self.desk.navigator.show_jobs(f"queue:{quoted(str(key))}")

    def do_pause(self) -> None:
        if queue := self.cursor_view():
            self.act(self._pause(queue))

    async def _pause(self, queue: QueueView) -> None:
        client = self.desk.client
        if queue.paused_at:
            view = await client.resume_queue(queue.name)
        else:
            view = await client.pause_queue(queue.name)
        self.put(view.name, view)
        state = "paused: what runs goes on, nothing new starts" if view.paused_at else "open"
        self.say(f"{clean(view.name)}: {state}; p turns it back")

    def do_limit(self, argument: str) -> None:
        if queue := self.cursor_view():
            self.act(self._limit(queue, argument))

    async def _limit(self, queue: QueueView, argument: str) -> None:
        if not argument:
            argument = await self._ask_limit(queue)
        if not argument:
            return
        limit = None if argument.lower() == "none" else whole_number(argument)
        if argument.lower() != "none" and (limit is None or limit < 1):
            self.say(f"{argument}: a number from 1 on, or none; p pauses a queue", "warn")
            return
        view = await self.desk.client.limit_queue(queue.name, limit)
        self.put(view.name, view)
        self.say(f"{clean(view.name)}: limit {'none' if view.limit is None else view.limit}")

    async def _ask_limit(self, queue: QueueView) -> str:
        now = "none" if queue.limit is None else str(queue.limit)
        facts = (f"{queue.active} of its jobs are active now; a number, or none",)
        title = f"Limit of {clean(queue.name)}"
        dialog = InputDialog(title, facts, now, glyphs=self.desk.context.glyphs)
        return await self.ask(dialog) or ""
