# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Reading and searching console output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.store.base import Chunk, OutputSlice, StreamState
from server.store.codes import STREAM_CODE
from server.store.sqlite_output import STREAM_COLUMNS, stream_state_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from server.model import Stream

_STATE: Final = f"SELECT {STREAM_COLUMNS} FROM streams WHERE attempt = ? AND stream = ?"
_OF: Final = "FROM chunks WHERE attempt = ? AND stream = ? AND generation = ?"
_FIRST: Final = f"SELECT max(offset) {_OF} AND offset <= ?"
_FORWARD: Final = f"SELECT offset, at, data {_OF} AND offset >= ? ORDER BY offset"
_BACKWARD: Final = f"SELECT offset, at, data {_OF} AND offset < ? ORDER BY offset DESC"


def stream_state(db: sqlite3.Connection, attempt_id: int, stream: Stream) -> StreamState | None:
    row = db.execute(_STATE, (attempt_id, STREAM_CODE[stream])).fetchone()
    return None if row is None else stream_state_of(row)


def read_output(
    db: sqlite3.Connection, attempt_id: int, stream: Stream, offset: int, limit: int
) -> OutputSlice:
    """What is kept of the newest generation in [offset, offset + limit).

    Where nothing of that is kept, as much from the next byte on that is: whoever reads on from
    where a part ended comes over what the cap left out, however large that is.
    """
    state = stream_state(db, attempt_id, stream)
    if state is None or limit <= 0:
        return OutputSlice([], state)
    end = offset + limit
    chunks: list[Chunk] = []
    for begin, at, data in _forward(db, state, offset):
        if begin >= end:
            if chunks:
                break
            end = begin + limit
        cut = data[max(0, offset - begin) : end - begin]
        if cut:
            chunks.append(Chunk(stream, state.generation, max(begin, offset), at, cut))
    return OutputSlice(chunks, state)


def _forward(
    db: sqlite3.Connection, state: StreamState, offset: int
) -> Iterator[tuple[int, int, bytes]]:
    """Chunks from the one that holds ``offset`` on."""
    place = (state.attempt, STREAM_CODE[state.stream], state.generation)
    first = db.execute(_FIRST, (*place, offset)).fetchone()[0]
    yield from db.execute(_FORWARD, (*place, 0 if first is None else first))


def find_in_output(
    db: sqlite3.Connection,
    attempt_id: int,
    stream: Stream,
    needle: bytes,
    offset: int,
    *,
    backwards: bool,
) -> int | None:
    """Where ``needle`` next begins: at or after ``offset``, or before it when going backwards."""
    state = stream_state(db, attempt_id, stream)
    if state is None or not needle:
        return None
    return (_find_back if backwards else _find_on)(db, state, needle, offset)


def _find_on(db: sqlite3.Connection, state: StreamState, needle: bytes, offset: int) -> int | None:
    held = b""
    held_at = 0
    for begin, _, data in _forward(db, state, offset):
        if held_at + len(held) != begin:  # a gap: nothing reaches over it
            held, held_at = b"", begin
        text = held + data
        found = text.find(needle, max(0, offset - held_at))
        if found >= 0:
            return int(held_at + found)
        kept = min(len(text), len(needle) - 1)
        held, held_at = text[len(text) - kept :], held_at + len(text) - kept
    return None


def _find_back(
    db: sqlite3.Connection, state: StreamState, needle: bytes, offset: int
) -> int | None:
    """The last place that begins before ``offset``; it may reach beyond it."""
    place = (state.attempt, STREAM_CODE[state.stream], state.generation)
    after = b""
    after_at = -1
    reach = offset + len(needle) - 1
    for begin, _, data in db.execute(_BACKWARD, (*place, max(reach, 0))):
        if begin + len(data) != after_at:
            after = b""
        text = data + after
        found = text.rfind(needle, 0, max(0, reach - begin))
        if found >= 0:
            return int(begin) + int(found)
        after, after_at = text[: len(needle) - 1], begin
    return None
