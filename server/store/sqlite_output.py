# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Console output in a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.model import STREAMS
from server.store.base import StreamState
from server.store.codes import STREAM_CODE
from server.store.sqlite_base import TxBase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.model import Stream
    from server.store.base import Chunk
    from server.store.codes import Row

STREAM_COLUMNS: Final = "attempt, stream, generation, size, gap_from, gap_to, updated_at"
_PUT_STREAM: Final = (
    f"INSERT INTO streams ({STREAM_COLUMNS}) VALUES (?,?,?,?,?,?,?)"
    " ON CONFLICT (attempt, stream) DO UPDATE SET generation = excluded.generation,"
    " size = excluded.size, gap_from = excluded.gap_from, gap_to = excluded.gap_to,"
    " updated_at = excluded.updated_at"
)
_PUT_CHUNK: Final = (
    "INSERT OR IGNORE INTO chunks (attempt, stream, generation, offset, at, size, data)"
    " VALUES (?,?,?,?,?,?,?)"
)
_DROP: Final = (
    "DELETE FROM chunks WHERE attempt = ? AND stream = ? AND generation = ?"
    " AND offset >= ? AND offset + size <= ?"
)


def stream_state_of(row: Row) -> StreamState:
    """A stream's state from the columns of :data:`STREAM_COLUMNS`."""
    return StreamState(row[0], STREAMS[row[1]], *row[2:7])


class OutputOps(TxBase):
    """The part of a transaction that concerns output."""

    def streams(self, attempt_id: int) -> list[StreamState]:
        sql = f"SELECT {STREAM_COLUMNS} FROM streams WHERE attempt = ? ORDER BY stream"
        return [stream_state_of(row) for row in self.db.execute(sql, (attempt_id,))]

    def put_output(
        self, state: StreamState, chunks: Sequence[Chunk], *, drop: tuple[int, int] | None = None
    ) -> None:
        stream = STREAM_CODE[state.stream]
        self._put_state(state)
        if chunks:
            self.db.executemany(
                _PUT_CHUNK,
                [
                    (
                        state.attempt,
                        STREAM_CODE[chunk.stream],
                        chunk.generation,
                        chunk.offset,
                        chunk.at,
                        len(chunk.data),
                        chunk.data,
                    )
                    for chunk in chunks
                ],
            )
        if drop is not None:
            self.db.execute(_DROP, (state.attempt, stream, state.generation, *drop))

    def replace_output(self, state: StreamState, data: bytes, *, at: int) -> None:
        stream = STREAM_CODE[state.stream]
        self.db.execute(
            "DELETE FROM chunks WHERE attempt = ? AND stream = ?", (state.attempt, stream)
        )
        self._put_state(state)
        if data:
            offset = max(0, state.size - len(data))
            self.db.execute(
                _PUT_CHUNK,
                (state.attempt, stream, state.generation, offset, at, len(data), data),
            )

    def output_text(self, attempt_id: int, stream: Stream) -> bytes:
        sql = (
            "SELECT data FROM chunks WHERE attempt = ? AND stream = ? AND generation ="
            " (SELECT generation FROM streams WHERE attempt = ? AND stream = ?) ORDER BY offset"
        )
        code = STREAM_CODE[stream]
        rows = self.db.execute(sql, (attempt_id, code, attempt_id, code))
        return b"".join(row[0] for row in rows)

    def _put_state(self, state: StreamState) -> None:
        self.db.execute(_PUT_STREAM, (state.attempt, STREAM_CODE[state.stream], *state[2:]))
