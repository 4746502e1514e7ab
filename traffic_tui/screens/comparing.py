"""Reads the outputs of two tries as far as is needed to tell where they begin to differ."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
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

    @property
    def has_ended(self) -> bool:
        return self.is_over and self.attempt.state == "ended" and not self.is_cut


@dataclass(slots=True)
class Compared:
    """Two tries, and what was found out about one of their streams."""

    job: str
    older: AttemptView
    newer: AttemptView
    stream: str
    found: OutputComparison = field(default_factory=OutputComparison)
    is_done: bool = False
    sources: tuple[_Source, _Source] = field(init=False)

    def __post_init__(self) -> None:
        self.sources = _Source(self.older), _Source(self.newer)

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
        if part.data and part.offset > source.offset:
            source.is_cut = source.is_over = True
            return b""
        source.offset = part.offset + len(part.data)
        source.is_cut = MOST_BYTES <= source.offset < part.size
        source.is_over = source.is_cut or not part.data or source.offset >= part.size
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
