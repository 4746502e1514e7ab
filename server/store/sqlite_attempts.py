# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Attempts in a transaction. Live ones are answered from memory."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from server.model import Attempt
from server.store.codes import (
    ATTEMPT_COLUMNS,
    attempt_of,
    json_map,
    json_texts,
    outcome_of,
    progress_of,
)
from server.store.sqlite_base import FEW
from server.store.sqlite_jobs import JobOps
from server.store.writer import Statement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from server.model import AttemptState, Job, Outcome, Progress, Surroundings
    from server.store.base import NewAttempt

_INSERT: Final = (
    "INSERT INTO attempts (id, job, uuid, previous, number, runner, session, state, offered_at,"
    " started_at, deadline, ended_at, stop_at, stop_grace, stop_kill, phase)"
    " SELECT ?1 + made.rowid, made.value, made.key,"
    " CASE ?2 WHEN 1 THEN 0 ELSE (SELECT attempt FROM jobs WHERE id = made.value) END,"
    " ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, 0, '' FROM json_each(?9) made"
)
"""Attempts made together mostly differ in job and id alone; those are handed over as one map."""
_INSERT_ONE: Final = Statement(
    "INSERT INTO attempts (id, job, uuid, previous, number, runner, session, state, offered_at,"
    " started_at, deadline, ended_at, stop_at, stop_grace, stop_kill, phase)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,0,0,0,0,'')"
)
_SELECT: Final = f"SELECT {ATTEMPT_COLUMNS} FROM attempts "
_BY_IDS: Final = _SELECT + "WHERE id IN (SELECT value FROM json_each(?))"
_BY_UUIDS: Final = _SELECT + "WHERE uuid IN (SELECT value FROM json_each(?))"
ATTEMPT_CHAIN: Final = (
    "WITH RECURSIVE chain (id) AS ("
    " SELECT attempt FROM jobs WHERE id IN (SELECT value FROM json_each(?)) AND attempt > 0"
    " UNION ALL SELECT a.previous FROM chain JOIN attempts a ON a.id = chain.id"
    " WHERE a.previous > 0) "
)
"""All attempts of some jobs: each knows the one before it."""
_OF_JOB: Final = ATTEMPT_CHAIN + _SELECT + "WHERE id IN (SELECT id FROM chain) ORDER BY id"
_OUTCOME: Final = (
    "SELECT a.outcome, a.result, c.message, c.type, o.code, o.details, o.exit_code, o.signal,"
    " o.retry_after_ms, o.is_retryable FROM attempts a LEFT JOIN outcomes o ON o.attempt = a.id"
    " LEFT JOIN causes c ON c.id = o.cause WHERE a.id = ?"
)
_HEARD: Final = Statement(
    "INSERT INTO progress (attempt, heard_at) VALUES (?,?)"
    " ON CONFLICT (attempt) DO UPDATE SET heard_at = excluded.heard_at"
)
_PROGRESS: Final = Statement(
    "INSERT INTO progress (attempt, heard_at, current, total, text) VALUES (?,?,?,?,?)"
    " ON CONFLICT (attempt) DO UPDATE SET heard_at = excluded.heard_at,"
    " current = excluded.current, total = excluded.total, text = excluded.text",
    rank=1,
)


_SURROUNDINGS: Final = Statement(
    "INSERT OR REPLACE INTO surroundings (attempt, isolation, cpu_seconds, peak_memory_bytes,"
    " io_bytes) VALUES (?,?,?,?,?)"
)


class AttemptOps(JobOps):
    """The part of a transaction that concerns attempts, their progress and outcomes."""

    def insert_attempts(self, attempts: Sequence[NewAttempt], *, at: int) -> list[Attempt]:
        if not attempts:
            return []
        first = number = self.memory.take_ids("attempt", len(attempts))
        if len(attempts) < FEW:
            for number, one in enumerate(attempts, first):
                self._insert_attempt(number, one, at)
        else:
            for _, alike in groupby(attempts, itemgetter(slice(2, None))):
                run = list(alike)
                self._insert_attempts_alike(number, run, at)
                number += len(run)
        inserted = [_attempt(number, one, at) for number, one in enumerate(attempts, first)]
        self.memory.add_live(inserted)
        return inserted

    def _insert_attempt(self, row_id: int, attempt: NewAttempt, at: int) -> None:
        """Insert one of few attempts, together with those of other operations."""
        uuid, job, number, runner, session, is_confirmed, deadline = attempt
        before = self.job(job) if number > 1 else None
        previous = 0 if before is None else before.attempt
        state, started_at = (1, at) if is_confirmed else (0, 0)
        row = (row_id, job, uuid, previous, number, runner, session, state)
        self.db.later(_INSERT_ONE, ("attempts", row_id), (*row, at, started_at, deadline))

    def _insert_attempts_alike(self, first: int, attempts: Sequence[NewAttempt], at: int) -> None:
        """Insert attempts that differ in nothing but id and job."""
        _, _, number, runner, session, is_confirmed, deadline = attempts[0]
        state, started_at = (1, at) if is_confirmed else (0, 0)
        row = (first, number, runner, session, state, at, started_at, deadline)
        self.db.execute(_INSERT, (*row, json_map({one.uuid: one.job for one in attempts})))

    def attempts(self, attempt_ids: Collection[int]) -> dict[int, tuple[Job, Attempt]]:
        hot = self.memory.attempts
        found = [hot[one] for one in attempt_ids if one in hot]
        missing = [one for one in attempt_ids if one not in hot]
        found += [attempt_of(row) for row in self.rows_in(_BY_IDS, missing)]
        return {attempt.id: (job, attempt) for job, attempt in self._with_jobs(found)}

    def live_attempt(self, attempt_id: int) -> Attempt | None:
        return self.memory.attempts.get(attempt_id)

    def attempts_by_uuid(self, uuids: Collection[str]) -> dict[str, tuple[Job, Attempt]]:
        ids, hot = self.memory.attempt_uuids, self.memory.attempts
        found = [hot[ids[uuid]] for uuid in uuids if uuid in ids]
        missing = [uuid for uuid in uuids if uuid not in ids]
        if missing:
            rows = self.db.read(_BY_UUIDS, (json_texts(missing),)).fetchall()
            found += [attempt_of(row) for row in rows]
        return {attempt.uuid: (job, attempt) for job, attempt in self._with_jobs(found)}

    def attempts_of(self, job_id: int) -> list[Attempt]:
        return [attempt_of(row) for row in self.rows_in(_OF_JOB, [job_id])]

    def live_attempts(
        self, *, session: int | None = None, runner: int | None = None
    ) -> list[tuple[Job, Attempt]]:
        attempts = self.memory.attempts
        ids: Iterable[int] = attempts
        if session is not None:
            ids = self._of_session(session)
        elif runner is not None:
            ids = self.memory.by_runner.get(runner, ())
        return self._with_jobs([attempts[one] for one in sorted(ids)])

    def _of_session(self, session: int) -> list[int]:
        """Attempts of a session are found through its runner, which has few."""
        known, attempts = self.memory.sessions.get(session), self.memory.attempts
        ids: Iterable[int] = attempts
        if known is not None:
            ids = self.memory.by_runner.get(known.runner, ())
        return [one for one in ids if attempts[one].session == session]

    def _with_jobs(self, attempts: Sequence[Attempt]) -> list[tuple[Job, Attempt]]:
        hot = self.memory.jobs
        try:  # jobs of live attempts mostly are in memory, all of them
            return [(hot[attempt.job], attempt) for attempt in attempts]
        except KeyError:
            pass
        jobs = self.jobs([attempt.job for attempt in attempts])
        return [(jobs[attempt.job], attempt) for attempt in attempts if attempt.job in jobs]

    def outcome(self, attempt_id: int) -> Outcome | None:
        row = self.db.read(_OUTCOME, (attempt_id,)).fetchone()
        return None if row is None else outcome_of(row[0], row[1], row[2:])

    def progress(self, attempt_id: int) -> Progress | None:
        sql = "SELECT current, total, text FROM progress WHERE attempt = ?"
        row = self.db.read(sql, (attempt_id,)).fetchone()
        return None if row is None else progress_of(*row)

    def set_progress(self, attempt_id: int, progress: Progress | None, *, at: int) -> None:
        key = ("progress", attempt_id)
        if progress is None:
            self.db.later(_HEARD, key, (attempt_id, at))
        else:
            self.db.later(_PROGRESS, key, (attempt_id, at, *progress))

    def set_surroundings(self, attempt_id: int, surroundings: Surroundings) -> None:
        row = (attempt_id, surroundings.isolation, *surroundings.usage)
        self.db.later(_SURROUNDINGS, ("surroundings", attempt_id), row)


def _attempt(row_id: int, attempt: NewAttempt, at: int) -> Attempt:
    uuid, job, number, runner, session, is_confirmed, deadline = attempt
    state: AttemptState = "running" if is_confirmed else "offered"
    begun = at if is_confirmed else 0
    return Attempt(  # by place: an unpacked tuple of times costs a quarter more
        row_id,
        uuid,
        job,
        number,
        runner,
        session,
        state,
        "",
        at,
        begun,
        0,
        deadline,
        0,
        0,
        False,
        None,
    )
