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
from server.model import FINAL_STATES, WAITING_STATES, Attempt, Job
from server.store.codes import ATTEMPT_CODE, OUTCOME_CODE, STATE_CODE, WANTED_CODE
from server.store.memory import ARRIVED, DONE, FAILED, LEFT
from server.store.sqlite_base import TxBase
from server.store.writer import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.model import Outcome
    from server.store.base import Change
    from server.store.codes import Row

    Plan = tuple[Statement, Callable[[Any], Row]]

_SILENT: Final = ("", "", "", b"", None, None)
_FAILURES: Final = frozenset({"error", "timeout", "lost"})


class _Plans:
    """UPDATE statements of one table, by which fields changed; each has a rank of its own."""

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

        # After whatever else of the same row may still wait: its INSERT, its move, its claim.
        return Statement(sql, rank=3 + len(self._plans)), values


_JOB_PLANS: Final = _Plans("jobs", Job._fields, {"state": STATE_CODE, "wanted": WANTED_CODE})
_ATTEMPT_PLANS: Final = _Plans(
    "attempts", Attempt._fields, {"state": ATTEMPT_CODE, "outcome": {**OUTCOME_CODE, None: None}}
)
_OUTCOME: Final = Statement(
    "INSERT OR REPLACE INTO outcomes (attempt, cause, code, exit_code, signal, retry_after_ms,"
    " is_retryable, details) VALUES (?,?,?,?,?,?,?,?)"
)
_MOVE: Final = Statement("UPDATE jobs SET facet = ? WHERE id = ?", rank=1)


class SaveOps(TxBase):
    """The part of a transaction that writes changes."""

    def save(self, changes: Sequence[Change]) -> None:
        for before, job, attempt_before, attempt, outcome in changes:
            if attempt is not None and attempt_before is not None:
                if attempt != attempt_before:
                    self._save_attempt(attempt_before, attempt, outcome)
                if outcome is not None and _says_more(outcome):
                    row = self._outcome_row(attempt.id, outcome)
                    self.db.later(_OUTCOME, ("outcomes", attempt.id), row)
            if job != before:
                self._save_job(before, job)

    def _save_attempt(self, before: Attempt, attempt: Attempt, outcome: Outcome | None) -> None:
        memory = self.memory
        if attempt.state == "ended":
            if before.state == "ended":
                self._write_attempt(before, attempt, outcome)
                return
            update, values = _ATTEMPT_PLANS.plan(before, attempt, "is_live = 0, result")
            result = None if outcome is None else outcome.result or None
            self.db.later(update, ("attempts", attempt.id), (result, *values(attempt)))
            self._note_end(attempt)
            known = memory.attempts.get(attempt.id)
            if known is not None:
                memory.drop_live([known])
            return
        self._write_attempt(before, attempt, outcome)
        known = memory.attempts.get(attempt.id)
        if known is not None and known.runner == attempt.runner:
            memory.put(memory.attempts, attempt.id, attempt)
        elif known is not None:
            streams = memory.streams.get(attempt.id)
            memory.drop_live([known])
            memory.add_live([attempt])
            if streams is not None:
                memory.put(memory.streams, attempt.id, streams)

    def _write_attempt(self, before: Attempt, attempt: Attempt, outcome: Outcome | None) -> None:
        key = ("attempts", attempt.id)
        if outcome is not None and outcome.result:
            update, values = _ATTEMPT_PLANS.plan(before, attempt, "result")
            self.db.later(update, key, (outcome.result, *values(attempt)))
        else:
            update, values = _ATTEMPT_PLANS.plan(before, attempt)
            self.db.later(update, key, values(attempt))

    def _save_job(self, before: Job, job: Job) -> None:
        key = ("jobs", job.id)
        if job.cls != before.cls:
            self._move(before, job)
        if job.attempt == before.attempt:
            update, values = _JOB_PLANS.plan(before, job)
            self.db.later(update, key, values(job))
        else:
            update, values = _JOB_PLANS.plan(before, job, "runner")
            self.db.later(update, key, (self._runner_of(job.attempt), *values(job)))
        self.memory.note_job(job)
        if job.state != before.state or job.cls != before.cls:
            self._count_job(before, job)

    def _count_job(self, before: Job, job: Job) -> None:
        memory = self.memory
        if job.cls == before.cls:
            memory.shift(job.cls, STATE_CODE[before.state], STATE_CODE[job.state])
        else:
            memory.bump(before.cls, STATE_CODE[before.state], -1)
            memory.bump(job.cls, STATE_CODE[job.state], 1)
        if job.state in FINAL_STATES:
            if before.state not in FINAL_STATES:
                memory.note_activity(LEFT, job.cls, job.since)
        elif job.state in WAITING_STATES:
            memory.note_waiting(job)
            if job.state == "pending":
                self.ready.append(job.cls)

    def _runner_of(self, attempt_id: int) -> int:
        hot = self.memory.attempts.get(attempt_id)
        if hot is not None:
            return hot.runner
        sql = "SELECT runner FROM attempts WHERE id = ?"
        row = self.db.look_up(("attempts", attempt_id), sql, (attempt_id,)).fetchone()
        return 0 if row is None else int(row[0])

    def _move(self, before: Job, job: Job) -> None:
        """A job that changed its class is found under another facet."""
        sql = "SELECT submitter FROM job_details WHERE job = ?"
        submitter = self.db.look_up(("job_details", job.id), sql, (job.id,)).fetchone()
        facet = self.facet(job.cls, 0 if submitter is None else submitter[0])
        self.db.later(_MOVE, ("jobs", job.id), (facet, job.id))
        classes = self.memory.classes
        if classes[before.cls].queue != classes[job.cls].queue:
            self.memory.note_activity(ARRIVED, job.cls, job.since)

    def _note_end(self, attempt: Attempt) -> None:
        if attempt.outcome == "success":
            self.memory.note_activity(DONE, attempt.runner, attempt.ended_at)
        elif attempt.outcome in _FAILURES:
            self.memory.note_activity(FAILED, attempt.runner, attempt.ended_at)

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
        row = self.db.look(
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
    """Whether an outcome has more to say than its kind and its result."""
    return outcome[1:7] != _SILENT or outcome.retry_after_ms is not None or not outcome.is_retryable
