"""A screen with one table: the keys that move about in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.screens.base import TrafficScreen

if TYPE_CHECKING:
    from textual.widget import Widget

    from traffic_tui.widgets.line_table import LineTable


class TableScreen(TrafficScreen):
    """A subclass makes the table."""

    table: LineTable

    def main_widget(self) -> Widget | None:
        return self.table

    def missing(self) -> str:
        return "" if self.table.keys else "nothing is listed here"

    def do_down(self) -> None:
        self.table.action_move(1)

    def do_up(self) -> None:
        self.table.action_move(-1)

    def do_top(self) -> None:
        self.table.action_first()

    def do_bottom(self) -> None:
        self.table.action_last()

    def do_half_down(self) -> None:
        self.table.action_move(max(1, self.table.body_height // 2))

    def do_half_up(self) -> None:
        self.table.action_move(-max(1, self.table.body_height // 2))
