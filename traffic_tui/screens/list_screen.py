"""What the lists share: a table, a filter line, an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from traffic_tui.screens.table_screen import TableScreen
from traffic_tui.widgets.filter_bar import FilterBar, FilterProblem
from traffic_tui.widgets.line_table import LineTable, RowKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from textual.widget import Widget

    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.order import SortOrder
    from traffic_tui.widgets.line_table import RowSource

View = TypeVar("View")


class ListScreen(TableScreen, Generic[View]):
    """A screen with one table; subclasses say what stands in it."""

    orders: ClassVar[Mapping[str, SortOrder[Any]]] = {}
    """By name, in the order of the columns."""

    def __init__(self, desk: Desk, source: RowSource, *, about: str = "", order: str = "") -> None:
        super().__init__(desk, about)
        self.table = LineTable(source, empty=("Loading.",), id="table")
        self.table.glyphs = desk.context.glyphs
        self._filter_bar = FilterBar(self.filter_problem, self.filter_completions, id="filter")
        self.order: SortOrder[Any] | None = self.orders.get(order)

    # what a list says -------------------------------------------------------------------------

    def filter_problem(self, text: str) -> FilterProblem | None:
        """What is wrong with a filter, or None."""
        return None

    def filter_completions(self, text: str, cursor: int) -> Sequence[tuple[int, int, str]]:
        """What the word at the cursor could become: where it begins, where it ends, the word."""
        return ()

    def filter_changed(self, text: str) -> None:
        """Another filter is in force."""
        raise NotImplementedError

    def order_changed(self) -> None:
        """``self.order`` is another one."""
        raise NotImplementedError

    def open_row(self, key: RowKey) -> None:
        """The operator goes into a row."""
        raise NotImplementedError

    def row_text(self, key: RowKey) -> str:
        """What ``y`` copies."""
        return str(key)

    # parts ------------------------------------------------------------------------------------

    @property
    def filter_text(self) -> str:
        """The filter in force."""
        return self._filter_bar.good_filter

    def body(self) -> Iterable[Widget]:
        yield self.table
        yield self._filter_bar

    def on_mount(self) -> None:
        self.show_sort()

    def tick(self) -> None:
        self.table.tick()
        super().tick()

    def zone_changed(self) -> None:
        self.table.all_changed()
        self.show_lines()

    def order_words(self) -> str:
        """The order for the crumb: ``by JOB ↓``."""
        if self.order is None:
            return ""
        glyphs = self.desk.context.glyphs
        arrow = glyphs.down if self.order.is_descending else glyphs.up
        return f"by {self.order.label} {arrow}"

    def show_sort(self) -> None:
        if self.order is not None:
            self.table.show_sort(self.order.name, is_descending=self.order.is_descending)

    # messages of the parts --------------------------------------------------------------------

    def on_line_table_opened(self, event: LineTable.Opened) -> None:
        if event.key is not None:
            self.open_row(event.key)

    def on_line_table_cursor_moved(self, event: LineTable.CursorMoved) -> None:
        self.show_lines()

    def on_line_table_sort_asked(self, event: LineTable.SortAsked) -> None:
        if self.order is not None and event.order == self.order.name:
            self.do_reverse()
        elif event.order in self.orders:
            self.use_order(self.orders[event.order])

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        if not isinstance(event, FilterBar.Closed):
            self.filter_changed(event.text)
            self.show_lines()

    def on_filter_bar_closed(self, event: FilterBar.Closed) -> None:
        self.take_keyboard_back()
        self.show_lines()

    # acts -------------------------------------------------------------------------------------

    def do_open(self) -> None:
        self.table.action_open()

    def do_filter(self) -> None:
        self._filter_bar.open()

    def set_filter(self, text: str) -> None:
        """Put a filter in force that did not come from the filter line."""
        self._filter_bar.set_filter(text)

    def do_back(self) -> None:
        """First the filter goes, then the screen."""
        if self.filter_text:
            self.set_filter("")
        else:
            super().do_back()

    def do_copy(self) -> None:
        key = self.table.cursor_key
        if key is not None:
            self.copy(self.row_text(key), self.row_text(key))

    def do_sort(self, argument: str) -> None:
        names = {name.lower(): order for name, order in self.orders.items()}
        names |= {order.label.lower(): order for order in self.orders.values()}
        order = names.get(argument.lower())
        if order is None:
            self.say(f"orders: {', '.join(self.orders)}", "warn")
        else:
            self.use_order(order)

    def do_sort_left(self) -> None:
        self._next_order(-1)

    def do_sort_right(self) -> None:
        self._next_order(1)

    def _next_order(self, step: int) -> None:
        if self.order is None:
            self.say("this list has one order", "plain")
            return
        names = list(self.orders)
        place = (names.index(self.order.name) + step) % len(names)
        self.use_order(self.orders[names[place]])

    def do_reverse(self) -> None:
        if self.order is None:
            self.say("this list has one order", "plain")
        else:
            self.use_order(self.order.reversed())

    def use_order(self, order: SortOrder[Any]) -> None:
        self.order = order
        self.show_sort()
        self.order_changed()
        self.show_lines()
