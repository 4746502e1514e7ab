# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Jobs in a transaction: inserting, finding, claiming, deleting."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from server.errors import Refused
from server.model import JOB_STATES, Job
from server.store.codes import (
    DETAIL_COLUMNS,
    JOB_COLUMNS,
    STATE_CODE,
    WANTED_CODE,
    details_of,
    job_of,
    json_ids,
    map_text,
    retry_text,
)
from server.store.memory import ARRIVED
from server.store.sqlite_base import TxBase

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from server.model import JobDetails
    from server.store.base import NewJob
    from server.store.codes import Row

_INSERT_JOB: Final = (
    "INSERT INTO jobs (id, state, facet, cls, rank, since, created_at, attempts, attempt, run_at,"
    " tries, max_attempts, losses, wanted, deadline, target, uuid)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_INSERT_DETAILS: Final = (
    "INSERT INTO job_details (job, submitter, timeout_ms, retry, cache_key, parent, resubmit_of,"
    " trace, extra, params) VALUES (?,?,?,?,?,?,?,?,?,?)"
)
_SELECT: Final = f"SELECT {JOB_COLUMNS} FROM jobs "
_BY_ID: Final = _SELECT + "WHERE id = ?"
_BY_IDS: Final = _SELECT + "WHERE id IN (SELECT value FROM json_each(?))"
_BY_UUID: Final = _SELECT + "WHERE uuid = ?"
_BY_PREFIX: Final = _SELECT + "WHERE uuid >= ? AND uuid < ? ORDER BY uuid LIMIT ?"
_CLAIMABLE: Final = (
    _SELECT + "WHERE id IN (SELECT id FROM jobs WHERE state = 1"
    " AND cls IN (SELECT value FROM json_each(?)) ORDER BY rank, id LIMIT ?)"
)
"""The subquery stops early in each class; joined directly it was a hundred times slower."""
_DUE: Final = _SELECT + "WHERE state = 0 AND run_at <= ? ORDER BY run_at, id LIMIT ?"
_PAST_DEADLINE: Final = (
    _SELECT + "WHERE state < 2 AND deadline > 0 AND deadline <= ? ORDER BY deadline, id LIMIT ?"
)
_DETAILS_ONE: Final = f"SELECT {DETAIL_COLUMNS} FROM job_details WHERE job = ?"
_DETAILS_MANY: Final = (
    f"SELECT {DETAIL_COLUMNS} FROM job_details WHERE job IN (SELECT value FROM json_each(?))"
)


class JobOps(TxBase):
    """The part of a transaction that concerns jobs."""

    def insert_jobs(self, jobs: Sequence[NewJob]) -> list[Job]:
        first = self.memory.take_ids("job", len(jobs))
        rows: list[Row] = []
        details: list[Row] = []
        inserted: list[Job] = []
        counts: dict[tuple[int, str], int] = {}
        for number, (job, detail) in enumerate(jobs, first):
            submitter = self._submitter(detail.owner, detail.origin, detail.namespace)
            rows.append(_job_row(number, job, self.facet(job.cls, submitter)))
            details.append(_detail_row(number, detail, submitter))
            inserted.append(Job._make((number, *job[1:])))
            counts[job.cls, job.state] = counts.get((job.cls, job.state), 0) + 1
        try:
            self.db.executemany(_INSERT_JOB, rows)
        except sqlite3.IntegrityError as error:
            raise Refused("A job with this id exists already.", code="exists") from error
        self.db.executemany(_INSERT_DETAILS, details)
        for (cls, state), number in counts.items():
            self._count_arrivals(cls, STATE_CODE[state], number, jobs[0].job.created_at)  # type: ignore[index]
        return inserted

    def _count_arrivals(self, cls: int, state: int, number: int, at: int) -> None:
        self.memory.bump(cls, state, number)
        self.memory.note_activity(ARRIVED, cls, at, number)
        if JOB_STATES[state] == "pending":
            self.ready.add(cls)

    def _submitter(self, owner: str, origin: str, namespace: str) -> int:
        key = (owner, origin, namespace)
        known = self.memory.submitter_ids.get(key)
        if known is None:
            cursor = self.db.execute(
                "INSERT INTO submitters (owner, origin, namespace) VALUES (?,?,?)", key
            )
            known = cursor.lastrowid or 0
            self.memory.put(self.memory.submitter_ids, key, known)
            self.memory.put(self.memory.submitters, known, key)
        return known

    def job(self, job_id: int) -> Job | None:
        hot = self.memory.jobs.get(job_id)
        return hot or self._one_job(_BY_ID, job_id)

    def _one_job(self, sql: str, key: int | str) -> Job | None:
        row = self.db.execute(sql, (key,)).fetchone()
        return None if row is None else job_of(row)

    def jobs(self, job_ids: Collection[int]) -> dict[int, Job]:
        hot = self.memory.jobs
        found = {job_id: hot[job_id] for job_id in job_ids if job_id in hot}
        for row in self.rows_in(_BY_IDS, [one for one in job_ids if one not in found]):
            found[row[0]] = job_of(row)
        return found

    def job_by_uuid(self, uuid: str) -> Job | None:
        return self._one_job(_BY_UUID, uuid)

    def jobs_by_prefix(self, prefix: str, limit: int) -> list[Job]:
        bounds = (prefix, prefix + "\U0010ffff", limit)
        return [job_of(row) for row in self.db.execute(_BY_PREFIX, bounds)]

    def details(self, job_id: int) -> JobDetails:
        row = self.db.execute(_DETAILS_ONE, (job_id,)).fetchone()
        if row is None:
            raise KeyError(job_id)
        return details_of(row, self.memory.submitters[row[2]])

    def details_of(self, job_ids: Collection[int]) -> dict[int, JobDetails]:
        submitters = self.memory.submitters
        return {
            row[0]: details_of(row, submitters[row[2]])
            for row in self.rows_in(_DETAILS_MANY, job_ids)
        }

    def claimable(self, classes: Sequence[int], limit: int) -> list[Job]:
        if not classes or limit <= 0:
            return []
        rows = self.db.execute(_CLAIMABLE, (json_ids(classes), limit)).fetchall()
        jobs = [job_of(row) for row in rows]
        jobs.sort(key=lambda job: (job.rank, job.id))
        return jobs

    def due(self, now: int, limit: int) -> list[Job]:
        return [job_of(row) for row in self.db.execute(_DUE, (now, limit))]

    def past_deadline(self, now: int, limit: int) -> list[Job]:
        return [job_of(row) for row in self.db.execute(_PAST_DEADLINE, (now, limit))]


def _job_row(number: int, job: Job, facet: int) -> Row:
    return (
        number,
        STATE_CODE[job.state],
        facet,
        job.cls,
        job.rank,
        job.since,
        job.created_at,
        job.attempts,
        job.attempt,
        job.run_at,
        job.tries,
        job.max_attempts,
        job.losses,
        WANTED_CODE[job.wanted],
        job.deadline,
        job.target,
        job.uuid,
    )


def _detail_row(number: int, detail: JobDetails, submitter: int) -> Row:
    trace = detail.trace_context
    return (
        number,
        submitter,
        detail.timeout_ms,
        retry_text(detail.retry),
        detail.cache_key,
        detail.parent,
        detail.resubmit_of,
        None if trace is None else map_text(trace),
        detail.extra or None,
        detail.params,
    )
