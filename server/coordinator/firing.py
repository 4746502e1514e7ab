"""Letting schedules make their jobs when they are due."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from server.coordinator import acts, submit
from server.coordinator.schedules import note_next
from server.errors import TrafficError
from server.model import FINAL_STATES, Actor
from server.schedules import due, replanned

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.model import Job
    from server.schedules import Due, Schedule
    from server.store.base import Tx

BATCH: Final = 100
"""Schedules that fire in one transaction; the rest in the next."""
REPLACE_GRACE_MS: Final = 10_000
COORDINATOR: Final = Actor("coordinator", "admin", "coordinator")

Skipped: TypeAlias = Literal["missed", "overlap", "storage", "refused"]
_WORDS: Final[dict[Skipped, str]] = {
    "missed": "the coordinator was not there when it was due",
    "overlap": "its last job has not ended",
    "storage": "no jobs are taken in at present",
    "refused": "its job was refused",
}


def after_clock_change(tx: Tx, memory: Memory, now: int) -> None:
    """The clock was set, perhaps while we were away: plan what it put out of reach."""
    for schedule in tx.schedules():
        fresh = replanned(schedule, now)
        if fresh != schedule:
            tx.put_schedule(fresh)
    note_next(tx, memory)


def fire(tx: Tx, memory: Memory, now: int) -> None:
    """Let what is due make its jobs. Each due time and its job are one commit."""
    found = [(one, moment) for one in tx.schedules() if (moment := due(one, now)) is not None]
    for schedule, moment in found[:BATCH]:
        _fire(tx, memory, schedule, moment, now)
    note_next(tx, memory)


def _fire(tx: Tx, memory: Memory, schedule: Schedule, moment: Due, now: int) -> None:
    moved = replace(schedule, next_at=moment.next_at, last_at=moment.at)
    running = _running(tx, schedule)
    why = _why_not(memory, schedule, moment, running)
    if why is not None:
        _skip(tx, moved, why, now, job=running.id if running and why == "overlap" else 0)
        return
    actor = Actor(schedule.owner, "operator", schedule.origin)
    try:
        job = submit.submit(tx, memory, actor, [schedule.job_spec()], "", now)[0].job
    except TrafficError as error:  # it is told, and due times go on
        _skip(tx, moved, "refused", now, words=error.message)
        return
    if running is not None and schedule.overlap == "replace" and running.wanted == "run":
        _stop(tx, memory, schedule, running, now)
    tx.put_schedule(replace(moved, last_job=job.id, fired=moved.fired + 1))
    data = msgspec.json.encode({"schedule": schedule.name, "due": moment.at})
    tx.append("schedule_fired", at=now, job=job.id, queue=schedule.task.queue, data=data)


def _running(tx: Tx, schedule: Schedule) -> Job | None:
    """The job it made last, unless that has ended or is gone."""
    job = tx.job(schedule.last_job) if schedule.last_job else None
    return None if job is None or job.state in FINAL_STATES else job


def _why_not(
    memory: Memory, schedule: Schedule, moment: Due, running: Job | None
) -> Skipped | None:
    if moment.is_missed:
        return "missed"
    if running is not None and schedule.overlap == "skip":
        return "overlap"
    return "storage" if memory.submit_problem else None


def _skip(
    tx: Tx, moved: Schedule, why: Skipped, now: int, *, job: int = 0, words: str = ""
) -> None:
    """Leave a run out, and tell why; ``job``: because of that one."""
    tx.put_schedule(replace(moved, skipped=moved.skipped + 1))
    tx.append(
        "schedule_skipped",
        at=now,
        job=job,
        reason=words or _WORDS[why],
        data=msgspec.json.encode({"schedule": moved.name, "due": moved.last_at, "why": why}),
    )


def _stop(tx: Tx, memory: Memory, schedule: Schedule, running: Job, now: int) -> None:
    """Stop the last job for the next. What cannot be stopped any more is left alone."""
    try:
        acts.stop(
            tx,
            memory,
            COORDINATOR,
            running.id,
            grace_ms=REPLACE_GRACE_MS,
            kill=False,
            give_up=False,
            reason=f"schedule {schedule.name} is due again",
            now=now,
        )
    except TrafficError:
        return
