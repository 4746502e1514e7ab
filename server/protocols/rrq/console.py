"""What a runner's process prints, as the console output of the only job in flight on it.

A process has one standard output for all its jobs. With several in flight nobody can tell whose
a line is, so it stands in the runner's own log alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.coordinator.results import OutputPiece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from server.model import Stream
    from server.protocols.rrq.in_flight import InFlightTable
    from server.protocols.rrq.process import RunnerProcess

MAX_PENDING_BYTES = 1024 * 1024
"""Above this the process is left unread, until what it said before is on record."""
MAX_PIECE_BYTES = 64 * 1024


class Console:
    """Output that waits to be handed in.

    Args:
        table: what is in flight.
        poke: called when there is something to hand in.
    """

    def __init__(self, table: InFlightTable, poke: Callable[[], None]) -> None:
        self._table = table
        self._poke = poke
        self._process: RunnerProcess | None = None
        self._pending: list[OutputPiece] = []
        self._size = 0

    def listen_to(self, process: RunnerProcess) -> None:
        """The process whose output this is."""
        self._process = process

    def came(self, stream: Stream, data: bytes) -> None:
        """The process printed something."""
        entry = self._table.only()
        if entry is None or entry.is_given_up:
            return
        offset = entry.offsets.get(stream, 0)
        entry.offsets[stream] = offset + len(data)
        self._add(OutputPiece(entry.request_id, stream, offset, data))
        self._size += len(data)
        if self._size > MAX_PENDING_BYTES and self._process is not None:
            self._process.pause_reading()
        self._poke()

    def before_request(self) -> None:
        """A request is about to be sent: what was printed until now is none of its."""
        if self._process is not None and not len(self._table):
            self._process.read_now()

    def before_end(self) -> None:
        """A request was answered: what was printed until now is still its."""
        if self._process is not None and self._table.only() is not None:
            self._process.read_now()

    def take(self) -> list[OutputPiece]:
        """All that waits; it is given back by :meth:`put_back` if it could not be handed in."""
        pieces, self._pending, self._size = self._pending, [], 0
        return pieces

    def put_back(self, pieces: Sequence[OutputPiece]) -> None:
        self._pending = [*pieces, *self._pending]
        self._size += sum(len(piece.data) for piece in pieces)

    def taken(
        self, pieces: Sequence[OutputPiece], wanted: Sequence[tuple[str, Stream, int]]
    ) -> None:
        """What was taken is on record: there is room again. What the disk has no space for is to be
        handed in once more."""
        self.put_back(list(_not_taken(pieces, wanted)))
        if self._process is not None and self._size <= MAX_PENDING_BYTES:
            self._process.resume_reading()

    def _add(self, piece: OutputPiece) -> None:
        """Keep a piece, as one with the last where it goes on from there."""
        last = self._pending[-1] if self._pending else None
        if (
            last is not None
            and (last.attempt, last.stream) == (piece.attempt, piece.stream)
            and len(last.data) + len(piece.data) <= MAX_PIECE_BYTES
        ):
            self._pending[-1] = last._replace(data=last.data + piece.data)
        else:
            self._pending.append(piece)


def _not_taken(
    pieces: Sequence[OutputPiece], wanted: Sequence[tuple[str, Stream, int]]
) -> Iterator[OutputPiece]:
    """Those that go on from what is wanted next. What lies behind a hole will never be wanted."""
    reached = {(attempt, stream): offset for attempt, stream, offset in wanted}
    for piece in pieces:
        key, end = (piece.attempt, piece.stream), piece.offset + len(piece.data)
        if piece.offset <= reached.get(key, end) < end:
            reached[key] = end
            yield piece
