"""How jobs and attempts change: pure functions of what is, what is asked, and the time.

Each takes a job, mostly with its newest attempt, and gives a :class:`Step`, or raises
:class:`~server.errors.Refused` with the reason. :data:`TABLE` says which state may follow which;
``docs/states.md`` is made from it, and property tests hold the functions to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from server.errors import Refused
from server.model import WAITING_STATES, Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.events import EventKind
    from server.model import Attempt, JobState, Outcome, RetryPolicy

Command: TypeAlias = Literal[
    "claim", "start", "finish", "lose", "stop", "move", "abandon", "fall_due", "expire", "conclude"
]

TABLE: Mapping[Command, Mapping[JobState, tuple[JobState, ...]]] = {
    "claim": {"pending": ("claimed",)},
    "start": {
        "claimed": ("in_progress",),
        "in_progress": ("in_progress",),
        "stopping": ("stopping",),
    },
    "finish": {
        "claimed": ("completed", "failed", "stopped", "scheduled", "pending"),
        "in_progress": ("completed", "failed", "stopped", "scheduled", "pending"),
        "stopping": ("completed", "failed", "stopped", "scheduled", "pending"),
    },
    "lose": {
        "claimed": ("pending", "failed"),
        "in_progress": ("pending", "failed"),
        "stopping": ("stopped", "pending", "failed"),
    },
    "stop": {
        "scheduled": ("stopped",),
        "pending": ("stopped",),
        "claimed": ("stopping",),
        "in_progress": ("stopping",),
        "stopping": ("stopping",),
    },
    "move": {
        "scheduled": ("scheduled",),
        "pending": ("pending",),
        "claimed": ("stopping",),
        "in_progress": ("stopping",),
        "stopping": ("stopping",),
    },
    "abandon": {
        "claimed": ("stopped", "pending", "scheduled", "failed"),
        "in_progress": ("stopped", "pending", "scheduled", "failed"),
        "stopping": ("stopped", "pending", "scheduled", "failed"),
    },
    "fall_due": {"scheduled": ("pending",)},
    "expire": {"scheduled": ("expired",), "pending": ("expired",)},
    "conclude": {
        "in_progress": ("completed", "failed"),
        "stopping": ("completed", "stopped"),
    },
}
"""Command -> state before -> states that may follow. What is not here is refused."""

REFUSAL_PAUSE_MS = 1_000
"""First pause after a runner would not take a job; doubled each time."""
MAX_REFUSAL_PAUSE_MS = 60_000


class Step(NamedTuple):
    """What a command makes of a job and its attempt, and the event to tell of it."""

    job: Job
    attempt: Attempt | None
    kind: EventKind
    outcome: Outcome | None = None
    """How the attempt ended, as it is to be kept."""


def _require(job: Job, command: Command, attempt: Attempt | None = None) -> None:
    """Refuse what the table does not allow, and what any attempt but the job's newest says."""
    if job.state not in TABLE[command]:
        word = _WORDS[command]
        raise Refused(f"job {job.id} is {job.state}: it cannot {word}", code=f"is_{job.state}")
    if attempt is not None and (
        job.attempt != attempt.id or attempt.state == "ended" or attempt.state == "abandoned"
    ):
        raise Refused(f"attempt {attempt.number} of job {job.id} no longer counts", code="stale")


_WORDS: Mapping[Command, str] = {
    "claim": "be claimed",
    "start": "start",
    "finish": "end",
    "lose": "be lost",
    "stop": "be stopped",
    "move": "be moved",
    "abandon": "be given up",
    "fall_due": "fall due",
    "expire": "expire",
    "conclude": "end with its pieces",
}


def claim(job: Job, attempt: Attempt, *, now: int) -> Step:
    """A runner takes a pending job; ``attempt`` is the fresh one made for it."""
    return Step(claimed(job, attempt, now=now), attempt, "claimed")


def claimed(job: Job, attempt: Attempt, *, now: int) -> Job:
    """What :func:`claim` makes of the job."""
    _require(job, "claim")
    return Job(  # each field by its place: half the price of _replace, where it is paid most
        job.id,
        job.uuid,
        job.cls,
        "claimed",
        job.rank,
        now,
        job.created_at,
        0,
        attempt.id,
        attempt.number,
        job.tries,
        job.max_attempts,
        job.losses,
        job.wanted,
        job.deadline,
        job.target,
    )


def start(job: Job, attempt: Attempt, *, now: int) -> Step:
    """The runner confirms that it works on the attempt. Its timeout counts from here."""
    _require(job, "start", attempt)
    if attempt.state == "offered":
        deadline = attempt.deadline and attempt.deadline + now - attempt.offered_at
        attempt = attempt._replace(state="running", started_at=now, deadline=deadline)
    if job.state == "claimed":
        job = job._replace(state="in_progress", since=now)
    return Step(job, attempt, "started")


def finish(
    job: Job, attempt: Attempt, outcome: Outcome, *, retry: RetryPolicy, now: int, jitter: float
) -> Step:
    """The newest attempt ended; its outcome decides the job.

    Args:
        jitter: between -1 and 1, drawn by the caller, so that this stays a function.
    """
    check_finish(job, attempt)
    if outcome.kind == "cancelled" and is_overdue(job, attempt, now):
        outcome = outcome._replace(kind="timeout", message=outcome.message or "ran too long")
    after, kind = _decide(job, attempt, outcome, retry, now, jitter)
    ended = _ended(attempt, outcome, now)
    return Step(_started_in_time(after, ended), ended, kind, outcome)


def check_finish(job: Job, attempt: Attempt) -> None:
    """Raise Refused unless the attempt's end decides its job."""
    _require(job, "finish", attempt)


def lose(
    job: Job, attempt: Attempt, outcome: Outcome, *, retry: RetryPolicy, now: int, jitter: float
) -> Step:
    """The runner is gone, or does not know the attempt: it ends as ``lost``."""
    _require(job, "lose", attempt)
    after, kind = _decide(job, attempt, outcome, retry, now, jitter)
    ended = _ended(attempt, outcome, now)
    return Step(_started_in_time(after, ended), ended, kind, outcome)


def abandon(
    job: Job, attempt: Attempt, outcome: Outcome, *, retry: RetryPolicy, now: int, jitter: float
) -> Step:
    """Give up on an attempt that may still be running; it keeps its slot until it is heard of."""
    _require(job, "abandon", attempt)
    given_up = attempt._replace(
        state="abandoned", stop_at=attempt.stop_at or now, stop_kill=True, outcome=outcome.kind
    )
    after, _ = _decide(job, attempt, outcome, retry, now, jitter)
    return Step(_started_in_time(after, given_up), given_up, "abandoned", outcome)


def stop(
    job: Job, attempt: Attempt | None, *, grace_ms: int, kill: bool, is_timeout: bool, now: int
) -> Step:
    """Somebody wants the job to stop, or (``is_timeout``) its attempt has run too long.

    A waiting job stops at once; a running one is told to. Asking again can only be harder.
    """
    _require(job, "stop")
    wanted = job.wanted if is_timeout else "stop"
    if attempt is None or job.state in ("scheduled", "pending"):
        return Step(
            job._replace(state="stopped", since=now, wanted="stop", run_at=0), None, "stopped"
        )
    told = _told(attempt, grace_ms, kill, now)
    kind: EventKind = "kill_requested" if told.stop_kill else "stop_requested"
    return Step(_stopping(job, now)._replace(wanted=wanted), told, kind)


def move(job: Job, attempt: Attempt | None, *, target: int, grace_ms: int, now: int) -> Step:
    """Somebody wants the job in another class: another queue, or pinned to a runner."""
    _require(job, "move")
    if attempt is None or job.state in ("scheduled", "pending"):
        return Step(job._replace(cls=target), None, "reassigned")
    if job.wanted == "stop":
        raise Refused(f"job {job.id} is being stopped: it cannot be moved", code="is_stopping")
    told = _told(attempt, grace_ms, False, now)
    return Step(_stopping(job, now)._replace(wanted="move", target=target), told, "reassigned")


def kill(job: Job, attempt: Attempt, *, now: int) -> Step:
    """Asking did not help within the grace: the next rung of the ladder."""
    _require(job, "stop", attempt)
    return Step(job, _told(attempt, attempt.stop_grace, True, now), "kill_requested")


def fall_due(job: Job, *, now: int) -> Step:
    """The time of a scheduled job has come."""
    _require(job, "fall_due")
    return Step(job._replace(state="pending", since=now, run_at=0), None, "queued")


def expire(job: Job, *, now: int) -> Step:
    """The deadline passed before anybody started the job."""
    _require(job, "expire")
    return Step(job._replace(state="expired", since=now, run_at=0), None, "expired")


def stop_pieces(job: Job, *, now: int) -> Step:
    """Somebody wants a job to stop that is done in pieces: it ends with the last of them."""
    _require(job, "stop")
    return Step(_stopping(job, now)._replace(wanted="stop"), None, "stop_requested")


def conclude(job: Job, *, is_covered: bool, now: int) -> Step:
    """The last piece of a job that is done in pieces has ended."""
    _require(job, "conclude")
    state: Literal["completed", "failed", "stopped"] = "completed"
    if not is_covered:
        state = "stopped" if job.state == "stopping" else "failed"
    return Step(job._replace(state=state, since=now, run_at=0), None, state)


def close_abandoned(attempt: Attempt, outcome: Outcome, *, now: int) -> Attempt:
    """A given-up attempt is heard of at last: its slot is free, the job is not touched.

    What it was given up with stays its outcome, for that decided the job.
    """
    if attempt.state != "abandoned":
        raise Refused(f"attempt {attempt.number} was not given up", code="stale")
    return _ended(attempt, outcome, now)._replace(outcome=attempt.outcome or outcome.kind)


def backoff_ms(retry: RetryPolicy, tries: int, jitter: float) -> int:
    """Delay before the next try, after ``tries`` of them; ``jitter`` between -1 and 1."""
    exponent = min(max(tries - 1, 0), 64)
    delay = min(retry.base_delay_ms * retry.factor**exponent, float(retry.max_delay_ms))
    varied = delay * (1 + retry.jitter * jitter)
    return max(0, min(round(varied), retry.max_delay_ms))


def is_overdue(job: Job, attempt: Attempt, now: int) -> bool:
    """Whether the attempt is being stopped only because its timeout struck."""
    return job.wanted == "run" and attempt.stop_at > 0 and 0 < attempt.deadline <= now


def _ended(attempt: Attempt, outcome: Outcome, now: int) -> Attempt:
    """A final report also confirms: the runner began some time after the offer."""
    started_at = attempt.started_at
    if not started_at and outcome.kind not in ("lost", "refused"):
        started_at = attempt.offered_at
    return attempt._replace(
        state="ended", started_at=started_at, ended_at=now, outcome=outcome.kind
    )


def _started_in_time(job: Job, attempt: Attempt) -> Job:
    """A deadline is one to start by: a job that had started waits again without one."""
    has_met_it = attempt.started_at and job.state in WAITING_STATES
    return job._replace(deadline=0) if has_met_it else job


def _told(attempt: Attempt, grace_ms: int, kill: bool, now: int) -> Attempt:
    """Asked once, an attempt keeps the time of the first request; the grace can only shrink."""
    if attempt.stop_at:
        passed = now - attempt.stop_at
        grace_ms = min(attempt.stop_grace, passed + grace_ms)
    return attempt._replace(
        state="ending",
        stop_at=attempt.stop_at or now,
        stop_grace=grace_ms,
        stop_kill=kill or attempt.stop_kill or grace_ms == 0,
    )


def _stopping(job: Job, now: int) -> Job:
    return job if job.state == "stopping" else job._replace(state="stopping", since=now)


def _decide(
    job: Job, attempt: Attempt, outcome: Outcome, retry: RetryPolicy, now: int, jitter: float
) -> tuple[Job, EventKind]:
    """What becomes of a job whose attempt, given as it was before, comes to an end."""
    if outcome.kind == "success":
        done = job._replace(state="completed", since=now, tries=job.tries + 1, target=0)
        return done, "completed"
    if job.wanted == "stop":
        return job._replace(state="stopped", since=now, target=0), "stopped"
    if job.wanted == "move":
        moved = job._replace(cls=job.target or job.cls, wanted="run", target=0)
        return moved._replace(state="pending", since=now), "queued"
    if outcome.kind == "refused":
        return _after_refusal(job, outcome, now)
    if outcome.kind in ("lost", "cancelled"):
        return _after_loss(job, attempt, outcome, retry, now)
    return _after_failure(job, outcome, retry, now, jitter)


def _after_refusal(job: Job, outcome: Outcome, now: int) -> tuple[Job, EventKind]:
    if not outcome.is_retryable:
        return job._replace(state="failed", since=now), "failed"
    pause = min(REFUSAL_PAUSE_MS << min(job.attempts - 1, 10), MAX_REFUSAL_PAUSE_MS)
    return _put_off(job, pause, now), "scheduled"


def _after_loss(
    job: Job, attempt: Attempt, outcome: Outcome, retry: RetryPolicy, now: int
) -> tuple[Job, EventKind]:
    """What was never confirmed was not tried, so it costs nothing; neither does bad company.
    What its runner cancelled by itself was confirmed by that."""
    was_confirmed = attempt.state != "offered" or outcome.kind == "cancelled"
    if not was_confirmed or outcome.is_blameless:
        return job._replace(state="pending", since=now), "queued"
    lost = job._replace(losses=job.losses + 1, since=now)
    if lost.losses > retry.max_losses:
        return lost._replace(state="failed"), "failed"
    return lost._replace(state="pending"), "queued"


def _after_failure(
    job: Job, outcome: Outcome, retry: RetryPolicy, now: int, jitter: float
) -> tuple[Job, EventKind]:
    tried = job._replace(tries=job.tries + 1, since=now)
    if tried.tries >= job.max_attempts or not outcome.is_retryable:
        return tried._replace(state="failed"), "failed"
    delay = outcome.retry_after_ms
    if delay is None:
        delay = backoff_ms(retry, tried.tries, jitter)
    return _put_off(tried, delay, now), "scheduled"


def _put_off(job: Job, delay_ms: int, now: int) -> Job:
    if delay_ms <= 0:
        return job._replace(state="pending", since=now, run_at=0)
    return job._replace(state="scheduled", since=now, run_at=now + delay_ms)
