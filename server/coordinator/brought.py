"""Work that was brought to a runner: whether it took it, and what it says of it later.

Such runners name themselves by where they call from and the nonce of their boot, and the attempt
by its id. What does not fit together has no effect, and is kept where people can see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from server.coordinator.reports import Report

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.model import Attempt, Job, Outcome
    from server.store.base import Tx

Heard: TypeAlias = Literal["taken", "repeated", "late", "foreign", "unknown"]
"""What became of a runner's words: they count, they were known, they come too late, they are not
about work of who says them, there is no such attempt."""


class Speaker(NamedTuple):
    """Who says something, as far as the wire tells."""

    protocol: str
    address: str
    nonce: str


def accepted(tx: Tx, memory: Memory, attempt_uuid: str, now: int) -> bool:
    """The runner said yes. False: that came too late, somebody else has the job by now."""
    found = tx.attempts_by_uuid([attempt_uuid]).get(attempt_uuid)
    if found is None:
        return False
    job, attempt = found
    report = Report(tx, memory, now, actor=memory.runners[attempt.runner].name)
    is_late = attempt.state == "abandoned" or attempt.outcome == "lost"
    if is_late:
        report.late(job, attempt, "running", "the runner took it too late")
    elif attempt.state == "offered":  # else it reported already, faster than it answered
        report.started(job, attempt)
    report.write()
    return not is_late


def not_taken(tx: Tx, memory: Memory, attempt_uuid: str, outcome: Outcome, now: int) -> bool:
    """The runner said no, or nothing. False: it had reported by then, so it has the job."""
    found = tx.attempts_by_uuid([attempt_uuid]).get(attempt_uuid)
    if found is None:
        return False
    job, attempt = found
    report = Report(tx, memory, now, actor=memory.runners[attempt.runner].name)
    if attempt.state == "offered":
        report.ended(job, attempt, outcome)
    elif attempt.state == "abandoned" and not attempt.started_at:
        report.heard_of_abandoned(job, attempt, outcome)
    else:
        return False
    report.write()
    return True


def hear(
    tx: Tx, memory: Memory, who: Speaker, attempt_uuid: str, outcome: Outcome | None, now: int
) -> Heard:
    """A runner says that an attempt runs (no outcome) or how it ended."""
    found = tx.attempts_by_uuid([attempt_uuid]).get(attempt_uuid)
    if found is None or memory.runners[found[1].runner].protocol != who.protocol:
        return "unknown"
    job, attempt = found
    report = Report(tx, memory, now, actor=memory.runners[attempt.runner].name)
    kind = outcome.kind if outcome else "running"
    if not _is_by(tx, memory, attempt, who):
        report.late(job, attempt, kind, f"from {who.address}, with a nonce not of this attempt")
        return "foreign"
    runner_id = attempt.runner
    tx.after_commit(lambda: memory.hear(runner_id))
    if attempt.state == "ended":
        if _is_no_news(attempt, kind):
            return "repeated"
        report.late(job, attempt, kind, outcome.message if outcome else "")
        return "late"
    _take(report, job, attempt, outcome)
    report.write()
    return "late" if attempt.state == "abandoned" else "taken"


def _take(report: Report, job: Job, attempt: Attempt, outcome: Outcome | None) -> None:
    if attempt.state == "abandoned":
        report.late(job, attempt, outcome.kind if outcome else "running", "")
        if outcome is not None:
            report.heard_of_abandoned(job, attempt, outcome)
    elif outcome is None:
        report.started(job, attempt)
        report.progress(job, attempt, None)
    else:
        report.ended(job, attempt, outcome)


def _is_no_news(attempt: Attempt, kind: str) -> bool:
    """Whether an ended attempt's runner says what is known: how it ended, that it had begun, or
    that it stopped what it never began."""
    if kind == "running":
        return attempt.outcome != "lost"
    return attempt.outcome == kind or (kind == "cancelled" and not attempt.started_at)


def _is_by(tx: Tx, memory: Memory, attempt: Attempt, who: Speaker) -> bool:
    session = tx.session(attempt.session)
    runner = memory.runners[attempt.runner]
    return session is not None and session.nonce == who.nonce and runner.address == who.address
