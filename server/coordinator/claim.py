"""Handing jobs to runners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server import transitions
from server.coordinator.memory import save_claims
from server.coordinator.results import Assigned
from server.ids import new_uuid
from server.model import Queue
from server.placement import Line
from server.secret_parameters import is_marked, reveal
from server.store.base import NewAttempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator.memory import Memory
    from server.model import Job, JobClass, Runner, Task
    from server.store.base import Tx

MOST_PASSED_OVER: Final = 500
"""Jobs past their deadline that one look passes over; the sweep ends them meanwhile."""


def claim(
    tx: Tx, memory: Memory, runner: Runner, session: int, count: int, now: int
) -> list[Assigned]:
    """Give a runner at most ``count`` jobs: highest priority first, then oldest."""
    if count <= 0 or runner.draining_since:
        return []
    waiting = _choose(tx, memory, runner, count, now)
    return hand_out(tx, memory, runner, session, waiting, now)


def line_of(tx: Tx, name: str) -> Line:
    """A queue and how many of its jobs are active."""
    return Line(tx.queue(name) or Queue(name), tx.active_in_queue(name))


def open_classes(tx: Tx, memory: Memory, runner: Runner) -> list[JobClass]:
    """Classes with waiting jobs that the runner could take, whatever the state of their queues."""
    return [job_class for job_class in tx.waiting_classes() if memory.fits(runner, job_class)]


def _choose(tx: Tx, memory: Memory, runner: Runner, count: int, now: int) -> list[tuple[Job, Task]]:
    """The next pending jobs for a runner; of a limited queue no more than it has room for."""
    unlimited: list[int] = []
    limited: dict[str, list[int]] = {}
    rooms: dict[str, int] = {}
    for job_class in open_classes(tx, memory, runner):
        line = line_of(tx, job_class.queue)
        if line.queue.is_paused:
            continue
        if line.room is None:
            unlimited.append(job_class.id)
        elif line.room:
            rooms[job_class.queue] = line.room
            limited.setdefault(job_class.queue, []).append(job_class.id)
    waiting = next_in_line(tx, unlimited, count, now)
    for queue, classes in limited.items():
        waiting += next_in_line(tx, classes, min(count, rooms[queue]), now)
    if limited:
        waiting.sort(key=lambda one: (one[0].rank, one[0].id))
    return waiting[:count]


def next_in_line(tx: Tx, classes: Sequence[int], count: int, now: int) -> list[tuple[Job, Task]]:
    """Pending jobs of these classes that may start: highest priority first, then oldest."""
    waiting = tx.claimable(classes, count)
    in_time = [one for one in waiting if not is_too_late(one[0], now)]
    if len(in_time) < len(waiting) == count:
        more = tx.claimable(classes, count + MOST_PASSED_OVER)
        in_time = [one for one in more if not is_too_late(one[0], now)]
    return in_time[:count]


def is_too_late(job: Job, now: int) -> bool:
    """Whether a pending job is past its deadline: the sweep, which ends it, is behind."""
    return 0 < job.deadline <= now


def hand_out(
    tx: Tx,
    memory: Memory,
    runner: Runner,
    session: int,
    waiting: Sequence[tuple[Job, Task]],
    now: int,
) -> list[Assigned]:
    """Make an attempt of this runner for each job, all of them pending."""
    if not waiting:
        return []
    traits = memory.traits_of(runner.protocol)
    is_confirmed = traits.confirmed_by == "claim"
    takes_job_id = traits.first_attempt_has_job_id
    attempts = tx.insert_attempts(
        [
            NewAttempt(  # by place, here and below: names cost as much again, for every job
                _attempt_uuid(job) if takes_job_id else new_uuid(),
                job.id,
                job.attempts + 1,
                runner.id,
                session,
                is_confirmed,
                now + task.timeout_ms if task.timeout_ms else 0,
            )
            for job, task in waiting
        ],
        at=now,
    )
    claimed: list[Job] = []
    assigned: list[Assigned] = []
    for (job, task), attempt in zip(waiting, attempts, strict=True):
        taken = transitions.claimed(job, attempt, now=now)
        claimed.append(taken)
        known = tx.job_class(job.cls)
        told = whole(tx, job, task) if is_marked(task.params) else task
        assigned.append(Assigned(taken, attempt, known.type, known.queue, told))
    save_claims(tx, memory, [job for job, _ in waiting], claimed, runner.id)
    _tell(tx, runner, claimed, now)
    return assigned


def whole(tx: Tx, job: Job, task: Task) -> Task:
    """What a runner is told, with the secrets that nobody else is shown."""
    if not is_marked(task.params):
        return task
    return task._replace(params=reveal(task.params, tx.details(job.id).extra))


def _attempt_uuid(job: Job) -> str:
    """Where the first attempt has the id of its job, later ones have their own."""
    return new_uuid() if job.attempts else job.uuid


def _tell(tx: Tx, runner: Runner, jobs: Sequence[Job], now: int) -> None:
    if len(jobs) == 1:
        job = jobs[0]
        tx.append(
            "claimed", at=now, job=job.id, attempt=job.attempt, runner=runner.id, actor=runner.name
        )
    else:
        members = [(job.id, job.attempt) for job in jobs]
        tx.append("claimed", at=now, members=members, runner=runner.id, actor=runner.name)
