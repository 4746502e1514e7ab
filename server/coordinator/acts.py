"""What operators do to jobs: stop, give up, move, resubmit, prioritise, delete."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from server import transitions
from server.coordinator import range_acts
from server.coordinator.memory import announce_pending, save
from server.coordinator.ranges import count_deleted, is_parent, settle
from server.coordinator.reports import Report
from server.coordinator.results import Acted
from server.coordinator.sessions import known_runner
from server.coordinator.submit import ensure_queue, insert
from server.coordinator.successors import fresh_job
from server.errors import DiskFull, NotFound, Refused
from server.model import ACTIVE_STATES, FINAL_STATES, MAX_PRIORITY, Job, JobDetails, Outcome
from server.placement import matches_type, missing_label
from server.secret_parameters import hide
from server.store.base import Change, NewJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator.memory import Memory
    from server.model import Actor, Attempt, JobClass, Runner
    from server.store.base import Tx

GIVEN_UP = "its result will be refused, the process may run on"
RUNS_ON = f"this runner cannot be stopped: {GIVEN_UP}"


def known_job(tx: Tx, job_id: int) -> Job:
    """A job by row id, or NotFound."""
    job = tx.job(job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    return job


def active_attempt(tx: Tx, job: Job) -> Attempt | None:
    """The attempt an active job is at; None while it waits or has ended."""
    if job.state not in ACTIVE_STATES or not job.attempt:
        return None
    return tx.attempts([job.attempt])[job.attempt][1]


def can_stop(memory: Memory, attempt: Attempt) -> bool:
    """Whether the attempt's runner understands a request to stop."""
    return memory.traits_of(memory.runners[attempt.runner].protocol).can_stop


def stop(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    job_id: int,
    *,
    grace_ms: int,
    kill: bool,
    give_up: bool,
    reason: str,
    now: int,
) -> Acted:
    """Stop a job: at once while it waits, by asking its runner while it runs.

    Where the runner cannot be asked, and where ``give_up`` says so, the attempt is abandoned.
    """
    job = known_job(tx, job_id)
    if is_parent(tx, job):
        stop_piece = partial(
            stop,
            tx,
            memory,
            actor,
            grace_ms=grace_ms,
            kill=kill,
            give_up=give_up,
            reason=reason,
            now=now,
        )
        return range_acts.stop(
            tx, memory, actor, job, stop_piece=stop_piece, reason=reason, now=now
        )
    attempt = active_attempt(tx, job)
    if attempt is not None and (give_up or not can_stop(memory, attempt)):
        return _give_up(tx, memory, actor, job, attempt, reason, now)
    step = transitions.stop(job, attempt, grace_ms=grace_ms, kill=kill, is_timeout=False, now=now)
    save(tx, memory, [Change(job, step.job, attempt, step.attempt)])
    tx.append(
        step.kind,
        at=now,
        job=job.id,
        attempt=attempt.id if attempt else 0,
        runner=attempt.runner if attempt else 0,
        actor=actor.name,
        reason=reason,
        data=msgspec.json.encode({"from": job.state, "grace_ms": grace_ms}) if attempt else b"",
    )
    if attempt is not None:
        _poke(tx, memory, attempt)
    settle(tx, memory, [step.job], now)
    return Acted(step.job)


def _give_up(
    tx: Tx, memory: Memory, actor: Actor, job: Job, attempt: Attempt, reason: str, now: int
) -> Acted:
    report = Report(tx, memory, now, actor=actor.name)
    outcome = Outcome("cancelled", f"given up by {actor.name}")
    wanted = job._replace(wanted="stop")
    after = report.abandoned(job, attempt, outcome, reason=reason, wanted=wanted)
    report.write()
    _poke(tx, memory, attempt)
    return Acted(after, GIVEN_UP if can_stop(memory, attempt) else RUNS_ON)


def reassign_to_queue(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    job_id: int,
    queue: str,
    *,
    grace_ms: int,
    reason: str,
    now: int,
) -> Acted:
    """Move a job to another queue; a pin to one runner ends with that."""
    job = known_job(tx, job_id)
    job_class = tx.job_class(job.cls)
    if job_class.queue == queue and not job_class.pin:
        raise Refused(f"job {job.id} is in queue {queue} already")
    ensure_queue(tx, memory, queue)
    if is_parent(tx, job):
        return _move_range(tx, memory, actor, job, queue, reason, now)
    target = tx.intern_class(queue, job_class.type, job_class.requires, 0)
    return _move(tx, memory, actor, job, target, grace_ms, reason, now, f"queue {queue}")


def reassign_to_runner(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    job_id: int,
    runner_id: int,
    *,
    grace_ms: int,
    reason: str,
    now: int,
) -> Acted:
    """Pin a job to one runner, and if it runs elsewhere, bring it there."""
    job = known_job(tx, job_id)
    if is_parent(tx, job):
        raise Refused(
            f"job {job.id} is done in pieces, by many runners: move its pieces"
            f" (parent:{job.id}), or all of it to another queue",
            code="range",
        )
    runner = known_runner(tx, runner_id)
    if runner.is_forgotten:
        raise Refused(f"{runner.name} was forgotten; it has to come back first")
    job_class = tx.job_class(job.cls)
    _require_able(runner, job_class)
    attempt = active_attempt(tx, job)
    if attempt is not None and attempt.runner == runner_id and job.wanted != "move":
        raise Refused(f"job {job.id} is on {runner.name} already")
    target = tx.intern_class(job_class.queue, job_class.type, job_class.requires, runner_id)
    return _move(tx, memory, actor, job, target, grace_ms, reason, now, runner.name)


def _move_range(
    tx: Tx, memory: Memory, actor: Actor, job: Job, queue: str, reason: str, now: int
) -> Acted:
    if job.state in FINAL_STATES or job.wanted == "stop":
        raise Refused(f"job {job.id} is {job.state}: it cannot be moved", code=f"is_{job.state}")
    moved = range_acts.move_to_queue(tx, memory, job, queue)
    tx.append(
        "reassigned",
        at=now,
        job=job.id,
        actor=actor.name,
        reason=reason,
        data=msgspec.json.encode({"to": f"queue {queue}"}),
    )
    return Acted(moved)


def _require_able(runner: Runner, job_class: JobClass) -> None:
    if not matches_type(runner.types, job_class.type):
        raise Refused(f"{runner.name} does not do {job_class.type}", code="type")
    missing = missing_label(runner.labels, job_class.requires)
    if missing:
        raise Refused(f"{runner.name}: {missing}", code="label")


def _move(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    job: Job,
    target: JobClass,
    grace_ms: int,
    reason: str,
    now: int,
    words: str,
) -> Acted:
    attempt = active_attempt(tx, job)
    warning = ""
    if attempt is not None and not can_stop(memory, attempt):
        report = Report(tx, memory, now, actor=actor.name)
        wanted = job._replace(wanted="move", target=target.id)
        outcome = Outcome("cancelled", f"moved to {words} by {actor.name}")
        after = report.abandoned(job, attempt, outcome, reason=reason, wanted=wanted)
        report.write()
        warning = RUNS_ON
    else:
        step = transitions.move(job, attempt, target=target.id, grace_ms=grace_ms, now=now)
        save(tx, memory, [Change(job, step.job, attempt, step.attempt)])
        after = step.job
        if after.state == "pending":
            announce_pending(tx, memory, [target.id])
    tx.append(
        "reassigned",
        at=now,
        job=job.id,
        attempt=attempt.id if attempt else 0,
        runner=attempt.runner if attempt else 0,
        actor=actor.name,
        reason=reason,
        data=msgspec.json.encode({"to": words}),
    )
    if attempt is not None:
        _poke(tx, memory, attempt)
    return Acted(after, warning)


def move_off(
    tx: Tx, memory: Memory, actor: Actor, runner_id: int, *, grace_ms: int, reason: str, now: int
) -> int:
    """Move everything a runner is at to wherever it fits; the answer is how many jobs."""
    moved = 0
    for job, attempt in tx.live_attempts(runner=runner_id):
        if attempt.state not in ("offered", "running") or job.wanted != "run":
            continue
        job_class = tx.job_class(job.cls)
        target = job_class
        if job_class.pin == runner_id:
            target = tx.intern_class(job_class.queue, job_class.type, job_class.requires, 0)
        _move(tx, memory, actor, job, target, grace_ms, reason, now, "another runner")
        moved += 1
    return moved


def resubmit(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    job_id: int,
    params: bytes | None,
    reason: str,
    now: int,
) -> Acted:
    """Make a new job from one that has ended; the old record, result and output stay."""
    if memory.submit_problem:
        raise DiskFull(memory.submit_problem)
    old = known_job(tx, job_id)
    if old.state not in FINAL_STATES:
        raise Refused(
            f"job {old.id} is {old.state}: it can be resubmitted once it has ended",
            code=f"is_{old.state}",
        )
    details = tx.details(job_id)
    _release_key(tx, old, details)
    if is_parent(tx, old):
        return range_acts.resubmit(tx, memory, actor, old, params, reason, now)
    piece = tx.piece(job_id)
    if piece is not None and old.state != "completed":
        return range_acts.resubmit_piece(tx, memory, actor, old, piece, params, reason, now)
    job_class = tx.job_class(old.cls)
    if job_class.pin:
        job_class = tx.intern_class(job_class.queue, job_class.type, job_class.requires, 0)
    job = fresh_job(old, cls=job_class.id, now=now)
    shown, extra = details.params, details.extra
    if params is not None:
        shown, extra = hide(params, details.extra)
    fresh = details._replace(
        params=shown,
        extra=extra,
        cache_key=details.cache_key if params is None else None,
        parent=0 if piece else details.parent,  # its part of the range is covered
        resubmit_of=old.id,
    )
    made = insert(tx, memory, actor, [NewJob(job, fresh)], now, reason=reason)[0]
    tx.append(
        "resubmitted",
        at=now,
        job=old.id,
        actor=actor.name,
        reason=reason,
        data=msgspec.json.encode({"as": made.id, "params_changed": params is not None}),
    )
    return Acted(made)


def _release_key(tx: Tx, old: Job, details: JobDetails) -> None:
    """A job that is made anew answers for its cache key no longer."""
    if details.cache_key is None:
        return
    answers = tx.cached(details.cache_key)
    if answers is not None and answers.job == old.id:  # not a later job's
        tx.release_cached(details.cache_key)


def set_priority(
    tx: Tx, memory: Memory, actor: Actor, job_id: int, priority: int, reason: str, now: int
) -> Acted:
    """Let a job that has not ended go earlier (higher) or later."""
    job = known_job(tx, job_id)
    if job.state in FINAL_STATES:
        raise Refused(f"job {job.id} is {job.state}: its priority no longer matters")
    if abs(priority) > MAX_PRIORITY:
        raise Refused(f"priorities lie between -{MAX_PRIORITY} and {MAX_PRIORITY}")
    changed = job._replace(rank=-priority)
    save(tx, memory, [Change(job, changed)])
    if is_parent(tx, job):
        range_acts.set_rank(tx, memory, job, -priority)
    tx.append(
        "priority_changed",
        at=now,
        job=job.id,
        actor=actor.name,
        reason=reason,
        data=msgspec.json.encode({"from": job.priority, "to": priority}),
    )
    return Acted(changed)


def delete(
    tx: Tx, memory: Memory, actor: Actor, job_ids: Sequence[int], reason: str, now: int
) -> list[int]:
    """Delete jobs in any state; what their runners still send is recognised as late."""
    listed = range_acts.with_open_pieces(tx, job_ids)
    found = tx.jobs(listed)
    numbers = [number for number in listed if number in found]
    pieces = [piece for number in numbers if (piece := tx.open_piece(number))]
    live = [
        attempt
        for job in found.values()
        if job.attempts
        for attempt in tx.attempts_of(job.id)
        if attempt.state != "ended"
    ]
    tx.delete_jobs(numbers, at=now, by=actor.name)
    for number in numbers:
        tx.append(
            "deleted",
            at=now,
            job=number,
            actor=actor.name,
            reason=reason,
            data=msgspec.json.encode({"id": found[number].uuid, "from": found[number].state}),
        )

    def committed() -> None:
        for attempt in live:
            memory.attempts_ended([attempt.id])
            memory.poke(attempt.session)

    tx.after_commit(committed)
    count_deleted(tx, memory, pieces, now)
    return numbers


def _poke(tx: Tx, memory: Memory, attempt: Attempt) -> None:
    tx.after_commit(lambda: memory.poke(attempt.session))
