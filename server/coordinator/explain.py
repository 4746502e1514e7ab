"""Why a job is not running, runner by runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.coordinator.acts import known_job
from server.coordinator.claim import line_of
from server.coordinator.named import is_withheld
from server.coordinator.range_explain import pieces_by_state, range_summary
from server.coordinator.ranges import is_parent
from server.coordinator.results import Explanation
from server.model import ACTIVE_STATES
from server.placement import Verdict, suggestion, verdict

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.model import Attempt, Job, JobClass, Runner
    from server.placement import Line
    from server.store.base import Tx

_COULD: Final = ("eligible", "schedule")
"""Verdicts on runners that would take the job, now or once it is due."""


def explain(tx: Tx, memory: Memory, job_id: int, now: int) -> Explanation:
    """A verdict for every known runner, and the smallest change that would start the job."""
    job = known_job(tx, job_id)
    job_class = tx.job_class(job.cls)
    if is_parent(tx, job):
        return _explain_range(tx, memory, job, now)
    verdicts, line = _verdicts(tx, memory, job, job_class, now)
    advice = suggestion(verdicts, line.queue) if job.state == "pending" else ""
    if _could_hang(tx, memory, job):
        advice = (
            "should it hang, stop it: nobody else will, as its runner says nothing before the end"
            " and it has no timeout. Submit such jobs with one"
        )
    return Explanation(job.state, _summary(tx, memory, job, verdicts), verdicts, advice)


def _could_hang(tx: Tx, memory: Memory, job: Job) -> bool:
    """Whether nothing but a person would ever end the job's attempt, should it not end itself."""
    if job.state != "in_progress":
        return False
    attempt = tx.attempts([job.attempt])[job.attempt][1]
    runner = memory.runners.get(attempt.runner)
    if runner is None or attempt.deadline:
        return False
    return memory.traits_of(runner.protocol).alive_by == "deadline"


def _explain_range(tx: Tx, memory: Memory, job: Job, now: int) -> Explanation:
    """What a job over a range waits for is what its next waiting piece waits for."""
    counts, waiting = pieces_by_state(tx, job.id)
    summary = range_summary(tx, job, counts)
    if waiting is None:
        return Explanation(job.state, summary, [], "")
    verdicts, line = _verdicts(tx, memory, waiting, tx.job_class(waiting.cls), now)
    is_stuck = waiting.state == "pending" and not any(counts[state] for state in ACTIVE_STATES)
    advice = suggestion(verdicts, line.queue) if is_stuck else ""
    return Explanation(job.state, summary, verdicts, advice)


def _verdicts(
    tx: Tx, memory: Memory, job: Job, job_class: JobClass, now: int
) -> tuple[list[Verdict], Line]:
    line = line_of(tx, job_class.queue)
    verdicts = [
        _final(tx, memory, job, verdict(job_class, line, memory.candidate(runner)), now)
        for runner in memory.runners.values()
        if not runner.is_forgotten
    ]
    verdicts.sort(key=lambda found: (found.kind not in _COULD, found.runner.name))
    return verdicts, line


def _final(tx: Tx, memory: Memory, job: Job, found: Verdict, now: int) -> Verdict:
    """A verdict on the job's class, as one on this very job."""
    if found.kind != "eligible":
        return found
    if is_withheld(tx, memory, job, found.runner, now):
        return found._replace(
            kind="withheld", detail="it lost this job a moment ago; its old words may still come"
        )
    return found._replace(kind="schedule") if job.state == "scheduled" else found


def _summary(tx: Tx, memory: Memory, job: Job, verdicts: list[Verdict]) -> str:
    if job.state == "scheduled":
        last = tx.outcome(job.attempt) if job.attempt else None
        why = f", after: {last.message}" if last and last.message else ""
        return f"put off until its time comes{why}"
    if job.state == "pending":
        eligible = sum(found.kind == "eligible" for found in verdicts)
        if eligible:
            return f"about to start: {eligible} of {len(verdicts)} runners can take it now"
        return f"none of {len(verdicts)} runners can take it now"
    if job.state in ("claimed", "in_progress", "stopping"):
        return _place(tx, memory, job)
    return f"it has ended: {job.state}"


def _place(tx: Tx, memory: Memory, job: Job) -> str:
    """Where it is, and what keeps it from being begun there."""
    attempt = tx.attempts([job.attempt])[job.attempt][1]
    runner: Runner | None = memory.runners.get(attempt.runner)
    words = f"{job.state} on {runner.name if runner else 'an unknown runner'}"
    held_back = memory.held_back(attempt.runner) if job.state == "claimed" else ""
    silence = _silence(memory, attempt)
    return ": ".join(part for part in (words, held_back or silence) if part)


def _silence(memory: Memory, attempt: Attempt) -> str:
    """How long it is waited for a runner that is late; empty: it is not, or needs not be heard."""
    for book, holder in (
        (memory.attempt_leases, attempt.id),
        (memory.session_leases, attempt.session),
    ):
        left = book.seconds_left(holder)
        if left is not None and book.state(holder) != "ok":
            return f"not heard lately; unless it is heard, the job is lost there in {left:.0f}s"
    return ""
