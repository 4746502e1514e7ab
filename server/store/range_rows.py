# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""What is read of cursor ranges off the loop, and how their rows become facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.model import JOB_STATES
from server.ranges import SPAN_KINDS, Range, Span
from server.store.base import KeptRange, RangeDetail

if TYPE_CHECKING:
    import sqlite3

    from server.store.codes import Row

RANGE_COLUMNS: Final = "job, low, high, cut, covered, left_out, spent, alike, is_open, problem"
SELECT_RANGE: Final = f"SELECT {RANGE_COLUMNS} FROM ranges WHERE job = ?"
SELECT_SPANS: Final = "SELECT low, high, kind FROM spans WHERE parent = ? AND high > ? ORDER BY low"
_OPEN_PIECES: Final = (
    "SELECT p.low, p.high, j.state FROM pieces p JOIN jobs j ON j.id = p.job"
    " WHERE p.parent = ? AND p.is_open = 1 ORDER BY p.low"
)


def range_of_row(row: Row) -> KeptRange:
    """A range from the columns of :data:`RANGE_COLUMNS`."""
    job, low, high, cut, covered, left_out, spent, alike, is_open, problem = row
    whole = Range(low, high)
    return KeptRange(job, whole, cut, covered, left_out, spent, alike, bool(is_open), problem)


def span_of_row(row: Row) -> Span:
    """A span from (low, high, kind)."""
    return Span(Range(row[0], row[1]), SPAN_KINDS[row[2]])


def piece_range(db: sqlite3.Connection, job_id: int) -> Range | None:
    """A job's part of another's range; None: it is no piece."""
    row = db.execute("SELECT low, high FROM pieces WHERE job = ?", (job_id,)).fetchone()
    return None if row is None else Range(*row)


def range_detail(db: sqlite3.Connection, job_id: int) -> RangeDetail | None:
    """A job's range with all that says how far it is; None: it is not done in pieces."""
    row = db.execute(SELECT_RANGE, (job_id,)).fetchone()
    if row is None:
        return None
    kept = range_of_row(row)
    spans = db.execute(SELECT_SPANS, (job_id, kept.range.low - 1))
    return RangeDetail(
        kept,
        [span_of_row(span) for span in spans],
        [
            (Range(low, high), JOB_STATES[state])
            for low, high, state in db.execute(_OPEN_PIECES, (job_id,))
        ],
    )
