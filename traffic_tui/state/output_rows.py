"""In which rows a log is shown: one a line, long lines folded, or only lines that match."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from traffic_tui.state.wrapping import WrapIndex

if TYPE_CHECKING:
    from traffic_tui.state.outputlog import OutputLog


class OutputRows:
    """Rows by index, and the line and part of it that each shows."""

    def __init__(self, output: OutputLog) -> None:
        self._output = output
        self._wrap = WrapIndex(output)
        self._matches = MatchIndex(output)
        self.fold_width = 0
        """Cells at which long lines are folded; 0: they are not."""
        self.only_text = ""
        """Only lines with this text are shown, unfolded; empty: all."""

    def count(self) -> int:
        if self.only_text:
            return len(self._matches.ids(self.only_text))
        if self.fold_width:
            self._wrap.update(self.fold_width)
            return self._wrap.total()
        return self._output.line_count()

    def locate(self, row: int) -> tuple[int, int]:
        """The line a row shows, and which part of it; the nearest one out of bounds."""
        if self.only_text:
            ids = self._matches.ids(self.only_text)
            return (ids[max(0, min(row, len(ids) - 1))] if ids else self._output.first_id), 0
        if self.fold_width:
            self._wrap.update(self.fold_width)
            return self._wrap.locate(row)
        return self._output.id_at(row), 0

    def row_of(self, line_id: int) -> int:
        """The first row of a line, or of the next one that is shown."""
        if self.only_text:
            return bisect_left(self._matches.ids(self.only_text), line_id)
        if self.fold_width:
            self._wrap.update(self.fold_width)
            return self._wrap.row_of(line_id)
        return self._output.index_of(line_id)


class MatchIndex:
    """Ids of the lines that contain a text, kept as lines come and go."""

    def __init__(self, output: OutputLog) -> None:
        self._output = output
        self._text = ""
        self._version = -1
        self._ids: list[int] = []
        self._scanned = range(0)
        """Ids that were looked at."""

    def ids(self, text: str) -> list[int]:
        """Ids of matching lines, in order. Only lines that came since the last call are read."""
        if text == self._text and self._output.version == self._version:
            return self._ids
        oldest, open_id = self._output.oldest_id, self._output.first_open_id
        if text != self._text or oldest < self._scanned.start:
            self._ids, self._scanned = [], range(oldest, oldest)
        stop = max(oldest, min(self._scanned.stop, open_id))
        kept = self._ids[bisect_left(self._ids, oldest) : bisect_left(self._ids, stop)]
        end = open_id + len(self._output.open_ids())
        self._ids = kept + self._output.matching(text, range(stop, end))
        self._text, self._version = text, self._output.version
        self._scanned = range(oldest, open_id)
        return self._ids
