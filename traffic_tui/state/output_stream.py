"""The part of one output stream that is held: from which byte to which, and its open last line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from traffic_tui.state.output_lines import MAX_LINE_BYTES, Block, OutputLine, cut_line, make_blocks

CHUNK_BYTES = 262_144
"""How much is asked for at once."""


class OutputPiece(Protocol):
    """A part of a stream, as the coordinator answers it (see ``OutputPart``)."""

    @property
    def offset(self) -> int: ...
    @property
    def data(self) -> bytes: ...
    @property
    def size(self) -> int: ...
    @property
    def is_complete(self) -> bool: ...
    @property
    def generation(self) -> int: ...
    @property
    def gap_from(self) -> int: ...
    @property
    def gap_to(self) -> int: ...


class OutputRange(NamedTuple):
    """A part of a stream to be fetched."""

    stream: str
    offset: int
    """Negative: counted from the end."""
    limit: int = CHUNK_BYTES


@dataclass(slots=True)
class StreamWindow:
    """What of a stream is held."""

    stream: str
    start: int = 0
    end: int = 0
    size: int = 0
    """End of the stream as far as is known."""
    size_when_held: int = 0
    """``size`` when following ended."""
    is_complete: bool = False
    generation: int = -1
    """-1: nothing was loaded yet."""
    partial: bytes = b""
    """The beginning of the last line, which has no end yet."""
    partial_bytes: int = 0
    """Its whole length so far."""
    partial_at: int = 0
    gap_from: int = 0
    gap_to: int = 0
    """Bytes between these were never kept, because of the output cap."""
    lines_before: int | None = 0
    """How many lines lie before the window; None: not known."""

    @property
    def partial_offset(self) -> int:
        return self.end - self.partial_bytes

    @property
    def is_behind(self) -> bool:
        return self.end < self.size

    def is_new(self, offset: int) -> bool:
        """Whether a byte came since following ended."""
        return offset >= self.size_when_held

    def open_at(self, piece: OutputPiece) -> bytes:
        """Begin anew at a piece; the part of its data from its first whole line on."""
        skipped = self._cut_head(piece.offset, piece.data)
        self.start = self.end = piece.offset + skipped
        self.lines_before = 0 if piece.offset == 0 else None
        self.generation = piece.generation
        self.partial, self.partial_bytes = b"", 0
        return piece.data[skipped:]

    def _cut_head(self, offset: int, data: bytes) -> int:
        """Bytes at the beginning of ``data`` that belong to a line that began before it.

        A line is taken as it is where its beginning was never kept, or is too far away.
        """
        if offset in (0, self.gap_to):
            return 0
        end = data.find(b"\n") + 1
        return end if end < len(data) else 0

    def range_before(self) -> OutputRange | None:
        """What lies directly before the window; None: it begins at the beginning."""
        is_at_gap = self.gap_from < self.start <= self.gap_to
        end = self.gap_from if is_at_gap else self.start
        if not end:
            return None
        least = self.gap_to if self.gap_to < self.start else 0
        offset = max(least, end - CHUNK_BYTES)
        return OutputRange(self.stream, offset, end - offset)

    def append(self, data: bytes, at: int) -> list[Block]:
        """Take ``data``, which begins at ``end``; the lines that were completed by it."""
        first_offset = self.partial_offset
        self.end += len(data)
        head, *rest = data.split(b"\n")
        if not rest:
            self._extend_partial(head, at)
            return []
        lines = [head, *rest[:-1]]
        cut = 0
        if self.partial_bytes:
            cut = self.partial_bytes - len(self.partial)
            lines[0] = self.partial + head if not cut else self.partial
            cut += len(head) if cut else 0
        blocks = make_blocks(self.stream, first_offset, lines, at)
        if cut:
            _add_cut(blocks, cut)
        self.partial, self.partial_bytes = b"", 0
        self._extend_partial(rest[-1], at)
        return blocks

    def _extend_partial(self, data: bytes, at: int) -> None:
        if not data:
            return
        if not self.partial_bytes:
            self.partial_at = at
        is_whole = self.partial_bytes == len(self.partial)
        self.partial_bytes += len(data)
        if is_whole:
            self.partial = cut_line(self.partial + data[: MAX_LINE_BYTES + 4])

    def partial_line(self) -> OutputLine:
        """The open last line as it stands."""
        cut = self.partial_bytes - len(self.partial)
        at, offset = self.partial_at, self.partial_offset
        return OutputLine(self.partial, self.stream, "partial", offset, at, cut)

    def end_partial(self) -> list[Block]:
        """Close the open line where it stands: what would have completed it was not kept."""
        if not self.partial_bytes:
            return []
        block = Block(self.stream, self.partial_offset, [self.partial], self.partial_at)
        block.cuts = {0: cut} if (cut := self.partial_bytes - len(self.partial)) else {}
        block.byte_count = len(self.partial)
        self.partial, self.partial_bytes = b"", 0
        return [block]

    def prepend(self, offset: int, data: bytes) -> list[Block]:
        """Take ``data``, which ends at ``start``, and the lines that begin in it."""
        skipped = self._cut_head(offset, data)
        self.start = offset + skipped
        lines = data[skipped:].split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        if self.start == 0:
            self.lines_before = 0
        elif self.lines_before is not None:
            self.lines_before = max(0, self.lines_before - len(lines))
        return make_blocks(self.stream, self.start, lines, 0) if lines else []


def _add_cut(blocks: list[Block], cut_bytes: int) -> None:
    """Say of the first line that more of it was cut, and move the blocks after it."""
    blocks[0].cuts[0] = blocks[0].cuts.get(0, 0) + cut_bytes
    for block in blocks[1:]:
        block.offset += cut_bytes


def spans_gap(piece: OutputPiece, start: int, end: int) -> bool:
    """Whether all between two bytes was cut out by the output cap."""
    return start < end and piece.gap_from <= start and end <= piece.gap_to
