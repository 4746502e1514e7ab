"""Jobs by cause: after a bad deploy, three lines instead of forty thousand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from server.filters import suggest
from traffic_tui.screens.filters import TYPING_PAUSE_SECONDS, job_filter_problem
from traffic_tui.screens.job_flows import JobFlows
from traffic_tui.screens.job_pages import MAX_OF_FILTER, jobs_of_filter
from traffic_tui.screens.kept_list import KeptList
from traffic_tui.screens.rows import group_rows
from traffic_tui.screens.text_dialog import TextDialog
from traffic_tui.state.formats import count
from traffic_tui.state.group_columns import (
    GROUPINGS,
    group_name,
    group_note,
    group_words,
    jobs_words,
)
from traffic_tui.state.order import GROUP_ORDERS, PlacingPace
from traffic_tui.widgets.crumb import CrumbState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events

    from server.wire.operator import GroupsView, GroupView
    from traffic_tui.actions import Hint, Scope
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.order import SortOrder
    from traffic_tui.widgets.filter_bar import FilterProblem
    from traffic_tui.widgets.line_table import RowKey

RELOAD_SECONDS = 2.0
"""Every job of the filter is counted for this, so it is done at most this often."""
MOST_GROUPS = 1_000


class GroupsScreen(KeptList["GroupView"]):
    """Jobs of a filter, counted by what went wrong, by type, queue or runner."""

    scope: ClassVar[Scope] = "groups"
    shortest_pause: ClassVar[float] = RELOAD_SECONDS
    orders: ClassVar[Mapping[str, SortOrder[GroupView]]] = GROUP_ORDERS

    def __init__(self, desk: Desk, filter_text: str = "") -> None:
        self.by = GROUPINGS[0]
        self.views: dict[str, GroupView] = {}
        self._loaded: GroupsView | None = None
        source = group_rows(
            lambda: self.views, desk.context, by=lambda: self.by, total=lambda: self._total
        )
        super().__init__(desk, source, about=filter_text, order="jobs")
        self._first_filter = self._wanted = filter_text
        self._flows = JobFlows(desk, self)
        self._pace = PlacingPace()

    def on_mount(self) -> None:
        if self._first_filter:
            self.set_filter(self._first_filter)

    # what is shown ----------------------------------------------------------------------------

    @property
    def _total(self) -> int:
        return self._loaded.count if self._loaded is not None else 0

    def crumb(self) -> CrumbState:
        return CrumbState(
            path=(f"Jobs by {self.by}",),
            filter=self.filter_text,
            count=self._count_words(),
            order=self.order_words(),
        )

    def _count_words(self) -> str:
        found = self._loaded
        if found is None:
            return ""
        jobs = jobs_words(found.count)
        if not found.count_is_exact:
            jobs = f"the newest {jobs}"
        return f"{jobs} in {count(found.number)} group{'' if found.number == 1 else 's'}"

    def note(self) -> tuple[str, Role]:
        group = self.cursor_group()
        return ("" if group is None else group_note(group, self.by)), "plain"

    def cursor_group(self) -> GroupView | None:
        """The group under the cursor."""
        key = self.table.cursor_key
        return self.views.get(str(key)) if key is not None else None

    def tick(self) -> None:
        what = "jobs with an error" if self.by == "error" else "jobs"
        is_loaded = self._loaded is not None
        words = self.desk.emptiness(
            what, self.filter_text, is_loaded=is_loaded, first_filter=self._first_filter
        )
        self.table.set_empty([words])
        super().tick()

    def _hint_words(self, hint: Hint) -> str:
        if hint.action.id == "regroup":
            return f"group by {self._next_grouping}"
        return super()._hint_words(hint)

    # loading ----------------------------------------------------------------------------------

    async def _reload(self) -> None:
        asked = (self.by, self._wanted)
        found = await self.desk.client.job_groups(
            by=self.by, filter=self._wanted, limit=MOST_GROUPS
        )
        if asked != (self.by, self._wanted):
            return
        self._loaded = found
        self.views = {group.filter: group for group in found.groups}
        self.table.all_changed()
        self.place_rows()

    def place_rows(self, *, at_once: bool = False) -> None:
        """Bring the groups into order, if they may move now."""
        assert self.order is not None
        order, now = self.order, self.desk.clock.monotonic()
        if at_once or set(self.views) != set(self.table.keys) or self._pace.may_place(now):
            self._pace.placed(now)
            keys = list(self.views)
            keys.sort(key=lambda key: order.value(self.views[key]), reverse=order.is_descending)
            self.table.set_order(keys)
        self.tick()

    def _begin(self) -> None:
        """Other groups are wanted."""
        self._loaded, self.views = None, {}
        self.table.set_order([])
        self._catch_up.hurry()
        self.tick()

    # filter, order, keys ----------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        self._pace.key_pressed(self.desk.clock.monotonic())

    def filter_problem(self, text: str) -> FilterProblem | None:
        return job_filter_problem(text)

    def filter_completions(self, text: str, cursor: int) -> Sequence[tuple[int, int, str]]:
        return suggest(text, cursor)

    def filter_changed(self, text: str) -> None:
        self.load(self._change_filter(text), group="filter")

    async def _change_filter(self, text: str) -> None:
        """Half a word is no filter: wait until the typing pauses."""
        await asyncio.sleep(TYPING_PAUSE_SECONDS)
        if text != self._wanted:
            self._wanted = text
            self._begin()

    def order_changed(self) -> None:
        self.place_rows(at_once=True)

    def do_back(self) -> None:
        if self.filter_text != self._first_filter:
            self.set_filter(self._first_filter)
        else:
            self.desk.navigator.back()

    @property
    def _next_grouping(self) -> str:
        return GROUPINGS[(GROUPINGS.index(self.by) + 1) % len(GROUPINGS)]

    def do_regroup(self) -> None:
        self.by = self._next_grouping
        self._begin()

    # acts -------------------------------------------------------------------------------------

    def open_row(self, key: RowKey) -> None:
        self.desk.navigator.show_jobs(self.views[str(key)].filter)

    def row_text(self, key: RowKey) -> str:
        return self.views[str(key)].filter

    def do_output(self) -> None:
        if group := self.cursor_group():
            self.desk.navigator.show_output(group.newest.number, 0)

    def do_explain_group(self) -> None:
        if group := self.cursor_group():
            title = f"{jobs_words(group.count)}: {group_name(group.name)}"
            lines = group_words(group, self.desk.context)
            self.act(self._tell(TextDialog(title, lines, glyphs=self.desk.context.glyphs)))

    async def _tell(self, dialog: TextDialog) -> None:
        await self.ask(dialog)

    def do_resubmit(self) -> None:
        if group := self.cursor_group():
            self.act(self._resubmit(group))

    async def _resubmit(self, group: GroupView) -> None:
        """As they are now: what comes into the group meanwhile is not among them."""
        if group.count > MAX_OF_FILTER:
            words = f"{count(group.count)} jobs are too many at once: / narrows them, as in for<1h"
            self.say(f"{words}; {count(MAX_OF_FILTER)} is the most", "warn")
            return
        self.say(f"looking at {group_name(group.name)}")
        jobs = await jobs_of_filter(self.desk.client, group.filter)
        if jobs:
            await self._flows.resubmit(jobs, chosen_by=group.filter)
        else:
            self.say("none of its jobs is there any more")
