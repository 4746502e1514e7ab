"""What runners say of attempts: starts, progress, ends, and words that come too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server import transitions
from server.coordinator.memory import announce_pending, save, save_successes
from server.coordinator.ranges import settle
from server.coordinator.successors import make_successor
from server.events import Notice
from server.model import PLAIN_SUCCESS, Actor, Outcome, RetryPolicy
from server.store.base import Change, LateWrite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.coordinator.memory import Memory
    from server.events import EventKind
    from server.model import Attempt, Job, Progress, Surroundings
    from server.store.base import Tx
    from server.transitions import Step

NO_RETRY = RetryPolicy()
"""Stands in where the policy cannot matter: the outcome is a success."""
MAX_DETAIL = 500
COORDINATOR = Actor("coordinator", "admin", "coordinator")


class Report:
    """Collects what one call changes, so that many attempts are written together.

    Plain ends of the same kind become one event that names all their jobs; an end with
    something to say gets an event of its own.
    """

    def __init__(self, tx: Tx, memory: Memory, now: int, *, actor: str) -> None:
        self._tx = tx
        self._memory = memory
        self._now = now
        self._actor = actor
        self._changes: list[Change] = []
        self._successes: list[tuple[Job, Attempt]] = []
        self._plain: dict[tuple[EventKind, int], list[tuple[int, int]]] = {}
        self._pending: list[int] = []
        self._freed: set[str] = set()
        self._lost_for_good: list[Job] = []
        """Failed with their runner, and their policy wants each made anew."""

    def started(self, job: Job, attempt: Attempt) -> tuple[Job, Attempt]:
        """The runner works on it; saying so again changes nothing."""
        if attempt.state != "offered" and job.state != "claimed":
            return job, attempt
        step = transitions.start(job, attempt, now=self._now)
        return self._add(job, attempt, step)

    def progress(self, job: Job, attempt: Attempt, progress: Progress | None) -> None:
        """Progress, or (None) a word that the runner is busy with it."""
        self._tx.set_progress(attempt.id, progress, at=self._now)
        if not self._memory.is_watched:
            return
        notice = Notice("progress", job=job.id, attempt=attempt.id, runner=attempt.runner)
        self._tx.after_commit(lambda: self._memory.notify(notice))

    def surrounded(self, attempt: Attempt, surroundings: Surroundings) -> None:
        """What is, or was, around the attempt's process."""
        self._tx.set_surroundings(attempt.id, surroundings)

    def in_phase(self, job: Job, attempt: Attempt, phase: str) -> None:
        """The runner's own word for where the attempt is."""
        if attempt.phase != phase:
            changed = attempt._replace(phase=phase)
            self._changes.append(Change(job, job, attempt, changed))

    def ended(self, job: Job, attempt: Attempt, outcome: Outcome) -> None:
        """The newest attempt of a job ended."""
        if outcome == PLAIN_SUCCESS:  # what follows is the same for all, so it is written at once
            transitions.check_finish(job, attempt)
            self._successes.append((job, attempt))
            return
        is_success = outcome.kind == "success"
        retry = NO_RETRY if is_success else self._tx.details(job.id).retry
        jitter = 0.0 if is_success else self._memory.jitter()
        decide = transitions.lose if outcome.kind == "lost" else transitions.finish
        step = decide(job, attempt, outcome, retry=retry, now=self._now, jitter=jitter)
        self._add(job, attempt, step)
        if outcome.kind == "lost" and step.job.state == "failed" and retry.restarts > 0:
            self._lost_for_good.append(step.job)

    def abandoned(
        self,
        job: Job,
        attempt: Attempt,
        outcome: Outcome,
        *,
        reason: str,
        wanted: Job | None = None,
    ) -> Job:
        """We give up on an attempt that may go on running.

        ``wanted`` is the job with what somebody wants of it now, where that changes too.
        """
        retry = self._tx.details(job.id).retry
        jitter = self._memory.jitter()
        step = transitions.abandon(
            wanted or job, attempt, outcome, retry=retry, now=self._now, jitter=jitter
        )
        self._changes.append(Change(job, step.job, attempt, step.attempt, step.outcome))
        self._note(step)
        self._tx.append(
            "abandoned",
            at=self._now,
            job=job.id,
            attempt=attempt.id,
            runner=attempt.runner,
            actor=self._actor,
            reason=reason or outcome.message,
            data=msgspec.json.encode({"state": step.job.state}),
        )
        return step.job

    def heard_of_abandoned(self, job: Job, attempt: Attempt, outcome: Outcome) -> None:
        """A given-up attempt ended after all: its slot is free, the job is not touched."""
        closed = transitions.close_abandoned(attempt, outcome, now=self._now)
        self._changes.append(Change(job, job, attempt, closed))
        self._plain.setdefault(("attempt_ended", attempt.runner), []).append((job.id, attempt.id))

    def late(self, job: Job, attempt: Attempt, kind: str, detail: str) -> None:
        """Something reached us for an attempt that no longer counts."""
        note_late_write(self._tx, job, attempt, kind, detail, self._now)

    def write(self) -> None:
        """Hand everything to the transaction."""
        if self._changes:
            save(self._tx, self._memory, self._changes)
        if self._successes:  # after what was said of the same attempts before their end
            save_successes(self._tx, self._memory, self._successes, self._now)
            runner = self._successes[0][1].runner
            members = [(job.id, attempt.id) for job, attempt in self._successes]
            self._plain.setdefault(("completed", runner), []).extend(members)
            for cls in {job.cls for job, _ in self._successes}:
                self._freed.add(self._tx.job_class(cls).queue)
        for (kind, runner), members in self._plain.items():
            self._append(kind, runner, members)
        if self._pending:
            announce_pending(self._tx, self._memory, self._pending)
        for job in self._lost_for_good:
            details = self._tx.details(job.id)
            make_successor(self._tx, self._memory, COORDINATOR, job, details, self._now)
        if self._freed:
            self._announce_freed()
        settle(self._tx, self._memory, self._ended_jobs(), self._now)

    def _ended_jobs(self) -> Iterator[Job]:
        """Jobs that this call changed, as they are now; pieces of ranges may be among them."""
        for change in self._changes:
            yield change.job
        for job, _ in self._successes:
            yield job._replace(state="completed")

    def _add(self, job: Job, attempt: Attempt, step: Step) -> tuple[Job, Attempt]:
        assert step.attempt is not None
        outcome = step.outcome and _worth_keeping(step.outcome)
        self._changes.append(Change(job, step.job, attempt, step.attempt, outcome))
        self._note(step)
        if step.outcome is None or not (step.outcome.message or step.job.run_at):
            pair = (job.id, attempt.id)
            self._plain.setdefault((step.kind, attempt.runner), []).append(pair)
        else:
            self._tell_end(step, attempt, step.outcome)
        return step.job, step.attempt

    def _tell_end(self, step: Step, attempt: Attempt, outcome: Outcome) -> None:
        data: dict[str, object] = {"outcome": outcome.kind}
        if step.job.run_at:
            data["run_at"] = step.job.run_at
        self._tx.append(
            step.kind,
            at=self._now,
            job=step.job.id,
            attempt=attempt.id,
            runner=attempt.runner,
            actor=self._actor,
            reason=outcome.message[:MAX_DETAIL],
            data=msgspec.json.encode(data),
        )

    def _note(self, step: Step) -> None:
        if step.job.state == "pending":
            self._pending.append(step.job.cls)
        if step.outcome is not None:
            self._freed.add(self._tx.job_class(step.job.cls).queue)

    def _announce_freed(self) -> None:
        """A job of a limited queue ended, so another of that queue may start elsewhere."""
        for name in self._freed:
            queue = self._tx.queue(name)
            if queue is None or queue.limit is None:
                continue
            for job_class in self._tx.waiting_classes():
                if job_class.queue == name:
                    announce_pending(self._tx, self._memory, [job_class.id])

    def _append(self, kind: EventKind, runner: int, members: Sequence[tuple[int, int]]) -> None:
        if len(members) == 1:
            job, attempt = members[0]
            self._tx.append(
                kind, at=self._now, job=job, attempt=attempt, runner=runner, actor=self._actor
            )
        else:
            self._tx.append(kind, at=self._now, members=members, runner=runner, actor=self._actor)


def note_late_write(tx: Tx, job: Job, attempt: Attempt, kind: str, detail: str, now: int) -> None:
    """Keep what came too late in the ledger, and tell of it."""
    tx.add_late_write(
        LateWrite(0, now, job.id, attempt.id, attempt.runner, kind, detail[:MAX_DETAIL])
    )
    tx.append(
        "late_write", at=now, job=job.id, attempt=attempt.id, runner=attempt.runner, reason=kind
    )


def why_late(job: Job, attempt: Attempt) -> str:
    """Why words about an attempt are refused, for its runner and for people."""
    if attempt.state == "abandoned":
        return "the attempt was given up"
    if attempt.state == "ended":
        return f"the attempt has ended as {attempt.outcome}"
    if job.attempt != attempt.id:
        return f"attempt {job.attempts} has taken over"
    return "the attempt belongs to another session"


def _worth_keeping(outcome: Outcome) -> Outcome | None:
    """None where the kind says it all."""
    return None if outcome[1:] == PLAIN_SUCCESS[1:] else outcome
