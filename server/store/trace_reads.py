# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""What spans are made of: jobs and ended attempts with all that they point to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.model import OUTCOME_KINDS
from server.store.base import TracedAttempt, TracedJob
from server.store.codes import ATTEMPT_ENDED, json_ids, map_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from server.store.codes import Row

_JOB: Final = "j.id, j.uuid, j.created_at, k.type, k.queue, s.owner, s.origin, d.trace"
_OF_JOB: Final = (
    " JOIN classes k ON k.id = j.cls JOIN job_details d ON d.job = j.id"
    " JOIN submitters s ON s.id = d.submitter"
)
_JOBS: Final = (
    f"SELECT {_JOB} FROM json_each(?) ids JOIN jobs j ON j.id = ids.value{_OF_JOB} ORDER BY ids.key"
)
_ATTEMPTS: Final = (
    f"SELECT {_JOB}, a.id, a.uuid, a.number, a.started_at, a.ended_at, a.outcome,"
    " coalesce(p.uuid, ''), coalesce(p.ended_at, 0), coalesce(r.name, ''),"
    " coalesce(n.protocol, r.protocol, ''), coalesce(c.type, ''), coalesce(c.message, '')"
    " FROM json_each(?) ids JOIN attempts a ON a.id = ids.value JOIN jobs j ON j.id = a.job"
    f"{_OF_JOB} LEFT JOIN attempts p ON p.id = a.previous"
    " LEFT JOIN runners r ON r.id = a.runner LEFT JOIN sessions n ON n.id = a.session"
    " LEFT JOIN outcomes o ON o.attempt = a.id LEFT JOIN causes c ON c.id = o.cause"
    f" WHERE a.state = {ATTEMPT_ENDED} AND a.started_at > 0 ORDER BY ids.key"
)
_WIDTH: Final = 8
"""Columns of a job."""


def traced_jobs(db: sqlite3.Connection, ids: Collection[int]) -> list[TracedJob]:
    """Those of the jobs that are still there."""
    return [_traced_job(row) for row in db.execute(_JOBS, (json_ids(ids),))]


def traced_attempts(db: sqlite3.Connection, ids: Collection[int]) -> list[TracedAttempt]:
    """Those of the attempts that had started and have ended."""
    return [_traced_attempt(row) for row in db.execute(_ATTEMPTS, (json_ids(ids),))]


def _traced_job(row: Row) -> TracedJob:
    trace = row[_WIDTH - 1]
    return TracedJob._make((*row[: _WIDTH - 1], None if trace is None else map_of(trace)))


def _traced_attempt(row: Row) -> TracedAttempt:
    number, uuid, tries, started, ended, outcome, *rest = row[_WIDTH:]
    kind = "" if outcome is None else OUTCOME_KINDS[outcome]
    return TracedAttempt(_traced_job(row), number, uuid, tries, started, ended, kind, *rest)
