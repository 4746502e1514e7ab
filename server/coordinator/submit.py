"""Taking jobs in."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from server.coordinator import range_submit
from server.coordinator.memory import announce_pending
from server.coordinator.results import Submitted
from server.errors import DiskFull, InvalidInput, Refused
from server.ids import new_uuid
from server.model import MAX_NAME, MAX_PRIORITY, MAX_REASON, NOBODY, Job, JobDetails, Queue
from server.secret_parameters import hide
from server.settings import QueueSettings
from server.store.base import IdempotentAnswer, NewJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator.memory import Memory
    from server.model import Actor, JobClass, JobSpec
    from server.ranges import Range
    from server.store.base import Tx


def submit(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    specs: Sequence[JobSpec],
    idempotency_key: str,
    now: int,
) -> list[Submitted]:
    """Take all the jobs in, or none. A known idempotency or cache key gives the older job."""
    if memory.submit_problem:
        raise DiskFull(memory.submit_problem)
    for spec in specs:
        _check(spec)
    fingerprint = _fingerprint(specs) if idempotency_key else ""
    if idempotency_key:
        answered = tx.idempotent(actor.name, idempotency_key)
        if answered is not None:
            return _answer_again(tx, answered, fingerprint)
    submitted = _take_in(tx, memory, actor, specs, now)
    if idempotency_key:
        numbers = tuple(one.job.id for one in submitted)
        tx.put_idempotent(
            actor.name, idempotency_key, IdempotentAnswer(fingerprint, numbers), at=now
        )
    return submitted


def _check(spec: JobSpec) -> None:
    for what, name in (("type", spec.type), ("queue", spec.queue)):
        if not name or len(name) > MAX_NAME:
            raise InvalidInput(f"the {what} has to have 1 to {MAX_NAME} characters")
    if abs(spec.priority) > MAX_PRIORITY:
        raise InvalidInput(f"priorities lie between -{MAX_PRIORITY} and {MAX_PRIORITY}")


def _fingerprint(specs: Sequence[JobSpec]) -> str:
    """What was asked for. Not when or why: a submit for "in ten minutes", repeated, says later."""
    digest = hashlib.sha256()
    for spec in specs:
        digest.update(repr(spec._replace(run_at=0, reason="")).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def _answer_again(tx: Tx, answered: IdempotentAnswer, fingerprint: str) -> list[Submitted]:
    if answered.fingerprint != fingerprint:
        raise Refused(
            "this Idempotency-Key was used for other jobs; use a fresh one",
            code="idempotency_conflict",
        )
    jobs = tx.jobs(answered.jobs)
    missing = [number for number in answered.jobs if number not in jobs]
    if missing:
        raise Refused(
            f"job {missing[0]}, made by this Idempotency-Key, was deleted since",
            code="deleted",
        )
    return [Submitted(jobs[number], True) for number in answered.jobs]


def _take_in(
    tx: Tx, memory: Memory, actor: Actor, specs: Sequence[JobSpec], now: int
) -> list[Submitted]:
    """Insert what no cache key answers for; the order of the answer is that of ``specs``."""
    answers: list[Submitted | int] = []
    fresh: list[NewJob] = []
    places: dict[str, int] = {}
    classes: dict[tuple[object, ...], JobClass] = {}
    for spec in specs:
        if spec.cache_key is not None:
            older = _cached(tx, spec.cache_key, now)
            if older is not None:
                answers.append(Submitted(older, True))
                continue
            if spec.cache_key in places:
                answers.append(places[spec.cache_key])
                continue
            if spec.range is None:
                places[spec.cache_key] = len(fresh)
        if spec.range is not None:
            answers.append(_take_range(tx, memory, actor, spec, spec.range, now))
            continue
        answers.append(len(fresh))
        fresh.append(_new_job(tx, memory, actor, spec, classes, now))
    inserted = insert(tx, memory, actor, fresh, now, reason=_reason(specs))
    seen: set[int] = set()
    submitted: list[Submitted] = []
    for answer in answers:
        if isinstance(answer, Submitted):
            submitted.append(answer)
        else:
            submitted.append(Submitted(inserted[answer], answer in seen))
            seen.add(answer)
    return submitted


def _reason(specs: Sequence[JobSpec]) -> str:
    """Why they were submitted: one event tells of all of them."""
    if len(specs) == 1:
        return specs[0].reason
    reasons = dict.fromkeys(spec.reason for spec in specs if spec.reason)
    return "; ".join(reasons)[:MAX_REASON]


def _take_range(
    tx: Tx, memory: Memory, actor: Actor, spec: JobSpec, whole: Range, now: int
) -> Submitted:
    """A job over a cursor range, with its first pieces; or an older one that does all of it."""
    spec = range_submit.prepared(memory, spec, whole, now)
    intake = range_submit.RangeIntake(tx, memory, spec, whole, now)
    if intake.answer is not None:
        return Submitted(intake.answer, True, "another job did all of it, or is doing it")
    plain = _new_job(tx, memory, actor, spec._replace(pin=NOBODY), {}, now)
    new = plain._replace(
        job=plain.job._replace(state="in_progress"),
        details=range_submit.with_piece_losses(plain.details, spec),
    )
    begun = intake.begin(actor, insert(tx, memory, actor, [new], now, reason=spec.reason)[0])
    return Submitted(begun.job, False, begun.note)


def insert(
    tx: Tx, memory: Memory, actor: Actor, fresh: Sequence[NewJob], now: int, *, reason: str = ""
) -> list[Job]:
    """Insert jobs, bind their cache keys, tell of them, and wake runners for them."""
    if not fresh:
        return []
    inserted = tx.insert_jobs(fresh)
    for job, new in zip(inserted, fresh, strict=True):
        if new.details.cache_key is not None:
            tx.put_cached(new.details.cache_key, job.id, _cached_until(job, new.details))
    if len(inserted) == 1:
        tx.append("submitted", at=now, job=inserted[0].id, actor=actor.name, reason=reason)
    else:
        members = [(job.id, 0) for job in inserted]
        tx.append("submitted", at=now, members=members, actor=actor.name, reason=reason)
    announce_pending(tx, memory, [job.cls for job in inserted if job.state == "pending"])
    return inserted


def _cached_until(job: Job, details: JobDetails) -> int:
    """When a job's cache key stops answering. Of a job put off, counted from when it is due."""
    ttl_ms = details.cache_ttl_ms
    return max(job.created_at, job.run_at) + ttl_ms if ttl_ms else 0


def _cached(tx: Tx, cache_key: str, now: int) -> Job | None:
    cached = tx.cached(cache_key)
    if cached is None:
        return None
    job = tx.job(cached.job)
    if job is None or 0 < cached.expires_at <= now:
        tx.release_cached(cache_key)
        return None
    return job


def _new_job(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    spec: JobSpec,
    classes: dict[tuple[object, ...], JobClass],
    now: int,
) -> NewJob:
    requires = tuple(sorted(spec.requires.items())) if spec.requires else ()
    key = (spec.queue, spec.type, spec.pin, requires)
    job_class = classes.get(key)
    if job_class is None:
        ensure_queue(tx, memory, spec.queue)
        job_class = tx.intern_class(spec.queue, spec.type, spec.requires, spec.pin)
        classes[key] = job_class
    is_later = spec.run_at > now
    traits = memory.traits_of(actor.via)
    job = Job(  # by place, here and below: names cost twice as much again, for every job
        0,
        spec.uuid or new_uuid(),
        job_class.id,
        "scheduled" if is_later else "pending",
        -spec.priority,
        now,
        now,
        spec.run_at if is_later else 0,
        0,
        0,
        0,
        spec.max_attempts or memory.settings.retry.max_attempts,
        0,
        "run",
        spec.deadline,
        0,
    )
    return NewJob(job, _details(memory, actor, spec), spec.uuid is not None, traits.names_jobs)


def _details(memory: Memory, actor: Actor, spec: JobSpec) -> JobDetails:
    retry = spec.retry
    if retry is None:
        retry = memory.settings.retry.policy
        max_losses = memory.traits_of(actor.via).max_losses
        if max_losses is not None:
            retry = replace(retry, max_losses=max_losses)
    params, extra = hide(spec.params, spec.extra)
    return JobDetails(
        params,
        actor.name,
        actor.via,
        spec.namespace,
        spec.timeout_ms,
        retry,
        spec.cache_key,
        spec.parent,
        spec.resubmit_of,
        spec.trace_context,
        extra,
        spec.correlation,
        spec.cache_ttl_ms,
        spec.schedule,
    )


def ensure_queue(tx: Tx, memory: Memory, name: str) -> Queue:
    """The queue of that name, made from the configuration when it is new."""
    queue = tx.queue(name)
    if queue is None:
        settings = memory.settings.queues.get(name, QueueSettings())
        queue = Queue(name, limit=settings.limit, stall_after_ms=settings.stall_after_ms)
        tx.put_queue(queue)
    return queue
