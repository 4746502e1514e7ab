"""One row of a table as a strip: its cells side by side, in the styles of their roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip

from traffic_tui.state.clean_text import fit
from traffic_tui.widgets.role_styles import words_and_padding

if TYPE_CHECKING:
    from rich.style import Style

    from traffic_tui.state.columns import Cell, PlacedColumn
    from traffic_tui.state.glyphs import Role
    from traffic_tui.widgets.role_styles import RoleStyles


class RowPainter:
    """Collects the cells of a row, joining neighbours that look the same."""

    def __init__(self, styles: RoleStyles, row_role: Role, *, at_cursor: bool) -> None:
        self._style_of = styles.at_cursor if at_cursor else styles.of
        self._plain = self._style_of("plain" if at_cursor else row_role)
        self._parts: list[tuple[str, Style]] = []
        self._width = 0

    def add(self, cell: Cell, placed: PlacedColumn, ellipsis: str) -> None:
        if placed.x > self._width:
            self._append(" " * (placed.x - self._width), self._plain)
        text = fit(cell.text, placed.width, right=placed.column.is_right, ellipsis=ellipsis)
        if cell.head and not placed.column.is_right:
            self._append_words(text[: cell.head], cell.head_role)
            text = text[cell.head :]
        self._append_words(text, cell.role)
        self._width = placed.x + placed.width

    def _style(self, role: Role) -> Style:
        return self._plain if role == "plain" else self._style_of(role)

    def _append_words(self, text: str, role: Role) -> None:
        for part, style in words_and_padding(text, self._style(role), self._plain):
            self._append(part, style)

    def _append(self, text: str, style: Style) -> None:
        if self._parts and self._parts[-1][1] is style:
            text = self._parts.pop()[0] + text
        self._parts.append((text, style))

    def strip(self, width: int, *, is_marked: bool) -> Strip:
        if self._width < width:
            self._append(" " * (width - self._width), self._plain)
        if is_marked and self._parts:
            text, style = self._parts[0]
            self._parts[0] = ("*" + text[1:], style)
        strip = Strip([Segment(text, style) for text, style in self._parts if text])
        return strip if self._width <= width else strip.crop(0, width)
