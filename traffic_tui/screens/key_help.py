"""The Help screen: every key and command of the screen it was asked on, from the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from traffic_tui.actions import SCOPE_WORDS, SCOPES, Action, key_words
from traffic_tui.screens.table_screen import TableScreen
from traffic_tui.state.clean_text import cells
from traffic_tui.state.columns import UNBOUNDED, Cell, Column, PlacedColumn, fit_columns
from traffic_tui.widgets.crumb import CrumbState
from traffic_tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from traffic_tui.actions import Scope
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role

_COLUMNS = (
    Column("keys", " KEY", 0, 12, 16),
    Column("command", "COMMAND", 1, 16, 18),
    Column("help", "DOES", 0, 30, UNBOUNDED, grows=True),
)


class KeyRows:
    """Actions as rows of a table."""

    def __init__(self, desk: Desk, actions: Sequence[Action]) -> None:
        self._desk = desk
        self.actions = {action.id: action for action in actions}

    def columns(self, width: int) -> Sequence[PlacedColumn]:
        return fit_columns(_COLUMNS, width, {"keys": 16, "command": 18} if width >= 100 else None)

    def cell(self, key: str, column: PlacedColumn) -> Cell:
        action = self.actions[key]
        if column.column.key == "keys":
            keys = self._desk.keymap.keys_of(action)
            return Cell(" " + " ".join(key_words(one) for one in keys), "title")
        if column.column.key == "command":
            return Cell(f":{action.command} {action.takes}".rstrip() if action.command else "")
        return Cell(self.words(key))

    def words(self, key: str) -> str:
        """What an action does, and how it is undone."""
        action = self.actions[key]
        undo = f" Undo: {action.undo}." if action.undo else ""
        return f"{action.help}{undo}".replace("`", "")

    def row_role(self, key: str) -> Role:
        return "plain"


class HelpScreen(TableScreen):
    """See the module's words."""

    scope: ClassVar[Scope] = "help"

    def __init__(self, desk: Desk, about: str) -> None:
        super().__init__(desk, about)
        scope = next(one for one in SCOPES if one == about)
        self._rows = KeyRows(desk, _acting_first(desk.actions(scope)))
        self.table = LineTable(self._rows, id="table")
        self.table.glyphs = desk.context.glyphs
        self._scope_words = SCOPE_WORDS[scope]

    def body(self) -> Iterable[Widget]:
        yield self.table

    def on_mount(self) -> None:
        self.table.set_order(list(self._rows.actions))

    def crumb(self) -> CrumbState:
        count = f"{len(self._rows.actions)} keys and commands"
        return CrumbState(path=("Help", self._scope_words), count=count)

    def note(self) -> tuple[str, Role]:
        key = self.table.cursor_key
        if key is None:
            return "", "plain"
        words = self._rows.words(str(key))
        if cells(words) > self._rows.columns(self.table.body_width)[-1].width:
            return words, "plain"
        action = self._rows.actions[str(key)]
        return f"keys.{action.id} in console.toml changes this key", "muted"

    def on_line_table_cursor_moved(self) -> None:
        self.show_lines()


def _acting_first(actions: Sequence[Action]) -> list[Action]:
    """What is particular to the screen first, what is the same everywhere last."""
    return sorted(actions, key=lambda action: len(action.scope))
