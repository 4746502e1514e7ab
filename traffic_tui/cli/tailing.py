"""Console output of a job on this terminal or in this pipe, whole and in order.

What counts is the offset of the next byte wanted of each stream, so a coordinator that goes away
and comes back neither costs a byte nor repeats one. A new try begins when the one before is told
to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.model import FINAL_STATES
from traffic_tui.cli.failures import CommandFailed
from traffic_tui.cli.news import News, Patience
from traffic_tui.cli.output_places import first_offset_since, offset_of_last_lines
from traffic_tui.cli.output_sinks import Sink, sinks_for
from traffic_tui.client.base import Unreachable
from traffic_tui.client.merging import StreamPart, tellable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.wire.operator import AttemptView, JobDetailView, StreamView
    from traffic_tui.cli.command import Call
    from traffic_tui.client.base import OutputPart

PART_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class TailWish:
    """Which part of a job's output is wanted."""

    is_followed: bool = False
    last_lines: int | None = None
    since_ms: int = 0
    attempt: str = ""
    """Number or id; empty: the newest, and with following those after it."""
    stream: str = ""
    """Empty: all of them."""


@dataclass(slots=True)
class Place:
    """How far one stream has been told."""

    offset: int | None = None
    """None: where to begin has not been found out yet."""
    generation: int | None = None


@dataclass(slots=True)
class Tail:
    """Tells the output of one job, try after try."""

    call: Call
    job: str
    wish: TailWish
    sinks: dict[str, Sink]
    attempt_number: int = 0
    """The try that is being told; 0: none yet."""
    places: dict[str, Place] = field(default_factory=dict)
    has_begun: bool = False
    """After the first look everything is told from its start: it came while we looked."""

    async def run(self) -> None:
        """Tell what there is, and with following what comes, until the job is over."""
        patience = Patience()
        async with News(self.call.client) as news:
            while True:
                try:
                    is_over = await self._tell_news()
                    patience.answered()
                except Unreachable as error:
                    patience.unanswered(error)
                    is_over = False
                if is_over:
                    return
                await news.wait()

    async def run_once(self) -> None:
        """Tell what there is."""
        await self._tell_news()
        self._flush()
        if not self.places:
            detail = await self.call.client.job(self.job)
            words = (
                "no such output, and none will come"
                if self._is_over(detail)
                else "no such output yet; -f waits for it"
            )
            self.call.printer.say(f"job {self.job} has {words}")

    async def _tell_news(self) -> bool:
        """One look at the job. True: nothing more will come."""
        detail = await self.call.client.job(self.job)
        while (attempt := self._attempt_to_tell(detail)) is not None:
            await self._tell_attempt(attempt)
            self.has_begun = True
            if not self._moves_on(detail, attempt):
                break
        self.has_begun = True
        return self._is_over(detail)

    def _attempt_to_tell(self, detail: JobDetailView) -> AttemptView | None:
        if self.wish.attempt:
            return _named_attempt(detail, self.wish.attempt)
        if not detail.attempts:
            return None
        if self.attempt_number == 0:
            self.attempt_number = detail.attempts[0].number
        current = (each for each in detail.attempts if each.number == self.attempt_number)
        return next(current, None)

    def _moves_on(self, detail: JobDetailView, attempt: AttemptView) -> bool:
        """Go to the next try, if this one is told to its end and there is one."""
        later = [each.number for each in detail.attempts if each.number > attempt.number]
        if self.wish.attempt or not later or attempt.state not in ("ended", "abandoned"):
            return False
        self.attempt_number = min(later)
        self.places.clear()
        self._flush()
        self.call.printer.say(f"--- try {self.attempt_number} ---")
        return True

    def _is_over(self, detail: JobDetailView) -> bool:
        if self.wish.attempt:
            is_over = _named_attempt(detail, self.wish.attempt).state == "ended"
        else:
            is_over = detail.job.state in FINAL_STATES
        if is_over:
            self._flush()
        return is_over

    async def _tell_attempt(self, attempt: AttemptView) -> None:
        """Tell what its streams hold by now, in the order in which it came in."""
        streams = [each for each in attempt.output if self.wish.stream in ("", each.stream)]
        for stream in streams:
            await self._find_place(attempt, stream)
        while parts := [part for each in streams if (part := await self._next_part(attempt, each))]:
            for piece in tellable(parts):
                self._tell(piece)

    async def _find_place(self, attempt: AttemptView, stream: StreamView) -> None:
        """Where telling goes on in a stream; a text that was replaced is told from its start."""
        place = self.places.setdefault(stream.stream, Place())
        if place.offset is None:
            read = self._reader(attempt, stream.stream)
            place.offset = await self._first_offset(read, stream)
            place.generation = stream.generation
        if place.generation != stream.generation:
            self.call.printer.say("--- the runner replaced this output; from its start ---")
            place.offset, place.generation = 0, stream.generation

    async def _next_part(self, attempt: AttemptView, stream: StreamView) -> StreamPart | None:
        """The next bytes of a stream; None: told up to where it ended when the job was looked at,
        all that follows was not kept, or replaced just now, which the next look sees."""
        place = self.places[stream.stream]
        assert place.offset is not None
        if place.offset >= stream.size:
            return None
        part = await self._reader(attempt, stream.stream)(place.offset, PART_BYTES)
        if part.generation != place.generation:
            return None
        if not part.data:
            self._say_missing(stream.size - place.offset)
            place.offset = stream.size
            return None
        return StreamPart(stream.stream, part)

    def _tell(self, piece: StreamPart) -> None:
        place = self.places[piece.stream]
        part = piece.part
        if place.offset is not None and part.offset > place.offset:
            self._say_missing(part.offset - place.offset)
        self.sinks[piece.stream].write(part.data, part.at)
        place.offset = part.offset + len(part.data)

    def _say_missing(self, count: int) -> None:
        self.call.printer.say(f"--- {count:,} bytes were not kept ---")

    def _reader(
        self, attempt: AttemptView, stream: str
    ) -> Callable[[int, int], Awaitable[OutputPart]]:
        def read(offset: int, limit: int) -> Awaitable[OutputPart]:
            return self.call.client.output(
                self.job, attempt=attempt.id, stream=stream, offset=offset, limit=limit
            )

        return read

    async def _first_offset(
        self, read: Callable[[int, int], Awaitable[OutputPart]], stream: StreamView
    ) -> int:
        """Where telling begins: the later of what ``--tail`` and ``--since`` ask for."""
        offset = 0
        if self.has_begun:
            return offset
        if self.wish.since_ms:
            offset = await first_offset_since(read, stream.size, self.wish.since_ms)
        if self.wish.last_lines is not None:
            lines = await offset_of_last_lines(read, stream.size, self.wish.last_lines)
            offset = max(offset, lines)
        return offset

    def _flush(self) -> None:
        for sink in self.sinks.values():
            sink.end()


def _named_attempt(detail: JobDetailView, name: str) -> AttemptView:
    """An attempt by its number or id."""
    for attempt in detail.attempts:
        if name in (str(attempt.number), attempt.id):
            return attempt
    known = ", ".join(str(attempt.number) for attempt in reversed(detail.attempts))
    raise CommandFailed(
        f"job {detail.job.number} has no try {name}; its tries are: {known or 'none yet'}"
    )


async def tail_job(
    call: Call, job: str, wish: TailWish, sinks: dict[str, Sink] | None = None
) -> None:
    """Tell the output of ``job`` as wished, to stdout and stderr where nothing else is said."""
    tail = Tail(call, job, wish, sinks or sinks_for(call.printer))
    if wish.is_followed:
        await tail.run()
    else:
        await tail.run_once()
