# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Lines of job lists and everything about one job, from rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.model import (
    ATTEMPT_STATES,
    FINAL_STATES,
    Outcome,
    Progress,
    Surroundings,
    Usage,
)
from server.store.base import AttemptRow, JobDetail, JobRow
from server.store.codes import (
    ATTEMPT_COLUMNS,
    DETAIL_COLUMNS,
    JOB_COLUMNS_J,
    attempt_of,
    details_of,
    job_of,
    json_ids,
    map_of,
    outcome_of,
    progress_of,
)
from server.store.event_rows import events_of_job
from server.store.range_rows import piece_range, range_detail
from server.store.sqlite_attempts import ATTEMPT_CHAIN
from server.store.sqlite_output import STREAM_COLUMNS, stream_state_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from server.store.codes import Row

_SAID: Final = (
    "c.message, c.type, o.code, o.details, o.exit_code, o.signal, o.retry_after_ms, o.is_retryable"
)
_ROWS: Final = (
    f"SELECT {JOB_COLUMNS_J}, k.type, k.queue, k.requires, k.pin, s.owner, s.origin,"
    " a.uuid, a.runner, r.uuid, r.name, a.state, a.phase, a.started_at, a.ended_at,"
    " p.current, p.total, p.text, p.heard_at,"
    " (SELECT max(updated_at) FROM streams WHERE attempt = a.id), a.outcome,"
    f" {_SAID}, length(a.result), g.covered, g.high - g.low + 1 - g.left_out, g.problem"
    " FROM json_each(?) ids JOIN jobs j ON j.id = ids.value JOIN classes k ON k.id = j.cls"
    " JOIN facets f ON f.id = j.facet JOIN submitters s ON s.id = f.submitter"
    " LEFT JOIN attempts a ON a.id = j.attempt LEFT JOIN runners r ON r.id = a.runner"
    " LEFT JOIN progress p ON p.attempt = a.id LEFT JOIN outcomes o ON o.attempt = a.id"
    " LEFT JOIN causes c ON c.id = o.cause LEFT JOIN ranges g ON g.job = j.id AND j.attempt = 0"
    " ORDER BY ids.key"
)
_ATTEMPT_A: Final = ", ".join(f"a.{name}" for name in ATTEMPT_COLUMNS.split(", "))
_ATTEMPTS: Final = (
    ATTEMPT_CHAIN + f"SELECT {_ATTEMPT_A}, r.uuid, r.name, coalesce(n.protocol, r.protocol),"
    " p.current, p.total, p.text, p.heard_at,"
    f" {_SAID}, a.result,"
    " (SELECT count(*) FROM late_writes WHERE attempt = a.id),"
    " u.isolation, u.cpu_seconds, u.peak_memory_bytes, u.io_bytes"
    " FROM chain JOIN attempts a ON a.id = chain.id LEFT JOIN runners r ON r.id = a.runner"
    " LEFT JOIN sessions n ON n.id = a.session LEFT JOIN progress p ON p.attempt = a.id"
    " LEFT JOIN outcomes o ON o.attempt = a.id LEFT JOIN causes c ON c.id = o.cause"
    " LEFT JOIN surroundings u ON u.attempt = a.id"
    " ORDER BY a.id DESC"
)
_DETAILS: Final = (
    f"SELECT {DETAIL_COLUMNS}, s.owner, s.origin, s.namespace FROM job_details"
    " JOIN submitters s ON s.id = submitter WHERE job = ?"
)
# Of long parameters the schedule would be read at their end, so it is looked up in its index.
_MADE_BY: Final = (
    "SELECT d.job, s.name FROM json_each(?) ids JOIN job_details d ON d.job = ids.value"
    " JOIN schedules s ON s.id = CASE WHEN length(d.params) < 2000 THEN d.schedule"
    " ELSE (SELECT x.schedule FROM job_details x INDEXED BY details_schedule"
    " WHERE x.schedule > 0 AND x.schedule IN (SELECT id FROM schedules) AND x.job = d.job) END"
    " WHERE d.resubmit_of = 0"
)
_J: Final = 16
"""Columns of a job."""
EVENTS_OF_A_JOB: Final = 50


def job_rows(db: sqlite3.Connection, ids: Sequence[int]) -> list[JobRow]:
    """Lines of these jobs, in this order."""
    made_by = _made_by(db, ids)
    rows = [_job_row(row) for row in db.execute(_ROWS, (json_ids(ids),))]
    if not made_by:
        return rows
    return [row._replace(schedule=made_by.get(row.job.id, "")) for row in rows]


def _made_by(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, str]:
    """Which of these jobs schedules made themselves, and the names of those."""
    if db.execute("SELECT EXISTS (SELECT 1 FROM schedules)").fetchone()[0]:
        return dict(db.execute(_MADE_BY, (json_ids(ids),)))
    return {}


def _job_row(row: Row) -> JobRow:
    type_, queue, requires, pin, owner, origin = row[_J : _J + 6]
    attempt, runner, runner_uuid, runner_name, state, phase, started, ended = row[22:30]
    current, total, text, heard, spoke, kind = row[30:36]
    line = JobRow(
        job=job_of(row),
        type=type_,
        queue=queue,
        requires=map_of(requires),
        pin=pin,
        owner=owner,
        origin=origin,
        attempt_uuid=attempt or "",
        runner=runner or 0,
        runner_uuid=runner_uuid or "",
        runner_name=runner_name or "",
        attempt_state="" if state is None else ATTEMPT_STATES[state],
        phase=phase or "",
        started_at=started or 0,
        ended_at=ended or 0,
        progress=progress_of(current, total, text),
        heard_at=max(heard or 0, spoke or 0, started or 0, ended or 0),
        outcome=outcome_of(kind, None, row[36:44]),
        has_result=bool(row[44]),
    )
    return line if row[45] is None else _as_range(line, *row[45:48])


def _as_range(line: JobRow, covered: int, wanted: int, problem: str) -> JobRow:
    """A job that is done in pieces has no attempt to tell of it; its range does."""
    job = line.job
    return line._replace(
        started_at=job.created_at,
        ended_at=job.since if job.state in FINAL_STATES else 0,
        progress=Progress(covered, wanted),
        outcome=Outcome("error", problem) if problem else None,
    )


def job_detail(db: sqlite3.Connection, job_id: int) -> JobDetail | None:
    """Everything about one job but its console."""
    rows = job_rows(db, [job_id])
    if not rows:
        return None
    row = db.execute(_DETAILS, (job_id,)).fetchone()
    details = details_of(row[:-3], row[-3:])
    made_from = _number_and_uuid(db, details.resubmit_of)
    made_into = db.execute(
        "SELECT j.id, j.uuid FROM job_details d JOIN jobs j ON j.id = d.job"
        " WHERE d.resubmit_of = ? AND d.resubmit_of > 0 ORDER BY j.id",
        (job_id,),
    ).fetchall()
    return JobDetail(
        row=rows[0],
        details=details,
        attempts=_attempt_rows(db, job_id),
        events=events_of_job(db, job_id, before=None, limit=EVENTS_OF_A_JOB),
        resubmitted_from=made_from,
        resubmitted_as=made_into,
        schedule=_schedule_name(db, details.schedule),
        parent=_number_and_uuid(db, details.parent),
        piece=piece_range(db, job_id),
        range=range_detail(db, job_id),
    )


def _number_and_uuid(db: sqlite3.Connection, job_id: int) -> tuple[int, str] | None:
    found: tuple[int, str] | None = db.execute(
        "SELECT id, uuid FROM jobs WHERE id = ?", (job_id,)
    ).fetchone()
    return found


def _schedule_name(db: sqlite3.Connection, schedule: int) -> str:
    if not schedule:
        return ""
    row = db.execute("SELECT name FROM schedules WHERE id = ?", (schedule,)).fetchone()
    return "" if row is None else str(row[0])


def _attempt_rows(db: sqlite3.Connection, job_id: int) -> list[AttemptRow]:
    rows = db.execute(_ATTEMPTS, (json_ids([job_id]),)).fetchall()
    return [_attempt_row(db, row) for row in rows]


def _attempt_row(db: sqlite3.Connection, row: Row) -> AttemptRow:
    attempt = attempt_of(row)
    runner_uuid, runner_name, protocol, current, total, text, heard = row[16:23]
    streams = tuple(
        stream_state_of(found)
        for found in db.execute(
            f"SELECT {STREAM_COLUMNS} FROM streams WHERE attempt = ? ORDER BY stream",
            (attempt.id,),
        )
    )
    spoke = max((stream.updated_at for stream in streams), default=0)
    outcome = outcome_of(row[15], row[31], row[23:31])
    return AttemptRow(
        attempt=attempt,
        runner_uuid=runner_uuid or "",
        runner_name=runner_name or "",
        protocol=protocol or "",
        progress=progress_of(current, total, text),
        heard_at=max(heard or 0, spoke, attempt.started_at, attempt.ended_at),
        outcome=outcome,
        streams=streams,
        late_writes=row[32],
        surroundings=None if row[33] is None else Surroundings(row[33], Usage(*row[34:37])),
    )
