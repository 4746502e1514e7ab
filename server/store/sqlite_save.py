# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Writing what changed of jobs and attempts, and nothing else.

An UPDATE that names an indexed column rewrites its index entries even where the value stays, so
each set of changed columns has a statement of its own. Changes alike go in one call.
"""

from __future__ import annotations

from hashlib import blake2b
from operator import itemgetter, ne
from typing import TYPE_CHECKING, Any, Final

from server.filters import folded_error
from server.model import FINAL_STATES, Attempt, Job
from server.store.codes import ATTEMPT_CODE, OUTCOME_CODE, STATE_CODE, WANTED_CODE
from server.store.memory import ARRIVED, DONE, FAILED, LEFT
from server.store.sqlite_base import TxBase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.model import JobState, Outcome
    from server.store.base import Change
    from server.store.codes import Row

    Plan = tuple[str, Callable[[Any], Row]]

_SILENT: Final = ("", "", "", b"", None, None)
_FAILURES: Final = frozenset({"error", "timeout", "lost"})


class _Plans:
    """UPDATE statements of one table, by which fields changed."""

    def __init__(
        self, table: str, fields: tuple[str, ...], codes: dict[str, dict[Any, Any]]
    ) -> None:
        self._table = table
        self._fields = fields
        self._codes = codes
        self._plans: dict[tuple[tuple[bool, ...], str], Plan] = {}

    def plan(self, before: Sequence[Any], after: Sequence[Any], extra: str = "") -> Plan:
        """The statement for the difference of two facts, and how to make its values.

        ``extra`` names a further column, whose value is to be put in front.
        """
        changed = (tuple(map(ne, before, after)), extra)
        known = self._plans.get(changed)
        if known is None:
            known = self._plans[changed] = self._make(*changed)
        return known

    def _make(self, changed: tuple[bool, ...], extra: str) -> Plan:
        names = [name for name, is_changed in zip(self._fields, changed, strict=True) if is_changed]
        sets = ", ".join(f"{name} = ?" for name in (*([extra] if extra else []), *names))
        sql = f"UPDATE {self._table} SET {sets} WHERE id = ?"
        picked = itemgetter(*(self._fields.index(name) for name in names), 0)
        coded = [
            (place, self._codes[name]) for place, name in enumerate(names) if name in self._codes
        ]

        def values(fact: Any) -> Row:
            row = list(picked(fact))
            for place, table in coded:
                row[place] = table[row[place]]
            return tuple(row)

        return sql, values


_JOB_PLANS: Final = _Plans("jobs", Job._fields, {"state": STATE_CODE, "wanted": WANTED_CODE})
_ATTEMPT_PLANS: Final = _Plans(
    "attempts", Attempt._fields, {"state": ATTEMPT_CODE, "outcome": {**OUTCOME_CODE, None: None}}
)
_OUTCOME: Final = (
    "INSERT OR REPLACE INTO outcomes (attempt, cause, code, exit_code, signal, retry_after_ms,"
    " is_retryable, details) VALUES (?,?,?,?,?,?,?,?)"
)


class _Writes:
    """What one call is about to write: rows by statement, and counts that change."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.counts: dict[tuple[int, JobState], int] = {}
        self.activity: dict[tuple[int, int, int], int] = {}

    def add(self, sql: str, row: Row) -> None:
        rows = self.rows.get(sql)
        if rows is None:
            self.rows[sql] = [row]
        else:
            rows.append(row)

    def count(self, cls: int, state: JobState, by: int) -> None:
        key = (cls, state)
        self.counts[key] = self.counts.get(key, 0) + by

    def note(self, kind: int, key: int, at: int) -> None:
        place = (kind, key, at)
        self.activity[place] = self.activity.get(place, 0) + 1


class SaveOps(TxBase):
    """The part of a transaction that writes changes."""

    def save(self, changes: Sequence[Change]) -> None:
        writes = _Writes()
        for before, job, attempt_before, attempt, outcome in changes:
            if attempt is not None and attempt_before is not None:
                if attempt != attempt_before:
                    self._save_attempt(attempt_before, attempt, outcome, writes)
                if outcome is not None and _says_more(outcome):
                    writes.add(_OUTCOME, self._outcome_row(attempt.id, outcome))
            if job != before:
                self._save_job(before, job, writes)
        for sql, rows in writes.rows.items():
            self.db.executemany(sql, rows)
        memory = self.memory
        for (cls, state), by in writes.counts.items():
            memory.bump(cls, STATE_CODE[state], by)
        for (kind, key, at), by in writes.activity.items():
            memory.note_activity(kind, key, at, by)

    def _save_attempt(
        self, before: Attempt, attempt: Attempt, outcome: Outcome | None, writes: _Writes
    ) -> None:
        memory = self.memory
        if attempt.state == "ended":
            if before.state == "ended":
                self._write_attempt(before, attempt, outcome, writes)
                return
            sql, values = _ATTEMPT_PLANS.plan(before, attempt, "is_live = 0, result")
            result = None if outcome is None else outcome.result or None
            writes.add(sql, (result, *values(attempt)))
            _note_end(attempt, writes)
            known = memory.attempts.get(attempt.id)
            if known is not None:
                memory.drop_live([known])
            return
        self._write_attempt(before, attempt, outcome, writes)
        known = memory.attempts.get(attempt.id)
        if known is not None and known.runner == attempt.runner:
            memory.put(memory.attempts, attempt.id, attempt)
        elif known is not None:
            memory.drop_live([known])
            memory.add_live([attempt])

    def _write_attempt(
        self, before: Attempt, attempt: Attempt, outcome: Outcome | None, writes: _Writes
    ) -> None:
        if outcome is not None and outcome.result:
            sql, values = _ATTEMPT_PLANS.plan(before, attempt, "result")
            writes.add(sql, (outcome.result, *values(attempt)))
        else:
            sql, values = _ATTEMPT_PLANS.plan(before, attempt)
            writes.add(sql, values(attempt))

    def _save_job(self, before: Job, job: Job, writes: _Writes) -> None:
        if job.attempt == before.attempt:
            sql, values = _JOB_PLANS.plan(before, job)
            writes.add(sql, values(job))
        else:
            sql, values = _JOB_PLANS.plan(before, job, "runner")
            writes.add(sql, (self._runner_of(job.attempt), *values(job)))
        self.memory.note_job(job)
        if job.cls != before.cls:
            self._move(before, job, writes)
        if job.state != before.state or job.cls != before.cls:
            self._count_job(before, job, writes)

    def _count_job(self, before: Job, job: Job, writes: _Writes) -> None:
        writes.count(before.cls, before.state, -1)
        writes.count(job.cls, job.state, 1)
        if job.state == "pending":
            self.ready.add(job.cls)
        elif job.state in FINAL_STATES and before.state not in FINAL_STATES:
            writes.note(LEFT, job.cls, job.since)

    def _runner_of(self, attempt_id: int) -> int:
        hot = self.memory.attempts.get(attempt_id)
        if hot is not None:
            return hot.runner
        row = self.db.execute("SELECT runner FROM attempts WHERE id = ?", (attempt_id,)).fetchone()
        return 0 if row is None else int(row[0])

    def _move(self, before: Job, job: Job, writes: _Writes) -> None:
        """A job that changed its class is found under another facet."""
        submitter = self.db.execute(
            "SELECT submitter FROM job_details WHERE job = ?", (job.id,)
        ).fetchone()
        facet = self.facet(job.cls, 0 if submitter is None else submitter[0])
        writes.add("UPDATE jobs SET facet = ? WHERE id = ?", (facet, job.id))
        classes = self.memory.classes
        if classes[before.cls].queue != classes[job.cls].queue:
            writes.note(ARRIVED, job.cls, job.since)

    def _outcome_row(self, attempt_id: int, outcome: Outcome) -> Row:
        return (
            attempt_id,
            self._cause(outcome.type, outcome.message),
            outcome.code,
            outcome.exit_code,
            outcome.signal,
            outcome.retry_after_ms,
            int(outcome.is_retryable),
            outcome.details or None,
        )

    def _cause(self, kind: str, message: str) -> int:
        """The row of an error text, made when it is seen for the first time."""
        if not kind and not message:
            return 0
        text = f"{kind}\0{message}".encode()
        digest = int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True)
        row = self.db.execute(
            "SELECT id FROM causes WHERE digest = ? AND type = ? AND message = ?",
            (digest, kind, message),
        ).fetchone()
        if row is not None:
            return int(row[0])
        cursor = self.db.execute(
            "INSERT INTO causes (digest, type, message, folded) VALUES (?,?,?,?)",
            (digest, kind, message, folded_error(kind, message)),
        )
        return cursor.lastrowid or 0


def _note_end(attempt: Attempt, writes: _Writes) -> None:
    if attempt.outcome == "success":
        writes.note(DONE, attempt.runner, attempt.ended_at)
    elif attempt.outcome in _FAILURES:
        writes.note(FAILED, attempt.runner, attempt.ended_at)


def _says_more(outcome: Outcome) -> bool:
    """Whether an outcome has more to say than its kind and its result."""
    return outcome[1:7] != _SILENT or outcome.retry_after_ms is not None or not outcome.is_retryable
