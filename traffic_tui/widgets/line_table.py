"""A table of any number of rows that formats only those in view and repaints only what changed.

It holds no rows: a :class:`RowSource` says what stands in a cell when it is asked. Rows are known
by their key, so the cursor and the marks stay where they are, whatever comes or goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from traffic_tui.state.clean_text import cells, crop, fit
from traffic_tui.state.selection import Selection
from traffic_tui.widgets.line_view import LineView
from traffic_tui.widgets.row_painter import RowPainter

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from textual import events

    from traffic_tui.state.columns import Cell, PlacedColumn
    from traffic_tui.state.glyphs import Role
    from traffic_tui.widgets.role_styles import RoleStyles

RowKey: TypeAlias = int | str
Variant: TypeAlias = tuple[RowKey, bool, bool]
"""A row, whether the cursor is on it, and whether it is marked."""

_MAX_STRIPS = 1_024
_NEAR_END_LINES = 100


class RowSource(Protocol):
    """What a table asks of whoever holds the rows. All text is clean."""

    def columns(self, width: int) -> Sequence[PlacedColumn]:
        """The columns that fit into ``width`` cells."""
        ...

    def cell(self, key: Any, column: PlacedColumn) -> Cell: ...

    def row_role(self, key: Any) -> Role:
        """``muted`` for rows that should step back."""
        ...


class LineTable(LineView, can_focus=True):
    """See the module's words."""

    HEADER_LINES: ClassVar[int] = 1
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, id="table.up"),
        Binding("down,j", "move(1)", "down", show=False, id="table.down"),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, id="table.page_up"),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, id="table.page_down"),
        Binding("home,g", "first", "first row", show=False, id="table.first"),
        Binding("end,G", "last", "last row", show=False, id="table.last"),
        Binding("enter", "open", "open", show=False, id="table.open"),
    ]

    class CursorMoved(Message):
        """The cursor is on another row, by a key, the mouse, or because its row has gone."""

        def __init__(self, table: LineTable, key: RowKey | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> LineTable:
            return self.table

    class Opened(CursorMoved):
        """The operator wants to go into a row."""

    class MarksChanged(Message):
        """Rows were marked, or marks taken away."""

        def __init__(self, table: LineTable, count: int) -> None:
            super().__init__()
            self.table = table
            self.count = count

        @property
        def control(self) -> LineTable:
            return self.table

    class SortAsked(Message):
        """The operator clicked on a column that can be sorted by."""

        def __init__(self, table: LineTable, order: str) -> None:
            super().__init__()
            self.table = table
            self.order = order

        @property
        def control(self) -> LineTable:
            return self.table

    class NearEnd(Message):
        """The last rows come into view: if there are more, now is the time to fetch them."""

        def __init__(self, table: LineTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> LineTable:
            return self.table

    def __init__(
        self,
        source: RowSource,
        *,
        empty: Sequence[str] = (),
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.source = source
        self.selection: Selection[RowKey] = Selection()
        self._keys: Sequence[RowKey] = ()
        self._empty = tuple(empty)
        self._order = ""
        self._is_descending = False
        self._columns: tuple[PlacedColumn, ...] | None = None
        self._columns_width = -1
        self._strips: dict[Variant, Strip] = {}
        self._painted: dict[int, Variant | None] = {}
        """What each line of the body showed when it was painted last."""
        self._ages: dict[RowKey, tuple[str, ...]] = {}
        self._end_told_at = -1

    # data -------------------------------------------------------------------------------------

    @property
    def keys(self) -> Sequence[RowKey]:
        return self._keys

    @property
    def cursor_key(self) -> RowKey | None:
        """The row under the cursor; None: there are no rows."""
        return self.selection.key

    def set_order(self, keys: Sequence[RowKey]) -> None:
        """Take the rows in their order; the same list, changed in place, may be given again.

        The cursor's row keeps its line on the screen wherever the list is long enough.
        """
        old_key = self.selection.key
        self._keys = keys
        moved = self.selection.replace(keys)
        self.top = self._top_with_cursor(max(0, min(self.top + moved, self.max_top)))
        self._refresh_moved_lines()
        self.refresh_bar()
        if self.selection.key != old_key:
            self.post_message(self.CursorMoved(self, self.selection.key))
        self._tell_near_end()

    def _refresh_moved_lines(self) -> None:
        """Paint the lines again on which another row stands than was painted last."""
        if not self._keys:
            self.refresh()
            return
        for index in range(self.top, self.top + self.body_height):
            if self._painted.get(index - self.top, ()) != self._variant(index):
                self.refresh_index(index)

    def _variant(self, index: int) -> Variant | None:
        """Which row stands on a line, and how; None: a blank line."""
        if index >= len(self._keys):
            return None
        key = self._keys[index]
        return key, index == self.selection.index, key in self.selection.marks

    def shows(self, column: str) -> bool:
        """Whether there is room for that column."""
        return any(placed.column.key == column for placed in self._placed())

    def row_changed(self, key: RowKey) -> None:
        """A row looks different now: its line is painted again if it is in view."""
        self._forget(key)
        try:
            index = self._keys.index(key, self.top, self.top + self.body_height)
        except ValueError:
            return
        self.refresh_index(index)

    def rows_changed(self, keys: Collection[RowKey]) -> None:
        """Several rows look different now. Costs the rows that are drawn, not those given."""
        if not keys:
            return
        if len(keys) <= len(self._ages):
            for key in keys:
                self._forget(key)
        else:
            for key in [drawn for drawn in self._ages if drawn in keys]:
                self._forget(key)
        for index in self.visible_range():
            if self._keys[index] in keys:
                self.refresh_index(index)

    def all_changed(self) -> None:
        """Everything looks different now, for example the time zone or the columns' contents."""
        self._columns = None
        self.drop_strips()
        self.refresh()

    def tick(self) -> None:
        """Time went on: paint the cells of ages in view that read differently now, and rows of
        which it is not known what they show: styles were looked at since."""
        aging = [placed for placed in self._placed() if placed.column.ages]
        for index in self.visible_range():
            key = self._keys[index]
            old = self._ages.get(key)
            if old is None:
                self.refresh_index(index)
                continue
            for placed, text in zip(aging, old, strict=True):
                if self.source.cell(key, placed).text != text:
                    self._forget_strips(key)
                    self.refresh_index(index, placed.x, placed.width)

    def show_sort(self, order: str, *, is_descending: bool) -> None:
        """Draw the arrow at the column that sorts by ``order``."""
        if (order, is_descending) != (self._order, self._is_descending):
            self._order, self._is_descending = order, is_descending
            self.refresh_header()

    def set_empty(self, lines: Sequence[str]) -> None:
        """What stands in the middle while there are no rows."""
        if tuple(lines) != self._empty:
            self._empty = tuple(lines)
            if not self._keys:
                self.refresh()

    # the cursor and the marks -----------------------------------------------------------------

    def select(self, key: RowKey) -> bool:
        """Put the cursor on a row, if it is there."""
        before = self.selection.index
        return self.selection.select(key) and self._cursor_left(before)

    def toggle_mark(self) -> None:
        """Mark the cursor's row or take its mark away, and go one down."""
        if self.selection.key is None:
            return
        self.selection.toggle_mark()
        self.refresh_index(self.selection.index)
        self._tell_marks()
        self.action_move(1)

    def toggle_range(self) -> None:
        """Begin a range at the cursor, or mark all rows from its beginning to the cursor."""
        if self.selection.range_start is None:
            self.selection.start_range()
            return
        self.selection.end_range()
        self.refresh()
        self._tell_marks()

    def mark_all(self) -> None:
        """Mark every listed row."""
        self.selection.mark_all(self._keys)
        self.refresh()
        self._tell_marks()

    def clear_marks(self) -> None:
        self.selection.clear_marks()
        self.refresh()
        self._tell_marks()

    def _tell_marks(self) -> None:
        self.post_message(self.MarksChanged(self, len(self.selection.marks)))

    def action_move(self, lines: int) -> None:
        self._go(self.selection.index + lines)

    def action_page(self, pages: int) -> None:
        """The cursor keeps its line on the screen; the rows go by."""
        step = max(1, self.body_height - 1) * pages
        self.top = max(0, min(self.top + step, self.max_top))
        self._go(self.selection.index + step)
        self.refresh()

    def action_first(self) -> None:
        self._go(0)

    def action_last(self) -> None:
        self._go(len(self._keys) - 1)

    def action_open(self) -> None:
        if self.selection.key is not None:
            self.post_message(self.Opened(self, self.selection.key))

    def _go(self, index: int) -> None:
        before = self.selection.index
        if self.selection.move_to(index):
            self._cursor_left(before)

    def _cursor_left(self, before: int) -> bool:
        self.refresh_index(before)
        self.refresh_index(self.selection.index)
        self.scroll_to_line(self._top_with_cursor(self.top))
        self.post_message(self.CursorMoved(self, self.selection.key))
        self._tell_near_end()
        return True

    def _top_with_cursor(self, top: int) -> int:
        """The first line nearest to ``top`` that has the cursor in view."""
        index, height = self.selection.index, self.body_height
        if height <= 0:
            return top
        return max(0, min(index, max(top, index - height + 1)))

    def scrolled_by_operator(self) -> None:
        """The cursor stays in view: what is acted on must be seen."""
        top, height = self.top, self.body_height
        index = max(top, min(self.selection.index, top + height - 1))
        if self.selection.move_to(index):
            self.post_message(self.CursorMoved(self, self.selection.key))
        self._tell_near_end()

    def _tell_near_end(self) -> None:
        count = len(self._keys)
        is_near = self.top + self.body_height >= count - _NEAR_END_LINES
        if count and is_near and count != self._end_told_at:
            self._end_told_at = count
            self.post_message(self.NearEnd(self))

    def on_click(self, event: events.Click) -> None:
        if event.y < self.HEADER_LINES:
            self._click_header(event.x)
            return
        index = self.top + event.y - self.HEADER_LINES
        if index < len(self._keys) and event.x < self.body_width:
            self._go(index)
            if event.chain == 2:
                self.action_open()

    def _click_header(self, x: int) -> None:
        for placed in self._placed():
            if placed.x <= x < placed.x + placed.width and placed.column.order:
                self.post_message(self.SortAsked(self, placed.column.order))

    def on_resize(self, event: events.Resize) -> None:
        """The cursor stays in view; the base class bounds the rest afterwards."""
        self.top = self._top_with_cursor(self.top)

    def on_focus(self) -> None:
        self.refresh_header()

    def on_blur(self) -> None:
        self.refresh_header()

    # painting ---------------------------------------------------------------------------------

    def line_count(self) -> int:
        return len(self._keys)

    def drop_strips(self) -> None:
        self._strips.clear()
        self._ages.clear()
        self._painted.clear()

    def _forget(self, key: RowKey) -> None:
        self._ages.pop(key, None)
        self._forget_strips(key)

    def _forget_strips(self, key: RowKey) -> None:
        for at_cursor in (False, True):
            for is_marked in (False, True):
                self._strips.pop((key, at_cursor, is_marked), None)

    def _placed(self) -> tuple[PlacedColumn, ...]:
        width = self.body_width
        if self._columns is None or self._columns_width != width:
            self.drop_strips()
            self._columns = tuple(self.source.columns(width))
            self._columns_width = width
        return self._columns

    def header_strip(self, y: int, width: int, styles: RoleStyles) -> Strip:
        style = styles.of("title") if self.has_focus else styles.base
        parts = [self._label(placed) for placed in self._placed()]
        return Strip([Segment(fit(" ".join(parts), width), style)], width)

    def _label(self, placed: PlacedColumn) -> str:
        label = placed.column.label
        if self._order and placed.column.order == self._order:
            arrow = self.glyphs.down if self._is_descending else self.glyphs.up
            label = crop(label, placed.width - 1) + arrow
        return fit(label, placed.width, right=placed.column.is_right)

    def body_strip(self, index: int, width: int, styles: RoleStyles) -> Strip | None:
        if not self._keys:
            self._painted.clear()
            return self._empty_strip(index, width, styles)
        placed = self._placed()
        variant = self._variant(index)
        self._painted[index - self.top] = variant
        if variant is None:
            return None
        strip = self._strips.get(variant)
        if strip is None:
            strip = self._row_strip(variant, placed, width, styles)
            if len(self._strips) >= _MAX_STRIPS:
                self.drop_strips()
            self._strips[variant] = strip
        return strip

    def _row_strip(
        self,
        variant: Variant,
        columns: tuple[PlacedColumn, ...],
        width: int,
        styles: RoleStyles,
    ) -> Strip:
        key, at_cursor, is_marked = variant
        painter = RowPainter(styles, self.source.row_role(key), at_cursor=at_cursor)
        ages: list[str] = []
        for placed in columns:
            cell = self.source.cell(key, placed)
            if placed.column.ages:
                ages.append(cell.text)
            painter.add(cell, placed, self.glyphs.ellipsis)
        self._ages[key] = tuple(ages)
        return painter.strip(width, is_marked=is_marked)

    def _empty_strip(self, index: int, width: int, styles: RoleStyles) -> Strip | None:
        first = max(0, (self.body_height - len(self._empty)) // 2)
        if not 0 <= index - first < len(self._empty):
            return None
        text = crop(self._empty[index - first], width)
        centred = " " * ((width - cells(text)) // 2) + text
        return Strip([Segment(fit(centred, width), styles.of("muted"))], width)
