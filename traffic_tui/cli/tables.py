"""Tables as lines of spans. Pure: what is printed where is decided by the printer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from traffic_tui.state.formats import cells, clean, fit
from traffic_tui.state.glyphs import DRAWN, GlyphSet, Mark, Role, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
Item = TypeVar("Item")

GAP = "  "
MIN_FLEXIBLE = 12
"""Narrowest a cropped column gets, in cells; below that it is left out."""


class Look(NamedTuple):
    """What cells need to know beside their row."""

    now_ms: int = 0
    is_terminal: bool = False
    glyphs: GlyphSet = DRAWN

    def mark(self, mark: Mark) -> Span:
        """A state: its word, and on a terminal its glyph before it."""
        if not self.is_terminal:
            return Span(mark.word, mark.role)
        return Span(f"{self.glyphs.of(mark)} {mark.word}", mark.glyph_role)


class Column(NamedTuple, Generic[T]):
    """One column of a table."""

    title: str
    show: Callable[[T, Look], Span]
    is_wide: bool = False
    """Only in the wide form."""
    is_right: bool = False
    is_flexible: bool = False
    """Gives way where a terminal is too narrow."""


def span(text: object, role: Role = "plain") -> Span:
    """Text from outside as a harmless cell; nothing at all is a ``-``."""
    return Span(clean(str(text)) or "-", role)


def lay_out(
    columns: Sequence[Column[T]], rows: Sequence[T], look: Look, width: int | None
) -> list[list[Span]]:
    """Title and rows as lines of aligned cells, at most ``width`` cells wide where one is given.

    Every cell is one span; spans of a line only need joining. Where even the narrowest form does
    not fit, the last columns that may give way are left out: a line that is broken by the
    terminal makes the whole table hard to read.
    """
    table = [[Span(column.title, "title") for column in columns]]
    table += [[column.show(row, look) for column in columns] for row in rows]
    widths = _widths(columns, table, width)
    while width is not None and _line_width(widths) > width:
        places = [place for place, column in enumerate(columns) if place and column.is_flexible]
        if not places:
            break
        columns = _without(columns, places[-1])
        table = [_without(line, places[-1]) for line in table]
        widths = _widths(columns, table, width)
    return [_aligned(line, columns, widths, look) for line in table]


def _without(items: Sequence[Item], place: int) -> list[Item]:
    return [*items[:place], *items[place + 1 :]]


def _line_width(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _widths(columns: Sequence[Column[T]], table: list[list[Span]], width: int | None) -> list[int]:
    widths = [max(cells(line[place].text) for line in table) for place in range(len(columns))]
    if width is None:
        return widths
    excess = _line_width(widths) - width
    for place, column in enumerate(columns):
        if excess > 0 and column.is_flexible:
            narrower = max(min(MIN_FLEXIBLE, widths[place]), widths[place] - excess)
            excess -= widths[place] - narrower
            widths[place] = narrower
    return widths


def _aligned(
    line: list[Span], columns: Sequence[Column[T]], widths: list[int], look: Look
) -> list[Span]:
    last = len(line) - 1
    aligned: list[Span] = []
    for place, (cell, column) in enumerate(zip(line, columns, strict=True)):
        text = fit(cell.text, widths[place], right=column.is_right, ellipsis=look.glyphs.ellipsis)
        aligned.append(Span(text.rstrip() if place == last else text + GAP, cell.role))
    return aligned


class Fact(NamedTuple):
    """One line of a sheet about a single thing."""

    name: str
    value: Span


def sheet(facts: Sequence[Fact]) -> list[list[Span]]:
    """Facts one below the other, values aligned."""
    width = max(cells(fact.name) for fact in facts)
    return [[Span(fit(fact.name, width) + GAP, "muted"), fact.value] for fact in facts]
