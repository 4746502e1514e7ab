"""Long lines of output folded into rows, and which row belongs to which line.

How many rows a line takes is computed once a block and width, so that folding 100,000 lines does
not cost 100,000 lines a frame.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from traffic_tui.state.clean_text import cells, head
from traffic_tui.state.sgr import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traffic_tui.state.output_lines import Block, OutputLine
    from traffic_tui.state.outputlog import OutputLog


def fold(runs: Sequence[Run], width: int) -> list[tuple[Run, ...]]:
    """A line's runs in rows of at most ``width`` cells; an empty line is one empty row."""
    rows: list[tuple[Run, ...]] = []
    row: list[Run] = []
    room = width = max(2, width)
    for text, style in runs:
        rest = text
        while rest:
            part = head(rest, room)
            if part:
                row.append(Run(part, style))
                room -= cells(part)
                rest = rest[len(part) :]
            if rest:
                rows.append(tuple(row))
                row, room = [], width
    if row or not rows:
        rows.append(tuple(row))
    return rows


def row_count(line: OutputLine, width: int) -> int:
    """How many rows a line takes; a byte is never wider than a cell, but for tabs."""
    if len(line.raw) <= width and b"\t" not in line.raw and not line.cut_bytes:
        return 1
    return len(fold(line.runs(), width))


class WrapIndex:
    """Rows of a log folded at one width."""

    def __init__(self, log: OutputLog) -> None:
        self._log = log
        self._width = 0
        self._version = -1
        self._block_rows: dict[Block, list[int]] = {}
        """By block: the first row of each of its lines, and the number of its rows at the end."""
        self._ids: list[int] = []
        self._starts: list[int] = []
        self._blocks: list[Block] = []
        self._head_rows = 0
        self._open_rows: list[int] = []

    def update(self, width: int) -> None:
        """Make the index right for the log as it is now."""
        if width == self._width and self._log.version == self._version:
            return
        if width != self._width:
            self._block_rows = {}
        self._width, self._version = width, self._log.version
        pairs = list(self._log.blocks())
        self._ids = [first_id for first_id, _ in pairs]
        self._blocks = [block for _, block in pairs]
        self._block_rows = {block: self._rows_of(block) for block in self._blocks}
        self._head_rows = int(self._log.has_head_note)
        sizes = (self._block_rows[block][-1] for block in self._blocks)
        self._starts = list(accumulate(sizes, initial=self._head_rows))
        open_sizes = (row_count(self._log.line(one), width) for one in self._log.open_ids())
        self._open_rows = list(accumulate(open_sizes, initial=self._starts[-1]))

    def _rows_of(self, block: Block) -> list[int]:
        known = self._block_rows.get(block)
        if known is not None and len(known) == len(block.lines) + 1:
            return known
        sizes = (row_count(block.line(place), self._width) for place in range(len(block.lines)))
        return list(accumulate(sizes, initial=0))

    def total(self) -> int:
        return self._open_rows[-1]

    def locate(self, row: int) -> tuple[int, int]:
        """The line a row belongs to, and which of its rows it is."""
        if row < self._head_rows:
            return self._log.first_id, 0
        if row >= self._starts[-1]:
            place = min(bisect_right(self._open_rows, row), len(self._open_rows) - 1) - 1
            place = max(place, 0)
            return self._log.first_open_id + place, row - self._open_rows[place]
        place = bisect_right(self._starts, row) - 1
        rows = self._block_rows[self._blocks[place]]
        within = row - self._starts[place]
        position = bisect_right(rows, within) - 1
        return self._ids[place] + position, within - rows[position]

    def row_of(self, line_id: int) -> int:
        """The first row of a line."""
        if line_id >= self._log.first_open_id:
            place = min(line_id - self._log.first_open_id, len(self._open_rows) - 1)
            return self._open_rows[place]
        if not self._ids or line_id < self._ids[0]:
            return 0
        place = bisect_right(self._ids, line_id) - 1
        return (
            self._starts[place] + self._block_rows[self._blocks[place]][line_id - self._ids[place]]
        )
