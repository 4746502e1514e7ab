"""Columns of a list: their names and widths, and which go first when space is short."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from traffic_tui.state.glyphs import Role, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

GAP = 1
"""Cells between two columns."""


class Cell(NamedTuple):
    """The content of one column of one row."""

    text: str
    role: Role = "plain"
    head: int = 0
    """How many characters at the beginning have a role of their own."""
    head_role: Role = "plain"

    def spans(self) -> tuple[Span, ...]:
        if not self.head:
            return (Span(self.text, self.role),)
        return (
            Span(self.text[: self.head], self.head_role),
            Span(self.text[self.head :], self.role),
        )


EMPTY = Cell("")


class Column(NamedTuple):
    """A column as it is defined."""

    key: str
    label: str
    priority: int
    """0 stays always; the highest number goes first."""
    width: int
    """Narrowest."""
    max_width: int
    """Widest; where it is larger than ``width``, contents or left-over space decide."""
    is_right: bool = False
    grows: bool = False
    """Whether it shares what is left over."""
    ages: bool = False
    """Whether time alone changes it, so that it is painted again every second."""
    order: str = ""
    """Name of the order that sorts by it; empty: none does."""
    wide_width: int = 0
    """Width it would like in lists of 120 cells and more; 0: no other."""


class PlacedColumn(NamedTuple):
    """A column that made it onto the row."""

    column: Column
    x: int
    width: int


WIDE_FROM = 120
"""List width from which bars get their wider form."""


def fit_columns(
    columns: Sequence[Column], width: int, wants: Mapping[str, int] | None = None
) -> tuple[PlacedColumn, ...]:
    """The columns that fit into ``width`` cells, with their places.

    Columns go from the highest priority number until the narrowest form of the rest fits. What
    is left over brings columns to the width their contents want (``wants``, by key), then goes
    to the growing ones.
    """
    wants = _wants(columns, width, wants or {})
    base = [_narrowest(column, wants) for column in columns]
    kept = _kept(columns, base, width)
    chosen = [columns[index] for index in kept]
    widths = [base[index] for index in kept]
    spare = width - _row_width(widths)
    spare = _give_wanted(chosen, widths, spare, wants)
    _share_out(chosen, widths, spare, wants)
    return tuple(_placed(chosen, widths))


def _wants(columns: Sequence[Column], width: int, wants: Mapping[str, int]) -> dict[str, int]:
    """What contents want, and in wide lists the wider form of some columns."""
    wide = {column.key: column.wide_width for column in columns if column.wide_width}
    wanted = dict(wants)
    if width >= WIDE_FROM:
        for key, more in wide.items():
            wanted[key] = max(more, wanted.get(key, 0))
    return wanted


def _narrowest(column: Column, wants: Mapping[str, int]) -> int:
    """Numbers must not be cropped, so a right-aligned column is as wide as its contents."""
    if column.is_right and column.key in wants:
        return max(column.width, min(wants[column.key], column.max_width))
    return column.width


def _kept(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    kept = list(range(len(columns)))
    priorities = sorted({column.priority for column in columns} - {0}, reverse=True)
    for priority in priorities:
        if _row_width([widths[index] for index in kept]) <= width:
            break
        kept = [index for index in kept if columns[index].priority != priority]
    return kept


def _row_width(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _give_wanted(
    columns: Sequence[Column], widths: list[int], spare: int, wants: Mapping[str, int]
) -> int:
    for index, column in enumerate(columns):
        wanted = min(wants.get(column.key, widths[index]), column.max_width)
        more = max(0, min(spare, wanted - widths[index]))
        widths[index] += more
        spare -= more
    return spare


def _share_out(
    columns: Sequence[Column], widths: list[int], spare: int, wants: Mapping[str, int]
) -> None:
    """To growing columns; those whose contents have what they want come last."""
    growing = [index for index, column in enumerate(columns) if column.grows]
    growing = [index for index in growing if columns[index].key not in wants] or growing
    while spare > 0 and growing:
        growing = [index for index in growing if widths[index] < columns[index].max_width]
        for index in growing:
            if spare <= 0:
                break
            more = min(columns[index].max_width - widths[index], -(-spare // len(growing)))
            widths[index] += more
            spare -= more


def _placed(columns: Sequence[Column], widths: Sequence[int]) -> Iterable[PlacedColumn]:
    x = 0
    for column, width in zip(columns, widths, strict=True):
        yield PlacedColumn(column, x, width)
        x += width + GAP


UNBOUNDED = 10_000
"""Maximum of a column that takes all that is left."""
