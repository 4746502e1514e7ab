"""Finding the jobs of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

    from server.store.base import JobQuery


class FoundJobs(NamedTuple):
    """Ids of a page, in order."""

    ids: list[int]
    next: str
    count: int
    count_is_exact: bool


def find_jobs(db: sqlite3.Connection, query: JobQuery, now: int) -> FoundJobs:
    rows = db.execute("SELECT id FROM jobs ORDER BY id DESC LIMIT ?", (query.limit,)).fetchall()
    return FoundJobs([r[0] for r in rows], "", len(rows), True)
