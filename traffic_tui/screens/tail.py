"""Feeds an output view: fetches what it lacks, follows what comes, searches beyond it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from traffic_tui.client.merging import StreamPart, in_time_order
from traffic_tui.state.attempt_columns import exit_words
from traffic_tui.state.formats import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.wire.operator import AttemptView
    from traffic_tui.client.base import OutputPart
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.outputlog import OutputRange
    from traffic_tui.widgets.output_view import OutputView

MAX_ROUNDS = 64
"""Fetches in a row, so that a job that shouts without end leaves the console some air."""
RATE_BUCKETS = 15
RATE_BUCKET_SECONDS = 20.0


@dataclass(slots=True)
class Shown:
    """What the view shows now."""

    job: str = ""
    number: int = 0
    attempt: int = 0
    streams: tuple[str, ...] = ()
    choice: str = ""
    """The one stream the operator asked for; empty: all, merged."""


@dataclass(slots=True)
class ByteRate:
    """Bytes a second, in closed buckets."""

    buckets: list[float | None] = field(default_factory=list)
    _since: float = 0.0
    _bytes_then: int = -1

    def see(self, now: float, total_bytes: int) -> bool:
        """Look at the size of the output; whether a bucket closed."""
        if self._bytes_then < 0 or total_bytes < self._bytes_then:
            self.buckets, self._since, self._bytes_then = [], now, total_bytes
            return False
        if now - self._since < RATE_BUCKET_SECONDS:
            return False
        rate = (total_bytes - self._bytes_then) / (now - self._since)
        self.buckets = [*self.buckets, rate][-RATE_BUCKETS:]
        self._since, self._bytes_then = now, total_bytes
        return True


class Tail:
    """One output view and the coordinator behind it."""

    def __init__(self, desk: Desk, view: OutputView) -> None:
        self._desk = desk
        self._client = desk.client
        self._rate = ByteRate()
        self._is_busy = False
        self._is_wanted = False
        self.view = view
        self.shown = Shown()

    async def open(self, job: str, number: int, attempt: AttemptView) -> None:
        """Show an attempt's output, its end first; nothing happens where it is shown already."""
        streams = streams_of(attempt)
        if (number, attempt.number) != (self.shown.number, self.shown.attempt):
            self.shown = Shown(job, number, attempt.number, streams)
            await self._reopen()
        elif set(streams) - set(self.shown.streams):
            self.shown.streams = streams
            await self._reopen()
        self._tell(attempt)

    def close(self, number: int) -> None:
        """Show nothing: this job has no attempt."""
        self.shown = Shown(number=number)
        self.view.open(f"output of {number}", ())

    async def _reopen(self) -> None:
        shown = self.shown
        wanted = (shown.choice,) if shown.choice else shown.streams
        self._rate = ByteRate()
        await self.fetch(self.view.open(self._name(), wanted))

    def _name(self) -> str:
        choice = f", {self.shown.choice} alone" if self.shown.choice else ""
        return f"output of {self.shown.number}, try {self.shown.attempt}{choice}"

    def _tell(self, attempt: AttemptView) -> None:
        """How the attempt stands, for the title."""
        if attempt.state == "ended":
            exit_code = exit_words(attempt)
            exit_known = exit_code not in ("", "-")
            words = f"exit {exit_code}" if exit_known else (attempt.outcome or "")
            self.view.set_ended(words)
        missing = sum(max(0, stream.gap_to - stream.gap_from) for stream in attempt.output)
        self.view.set_problem(f"{size(missing)} not kept: the limit was reached" if missing else "")

    async def next_stream(self) -> str:
        """From merged to each stream alone and back; the words for it."""
        shown = self.shown
        choices = ["", *shown.streams] if len(shown.streams) > 1 else [""]
        shown.choice = choices[(choices.index(shown.choice) + 1) % len(choices)]
        if len(choices) == 1:
            return "there is one stream only"
        await self._reopen()
        return f"{shown.choice} alone" if shown.choice else "all streams"

    async def fetch(self, ranges: Iterable[OutputRange]) -> None:
        """Load ranges into the view; several streams in the order in which they came in."""
        shown = self.shown
        parts: list[StreamPart] = []
        for wanted in ranges:
            part = await self._part(wanted.stream, wanted.offset, wanted.limit)
            if shown is not self.shown:
                return
            parts.append(StreamPart(wanted.stream, part))
        pieces = in_time_order(parts)
        earlier = [one for one in pieces if self._lies_before(one)]
        for one in [*reversed(earlier), *(one for one in pieces if one not in earlier)]:
            self.view.load(one.part, one.stream, at=one.part.at)

    def _lies_before(self, one: StreamPart) -> bool:
        """Whether a piece goes before what is held, so that the newest of them goes in first."""
        window = self.view.output.window(one.stream)
        return window is not None and one.part.offset < window.start

    async def follow(self) -> None:
        """Catch up with what came; asked for again while it runs, it goes on."""
        self._is_wanted = True
        if self._is_busy or not self.shown.job:
            return
        self._is_busy = True
        try:
            for _ in range(MAX_ROUNDS):
                if not self._is_wanted:
                    break
                self._is_wanted = False
                await self._catch_up()
        finally:
            self._is_busy = False

    async def _catch_up(self) -> None:
        before = self._ends()
        await self.fetch(self.view.tail_ranges())
        windows = [self.view.output.window(stream) for stream in self._streams()]
        behind = any(window is not None and window.is_behind for window in windows)
        if behind and self.view.output.is_following and self._ends() != before:
            self._is_wanted = True

    def _streams(self) -> Sequence[str]:
        return (self.shown.choice,) if self.shown.choice else self.shown.streams

    def _ends(self) -> list[int]:
        windows = (self.view.output.window(stream) for stream in self._streams())
        return [window.end for window in windows if window is not None]

    async def search_beyond(
        self, text: str, stream: str, offset: int, *, is_backwards: bool
    ) -> bool:
        """Let the coordinator search; whether it found something, which is then shown."""
        shown = self.shown
        found = await self._client.find_output(
            shown.job,
            text,
            attempt=str(shown.attempt),
            stream=stream,
            offset=offset,
            backwards=is_backwards,
        )
        if found is None or shown is not self.shown:
            return False
        self.view.go_to_offset(found, stream)
        return True

    async def go_to_time(self, moment: int) -> bool:
        """Show what came in first at that time or later; False: nothing did, so the end is shown.
        Where another try is asked for meanwhile, nothing of this one is.

        The stream is halved again and again: each look at it tells when a byte came in.
        """
        window, shown = self.view.output.main_window(), self.shown
        if window is None:
            return False
        low, high = 0, window.size
        while low < high:
            middle = (low + high) // 2
            part = await self._part(window.stream, middle, 1)
            if shown is not self.shown:
                return True
            if part.at and part.at < moment:
                low = middle + 1
            else:
                high = middle
        if low >= window.size:
            self.view.action_last()
            return False
        self.view.go_to_offset(low, window.stream)
        return True

    async def _part(self, stream: str, offset: int, limit: int) -> OutputPart:
        shown = self.shown
        return await self._client.output(
            shown.job, attempt=str(shown.attempt), stream=stream, offset=offset, limit=limit
        )

    async def whole(self) -> dict[str, bytes]:
        """Everything that is kept of the attempt shown, by stream; of one that runs, what there
        was when it was asked for. Another one may be shown meanwhile."""
        shown = self.shown
        texts: dict[str, bytes] = {}
        for stream in shown.streams:
            pieces: list[bytes] = []
            offset, end = 0, None
            while end is None or offset < end:
                part = await self._client.output(
                    shown.job, attempt=str(shown.attempt), stream=stream, offset=offset
                )
                if not part.data:
                    break
                pieces.append(part.data)
                offset = part.offset + len(part.data)
                end = part.size if end is None else end
            if pieces:
                texts[stream] = b"".join(pieces)
        return texts

    def tick(self) -> None:
        """A second went by: the rate of bytes, for wide views."""
        if self._rate.see(self._desk.clock.monotonic(), self.view.output.total_bytes):
            self.view.set_rate(self._rate.buckets)


def streams_of(attempt: AttemptView) -> tuple[str, ...]:
    """The streams to show: those that hold something, else those its kind of runner writes to."""
    known = tuple(stream.stream for stream in attempt.output if stream.size)
    if known:
        return known
    return ("console",) if attempt.protocol == "runpack" else ("stdout", "stderr")
