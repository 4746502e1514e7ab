"""What a native-v2 runner has to say and what of it was heard. No sockets, no clock.

Everything stays here until an answer with status 200 covers it, so an answer that is lost costs
nothing, and a session that has to be opened again goes on where the last one was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

from server.model import STREAMS
from server.wire.native_v2 import OutputChunk, Report, Sync
from traffic_tui.runner.connectors.reports import (
    final_report,
    isolation_report,
    progress_report,
    refusal_report,
    without_extras,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from server.model import Progress, Stream
    from server.wire.native_v2 import NextOffset, SyncAnswer
    from traffic_tui.runner.errors import JobError
    from traffic_tui.runner.journal import Journal
    from traffic_tui.runner.seam import JobUpdate

MAX_REPORTS = 1_000
"""How many reports go into one sync."""
MAX_REPORT_BYTES = 4 * 1024 * 1024
"""How much JSON of results goes into one sync, unless a single one is larger."""


@dataclass(slots=True)
class Record:
    """One attempt, from its assignment until the coordinator has heard all of it."""

    attempt: str
    progress: Progress | None = None
    """The newest word that was not heard yet."""
    isolation: str = ""
    """What is around its process, where that was not heard yet."""
    final: Report | None = None
    is_final_heard: bool = False
    is_refused: bool = False
    """The coordinator gave the attempt up: its output is worth nothing any more."""
    is_announced: bool = False
    """The coordinator has seen it among what is held."""
    cursors: dict[Stream, int] = field(default_factory=dict)
    """Where the next piece of a stream begins."""
    broken: set[Stream] = field(default_factory=set)
    """Streams of which the coordinator wants bytes that are gone."""


class Piece(NamedTuple):
    """Output that is in a draft."""

    attempt: str
    stream: Stream
    start: int
    end: int


class Draft(NamedTuple):
    """A sync, and what it will have said once it is answered."""

    sync: Sync
    finals: list[str]
    progressed: dict[str, Progress]
    isolated: dict[str, str]
    pieces: list[Piece]


class Budget(NamedTuple):
    """How much may go into one sync."""

    chunk_bytes: int
    output_bytes: int
    reports: int = MAX_REPORTS
    report_bytes: int = MAX_REPORT_BYTES


class Ledger:
    """All attempts of one runner that the coordinator has not heard to the end."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._records: dict[str, Record] = {}
        self.is_stalled = False
        """The coordinator did not take output when it was last offered."""
        self.tells_surroundings = False
        """The coordinator accepts what is around a process, and what it used."""

    # what happens here -----------------------------------------------------------------------

    def begin(self, attempt: str) -> bool:
        """An assignment came; False: it is known already."""
        if attempt in self._records:
            return False
        self._records[attempt] = Record(attempt)
        return True

    def update(self, attempt: str, update: JobUpdate) -> None:
        record = self._records.get(attempt)
        if record is None or record.final is not None:
            return
        if update.progress is not None:
            record.progress = update.progress
        if update.isolation:
            record.isolation = update.isolation
        if update.outcome is not None:
            record.final = final_report(attempt, update.outcome, update.result)

    def refuse(self, attempt: str, error: JobError) -> None:
        """It could not be started."""
        record = self._records.get(attempt)
        if record is not None and record.final is None:
            record.final = refusal_report(attempt, error)

    def print(self, attempt: str, stream: Stream, data: bytes) -> int:
        """Keep output; the answer is how many bytes there was room for."""
        record = self._records.get(attempt)
        if record is None or record.is_refused or stream in record.broken:
            return len(data)
        return self._journal.append(attempt, stream, data)

    # what there is to say --------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        return not self._records

    @property
    def is_urgent(self) -> bool:
        """Something should be said at once: an end, or that an assignment has come."""
        return any(
            (record.final is not None and not record.is_final_heard) or not record.is_announced
            for record in self._records.values()
        )

    @property
    def has_news(self) -> bool:
        """Something may be said soon: progress or output."""
        return any(
            record.progress is not None
            or (record.isolation and self.tells_surroundings)
            or (not self.is_stalled and self._unsent(record) > 0)
            for record in self._records.values()
        )

    @property
    def unsent_bytes(self) -> int:
        return sum(self._unsent(record) for record in self._records.values())

    def __contains__(self, attempt: object) -> bool:
        return attempt in self._records

    @property
    def held(self) -> list[str]:
        return [key for key, record in self._records.items() if not record.is_final_heard]

    def draft(
        self,
        session: tuple[str, str],
        sequence: int,
        budget: Budget,
        *,
        capacity: int,
        stuck: Collection[str] = (),
        with_output: bool = True,
    ) -> Draft:
        """Everything that fits into the next sync."""
        pieces, chunks = self._output(budget) if with_output else ([], [])
        reached = {(piece.attempt, piece.stream): piece.end for piece in pieces}
        finals = self._finals(budget, reached, waits_for_output=with_output)
        progressed = self._progress(finals)
        ended = set(finals)
        held = [key for key in self.held if key not in ended]
        reports = [self._final(key) for key in finals]
        reports += [progress_report(key, said) for key, said in progressed.items()]
        isolated = self._isolated()
        reports += [isolation_report(key, words) for key, words in isolated.items()]
        free = max(0, capacity - len(set(held).union(stuck)))
        sync = Sync(*session, sequence, held, free, reports, chunks)
        return Draft(sync, finals, progressed, isolated, pieces)

    # what was heard ----------------------------------------------------------------------------

    def heard(self, draft: Draft, answer: SyncAnswer) -> list[str]:
        """Take an answer in. The result are attempts the coordinator no longer wants."""
        for attempt in draft.sync.held:
            if record := self._records.get(attempt):
                record.is_announced = True
        for attempt, said in draft.progressed.items():
            record = self._records.get(attempt)
            if record is not None and record.progress is said:
                record.progress = None
        for attempt, words in draft.isolated.items():
            record = self._records.get(attempt)
            if record is not None and record.isolation == words:
                record.isolation = ""
        self._move_cursors(draft.pieces, answer.output)
        for attempt in draft.finals:
            if record := self._records.get(attempt):
                record.is_final_heard = record.is_announced = True
                record.progress = None
        unwanted = [refusal.attempt for refusal in answer.refused if self._give_up(refusal.attempt)]
        self._forget_what_is_done()
        return unwanted

    def rewind(self) -> None:
        """A new session: what was sent and not acknowledged is sent again."""
        self.is_stalled = False
        for record in self._records.values():
            record.cursors.clear()
            record.is_announced = False

    def replace_final(self, attempt: str, report: Report) -> None:
        """Say something else of an end, where the coordinator cannot read what was to be said."""
        record = self._records.get(attempt)
        if record is not None:
            record.final = report

    def drop(self, attempt: str) -> None:
        """Forget an attempt, heard or not."""
        self._records.pop(attempt, None)
        self._journal.discard(attempt)

    # inside ------------------------------------------------------------------------------------

    def _streams(self, record: Record) -> Iterator[tuple[Stream, int, int]]:
        """Stream, where the next piece begins, and where what is kept ends."""
        for stream, journal in self._journal.streams(record.attempt).items():
            if stream not in record.broken:
                yield stream, record.cursors.get(stream, journal.start), journal.end

    def _unsent(self, record: Record) -> int:
        return sum(end - cursor for _, cursor, end in self._streams(record))

    def _output(self, budget: Budget) -> tuple[list[Piece], list[OutputChunk]]:
        """Chunks for one sync; what has ended goes first, since its end waits for them."""
        pieces: list[Piece] = []
        chunks: list[OutputChunk] = []
        room = budget.output_bytes
        for record in sorted(self._records.values(), key=lambda record: record.final is None):
            for stream, cursor, end in self._streams(record):
                journal = self._journal.streams(record.attempt)[stream]
                start = cursor
                while cursor < end and room > 0:
                    data = journal.read(cursor, min(budget.chunk_bytes, room))
                    if not data:
                        break
                    chunks.append(OutputChunk(record.attempt, stream, cursor, data))
                    cursor += len(data)
                    room -= len(data)
                if cursor > start:
                    pieces.append(Piece(record.attempt, stream, start, cursor))
        return pieces, chunks

    def _finals(
        self, budget: Budget, reached: dict[tuple[str, Stream], int], *, waits_for_output: bool
    ) -> list[str]:
        """Ends that can be told now: all of the attempt's output is told before, or with it."""
        finals: list[str] = []
        size = 0
        for attempt, record in self._records.items():
            if record.final is None or record.is_final_heard:
                continue
            if waits_for_output and any(
                reached.get((attempt, stream), cursor) < end
                for stream, cursor, end in self._streams(record)
            ):
                continue
            size += len(record.final.result)
            if finals and (len(finals) >= budget.reports or size > budget.report_bytes):
                break
            finals.append(attempt)
        return finals

    def _progress(self, finals: Collection[str]) -> dict[str, Progress]:
        """Fresh progress; that of an ended attempt goes with its end."""
        progressed: dict[str, Progress] = {}
        for attempt, record in self._records.items():
            if record.progress is None or record.is_final_heard:
                continue
            if attempt in finals and record.final is not None:
                record.final.progress = progress_report(attempt, record.progress).progress
            elif record.final is None:
                progressed[attempt] = record.progress
        return progressed

    def _final(self, attempt: str) -> Report:
        final = cast("Report", self._records[attempt].final)
        return final if self.tells_surroundings else without_extras(final)

    def _isolated(self) -> dict[str, str]:
        """What is around processes that run; an end tells it itself."""
        if not self.tells_surroundings:
            return {}
        return {
            attempt: record.isolation
            for attempt, record in self._records.items()
            if record.isolation and record.final is None
        }

    def _move_cursors(self, pieces: list[Piece], offsets: list[NextOffset]) -> None:
        wanted = {(told.attempt, told.stream): told.next_offset for told in offsets}
        is_stalled = False
        for piece in pieces:
            record = self._records.get(piece.attempt)
            journal = self._journal.streams(piece.attempt).get(piece.stream)
            if record is None or journal is None:
                continue
            before = journal.start
            offset = wanted.get((piece.attempt, piece.stream), before)
            if offset < before:
                record.broken.add(piece.stream)
                continue
            self._journal.acknowledge(piece.attempt, piece.stream, offset)
            record.cursors[piece.stream] = min(offset, journal.end)
            is_stalled = is_stalled or offset <= before
        self.is_stalled = is_stalled

    def _give_up(self, attempt: str) -> bool:
        """Whether something still runs for the refused attempt and has to be stopped."""
        record = self._records.get(attempt)
        if record is None:
            return False
        record.is_refused = True
        self._journal.discard(attempt)
        record.cursors.clear()
        return record.final is None

    def _forget_what_is_done(self) -> None:
        done = [
            key
            for key, record in self._records.items()
            if record.is_final_heard and not self._unacknowledged(record)
        ]
        for attempt in done:
            self.drop(attempt)

    def _unacknowledged(self, record: Record) -> bool:
        streams = self._journal.streams(record.attempt)
        return any(
            streams[stream].kept
            for stream in STREAMS
            if stream in streams and stream not in record.broken
        )
