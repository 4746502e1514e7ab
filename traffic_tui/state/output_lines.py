"""Lines of output in blocks: cheap to take in by the hundred thousand, cheap to drop.

A block holds the lines one piece of output brought. Where a line lies in its stream is computed
only when somebody asks.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from traffic_tui.state.formats import size
from traffic_tui.state.sgr import Run, runs_of

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_LINES = 1_024
MAX_LINE_BYTES = 4_096
"""What of a longer line is shown and kept."""
LINE_OVERHEAD_BYTES = 48

LineKind: TypeAlias = Literal["text", "note", "partial"]


class OutputLine(NamedTuple):
    """One line as it is shown."""

    raw: bytes
    stream: str
    kind: LineKind
    offset: int
    """Of its first byte in its stream."""
    at: int
    """When it arrived, in milliseconds since the epoch; 0: not known."""
    cut_bytes: int
    """How many of its bytes are not shown because it is too long."""

    def runs(self) -> tuple[Run, ...]:
        """Its clean text with colours."""
        runs = runs_of(self.raw)
        if not self.cut_bytes:
            return runs
        return (*runs, Run(f" … {self.cut_bytes:,} bytes more in this line"))

    def text(self) -> str:
        return "".join(run.text for run in self.runs())


class Block:
    """Neighbouring lines of one stream that came together."""

    __slots__ = ("_offsets", "at", "byte_count", "cuts", "kind", "lines", "offset", "stream")

    def __init__(
        self, stream: str, offset: int, lines: list[bytes], at: int, kind: LineKind = "text"
    ) -> None:
        self.stream = stream
        self.offset = offset
        self.lines = lines
        self.at = at
        self.kind = kind
        self.cuts: dict[int, int] = {}
        self.byte_count = 0
        self._offsets: list[int] | None = None

    def line(self, position: int) -> OutputLine:
        return OutputLine(
            self.lines[position],
            self.stream,
            self.kind,
            self.offset_of(position),
            self.at,
            self.cuts.get(position, 0),
        )

    def offset_of(self, position: int) -> int:
        """Where the line at ``position`` begins in its stream."""
        if self.kind == "note":
            return self.offset
        if self._offsets is None or len(self._offsets) <= len(self.lines):
            lengths = (
                len(line) + 1 + self.cuts.get(index, 0) for index, line in enumerate(self.lines)
            )
            self._offsets = list(accumulate(lengths, initial=self.offset))
        return self._offsets[position]

    def memory(self) -> int:
        return self.byte_count + LINE_OVERHEAD_BYTES * len(self.lines)


def make_blocks(stream: str, offset: int, lines: list[bytes], at: int) -> list[Block]:
    """Complete lines, without their ends, as blocks; lines that are too long are cut."""
    blocks: list[Block] = []
    for start in range(0, len(lines), BLOCK_LINES):
        block = Block(stream, offset, lines[start : start + BLOCK_LINES], at)
        full_bytes = sum(map(len, block.lines))
        offset += full_bytes + len(block.lines)
        if len(max(block.lines, key=len)) > MAX_LINE_BYTES:
            _cut_long_lines(block)
        block.byte_count = sum(map(len, block.lines)) if block.cuts else full_bytes
        blocks.append(block)
    return blocks


def _cut_long_lines(block: Block) -> None:
    for position, line in enumerate(block.lines):
        if len(line) > MAX_LINE_BYTES:
            kept = cut_line(line)
            block.cuts[position] = len(line) - len(kept)
            block.lines[position] = kept


def cut_line(raw: bytes) -> bytes:
    """The beginning of a line that is kept, not ending inside a character."""
    end = MAX_LINE_BYTES
    while end > MAX_LINE_BYTES - 4 and end < len(raw) and raw[end] & 0xC0 == 0x80:
        end -= 1
    return raw[:end]


def note_line(text: str) -> OutputLine:
    """A line of our own among those of the job."""
    return OutputLine(text.encode(), "", "note", 0, 0, 0)


def gap_block(stream: str, offset: int, missing_bytes: int) -> Block:
    """A note where the output cap left something out."""
    words = f"--- {size(missing_bytes)} not kept: the limit for output was reached ---"
    block = Block(stream, offset, [words.encode()], 0, "note")
    block.byte_count = len(words)
    return block


def matcher(text: str) -> Callable[[bytes], bool]:
    """Whether a raw line contains ``text``; small letters match capitals too."""
    wanted = text.encode("utf-8", "surrogatepass")
    if text == text.lower():
        return lambda raw: wanted in raw.lower()
    return lambda raw: wanted in raw
