# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Changes that are the same for many jobs at once: a claim of several, a report of several ends.

This is what a busy system does nearly all the time, so it gets statements of its own, one for the
whole batch instead of two for each job. What they write is what :meth:`Tx.save` would.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from server.model import Job
from server.store.codes import ATTEMPT_CODE, OUTCOME_CODE, STATE_CODE, json_ids
from server.store.memory import DONE, LEFT
from server.store.sqlite_base import FEW
from server.store.sqlite_save import SaveOps
from server.store.writer import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.model import Attempt, JobState

_CLAIMED: Final = STATE_CODE["claimed"]
_COMPLETED: Final = STATE_CODE["completed"]
_CLS_AND_STATE: Final = itemgetter(Job._fields.index("cls"), Job._fields.index("state"))
_CLAIM: Final = (
    f"UPDATE jobs SET state = {_CLAIMED}, since = ?, run_at = 0, attempts = made.number,"
    " attempt = made.id, runner = made.runner FROM attempts made"
    " WHERE made.id BETWEEN ? AND ? AND jobs.id = made.job"
)
"""Attempts inserted together have ids in a row."""
_CLAIM_IN_A_ROW: Final = (
    f"UPDATE jobs SET state = {_CLAIMED}, since = ?, run_at = 0, attempts = ?, attempt = id + ?,"
    " runner = ? WHERE id BETWEEN ? AND ?"
)
"""The same for jobs whose ids are in a row too, and that were all tried as often."""
_CLAIM_ONE: Final = Statement(
    f"UPDATE jobs SET state = {_CLAIMED}, since = ?, run_at = 0, attempts = ?, attempt = ?,"
    " runner = ? WHERE id = ?",
    rank=2,
)
_COMPLETE: Final = (
    f"UPDATE jobs SET state = {_COMPLETED}, since = ?, tries = tries + 1, target = 0 WHERE id "
)
_END: Final = (
    f"UPDATE attempts SET state = {ATTEMPT_CODE['ended']}, ended_at = ?,"
    f" outcome = {OUTCOME_CODE['success']}, is_live = 0,"
    " started_at = CASE started_at WHEN 0 THEN offered_at ELSE started_at END WHERE id "
)
"""An end also confirms: an attempt never said to run began with its offer."""


class AlikeOps(SaveOps):
    """The part of a transaction that writes many equal changes at once."""

    def save_claims(self, before: Sequence[Job], claimed: Sequence[Job]) -> None:
        if len(claimed) < FEW:
            for was, job in zip(before, claimed, strict=True):
                self._save_claim(was, job)
            return
        memory, first, last = self.memory, claimed[0], claimed[-1]
        tries = first.attempts
        ids = [job.id for job in claimed if job.attempts == tries]
        if len(ids) == len(claimed) and _are_in_a_row(ids):
            runner, ahead = memory.attempts[first.attempt].runner, first.attempt - first.id
            values = (first.since, tries, ahead, runner, first.id, last.id)
            self.db.execute(_CLAIM_IN_A_ROW, values)
        else:
            self.db.execute(_CLAIM, (first.since, first.attempt, last.attempt))
        memory.note_jobs(claimed)
        for (cls, state), number in _counted(before):
            memory.shift(cls, STATE_CODE[state], _CLAIMED, number)

    def _save_claim(self, before: Job, job: Job) -> None:
        """Write one of few claims, together with those of other operations."""
        memory = self.memory
        runner = memory.attempts[job.attempt].runner
        row = (job.since, job.attempts, job.attempt, runner, job.id)
        self.db.later(_CLAIM_ONE, ("jobs", job.id), row)
        memory.note_job(job)
        memory.shift(job.cls, STATE_CODE[before.state], _CLAIMED)

    def save_successes(self, ended: Sequence[tuple[Job, Attempt]], *, at: int) -> None:
        memory = self.memory
        jobs, attempts = zip(*ended, strict=True)
        self._change(_COMPLETE, at, [job.id for job in jobs])
        self._change(_END, at, [attempt.id for attempt in attempts])
        memory.drop_live(attempts)
        memory.note_activity(DONE, attempts[0].runner, at, len(attempts))
        for (cls, state), number in _counted(jobs):
            memory.shift(cls, STATE_CODE[state], _COMPLETED, number)
            memory.note_activity(LEFT, cls, at, number)

    def _change(self, sql: str, at: int, ids: list[int]) -> None:
        """Change rows; those that were handed out together mostly have ids in a row."""
        if _are_in_a_row(ids):
            self.db.execute(f"{sql}BETWEEN ? AND ?", (at, ids[0], ids[-1]))
        else:
            self.db.execute(f"{sql}IN (SELECT value FROM json_each(?))", (at, json_ids(ids)))


def _are_in_a_row(ids: list[int]) -> bool:
    first, last = ids[0], ids[-1]
    return last - first == len(ids) - 1 and ids == list(range(first, last + 1))


def _counted(jobs: Sequence[Job]) -> Iterable[tuple[tuple[int, JobState], int]]:
    """Jobs by class and state. Mostly all have the same."""
    keys = list(map(_CLS_AND_STATE, jobs))
    if keys.count(keys[0]) == len(keys):
        return [(keys[0], len(keys))]
    return Counter(keys).items()
