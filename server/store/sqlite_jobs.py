# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Jobs in a transaction: inserting, finding, claiming, deleting."""

from __future__ import annotations

import sqlite3
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from server.errors import Refused
from server.model import Job, Task
from server.store.codes import (
    DETAIL_COLUMNS,
    JOB_COLUMNS,
    JOB_COLUMNS_J,
    STATE_CODE,
    WANTED_CODE,
    details_of,
    job_of,
    json_ids,
    json_texts,
    map_text,
    retry_text,
    task_of,
)
from server.store.memory import ARRIVED
from server.store.sqlite_base import FEW, TxBase
from server.store.writer import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from server.model import JobDetails
    from server.store.base import NewJob
    from server.store.codes import Row

NEVER: Final = 2**63 - 1
_NOTHING: Final = (None, None, None)
_WIDTH: Final = len(Job._fields)
_RANK: Final = Job._fields.index("rank")
_WANTED: Final = Job._fields.index("wanted")
_INSERT_JOBS: Final = (
    "INSERT INTO jobs (uuid, cls, state, rank, since, created_at, run_at, attempt, attempts,"
    " tries, max_attempts, losses, wanted, deadline, target, facet, id)"
    " SELECT value, ?,?,?,?,?,?,?,?,?,?,?,?,?,?,?, ? + key FROM json_each(?)"
)
_INSERT_DETAILS: Final = (
    "INSERT INTO job_details (params, submitter, timeout_ms, retry, cache_key, parent,"
    " resubmit_of, cache_ttl_ms, schedule, trace, extra, correlation, job)"
    " SELECT CAST(value AS BLOB), ?,?,?,?,?,?,?,?,?,?,?, ? + key FROM json_each(?)"
)
"""Jobs of a batch are mostly alike but for id and parameters. One statement for all that are alike
takes a quarter of the time of one for each."""
_INSERT_JOB: Final = Statement(
    "INSERT INTO jobs (cls, state, rank, since, created_at, run_at, attempt, attempts, tries,"
    " max_attempts, losses, wanted, deadline, target, facet, uuid, id)"
    f" VALUES ({','.join('?' * 17)})"
)
_INSERT_DETAIL: Final = Statement(
    "INSERT INTO job_details (submitter, timeout_ms, retry, cache_key, parent, resubmit_of,"
    " cache_ttl_ms, schedule, trace, extra, correlation, params, job)"
    f" VALUES ({','.join('?' * 13)})"
)
_INSERT_PLAIN_DETAIL: Final = Statement(
    "INSERT INTO job_details (submitter, timeout_ms, retry, cache_key, parent, resubmit_of,"
    " cache_ttl_ms, schedule, params, job)"
    f" VALUES ({','.join('?' * 10)})"
)
"""Most jobs carry nothing along. Binding a NULL costs as much as five numbers."""
_SELECT: Final = f"SELECT {JOB_COLUMNS} FROM jobs "
_BY_ID: Final = _SELECT + "WHERE id = ?"
_BY_IDS: Final = _SELECT + "WHERE id IN (SELECT value FROM json_each(?))"
_BY_UUID: Final = _SELECT + "WHERE uuid = ?"
_BY_PREFIX: Final = _SELECT + "WHERE uuid >= ? AND uuid < ? ORDER BY uuid LIMIT ?"
_TASK: Final = "params, timeout_ms, trace, correlation"
_WAITING: Final = (
    f"SELECT {JOB_COLUMNS_J}, {_TASK} FROM jobs j CROSS JOIN job_details d ON d.job = j.id "
)
_CLAIMABLE_IN_ONE: Final = _WAITING + "WHERE state = 1 AND cls = ? ORDER BY rank, id LIMIT ?"
_CLAIMABLE: Final = (
    _WAITING + "WHERE id IN (SELECT id FROM jobs WHERE state = 1"
    " AND cls IN (SELECT value FROM json_each(?)) ORDER BY rank, id LIMIT ?)"
)
"""The subquery stops early in each class; joined directly it was a hundred times slower."""
_DUE: Final = _SELECT + "WHERE state = 0 AND run_at <= ? ORDER BY run_at, id LIMIT ?"
_PAST_DEADLINE: Final = (
    _SELECT + "WHERE state < 2 AND deadline > 0 AND deadline <= ? ORDER BY deadline, id LIMIT ?"
)
_FIRST_DUE: Final = f"SELECT coalesce(min(run_at), {NEVER}) FROM jobs WHERE state = 0"
_FIRST_DEADLINE: Final = (
    f"SELECT coalesce(min(deadline), {NEVER}) FROM jobs WHERE state < 2 AND deadline > 0"
)
_DETAILS_ONE: Final = f"SELECT {DETAIL_COLUMNS} FROM job_details WHERE job = ?"
_TASK_ONE: Final = f"SELECT {_TASK} FROM job_details WHERE job = ?"
_TASKS: Final = (
    f"SELECT job, {_TASK} FROM job_details WHERE job IN (SELECT value FROM json_each(?))"
)
_DETAILS_MANY: Final = (
    f"SELECT {DETAIL_COLUMNS} FROM job_details WHERE job IN (SELECT value FROM json_each(?))"
)


class JobOps(TxBase):
    """The part of a transaction that concerns jobs."""

    def insert_jobs(self, jobs: Sequence[NewJob]) -> list[Job]:
        first = self.memory.take_ids("job", len(jobs))
        if len(jobs) < FEW and not any(new.may_exist for new in jobs):
            return [self._insert_job(number, new) for number, new in enumerate(jobs, first)]
        try:
            self._insert_hot_rows(first, jobs)
            self._insert_details(first, jobs)
        except sqlite3.IntegrityError as error:
            raise Refused("A job with this id exists already.", code="exists") from error
        return [Job(number, *new.job[1:]) for number, new in enumerate(jobs, first)]

    def _insert_job(self, number: int, new: NewJob) -> Job:
        """Insert one of few jobs, together with those of other operations."""
        job, detail = new.job, new.details
        submitter = self._submitter(detail.owner, detail.origin, detail.namespace)
        row = (*_job_row(job, self.facet(job.cls, submitter)), job.uuid, number)
        self.db.later(_INSERT_JOB, ("jobs", number), row)
        self._insert_detail(number, detail, submitter)
        self._count_arrivals(job, 1)
        made = Job(number, *job[1:])
        if new.is_named:
            carried = (detail.trace_context, detail.correlation)
            self.memory.note_young(made, Task(detail.params, detail.timeout_ms, *carried))
        return made

    def _insert_detail(self, number: int, detail: JobDetails, submitter: int) -> None:
        row, key = _detail_row(detail, submitter), ("job_details", number)
        carried = _carried(detail)
        if carried == _NOTHING:
            self.db.later(_INSERT_PLAIN_DETAIL, key, (*row, detail.params, number))
        else:
            self.db.later(_INSERT_DETAIL, key, (*row, *carried, detail.params, number))

    def _insert_hot_rows(self, first: int, jobs: Sequence[NewJob]) -> None:
        runs = _runs(jobs, _but_for_id)
        for run in runs:
            self._count_arrivals(run[0].job, len(run))
        if _are_short(runs, jobs):
            each = enumerate(jobs, first)
            rows = [(*self._hot_row(new), new.job.uuid, number) for number, new in each]
            self.db.executemany(_INSERT_JOB.sql, rows)
            return
        for run in runs:
            uuids = json_texts([new.job.uuid for new in run])
            self.db.execute(_INSERT_JOBS, (*self._hot_row(run[0]), first, uuids))
            first += len(run)

    def _hot_row(self, new: NewJob) -> Row:
        detail = new.details
        submitter = self._submitter(detail.owner, detail.origin, detail.namespace)
        return _job_row(new.job, self.facet(new.job.cls, submitter))

    def _insert_details(self, first: int, jobs: Sequence[NewJob]) -> None:
        runs = _runs(jobs, _but_for_params)
        if _are_short(runs, jobs):
            each = enumerate(jobs, first)
            rows = [(*self._cold_row(new), new.details.params, number) for number, new in each]
            self.db.executemany(_INSERT_DETAIL.sql, rows)
            return
        for run in runs:
            params = json_texts([str(new.details.params, "utf-8") for new in run])
            self.db.execute(_INSERT_DETAILS, (*self._cold_row(run[0]), first, params))
            first += len(run)

    def _cold_row(self, new: NewJob) -> Row:
        detail = new.details
        submitter = self._submitter(detail.owner, detail.origin, detail.namespace)
        return (*_detail_row(detail, submitter), *_carried(detail))

    def _count_arrivals(self, job: Job, number: int) -> None:
        """Count jobs that are like this one but for ids."""
        self.memory.bump(job.cls, STATE_CODE[job.state], number)
        self.memory.note_activity(ARRIVED, job.cls, job.created_at, number)
        self.memory.note_waiting(job)
        if job.state == "pending":
            self.ready.append(job.cls)

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
        if hot is not None:
            return hot
        row = self.db.look_up(("jobs", job_id), _BY_ID, (job_id,)).fetchone()
        return None if row is None else job_of(row)

    def jobs(self, job_ids: Collection[int]) -> dict[int, Job]:
        hot = self.memory.jobs
        found = {job_id: hot[job_id] for job_id in job_ids if job_id in hot}
        for row in self.rows_in(_BY_IDS, [one for one in job_ids if one not in found]):
            found[row[0]] = job_of(row)
        return found

    def job_by_uuid(self, uuid: str) -> Job | None:
        live = self.memory.job_uuids.get(uuid)
        if live is not None:
            return self.memory.jobs[live]
        row = self.db.look(_BY_UUID, (uuid,)).fetchone()
        if row is None or self.db.is_waiting(("jobs", row[0])):
            row = self.db.read(_BY_UUID, (uuid,)).fetchone()
        return None if row is None else job_of(row)

    def jobs_by_prefix(self, prefix: str, limit: int) -> list[Job]:
        bounds = (prefix, prefix + "\U0010ffff", limit)
        return [job_of(row) for row in self.db.read(_BY_PREFIX, bounds)]

    def details(self, job_id: int) -> JobDetails:
        row = self.db.read(_DETAILS_ONE, (job_id,)).fetchone()
        if row is None:
            raise KeyError(job_id)
        return details_of(row, self.memory.submitters[row[2]])

    def details_of(self, job_ids: Collection[int]) -> dict[int, JobDetails]:
        submitters = self.memory.submitters
        return {
            row[0]: details_of(row, submitters[row[2]])
            for row in self.rows_in(_DETAILS_MANY, job_ids)
        }

    def tasks(self, job_ids: Collection[int]) -> dict[int, Task]:
        if len(job_ids) == 1:  # as with every claim by name, and half the price
            (job_id,) = job_ids
            young = self.memory.young.get(job_id)
            if young is not None:
                return {job_id: young}
            row = self.db.look_up(("job_details", job_id), _TASK_ONE, (job_id,)).fetchone()
            return {} if row is None else {job_id: task_of(row)}
        return {row[0]: task_of(row[1:]) for row in self.rows_in(_TASKS, job_ids)}

    def claimable(self, classes: Sequence[int], limit: int) -> list[tuple[Job, Task]]:
        if not classes or limit <= 0:
            return []
        if len(classes) == 1:  # mostly so, and a third cheaper
            rows = self.db.read(_CLAIMABLE_IN_ONE, (classes[0], limit)).fetchall()
        else:
            rows = self.db.read(_CLAIMABLE, (json_ids(classes), limit)).fetchall()
            rows.sort(key=itemgetter(_RANK, 0))
        return [(job_of(row), task_of(row[_WIDTH:])) for row in rows]

    def due(self, now: int, limit: int) -> list[Job]:
        rows = self.db.read(_DUE, (now, limit)).fetchall()
        if not rows:
            self._note_first("due", _FIRST_DUE)
        return [job_of(row) for row in rows]

    def past_deadline(self, now: int, limit: int) -> list[Job]:
        rows = self.db.read(_PAST_DEADLINE, (now, limit)).fetchall()
        if not rows:
            self._note_first("deadline", _FIRST_DEADLINE)
        return [job_of(row) for row in rows]

    def _note_first(self, what: str, sql: str) -> None:
        self.memory.put(self.memory.first_at, what, self.db.look(sql).fetchone()[0])


def _runs(jobs: Sequence[NewJob], kind: Callable[[NewJob], Row]) -> list[list[NewJob]]:
    """The jobs in their order, those of one kind that follow each other together."""
    return [list(run) for _, run in groupby(jobs, kind)]


def _are_short(runs: Sequence[Sequence[NewJob]], jobs: Sequence[NewJob]) -> bool:
    """Whether a statement for each run costs more than a row for each job, as where jobs of
    several types or queues take turns."""
    return len(jobs) < FEW * len(runs)


def _but_for_id(new: NewJob) -> Row:
    """What of a job's row is not its own alone, and who submitted it."""
    return (*new.job[2:], *new.details[1:4])


def _but_for_params(new: NewJob) -> Row:
    return new.details[1:]


def _job_row(job: Job, facet: int) -> Row:
    """All columns but the ids, in the order of the fields."""
    return (
        job.cls,
        STATE_CODE[job.state],
        *job[_RANK:_WANTED],
        WANTED_CODE[job.wanted],
        job.deadline,
        job.target,
        facet,
    )


def _detail_row(detail: JobDetails, submitter: int) -> Row:
    """The columns that every job has, but for parameters and id."""
    return (
        submitter,
        detail.timeout_ms,
        retry_text(detail.retry),
        detail.cache_key,
        detail.parent,
        detail.resubmit_of,
        detail.cache_ttl_ms,
        detail.schedule,
    )


def _carried(detail: JobDetails) -> Row:
    """The columns of what few jobs have with them: trace, extra, correlation."""
    trace, correlation = detail.trace_context, detail.correlation
    return (
        None if trace is None else map_text(trace),
        detail.extra or None,
        None if correlation is None else map_text(correlation),
    )
