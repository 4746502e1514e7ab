"""Lists of what happened, newest first, page by page: events, and late writes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from server.wire.operator import EventView, LateWriteView
from traffic_tui.screens.filters import TYPING_PAUSE_SECONDS, field_completions
from traffic_tui.screens.kept_list import KeptList
from traffic_tui.screens.rows import event_rows, late_write_rows
from traffic_tui.state.event_columns import event_note
from traffic_tui.state.formats import count
from traffic_tui.widgets.crumb import CrumbState
from traffic_tui.widgets.filter_bar import FilterProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traffic_tui.actions import Scope
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role
    from traffic_tui.widgets.line_table import LineTable, RowKey, RowSource

View = TypeVar("View", EventView, LateWriteView)

PAGE = 200
MAX_KEPT = 5_000
EVENT_FILTERS = "events are found by job:NUMBER, runner:NAME and by:NAME"


class HappeningsScreen(KeptList[View], Generic[View]):
    """Pages of something that only ever grows at its head."""

    heading: ClassVar[str]
    what: ClassVar[str]

    def __init__(self, desk: Desk, source: RowSource, *, about: str = "") -> None:
        super().__init__(desk, source, about=about)
        self.views: dict[int, View] = {}
        """By sequence number, newest first."""
        self.is_loaded = False
        self._has_more = True

    async def fetch(self, before: int | None) -> dict[int, View]:
        """A page, newest first."""
        raise NotImplementedError

    async def _reload(self) -> None:
        filter_text = self.filter_text
        page = await self.fetch(None)
        if filter_text != self.filter_text:
            return
        joins = not page or not self.views or min(page) <= max(self.views)
        older = self.views if joins else {}
        self._show({**page, **{key: view for key, view in older.items() if key not in page}})
        if not older:
            self._has_more = len(page) >= PAGE

    async def _load_more(self) -> None:
        if not self._has_more or not self.views or len(self.views) >= MAX_KEPT:
            return
        filter_text = self.filter_text
        page = await self.fetch(min(self.views))
        if filter_text != self.filter_text:
            return
        self._has_more = len(page) >= PAGE
        self._show({**self.views, **page})

    def _show(self, views: dict[int, View]) -> None:
        keys = sorted(views, reverse=True)[:MAX_KEPT]
        self.views = {key: views[key] for key in keys}
        self.is_loaded = True
        self.table.set_order(keys)
        self.tick()

    def on_line_table_near_end(self, event: LineTable.NearEnd) -> None:
        self.load(self._load_more(), group="more")

    def tick(self) -> None:
        words = self.desk.emptiness(self.what, self.filter_text, is_loaded=self.is_loaded)
        self.table.set_empty([words])
        super().tick()

    def crumb(self) -> CrumbState:
        more = "+" if self._has_more and self.is_loaded else ""
        return CrumbState(
            path=(self.heading, *((f"job {self.place.about}",) if self.place.about else ())),
            filter=self.filter_text,
            count=f"{count(len(self.views))}{more} {self.what}" if self.is_loaded else "",
            order="newest first",
        )

    def filter_changed(self, text: str) -> None:
        self.load(self._change_filter(), group="filter")

    async def _change_filter(self) -> None:
        """Half a word is no filter: wait until the typing pauses."""
        await asyncio.sleep(TYPING_PAUSE_SECONDS)
        self.views = {}
        self.is_loaded = False
        self.table.set_order([])
        self._catch_up.hurry()

    def order_changed(self) -> None:
        """There is one order."""

    def job_of(self, view: View) -> int | None:
        """The job a row is about."""
        return view.number

    def open_row(self, key: RowKey) -> None:
        number = self.job_of(self.views[int(key)])
        if number:
            self.desk.navigator.show_job(number)
        else:
            self.say("this one is not about one job")


class EventsScreen(HappeningsScreen[EventView]):
    """What happened, to all jobs or to one."""

    scope: ClassVar[Scope] = "events"
    heading: ClassVar[str] = "Events"
    what: ClassVar[str] = "events"
    fields: ClassVar[Sequence[str]] = ("job", "runner", "by")

    def __init__(self, desk: Desk, about: str) -> None:
        source = event_rows(lambda: self.views, desk.context)
        super().__init__(desk, source, about=about)

    def filter_problem(self, text: str) -> FilterProblem | None:
        """Only what the coordinator can be asked for: each field once, and nothing else."""
        seen: set[str] = set()
        position = 0
        for word in text.split():
            position = text.index(word, position)
            name, colon, _ = word.partition(":")
            if not colon or name not in self.fields:
                return FilterProblem(EVENT_FILTERS, position)
            if name in seen:
                return FilterProblem(f"{name}: once is all", position)
            seen.add(name)
            position += len(word)
        return None

    def filter_completions(self, text: str, cursor: int) -> Sequence[tuple[int, int, str]]:
        return field_completions(text, cursor, self.fields)

    async def fetch(self, before: int | None) -> dict[int, EventView]:
        asked: dict[str, Any] = dict(word.split(":", 1) for word in self.filter_text.split())
        page = await self.desk.client.events(
            job=asked.get("job") or self.place.about or None,
            runner=asked.get("runner") or None,
            actor=asked.get("by") or None,
            before=before,
            limit=PAGE,
        )
        return {event.seq: event for event in page.events}

    def note(self) -> tuple[str, Role]:
        key = self.table.cursor_key
        event = self.views.get(int(key)) if key is not None else None
        return ("" if event is None else event_note(event, self.desk.context)), "plain"

    def row_text(self, key: RowKey) -> str:
        event = self.views[int(key)]
        return f"{event.seq} {event.kind} {event.number or ''} {event.actor} {event.reason}".strip()


class LateWritesScreen(HappeningsScreen[LateWriteView]):
    """What runners said about tries that no longer count."""

    scope: ClassVar[Scope] = "late_writes"
    heading: ClassVar[str] = "Late writes"
    what: ClassVar[str] = "late writes"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, late_write_rows(lambda: self.views, desk.context))

    def do_filter(self) -> None:
        self.say("late writes cannot be filtered", "plain")

    async def fetch(self, before: int | None) -> dict[int, LateWriteView]:
        page = await self.desk.client.late_writes(before=before, limit=PAGE)
        return {late.id: late for late in page.late_writes}
