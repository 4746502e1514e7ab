"""The output of one attempt as an output view sees it: a window on lines, bounded in memory.

Lines have an id that stays the same while lines before them come or go, so whoever reads one keeps
their place. The view asks its owner for parts it lacks by byte ranges, so that opening costs the
same at any size.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from traffic_tui.state.formats import count, size
from traffic_tui.state.output_lines import (
    BLOCK_LINES,
    Block,
    OutputLine,
    gap_block,
    matcher,
    note_line,
)
from traffic_tui.state.output_stream import (
    CHUNK_BYTES,
    OutputPiece,
    OutputRange,
    StreamWindow,
    spans_gap,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CHUNK_BYTES", "OutputLine", "OutputLog", "OutputPiece", "OutputRange"]

MAX_LINES = 100_000
MAX_BYTES = 32 * 1024 * 1024
_JUMP_BYTES = 4 * CHUNK_BYTES
"""How far behind following catches up by jumping to the end."""
_MERGE_MS = 1_000


class OutputLog:
    """See the module's words."""

    def __init__(self, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        self.max_lines = max_lines
        self.max_bytes = max_bytes
        self.is_following = True
        self.new_lines = 0
        """Lines that came since following ended."""
        self.version = 0
        """Grows with every change, for whoever remembers something about the lines."""
        self._windows: dict[str, StreamWindow] = {}
        self._blocks: list[Block] = []
        self._first_ids: list[int] = []
        self._next_id = 0
        self._memory = 0
        self._streams: tuple[str, ...] = ("",)

    # what there is ----------------------------------------------------------------------------

    def open(self, streams: Sequence[str] = ("",)) -> list[OutputRange]:
        """Forget everything; the ranges to fetch first: the end of each stream."""
        self._streams = tuple(streams) or ("",)
        self._windows = {}
        self._drop_all()
        self.is_following, self.new_lines = True, 0
        self.version += 1
        return [OutputRange(stream, -CHUNK_BYTES) for stream in self._streams]

    @property
    def total_bytes(self) -> int:
        """Size of all streams, as far as is known."""
        return sum(window.size for window in self._windows.values())

    @property
    def new_bytes(self) -> int:
        """Bytes that are known to be there after what is held."""
        return sum(window.size - window.end for window in self._windows.values())

    @property
    def is_complete(self) -> bool:
        """Whether all there will ever be is held, up to the end."""
        windows = self._windows.values()
        return bool(windows) and all(one.is_complete and not one.is_behind for one in windows)

    @property
    def held_bytes(self) -> int:
        """About how much memory the lines take."""
        return self._memory + sum(len(window.partial) for window in self._windows.values())

    @property
    def lines_before(self) -> int | None:
        """Lines that lie before those held; None: not known."""
        known = [window.lines_before for window in self._windows.values()]
        return None if None in known else sum(number for number in known if number is not None)

    def window(self, stream: str = "") -> StreamWindow | None:
        return self._windows.get(stream)

    def main_window(self) -> StreamWindow | None:
        """The largest stream: the one that places such as 50% are about."""
        return max(self._windows.values(), key=lambda window: window.size, default=None)

    # lines by index and id --------------------------------------------------------------------

    @property
    def first_id(self) -> int:
        """Id of the line at index 0, which may be the note on what lies before."""
        return self.oldest_id - int(self.has_head_note)

    @property
    def oldest_id(self) -> int:
        """Id of the oldest line that is held."""
        return self._first_ids[0] if self._first_ids else self._next_id

    @property
    def has_head_note(self) -> bool:
        """Whether the first line says that more lies before it."""
        return any(window.start > 0 for window in self._windows.values())

    @property
    def first_open_id(self) -> int:
        """Id of the first line that may still change."""
        return self._next_id

    def open_ids(self) -> range:
        """Ids of last lines that have no end yet."""
        return range(self._next_id, self._next_id + len(self._partials()))

    def _partials(self) -> list[StreamWindow]:
        return [window for window in self._windows.values() if window.partial_bytes]

    def line_count(self) -> int:
        held = self._next_id - self.oldest_id
        return int(self.has_head_note) + held + len(self._partials())

    def id_at(self, index: int) -> int:
        return self.first_id + index

    def index_of(self, line_id: int) -> int:
        """Where a line is now; it may have been dropped, then this is out of bounds."""
        return line_id - self.first_id

    def line(self, line_id: int) -> OutputLine:
        if line_id < self.oldest_id:
            return self._head_note()
        if line_id >= self._next_id:
            return self._partials()[line_id - self._next_id].partial_line()
        block, position = self._locate(line_id)
        return block.line(position)

    def _locate(self, line_id: int) -> tuple[Block, int]:
        place = bisect_right(self._first_ids, line_id) - 1
        return self._blocks[place], line_id - self._first_ids[place]

    def blocks(self) -> Iterable[tuple[int, Block]]:
        """All blocks with the id of their first line."""
        return zip(self._first_ids, self._blocks, strict=True)

    def _head_note(self) -> OutputLine:
        hidden = sum(window.start for window in self._windows.values())
        before = self.lines_before
        what = f"{count(before)} lines" if before else size(hidden)
        held = count(self._next_id - self.oldest_id)
        return note_line(f"--- {what} not in this view of {held}; g loads them ---")

    def id_at_offset(self, offset: int, stream: str = "") -> int | None:
        """The line that holds a byte of a stream; None: it is not held."""
        window = self._windows.get(stream)
        if window is None or not window.start <= offset < window.end:
            return None
        if window.partial_bytes and offset >= window.partial_offset:
            return self._next_id + self._partials().index(window)
        return self._id_in_blocks(offset, stream)

    def _id_in_blocks(self, offset: int, stream: str) -> int | None:
        found: int | None = None
        for first_id, block in zip(self._first_ids, self._blocks, strict=True):
            if block.stream != stream or block.kind != "text":
                continue
            if block.offset > offset:
                break
            positions = range(len(block.lines))
            place = bisect_right(positions, offset, key=block.offset_of) - 1
            found = first_id + place
        return found

    def find(self, text: str, start_id: int, *, is_backwards: bool = False) -> int | None:
        """The next held line from ``start_id`` on that contains ``text``; small letters match
        capitals too."""
        last = self.first_id + self.line_count()
        ids = range(max(start_id, self.first_id), last)
        if is_backwards:
            ids = range(min(start_id, last - 1), self.first_id - 1, -1)
        is_match = matcher(text)
        return next((one for one in ids if is_match(self.line(one).raw)), None)

    def matching(self, text: str, ids: range) -> list[int]:
        """Which of these held lines contain ``text``."""
        is_match = matcher(text)
        return [line_id for line_id in ids if is_match(self._raw(line_id))]

    def _raw(self, line_id: int) -> bytes:
        if line_id >= self._next_id:
            return self.line(line_id).raw
        block, position = self._locate(line_id)
        return block.lines[position]

    # following and holding --------------------------------------------------------------------

    def hold(self) -> None:
        """Stay where the reader is, whatever comes."""
        if self.is_following:
            self.is_following, self.new_lines = False, 0
            for window in self._windows.values():
                window.size_when_held = window.size

    def follow(self) -> None:
        self.is_following, self.new_lines = True, 0

    # loading ----------------------------------------------------------------------------------

    def tail_ranges(self, *, keep_from: int | None = None) -> list[OutputRange]:
        """What to fetch to be at the end: asked for whenever there may be more.

        While a reader holds the view full, nothing is fetched, so that nothing has to be dropped.
        """
        if not self.is_following and self._is_full(keep_from):
            return []
        ranges: list[OutputRange] = []
        for stream in self._streams:
            window = self._windows.get(stream)
            if window is None or (self.is_following and window.size - window.end > _JUMP_BYTES):
                ranges.append(OutputRange(stream, -CHUNK_BYTES))
            elif not window.is_complete or window.is_behind:
                ranges.append(OutputRange(stream, window.end))
        return ranges

    def ranges_before(self) -> list[OutputRange]:
        """What to fetch to see what lies directly before the first line held."""
        ranges = (window.range_before() for window in self._windows.values())
        return [wanted for wanted in ranges if wanted is not None]

    def ranges_after(self) -> list[OutputRange]:
        """What to fetch to see what lies directly after the last line held."""
        return [OutputRange(one.stream, one.end) for one in self._windows.values() if one.is_behind]

    def load(
        self,
        piece: OutputPiece,
        stream: str = "",
        *,
        at: int = 0,
        keep_from: int | None = None,
        may_jump: bool = True,
    ) -> bool:
        """Take a fetched piece. True: it does not join what was held, which is forgotten.

        ``keep_from`` is the id of the first line that is being read: it is not dropped. Without
        ``may_jump`` a piece that does not join is passed over, for the same reason.
        """
        window = self._windows.setdefault(stream, StreamWindow(stream))
        window.size = max(piece.size, piece.offset + len(piece.data))
        window.is_complete = piece.is_complete
        window.gap_from, window.gap_to = piece.gap_from, piece.gap_to
        self.version += 1
        is_new = window.generation != piece.generation
        joined = not is_new and self._join(window, piece, at)
        is_restart = is_new or (may_jump and not joined)
        if is_restart:
            self._restart(window, piece, at)
        self._shrink(keep_from)
        return is_restart

    def _join(self, window: StreamWindow, piece: OutputPiece, at: int) -> bool:
        end = piece.offset + len(piece.data)
        if piece.offset <= window.end <= end:
            self._append(window, piece.data[window.end - piece.offset :], at)
            return True
        if spans_gap(piece, window.end, piece.offset):
            self._append_after_gap(window, piece, at)
            return True
        if piece.offset < window.start <= end:
            self._prepend(window, piece.offset, piece.data[: window.start - piece.offset])
            return True
        if piece.offset < end and spans_gap(piece, end, window.start):
            self._prepend_before_gap(window, piece)
            return True
        return window.start <= piece.offset and end <= window.end

    def _append(self, window: StreamWindow, data: bytes, at: int) -> None:
        if data:
            self._add_back(window.append(data, at))

    def _append_after_gap(self, window: StreamWindow, piece: OutputPiece, at: int) -> None:
        self._add_back(window.end_partial())
        missing = piece.offset - window.end
        self._add_back([gap_block(window.stream, window.end, missing)])
        window.end = piece.offset
        self._append(window, piece.data, at)

    def _prepend_before_gap(self, window: StreamWindow, piece: OutputPiece) -> None:
        end = piece.offset + len(piece.data)
        self._add_front([gap_block(window.stream, end, window.start - end)])
        self._prepend(window, piece.offset, piece.data)

    def _prepend(self, window: StreamWindow, offset: int, data: bytes) -> None:
        self._add_front(window.prepend(offset, data))

    def _add_front(self, blocks: Sequence[Block]) -> None:
        for block in reversed(blocks):
            self._first_ids.insert(0, self.oldest_id - len(block.lines))
            self._blocks.insert(0, block)
            self._memory += block.memory()

    def _restart(self, window: StreamWindow, piece: OutputPiece, at: int) -> None:
        """Begin anew at a piece. Other streams lose their lines too: they lie elsewhere in time."""
        if len(self._windows) > 1:
            self._drop_stream(window.stream)
        else:
            self._drop_all()
        self._append(window, window.open_at(piece), at)
        self.new_lines = 0

    def _drop_all(self) -> None:
        self._blocks, self._first_ids = [], []
        self._memory = 0

    def _drop_stream(self, stream: str) -> None:
        kept = [block for block in self._blocks if block.stream != stream]
        self._drop_all()
        self._add_back(kept)

    def _add_back(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            if not self.is_following and self._windows[block.stream].is_new(block.offset):
                self.new_lines += len(block.lines)
            self._memory += block.memory()
            if not self._merge(block):
                self._first_ids.append(self._next_id)
                self._blocks.append(block)
            self._next_id += len(block.lines)

    def _merge(self, block: Block) -> bool:
        """Add few lines to the last block instead of beginning another."""
        last = self._blocks[-1] if self._blocks else None
        if (
            last is None
            or last.stream != block.stream
            or last.kind != block.kind
            or block.kind == "note"
            or len(last.lines) + len(block.lines) > BLOCK_LINES
            or block.at - last.at > _MERGE_MS
        ):
            return False
        for position, cut in block.cuts.items():
            last.cuts[len(last.lines) + position] = cut
        last.lines += block.lines
        last.byte_count += block.byte_count
        return True

    # bounded memory ---------------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        return self._next_id - self.oldest_id > self.max_lines or self._memory > self.max_bytes

    def _is_full(self, keep_from: int | None) -> bool:
        held = self._next_id - self.oldest_id + BLOCK_LINES
        is_near_full = held > self.max_lines or self._memory + CHUNK_BYTES > self.max_bytes
        return is_near_full and not self._can_drop_front(keep_from)

    def _can_drop_front(self, keep_from: int | None) -> bool:
        if len(self._blocks) < 2:
            return False
        return keep_from is None or self._first_ids[1] <= keep_from

    def _shrink(self, keep_from: int | None) -> None:
        """Drop the oldest lines; where those are being read, the newest."""
        while self._is_over and self._can_drop_front(keep_from):
            self._drop_front()
        while self._is_over and len(self._blocks) > 1:
            self._drop_back()

    def _drop_front(self) -> None:
        block = self._blocks.pop(0)
        self._first_ids.pop(0)
        self._memory -= block.memory()
        window = self._windows[block.stream]
        window.start = self._start_of(block.stream, window)
        if window.lines_before is not None and block.kind == "text":
            window.lines_before += len(block.lines)

    def _start_of(self, stream: str, window: StreamWindow) -> int:
        for block in self._blocks:
            if block.stream == stream and block.kind == "text":
                return block.offset
        return window.partial_offset

    def _drop_back(self) -> None:
        """Forget the newest block; what follows it has to be fetched again."""
        block = self._blocks.pop()
        self._next_id = self._first_ids.pop()
        self._memory -= block.memory()
        window = self._windows[block.stream]
        window.end = block.offset
        window.partial, window.partial_bytes = b"", 0
