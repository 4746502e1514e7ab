"""Calls about console output."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from server.errors import InvalidInput, NotFound
from server.model import FINAL_STATES, STREAMS, Attempt, Job
from server.operator.parts import OperatorParts
from server.wire.operator import FoundView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.model import Actor, Stream
    from server.store.base import Chunk, StreamState, Tx

MAX_PART = 4 * 1024 * 1024
"""Bytes of output in one answer."""
MAX_TIMES = 200
"""Pieces of one answer whose times are told: they travel in a header."""
MAX_NEEDLE = 1_000
"""Longest text that can be searched for, in characters."""


class OutputPart(NamedTuple):
    """A piece of an attempt's output."""

    attempt: int
    """The attempt's number; 0: none was made yet."""
    stream: Stream
    offset: int
    """Where ``data`` really begins: later than asked where the cap left something out."""
    data: bytes
    size: int
    """End of the stream so far."""
    is_complete: bool
    """Whether the attempt has ended, so that nothing will follow."""
    generation: int
    gap_from: int
    gap_to: int
    at: int = 0
    """When the first byte of ``data`` came in; 0: there is none."""
    times: tuple[tuple[int, int], ...] = ()
    """(offset, when) of pieces that came in after the first, so that streams can be merged."""


class Source(NamedTuple):
    """Which stream of which attempt is meant."""

    job: Job
    attempt: Attempt | None
    stream: Stream
    state: StreamState | None

    @property
    def size(self) -> int:
        return self.state.size if self.state else 0

    @property
    def is_complete(self) -> bool:
        if self.attempt is None:
            return self.job.state in FINAL_STATES
        return self.attempt.state in ("ended", "abandoned")


class OutputCalls(OperatorParts):
    """Read and search console output."""

    async def output(
        self,
        actor: Actor,
        job: str,
        *,
        attempt: str = "",
        stream: str = "",
        offset: int = 0,
        limit: int = 262_144,
    ) -> OutputPart:
        """A part of the output. A negative ``offset`` counts from the end.

        Whether the attempt has ended is looked up before its bytes are read, so that nothing
        that came in between is taken for missing.
        """
        source = await self.output_source(actor, job, attempt, stream)
        return await self.output_part(source, offset, limit)

    async def output_source(
        self, actor: Actor, job: str, attempt: str = "", stream: str = ""
    ) -> Source:
        """Which stream is meant; empty: the newest attempt, the stream that holds something."""
        found = await self.find_job(actor, job)

        def read(tx: Tx) -> tuple[Attempt | None, list[StreamState]]:
            chosen = _choose_attempt(tx, found, attempt)
            return chosen, tx.streams(chosen.id) if chosen else []

        chosen, states = await self.coordinator.store.apply(read)
        named = _choose_stream(stream, states)
        state = next((state for state in states if state.stream == named), None)
        return Source(found, chosen, named, state)

    async def output_part(self, source: Source, offset: int, limit: int) -> OutputPart:
        """Bytes of a stream from ``offset`` on."""
        size = source.size
        offset = max(0, size + offset) if offset < 0 else min(offset, size)
        part = OutputPart(
            attempt=source.attempt.number if source.attempt else 0,
            stream=source.stream,
            offset=offset,
            data=b"",
            size=size,
            is_complete=source.is_complete,
            generation=source.state.generation if source.state else 0,
            gap_from=source.state.gap_from if source.state else 0,
            gap_to=source.state.gap_to if source.state else 0,
        )
        if source.attempt is None or source.state is None:
            return part
        found = await self.reads.output(
            source.attempt.id, source.stream, offset, min(limit, MAX_PART)
        )
        if found.state is not None:
            part = part._replace(
                size=found.state.size,
                generation=found.state.generation,
                gap_from=found.state.gap_from,
                gap_to=found.state.gap_to,
            )
        begin, data = _joined(found.chunks, offset)
        at = found.chunks[0].at if found.chunks else 0
        times = _times(found.chunks, begin + len(data))
        return part._replace(offset=begin, data=data, at=at, times=times)

    async def find_output(
        self,
        actor: Actor,
        job: str,
        text: str,
        *,
        attempt: str = "",
        stream: str = "",
        offset: int | None = None,
        backwards: bool = False,
    ) -> FoundView:
        """The next place where ``text`` stands; searching backwards begins at the end."""
        if not text or len(text) > MAX_NEEDLE:
            raise InvalidInput(f"a text to search for has 1 to {MAX_NEEDLE} characters")
        source = await self.output_source(actor, job, attempt, stream)
        if source.attempt is None or source.state is None:
            return FoundView(offset=None, attempt=0, stream=source.stream)
        if offset is None:
            offset = source.size if backwards else 0
        elif offset < 0:
            offset = max(0, source.size + offset)
        found = await self.reads.find_output(
            source.attempt.id,
            source.stream,
            text.encode("utf-8", "surrogatepass"),
            offset,
            backwards=backwards,
        )
        return FoundView(offset=found, attempt=source.attempt.number, stream=source.stream)


def _choose_attempt(tx: Tx, job: Job, text: str) -> Attempt | None:
    """An attempt by number or id; empty: the newest, None while there is none."""
    attempts = tx.attempts_of(job.id)
    if not text:
        return attempts[-1] if attempts else None
    for attempt in attempts:
        if text in (str(attempt.number), attempt.uuid):
            return attempt
    raise NotFound(f"job {job.id} has no attempt {text[:60]}")


def _choose_stream(text: str, states: Sequence[StreamState]) -> Stream:
    """A stream by name; empty: the first that holds something."""
    for stream in STREAMS:
        if stream == text:
            return stream
    if text:
        raise InvalidInput(f"a stream is one of {', '.join(STREAMS)}")
    filled = {state.stream for state in states if state.size}
    return next((stream for stream in STREAMS if stream in filled), "stdout")


def _times(chunks: Sequence[Chunk], end: int) -> tuple[tuple[int, int], ...]:
    """Where later pieces begin and when they came; thinned out where there are very many."""
    later = [
        (chunk.offset, chunk.at)
        for before, chunk in pairwise(chunks)
        if chunk.at > before.at and chunk.offset < end
    ]
    return tuple(later[:: 1 + len(later) // MAX_TIMES])


def _joined(chunks: Sequence[Chunk], offset: int) -> tuple[int, bytes]:
    """Chunks as one piece, up to the first hole, and where it begins."""
    if not chunks:
        return offset, b""
    begin = end = chunks[0].offset
    parts: list[bytes] = []
    for chunk in chunks:
        if chunk.offset != end:
            break
        parts.append(chunk.data)
        end += len(chunk.data)
    return begin, b"".join(parts)
