"""Runners that name the job, not the attempt, in every call, and prove life job by job.

Old words and new ones about a job differ in nothing but their sender. So a job that was lost is
withheld for a lease's length from the runner that lost it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from server.coordinator.claim import hand_out, is_too_late, line_of, next_in_line
from server.coordinator.outputs import OutputIntake
from server.coordinator.reports import Report
from server.coordinator.results import AvailableJob
from server.model import Outcome, Runner
from server.placement import matches_type, missing_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator.memory import Memory
    from server.coordinator.results import Assigned
    from server.model import Attempt, Job, JobClass, Progress
    from server.store.base import Tx

OFFER_SECONDS = 5.0
"""How long a listed job is put last in the lists of other runners."""


STRANGER = Runner(
    id=0,
    uuid="",
    protocol="",
    identity="",
    name="",
    capacity=0,
    types=(),
    labels={},
    address="",
    version="",
    registered_at=0,
    last_seen_at=0,
)
"""Whoever lists without having registered: it sees what needs no label and is pinned to nobody."""


class OfferBook:
    """Which runner was shown which job first, so that runners that list do not all race for one."""

    def __init__(self) -> None:
        self._offers: dict[int, tuple[int, float]] = {}

    def order(self, jobs: Sequence[Job], runner_id: int, now: float) -> list[Job]:
        """The same jobs; those shown first to somebody else a moment ago go last."""
        self._forget(now)
        elsewhere = {
            job.id for job in jobs if self._offers.get(job.id, (runner_id, 0.0))[0] != runner_id
        }
        ordered = sorted(jobs, key=lambda job: job.id in elsewhere)
        if ordered and ordered[0].id not in elsewhere:
            first = ordered[0].id
            self._offers.pop(first, None)  # so that it goes to the end
            self._offers[first] = (runner_id, now + OFFER_SECONDS)
        return ordered

    def _forget(self, now: float) -> None:
        """Drop offers that are over; they lie in the order in which they end."""
        while self._offers:
            oldest = next(iter(self._offers))
            if self._offers[oldest][1] > now:
                return
            del self._offers[oldest]


def available(
    tx: Tx,
    memory: Memory,
    offers: OfferBook,
    runner: Runner,
    types: Sequence[str],
    limit: int,
    now: int,
) -> list[AvailableJob]:
    """Waiting jobs of these types that the runner may try to claim, oldest first."""
    if runner.draining_since:
        return []
    classes = [
        job_class.id
        for job_class in open_classes_of(tx, memory, runner, types)
        if not (line := line_of(tx, job_class.queue)).queue.is_paused and line.room != 0
    ]
    waiting = next_in_line(tx, classes, limit, now)
    jobs = [job for job, _ in waiting if not is_withheld(tx, memory, job, runner, now)]
    tasks = {job.id: task for job, task in waiting}
    ordered = offers.order(jobs, runner.id, memory.clock.monotonic())
    return [AvailableJob(job, tx.job_class(job.cls).type, tasks[job.id]) for job in ordered]


def open_classes_of(tx: Tx, memory: Memory, runner: Runner, types: Sequence[str]) -> list[JobClass]:
    """Classes with waiting jobs of types the runner asks for, whatever it registered."""
    return [
        job_class
        for job_class in tx.waiting_classes()
        if job_class.pin in (0, runner.id)
        and matches_type(types, job_class.type)
        and not missing_label(runner.labels, job_class.requires)
    ]


def claim_job(tx: Tx, memory: Memory, runner: Runner, job_uuid: str, now: int) -> Assigned | None:
    """Claim one job by name. None: it is not to be had (any more), or not by this runner."""
    job = tx.job_by_uuid(job_uuid)
    if job is None or job.state != "pending" or runner.draining_since:
        return None
    job_class = tx.job_class(job.cls)
    line = line_of(tx, job_class.queue)
    if line.queue.is_paused or line.room == 0:
        return None
    if job_class.pin not in (0, runner.id) or missing_label(runner.labels, job_class.requires):
        return None
    if is_too_late(job, now) or is_withheld(tx, memory, job, runner, now):
        return None
    return hand_out(tx, memory, runner, 0, [(job, tx.tasks([job.id])[job.id])], now)[0]


def is_withheld(tx: Tx, memory: Memory, job: Job, runner: Runner, now: int) -> bool:
    """Whether the runner lost this job so lately that its old words could still arrive."""
    pause = memory.traits_of(runner.protocol).reclaim_pause_ms
    if not pause or not job.attempts:
        return False
    return any(
        attempt.state == "abandoned" or attempt.ended_at > now - pause
        for attempt in tx.attempts_of(job.id)
        if attempt.runner == runner.id
    )


def heartbeat(
    tx: Tx,
    memory: Memory,
    runner: Runner,
    job_uuid: str,
    console: bytes,
    progress: Progress | None,
    now: int,
) -> bool:
    """A runner is busy with a job. False: not, or no longer, with this one."""
    found = _held(tx, runner, job_uuid)
    if found is None:
        _late(tx, memory, runner, job_uuid, Outcome("error"), "heartbeat", now)
        return False
    job, attempt = found
    report = Report(tx, memory, now, actor=runner.name)
    report.started(job, attempt)
    report.progress(job, attempt, progress)
    report.write()
    intake = OutputIntake(tx, memory, now, is_first_word=False)
    intake.replace(job, attempt, "console", console, is_last=False)
    tx.after_commit(partial(memory.attempt_leases.renew, attempt.id))
    return True


def finish(
    tx: Tx,
    memory: Memory,
    runner: Runner,
    job_uuid: str,
    outcome: Outcome,
    console: bytes | None,
    now: int,
) -> bool:
    """A runner says how a job ended. False: it was not, or no longer, its job."""
    found = _held(tx, runner, job_uuid)
    if found is None:
        _late(tx, memory, runner, job_uuid, outcome, outcome.kind, now)
        return False
    job, attempt = found
    if console is not None:
        intake = OutputIntake(tx, memory, now, is_first_word=False)
        intake.replace(job, attempt, "console", console, is_last=True)
    report = Report(tx, memory, now, actor=runner.name)
    report.ended(job, attempt, outcome)
    report.write()
    return True


def _held(tx: Tx, runner: Runner, job_uuid: str) -> tuple[Job, Attempt] | None:
    """The job's newest attempt, if this runner holds it and it still counts."""
    job = tx.job_by_uuid(job_uuid)
    if job is None or not job.attempt:
        return None
    attempt = tx.live_attempt(job.attempt)
    if attempt is None or attempt.runner != runner.id or attempt.state not in ("running", "ending"):
        return None
    return job, attempt


def _late(
    tx: Tx,
    memory: Memory,
    runner: Runner,
    job_uuid: str,
    outcome: Outcome,
    kind: str,
    now: int,
) -> None:
    """Keep a word about an attempt of this runner that no longer counts; free its slot."""
    job = tx.job_by_uuid(job_uuid)
    if job is None:
        return
    ours = [attempt for attempt in tx.attempts_of(job.id) if attempt.runner == runner.id]
    if not ours:
        return
    report = Report(tx, memory, now, actor=runner.name)
    report.late(job, ours[-1], kind, outcome.message)
    if ours[-1].state == "abandoned" and kind != "heartbeat":
        report.heard_of_abandoned(job, ours[-1], outcome)
    report.write()
