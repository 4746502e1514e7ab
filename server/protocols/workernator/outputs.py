"""A job's output for readers that follow it: exact bytes of stdout, or lines with their times.

Nothing is read ahead: a reader that stops taking holds up itself alone.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Busy, NotFound
from server.model import FINAL_STATES
from server.protocols.workernator.errors import OutputLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from server.coordinator import Coordinator
    from server.model import Attempt, Job, Stream
    from server.protocols.workernator.watch import JobWatch
    from server.store.base import Chunk, Tx

PART_BYTES = 65_536
LINE_STREAMS: tuple[Stream, ...] = ("stdout", "stderr", "console")


class Piece(NamedTuple):
    """Bytes of one stream, and when they came in."""

    attempt: int
    stream: Stream
    at: int
    data: bytes


class Outputs:
    """Reads and follows the output of jobs."""

    def __init__(self, coordinator: Coordinator, watch: JobWatch) -> None:
        self._coordinator = coordinator
        self._watch = watch

    async def follow(self, job: Job, streams: Sequence[Stream]) -> AsyncIterator[Piece]:
        """All pieces of these streams, try after try, until the job has ended.

        Raises:
            OutputLost: bytes in between are not kept.
            NotFound: the job was deleted.
            Busy: the coordinator is stopping.
        """
        with self._watch.news_of(job.id) as news:
            told = 0
            offsets: dict[Stream, int] = {}
            while True:
                news.clear()
                current, attempts = await self._look(job)
                for attempt in attempts[told:]:
                    async for piece in self._new_pieces(attempt, streams, offsets):
                        yield piece
                    if attempt.state not in ("ended", "abandoned"):
                        break
                    told += 1
                    offsets = {}
                if told == len(attempts) and current.state in FINAL_STATES:
                    return
                if self._watch.is_closed:
                    raise Busy("the coordinator is stopping")
                await news.wait()

    async def _look(self, job: Job) -> tuple[Job, list[Attempt]]:
        """The job and its attempts, oldest first, before their output is read: what came until
        an attempt ended is there then."""

        def read(tx: Tx) -> tuple[Job | None, list[Attempt]]:
            return tx.job(job.id), tx.attempts_of(job.id)

        current, attempts = await self._coordinator.store.apply(read)
        if current is None:
            raise NotFound("the job was deleted meanwhile")
        return current, attempts

    async def _new_pieces(
        self, attempt: Attempt, streams: Sequence[Stream], offsets: dict[Stream, int]
    ) -> AsyncIterator[Piece]:
        """What one attempt wrote since, in the order in which it came in."""
        while True:
            parts: dict[Stream, list[Chunk]] = {}
            for stream in streams:
                chunks = await self._next_part(attempt, stream, offsets.get(stream, 0))
                if chunks:
                    parts[stream] = chunks
            if not parts:
                return
            for chunk in in_time_order(parts.values()):
                offsets[chunk.stream] = chunk.offset + len(chunk.data)
                yield Piece(attempt.number, chunk.stream, chunk.at, chunk.data)

    async def _next_part(self, attempt: Attempt, stream: Stream, offset: int) -> list[Chunk]:
        reads = self._coordinator.store.reads
        found = await reads.output(attempt.id, stream, offset, PART_BYTES)
        size = found.state.size if found.state else 0
        begin = found.chunks[0].offset if found.chunks else size
        if begin > offset:
            raise OutputLost(
                f"{begin - offset} bytes from byte {offset} on are not kept: the output was larger "
                "than protocols.workernator.max_output, or older than retention.output"
            )
        return found.chunks


def in_time_order(parts: Iterable[Sequence[Chunk]]) -> list[Chunk]:
    """The chunks of several streams that can be told without another coming between.

    Each stream may go on after its part, so chunks younger than the oldest of their ends wait.
    Those of one stream keep their order, also where the clock was set back meanwhile.
    """
    timed = [list(zip(_rising(chunks), chunks, strict=True)) for chunks in parts]
    horizon = min(chunks[-1][0] for chunks in timed)
    told = [one for chunks in timed for one in chunks if one[0] <= horizon]
    return [chunk for _, chunk in sorted(told, key=lambda one: one[0])]


def _rising(chunks: Sequence[Chunk]) -> Iterator[int]:
    return accumulate((chunk.at for chunk in chunks), max)
