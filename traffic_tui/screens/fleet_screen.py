"""Lists that are loaded whole, then filtered and ordered here: runners, queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from traffic_tui.screens.filters import field_completions, field_filter_problem, fits_fields
from traffic_tui.screens.kept_list import KeptList
from traffic_tui.state.formats import count
from traffic_tui.state.order import PlacingPace
from traffic_tui.widgets.crumb import CrumbState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events

    from traffic_tui.link import Heard
    from traffic_tui.screens.desk import Desk
    from traffic_tui.widgets.filter_bar import FilterProblem
    from traffic_tui.widgets.line_table import RowSource

View = TypeVar("View")

RELOAD_SECONDS = 1.0
"""These views carry counts that change with every job, so they are loaded at most this often."""


class FleetScreen(KeptList[View], Generic[View]):
    """A subclass says how to load, what a row is called and what may be filtered."""

    heading: ClassVar[str]
    what: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]
    shortest_pause: ClassVar[float] = RELOAD_SECONDS

    def __init__(self, desk: Desk, source: RowSource, *, order: str) -> None:
        super().__init__(desk, source, order=order)
        self.views: dict[str, View] = {}
        self.is_loaded = False
        self._only_problems = False
        self._pace = PlacingPace()

    # what a subclass says ---------------------------------------------------------------------

    async def fetch(self) -> dict[str, View]:
        """All rows, by key."""
        raise NotImplementedError

    def fields_of(self, view: View) -> Mapping[str, str]:
        """What of a row can be filtered, by field."""
        raise NotImplementedError

    def labels_of(self, view: View) -> Mapping[str, str]:
        return {}

    def is_problem(self, view: View) -> bool:
        raise NotImplementedError

    def concerns(self, heard: Heard) -> bool:
        return bool(heard)

    # loading and showing ----------------------------------------------------------------------

    async def _reload(self) -> None:
        fresh = await self.fetch()
        old, self.views = self.views, fresh
        self.is_loaded = True
        self.table.rows_changed({key for key, view in fresh.items() if old.get(key) != view})
        self.place_rows()

    def put(self, key: str, view: View) -> None:
        """A row as the coordinator just answered it."""
        self.views[key] = view
        self.table.row_changed(key)
        self._catch_up.hurry()
        self.show_lines()

    def place_rows(self, *, at_once: bool = False) -> None:
        """Bring the rows into order, if they may move now."""
        now = self.desk.clock.monotonic()
        shown = [key for key, view in self.views.items() if self._is_shown(view)]
        assert self.order is not None
        is_same_set = set(shown) == set(self.table.keys)
        if at_once or not is_same_set or not self.order.is_moving or self._pace.may_place(now):
            order = self.order
            shown.sort(key=lambda key: order.value(self.views[key]), reverse=order.is_descending)
            self._pace.placed(now)
            self.table.set_order(shown)
        self._show_emptiness()
        self.show_lines()

    def _is_shown(self, view: View) -> bool:
        if self._only_problems and not self.is_problem(view):
            return False
        return fits_fields(self.filter_text, self.fields_of(view), self.labels_of(view))

    def _show_emptiness(self) -> None:
        filter_text = self.filter_text or ("only problems" if self._only_problems else "")
        self.table.set_empty(
            [self.desk.emptiness(self.what, filter_text, is_loaded=self.is_loaded)]
        )

    def tick(self) -> None:
        self._show_emptiness()
        super().tick()

    def crumb(self) -> CrumbState:
        shown, total = len(self.table.keys), len(self.views)
        words = f"{count(shown)} of {count(total)}" if shown != total else f"{count(total)}"
        what = self.what if total != 1 else self.what.removesuffix("s")
        problems = "only problems" if self._only_problems else ""
        return CrumbState(
            path=(self.heading,),
            filter=" ".join(filter(None, (self.filter_text, problems))),
            count=f"{words} {what}" if self.is_loaded else "",
            order=self.order_words(),
        )

    def cursor_view(self) -> View | None:
        """The row under the cursor."""
        key = self.table.cursor_key
        return self.views.get(str(key)) if key is not None else None

    # filter, order, keys ----------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        self._pace.key_pressed(self.desk.clock.monotonic())

    def filter_problem(self, text: str) -> FilterProblem | None:
        known: dict[str, Any] = dict.fromkeys(self.fields)
        return field_filter_problem(text, known)

    def filter_completions(self, text: str, cursor: int) -> Sequence[tuple[int, int, str]]:
        return field_completions(text, cursor, (*self.fields, "label."))

    def filter_changed(self, text: str) -> None:
        self.place_rows(at_once=True)

    def order_changed(self) -> None:
        self.place_rows(at_once=True)

    def do_problems(self) -> None:
        self._only_problems = not self._only_problems
        self.place_rows(at_once=True)

    def do_back(self) -> None:
        if self._only_problems:
            self.do_problems()
        else:
            super().do_back()
