# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Cursor ranges in a transaction: what of them is done, and the pieces in which they are done.

Open ranges and open pieces are few and kept in memory, so that a job that ends is known for a
piece, or for none, without a look into the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.ranges import SPAN_KINDS, Range, Span, SpanKind, normalised
from server.store.base import KeptRange, Piece
from server.store.codes import json_ids
from server.store.range_rows import (
    RANGE_COLUMNS,
    SELECT_RANGE,
    SELECT_SPANS,
    range_of_row,
    span_of_row,
)
from server.store.sqlite_base import TxBase

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from server.store.memory import Memory

_PUT: Final = (
    f"INSERT INTO ranges ({RANGE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT (job) DO UPDATE SET cut = excluded.cut, covered = excluded.covered,"
    " left_out = excluded.left_out, spent = excluded.spent, is_open = excluded.is_open,"
    " problem = excluded.problem"
)
_OPEN: Final = f"SELECT {RANGE_COLUMNS} FROM ranges WHERE is_open = 1"
_OPEN_PIECES: Final = "SELECT job, parent, low, high FROM pieces WHERE is_open = 1 ORDER BY job"
_PIECE: Final = "SELECT job, parent, low, high FROM pieces WHERE job = ?"
_BEFORE: Final = (
    "SELECT low, high, kind FROM spans WHERE parent = ? AND low < ? ORDER BY low DESC LIMIT 1"
)
_AFTER: Final = (
    "SELECT low, high, kind FROM spans WHERE parent = ? AND low > ? ORDER BY low LIMIT 1"
)
_ALIKE: Final = (
    f"SELECT {', '.join('g.' + name for name in RANGE_COLUMNS.split(', '))} FROM ranges g"
    " JOIN jobs j ON j.id = g.job JOIN classes k ON k.id = j.cls"
    " WHERE g.alike = ? AND g.high >= ? AND g.low <= ? AND k.queue = ? ORDER BY g.job LIMIT ?"
)


def load_ranges(db: sqlite3.Connection, memory: Memory) -> None:
    """Learn what is open."""
    for row in db.execute(_OPEN):
        memory.open_ranges[row[0]] = range_of_row(row)
        memory.pieces_of[row[0]] = {}
    for job, parent, low, high in db.execute(_OPEN_PIECES):
        piece = Piece(job, parent, Range(low, high))
        memory.pieces[job] = piece
        memory.pieces_of.setdefault(parent, {})[job] = piece


class RangeOps(TxBase):
    """The part of a transaction that concerns cursor ranges."""

    def range_of(self, job_id: int) -> KeptRange | None:
        known = self.memory.open_ranges.get(job_id)
        if known is not None:
            return known
        row = self.db.execute(SELECT_RANGE, (job_id,)).fetchone()
        return None if row is None else range_of_row(row)

    def open_ranges(self) -> Mapping[int, KeptRange]:
        return self.memory.open_ranges

    def put_range(self, kept: KeptRange) -> None:
        memory = self.memory
        low, high = kept.range
        self.db.execute(_PUT, (kept.job, low, high, *kept[2:7], int(kept.is_open), kept.problem))
        if not kept.is_open:
            memory.drop(memory.open_ranges, kept.job)
            memory.drop(memory.pieces_of, kept.job)
            return
        memory.put(memory.open_ranges, kept.job, kept)
        if kept.job not in memory.pieces_of:
            memory.put(memory.pieces_of, kept.job, {})

    def piece(self, job_id: int) -> Piece | None:
        row = self.db.execute(_PIECE, (job_id,)).fetchone()
        return None if row is None else Piece(row[0], row[1], Range(row[2], row[3]))

    def open_piece(self, job_id: int) -> Piece | None:
        return self.memory.pieces.get(job_id)

    def open_pieces(self, parent: int) -> Collection[Piece]:
        return self.memory.pieces_of.get(parent, {}).values()

    def add_pieces(self, pieces: Sequence[Piece]) -> None:
        memory = self.memory
        self.db.executemany(
            "INSERT INTO pieces (job, parent, low, high, is_open) VALUES (?,?,?,?,1)",
            [(job, parent, low, high) for job, parent, (low, high) in pieces],
        )
        memory.put_all(memory.pieces, {piece.job: piece for piece in pieces})
        for piece in pieces:
            memory.put(memory.pieces_of[piece.parent], piece.job, piece)

    def close_pieces(self, pieces: Sequence[Piece]) -> None:
        memory = self.memory
        self.db.execute(
            "UPDATE pieces SET is_open = 0 WHERE job IN (SELECT value FROM json_each(?))",
            (json_ids(piece.job for piece in pieces),),
        )
        memory.drop_all(memory.pieces, [piece.job for piece in pieces])
        for piece in pieces:
            of_parent = memory.pieces_of.get(piece.parent)
            if of_parent is not None:
                memory.drop(of_parent, piece.job)

    def spans(self, parent: int, *, after: int) -> list[Span]:
        return [span_of_row(row) for row in self.db.execute(SELECT_SPANS, (parent, after))]

    def add_spans(self, kept: KeptRange, ranges: Iterable[Range], kind: SpanKind) -> KeptRange:
        code = SPAN_KINDS.index(kind)
        added = 0
        for one in normalised(ranges):
            self._add_span(kept.job, one, code)
            added += one.units
        if kind == "covered":
            kept = kept._replace(covered=kept.covered + added)
        else:
            kept = kept._replace(left_out=kept.left_out + added)
        self.put_range(kept)
        return kept

    def _add_span(self, parent: int, one: Range, code: int) -> None:
        """Keep a span, as one with its neighbours of the same kind."""
        low, high = one
        before = self.db.execute(_BEFORE, (parent, low)).fetchone()
        after = self.db.execute(_AFTER, (parent, low)).fetchone()
        if after is not None and after[2] == code and after[0] == high + 1:
            self.db.execute("DELETE FROM spans WHERE parent = ? AND low = ?", (parent, after[0]))
            high = after[1]
        if before is not None and before[2] == code and before[1] == low - 1:
            self.db.execute(
                "UPDATE spans SET high = ? WHERE parent = ? AND low = ?", (high, parent, before[0])
            )
            return
        self.db.execute(
            "INSERT INTO spans (parent, low, high, kind) VALUES (?,?,?,?)",
            (parent, low, high, code),
        )

    def ranges_alike(self, alike: str, queue: str, wanted: Range, limit: int) -> list[KeptRange]:
        values = (alike, wanted.low, wanted.high, queue, limit)
        return [range_of_row(row) for row in self.db.execute(_ALIKE, values)]
