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

    from server.model import Outcome
    from server.store.base import Change
    from server.store.codes import Row

    Plan = tuple[str, Callable[[Any], Row]]

_CODED: Final[dict[str, dict[Any, int]]] = {
    "wanted": WANTED_CODE,
    "outcome": OUTCOME_CODE,
}
_FAILURES: Final = frozenset({"error", "timeout", "lost"})


class _Plans:
    """UPDATE statements of one table, by which fields changed."""

    def __init__(self, table: str, fields: tuple[str, ...], states: dict[Any, int]) -> None:
        self._table = table
        self._fields = fields
        self._states = states
        self._plans: dict[tuple[bool, ...], Plan] = {}

    def plan(self, changed: tuple[bool, ...]) -> Plan:
        known = self._plans.get(changed)
        if known is None:
            known = self._plans[changed] = self._make(changed)
        return known

    def _make(self, changed: tuple[bool, ...]) -> Plan:
        names = [name for name, is_changed in zip(self._fields, changed, strict=True) if is_changed]
        sets = ", ".join(f"{name} = ?" for name in names)
        sql = f"UPDATE {self._table} SET {sets} WHERE id = ?"
        codes = [self._states if name == "state" else _CODED.get(name) for name in names]
        picked = itemgetter(*(self._fields.index(name) for name in names), 0)
        if not any(codes):
            return sql, picked
        if codes[0] is self._states and not any(codes[1:]):
            states = self._states

            def state_first(fact: Any) -> Row:
                values = picked(fact)
                return (states[values[0]], *values[1:])

            return sql, state_first
        tables = [*codes, None]

        def coded(fact: Any) -> Row:
            return tuple(
                value if table is None or value is None else table[value]
                for table, value in zip(tables, picked(fact), strict=True)
            )

        return sql, coded


_JOB_PLANS: Final = _Plans("jobs", Job._fields, STATE_CODE)
_ATTEMPT_PLANS: Final = _Plans("attempts", Attempt._fields, ATTEMPT_CODE)
_OUTCOME: Final = (
    "INSERT OR REPLACE INTO outcomes (attempt, cause, code, exit_code, signal, retry_after_ms,"
    " is_retryable, details, result) VALUES (?,?,?,?,?,?,?,?,?)"
)


class SaveOps(TxBase):
    """The part of a transaction that writes changes."""

    def save(self, changes: Sequence[Change]) -> None:
        writes: dict[str, list[Row]] = {}
        outcomes: list[Row] = []
        for before, job, attempt_before, attempt, outcome in changes:
            if attempt is not None and attempt_before is not None and attempt != attempt_before:
                self._save_attempt(attempt_before, attempt, writes)
            if attempt is not None and outcome is not None and _says_more(outcome):
                outcomes.append(self._outcome_row(attempt.id, outcome))
            if job != before:
                self._save_job(before, job, writes)
        for sql, rows in writes.items():
            self.db.executemany(sql, rows)
        if outcomes:
            self.db.executemany(_OUTCOME, outcomes)

    def _save_attempt(
        self, before: Attempt, attempt: Attempt, writes: dict[str, list[Row]]
    ) -> None:
        sql, values = _ATTEMPT_PLANS.plan(tuple(map(ne, before, attempt)))
        writes.setdefault(sql, []).append(values(attempt))
        memory = self.memory
        known = memory.attempts.get(attempt.id)
        if known is not None and (
            attempt.state == "ended"
            or known.session != attempt.session
            or known.runner != attempt.runner
        ):
            memory.drop_live(known)
            known = None
        if attempt.state == "ended":
            self._count_end(before, attempt)
        elif known is None:
            memory.add_live(attempt)
        else:
            memory.put(memory.attempts, attempt.id, attempt)

    def _count_end(self, before: Attempt, attempt: Attempt) -> None:
        if before.state == "ended":
            return
        if attempt.outcome == "success":
            self.memory.note_activity(DONE, attempt.runner, attempt.ended_at)
        elif attempt.outcome in _FAILURES:
            self.memory.note_activity(FAILED, attempt.runner, attempt.ended_at)

    def _save_job(self, before: Job, job: Job, writes: dict[str, list[Row]]) -> None:
        sql, values = _JOB_PLANS.plan(tuple(map(ne, before, job)))
        writes.setdefault(sql, []).append(values(job))
        memory = self.memory
        if job.id in memory.live_of_job:
            memory.put(memory.jobs, job.id, job)
        if job.attempt != before.attempt:
            runner = self._runner_of(job.attempt)
            writes.setdefault("UPDATE jobs SET runner = ? WHERE id = ?", []).append(
                (runner, job.id)
            )
        if job.cls != before.cls:
            self._move(before, job, writes)
        if job.state != before.state or job.cls != before.cls:
            self._count_job(before, job)

    def _count_job(self, before: Job, job: Job) -> None:
        memory = self.memory
        memory.bump(before.cls, STATE_CODE[before.state], -1)
        memory.bump(job.cls, STATE_CODE[job.state], 1)
        if job.state == "pending":
            self.ready.add(job.cls)
        elif job.state in FINAL_STATES and before.state not in FINAL_STATES:
            memory.note_activity(LEFT, job.cls, job.since)

    def _runner_of(self, attempt_id: int) -> int:
        hot = self.memory.attempts.get(attempt_id)
        if hot is not None:
            return hot.runner
        row = self.db.execute("SELECT runner FROM attempts WHERE id = ?", (attempt_id,)).fetchone()
        return 0 if row is None else int(row[0])

    def _move(self, before: Job, job: Job, writes: dict[str, list[Row]]) -> None:
        """A job that changed its class is found under another facet."""
        submitter = self.db.execute(
            "SELECT submitter FROM job_details WHERE job = ?", (job.id,)
        ).fetchone()
        facet = self.facet(job.cls, 0 if submitter is None else submitter[0])
        writes.setdefault("UPDATE jobs SET facet = ? WHERE id = ?", []).append((facet, job.id))
        classes = self.memory.classes
        if classes[before.cls].queue != classes[job.cls].queue:
            self.memory.note_activity(ARRIVED, job.cls, job.since)

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
            outcome.result or None,
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


def _says_more(outcome: Outcome) -> bool:
    """Whether an outcome has more to say than its kind."""
    return outcome[1:] != ("", "", "", b"", None, None, b"", None, True)
