# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Console output in a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.model import STREAMS
from server.store.base import Chunk, StreamState
from server.store.codes import STREAM_CODE
from server.store.sqlite_base import TxBase
from server.store.writer import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.model import Stream
    from server.store.codes import Row

STREAM_COLUMNS: Final = "attempt, stream, generation, size, gap_from, gap_to, updated_at"
_PUT_STREAM: Final = Statement(
    f"INSERT INTO streams ({STREAM_COLUMNS}) VALUES (?,?,?,?,?,?,?)"
    " ON CONFLICT (attempt, stream) DO UPDATE SET generation = excluded.generation,"
    " size = excluded.size, gap_from = excluded.gap_from, gap_to = excluded.gap_to,"
    " updated_at = excluded.updated_at"
)
_SELECT_STREAMS: Final = f"SELECT {STREAM_COLUMNS} FROM streams WHERE attempt = ? ORDER BY stream"
_EMPTY: Final = Statement("DELETE FROM chunks WHERE attempt = ? AND stream = ?")
_PUT_CHUNK: Final = Statement(
    "INSERT OR IGNORE INTO chunks (attempt, stream, generation, offset, at, size, data)"
    " VALUES (?,?,?,?,?,?,?)",
    rank=1,
)
_DROP: Final = Statement(
    "DELETE FROM chunks WHERE attempt = ? AND stream = ? AND generation = ?"
    " AND offset >= ? AND offset < ? AND offset + size <= ?",
    rank=2,
)
"""The end stands there twice: so nothing that follows it, up to half the cap, is looked at."""


def stream_state_of(row: Row) -> StreamState:
    """A stream's state from the columns of :data:`STREAM_COLUMNS`."""
    return StreamState(row[0], STREAMS[row[1]], *row[2:7])


class OutputOps(TxBase):
    """The part of a transaction that concerns output."""

    def streams(self, attempt_id: int) -> list[StreamState]:
        return list(self._streams(attempt_id).values())

    def _streams(self, attempt_id: int) -> dict[int, StreamState]:
        """Streams of an attempt by code; those of a live one are read once and then remembered."""
        memory = self.memory
        known = memory.streams.get(attempt_id)
        if known is not None:
            return known
        is_live = attempt_id in memory.attempts
        if is_live and attempt_id > memory.last_attempt_at_opening:
            known = {}
        else:
            key = ("streams", attempt_id)
            rows = self.db.look_up(key, _SELECT_STREAMS, (attempt_id,))
            known = {row[1]: stream_state_of(row) for row in rows}
        if is_live:
            memory.put(memory.streams, attempt_id, known)
        return known

    def put_output(
        self, state: StreamState, chunks: Sequence[Chunk], *, drop: tuple[int, int] | None = None
    ) -> None:
        self._put_state(state)
        for chunk in chunks:
            self._put_chunk(state.attempt, chunk)
        if drop is not None:
            stream = STREAM_CODE[state.stream]
            key, (begin, end) = ("chunks", state.attempt), drop
            self.db.later(_DROP, key, (state.attempt, stream, state.generation, begin, end, end))

    def replace_output(self, state: StreamState, data: bytes, *, at: int) -> None:
        key = ("chunks", state.attempt)
        self.db.later(_EMPTY, key, (state.attempt, STREAM_CODE[state.stream]))
        self._put_state(state)
        if data:
            offset = max(0, state.size - len(data))
            self._put_chunk(state.attempt, Chunk(state.stream, state.generation, offset, at, data))

    def output_text(self, attempt_id: int, stream: Stream) -> bytes:
        sql = (
            "SELECT data FROM chunks WHERE attempt = ? AND stream = ? AND generation ="
            " (SELECT generation FROM streams WHERE attempt = ? AND stream = ?) ORDER BY offset"
        )
        code = STREAM_CODE[stream]
        rows = self.db.read(sql, (attempt_id, code, attempt_id, code))
        return b"".join(row[0] for row in rows)

    def _put_chunk(self, attempt_id: int, chunk: Chunk) -> None:
        stream, generation, offset, at, data = chunk
        row = (attempt_id, STREAM_CODE[stream], generation, offset, at, len(data), data)
        self.db.later(_PUT_CHUNK, ("chunks", attempt_id), row)

    def _put_state(self, state: StreamState) -> None:
        code = STREAM_CODE[state.stream]
        if state.attempt in self.memory.attempts:
            self.memory.put(self._streams(state.attempt), code, state)
        row = (state.attempt, code, *state[2:])
        self.db.later(_PUT_STREAM, ("streams", state.attempt), row)
