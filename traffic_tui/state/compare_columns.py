"""The lines of two tries around the place where they begin to differ: columns and contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, WIDE_FROM, Cell, Column, fit_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from traffic_tui.state.columns import PlacedColumn
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.output_compare import ComparedLine, Kind

SIDE_BY_SIDE_FROM = WIDE_FROM
"""Width from which the outputs stand beside each other; below it, line under line."""
_ROLES: Mapping[Kind, Role] = {
    "same": "muted",
    "numbers": "plain",
    "changed": "warn",
    "one": "warn",
}

_SIDE_BY_SIDE = (
    Column("left", " LINE", 0, 8, 8, is_right=True),
    Column("left_text", "", 0, 20, UNBOUNDED, grows=True),
    Column("right", "LINE", 0, 8, 8, is_right=True),
    Column("right_text", "", 0, 20, UNBOUNDED, grows=True),
)
_UNDER_EACH_OTHER = (
    Column("line", " LINE", 0, 8, 8, is_right=True),
    Column("try", "TRY", 0, 4, 4),
    Column("text", "", 0, 20, UNBOUNDED, grows=True),
)


class ShownLine(NamedTuple):
    """One row: both lines, or in narrow lists one of them."""

    line: ComparedLine
    of: str = ""
    """``left``, ``right`` or ``both``; empty: side by side."""


def shown_lines(
    lines: Sequence[ComparedLine], width: int, *, differ_in_words: bool
) -> list[ShownLine]:
    """The rows for a list of this width. Where words differ, numbers alone are not worth a row."""
    if width >= SIDE_BY_SIDE_FROM:
        return [ShownLine(line) for line in lines]
    rows: list[ShownLine] = []
    for line in lines:
        if line.kind == "same" or (line.kind == "numbers" and differ_in_words):
            rows.append(ShownLine(line, "both"))
        else:
            rows += [ShownLine(line, "left")] if line.left else []
            rows += [ShownLine(line, "right")] if line.right else []
    return rows


class ComparedRows:
    """The rows of a table.

    Args:
        tries: the numbers of the older and the newer try; 0: not known.
    """

    def __init__(self, tries: Callable[[], tuple[int, int]]) -> None:
        self.rows: Sequence[ShownLine] = ()
        self.aside = 0
        """Cells by which long lines are moved to the left."""
        self._tries = tries

    @property
    def first_difference(self) -> int:
        """The first row whose words differ; the first of all where none do."""
        kinds = [row.line.kind for row in self.rows]
        return next((at for at, kind in enumerate(kinds) if kind in ("changed", "one")), 0)

    def columns(self, width: int) -> Sequence[PlacedColumn]:
        if width < SIDE_BY_SIDE_FROM:
            return fit_columns(_UNDER_EACH_OTHER, width)
        left, right = self._tries()
        labels = {"left_text": f"TRY {left}", "right_text": f"TRY {right}"} if left else {}
        columns = [
            column._replace(label=labels.get(column.key, column.label)) for column in _SIDE_BY_SIDE
        ]
        return fit_columns(columns, width)

    def cell(self, key: int, column: PlacedColumn) -> Cell:
        if not 0 <= key < len(self.rows):
            return EMPTY
        line, of = self.rows[key]
        name = column.column.key
        role = _ROLES[line.kind]
        if name in ("left_text", "right_text"):
            return Cell(self._moved(getattr(line, name)), role)
        if name in ("left", "right"):
            return Cell(_number(getattr(line, name)), "muted")
        if name == "line":
            return Cell(_number(line.left if of == "left" else line.right), "muted")
        if name == "try":
            return Cell("" if of == "both" else str(self._tries()[of == "right"]), role)
        return Cell(self._moved(self.text(key)), role)

    def text(self, key: int) -> str:
        """The line as it was written; of both tries, where they stand side by side."""
        line, of = self.rows[key]
        if of == "left":
            return line.left_text
        if of or line.left_text == line.right_text:
            return line.right_text
        return "\n".join(text for text in (line.left_text, line.right_text) if text)

    def row_role(self, key: int) -> Role:
        return "plain"

    def _moved(self, text: str) -> str:
        return clean(text)[self.aside :]


def _number(line: int) -> str:
    return f"{line:,}" if line else ""
