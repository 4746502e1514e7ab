"""The wall clock was set: what was to last so long still does.

Timeouts, retries, deadlines and drains are stored as the time they end, and all were made by adding
a length to the time of then. So they move with the clock. Times that people named stay: when a
job is due, when a key expires, and what schedules say (:mod:`server.coordinator.firing`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from server.coordinator.memory import save
from server.model import FINAL_STATES
from server.schedules import NEVER
from server.store.base import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator.memory import Memory
    from server.model import Attempt, Job
    from server.store.base import Tx

BATCH: Final = 500
MOST_WAITING: Final = 100_000
"""Waiting jobs that are moved, those first whose time is next."""


class ClockChange(NamedTuple):
    """By how much the clock was set, and when."""

    jump_ms: int
    since: int
    """Epoch milliseconds by the clock as it is, when it had not been set yet: what was made then or
    later was made by the clock as it is."""

    def moved(self, at: int, made_at: int, now: int) -> int:
        """A time that was reckoned at ``made_at``, by the clock as it is; 0 stays 0."""
        is_by_new_clock = self.since <= made_at <= now
        return at if not at or is_by_new_clock else max(1, at + self.jump_ms)


def move(tx: Tx, memory: Memory, change: ClockChange) -> list[int]:
    """Move the times of all that goes on.

    Returns:
        Jobs that wait for a retry, or have a deadline, for :func:`move_waiting`. They are found in
        the same operation, so that one that comes back, or is taken, meanwhile is moved once.
    """
    now = memory.clock.now_ms()
    _move_live(tx, memory, change, now)
    _move_runners(tx, memory, change, now)
    tx.append("clock_jumped", at=now, reason=f"by {change.jump_ms / 1000:+.1f}s")
    return _waiting(tx)


def _move_live(tx: Tx, memory: Memory, change: ClockChange, now: int) -> None:
    """Offers, timeouts and rungs of the stop ladder, and deadlines of the jobs they are of."""
    changes: list[Change] = []
    for job, attempt in tx.live_attempts():
        moved = Change(job, _job(change, job, now), attempt, _attempt(change, attempt, now))
        if moved.job != job or moved.attempt != attempt:
            changes.append(moved)
    save(tx, memory, changes)


def _move_runners(tx: Tx, memory: Memory, change: ClockChange, now: int) -> None:
    """Until when runners are to be empty."""
    for runner in tx.runners():
        deadline = change.moved(runner.drain_deadline, runner.draining_since, now)
        if deadline != runner.drain_deadline:
            moved = replace(runner, drain_deadline=deadline)
            tx.update_runner(moved)
            tx.after_commit(partial(memory.put_runner_seen, moved))


def _waiting(tx: Tx) -> list[int]:
    retried = [job.id for job in tx.due(NEVER, MOST_WAITING) if job.attempt]
    return sorted({job.id for job in tx.past_deadline(NEVER, MOST_WAITING)}.union(retried))


def move_waiting(tx: Tx, memory: Memory, change: ClockChange, job_ids: Sequence[int]) -> None:
    """Retries and deadlines of some of the jobs that waited."""
    now = memory.clock.now_ms()
    changes = [
        Change(job, moved)
        for job in tx.jobs(job_ids).values()
        if job.state not in FINAL_STATES and (moved := _job(change, job, now)) != job
    ]
    save(tx, memory, changes)
    # The store keeps when the next one is due; asked for what cannot be, it finds that out anew.
    tx.due(0, 1)
    tx.past_deadline(0, 1)


def _job(change: ClockChange, job: Job, now: int) -> Job:
    deadline = change.moved(job.deadline, job.created_at, now)
    run_at = change.moved(job.run_at, job.since, now) if job.attempt else job.run_at
    return job._replace(deadline=deadline, run_at=run_at)


def _attempt(change: ClockChange, attempt: Attempt, now: int) -> Attempt:
    began_at = attempt.started_at or attempt.offered_at
    is_offered = attempt.state == "offered"
    return attempt._replace(
        deadline=change.moved(attempt.deadline, began_at, now),
        stop_at=change.moved(attempt.stop_at, attempt.stop_at, now),
        # The timeout counts from the start, and is then moved by the time since the offer.
        offered_at=change.moved(attempt.offered_at, attempt.offered_at, now)
        if is_offered
        else attempt.offered_at,
    )
