"""Reads the outputs of two tries as far as is needed to tell where they begin to differ."""

from __future__ import annotations

import asyncio
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING

from traffic_tui.screens.tail import streams_of
from traffic_tui.state.formats import count, size
from traffic_tui.state.output_compare import OutputComparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import AttemptView
    from traffic_tui.client.base import Client

MOST_BYTES = 8 * 1024 * 1024
"""Of each output."""
PART_BYTES = 262_144


@dataclass(slots=True)
class _Source:
    """One output, and how far it was read."""

    attempt: AttemptView
    offset: int = 0
    is_over: bool = False
    """Nothing is left to read: it ended, or nothing more is there yet."""
    is_cut: bool = False
    """Something of it was not kept, or is beyond what is looked at."""
    has_ended: bool = False
    """It was read to its end, and nothing will follow."""
    generation: int = -1
    """Which text it is; below 0: nothing was read yet."""


@dataclass(slots=True)
class Compared:
    """Two tries, and what was found out about one of their streams."""

    job: str
    older: InitVar[AttemptView]
    newer: InitVar[AttemptView]
    stream: str
    found: OutputComparison = field(default_factory=OutputComparison)
    is_done: bool = False
    is_replaced: bool = False
    """One of them is another text now: what was found out holds no more."""
    sources: tuple[_Source, _Source] = field(init=False)

    def __post_init__(self, older: AttemptView, newer: AttemptView) -> None:
        self.sources = _Source(older), _Source(newer)

    def is_about(self, older: AttemptView, newer: AttemptView, stream: str) -> bool:
        """Whether these are the tries and the stream that it is about."""
        ids = tuple(source.attempt.id for source in self.sources)
        return ids == (older.id, newer.id) and stream == self.stream and not self.is_replaced

    def look_again(self, older: AttemptView, newer: AttemptView) -> None:
        """The tries as they are now: where one still ran, more may be there."""
        for source, attempt in zip(self.sources, (older, newer), strict=True):
            source.attempt, source.is_over = attempt, source.is_cut or source.has_ended

    async def read(self, client: Client) -> None:
        """Read on until it is known, or nothing more is there."""
        while not self.found.is_done:
            wanted = [
                wants and not source.is_over
                for wants, source in zip(self.found.wants, self.sources, strict=True)
            ]
            if not any(wanted):
                break
            parts = [
                await self._part(client, source) if wants else b""
                for wants, source in zip(wanted, self.sources, strict=True)
            ]
            left, right = self.sources
            await asyncio.to_thread(
                self.found.feed,
                *parts,
                left_is_over=left.has_ended,
                right_is_over=right.has_ended,
            )
        self.is_done = True

    async def _part(self, client: Client, source: _Source) -> bytes:
        part = await client.output(
            self.job,
            attempt=str(source.attempt.number),
            stream=self.stream,
            offset=source.offset,
            limit=PART_BYTES,
        )
        self.is_replaced = self.is_replaced or source.generation not in (-1, part.generation)
        source.generation = part.generation
        if self.is_replaced or (part.data and part.offset > source.offset):
            source.is_cut = source.is_over = True
            return b""
        source.offset = part.offset + len(part.data)
        source.is_cut = MOST_BYTES <= source.offset < part.size
        source.is_over = source.is_cut or not part.data or source.offset >= part.size
        source.has_ended = source.is_over and part.is_complete and not source.is_cut
        return part.data

    def words(self) -> str:
        """What was found out, in a sentence."""
        found = self.found
        if not self.is_done:
            return f"{self.stream}: reading"
        if not any(source.offset for source in self.sources):
            return f"{self.stream}: neither wrote anything"
        same = "no line is the same" if not found.same_lines else _lines(found.same_lines)
        so_far = "" if all(source.has_ended for source in self.sources) else " so far"
        if found.differs:
            words = f"{self.stream}: differs from line {count(found.same_lines + 1)} on"
            if found.first_number:
                words += f", in numbers from line {count(found.first_number)} on"
            return words
        numbers = ", but for numbers" if found.first_number else ""
        return f"{self.stream}: {same}{so_far}{numbers}{self._limit()}"

    def _limit(self) -> str:
        cut = [source for source in self.sources if source.is_cut]
        return f"; looked at {size(cut[0].offset)}" if cut else ""


def _lines(number: int) -> str:
    return "the one line is the same" if number == 1 else f"all {count(number)} lines are the same"


def streams_to_compare(tries: Sequence[AttemptView]) -> list[str]:
    """Streams that any of the tries wrote to; where none did, those they could have."""
    written = {stream.stream for one in tries for stream in one.output if stream.size}
    known = [stream for one in tries for stream in streams_of(one)]
    ordered = list(dict.fromkeys(known))
    return [stream for stream in ordered if stream in written] or ordered[:1]
