"""Why a job is where it is, as lines: what holds it back, where it runs, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.model import ACTIVE_STATES, FINAL_STATES
from traffic_tui.screens.wording import state_words, verdict_words
from traffic_tui.state.clean_text import clean
from traffic_tui.state.formats import day_and_time, duration
from traffic_tui.state.job_columns import error_words, try_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import EventView, ExplainView, JobDetailView, JobFullView
    from traffic_tui.state.row_context import RowContext

LONGEST_NAME = 24
LONGEST_ERROR = 2_000
_ASKS = ("stop_requested", "kill_requested", "abandoned")
"""Events of somebody who wanted a job to end."""


def explanation(explained: ExplainView, detail: JobDetailView, context: RowContext) -> list[str]:
    """What explains the job's state. What runners think of it matters only while it waits."""
    job = detail.job
    if job.coverage is not None:
        return _of_range(explained)
    if job.state in FINAL_STATES:
        return _ending(detail, context)
    if job.state in ACTIVE_STATES:
        return _running(job, context)
    return _waiting(explained, job, context)


def _of_range(explained: ExplainView) -> list[str]:
    """What is done of a range and what it waits for, a line each."""
    return [*clean(explained.summary, 2_000).split("; "), *_advice(explained)]


def _waiting(explained: ExplainView, job: JobFullView, context: RowContext) -> list[str]:
    lines = [clean(explained.summary)]
    if job.state == "scheduled":
        lines.append(f"due at {_at(job.times.due, context)}")
    if job.times.deadline:
        deadline = _at(job.times.deadline, context)
        lines.append(f"expires at {deadline}, unless it has started by then")
    return lines if job.state == "scheduled" else [*lines, *_advice(explained)]


def _advice(explained: ExplainView) -> list[str]:
    """What would start it, and what each runner thinks of it."""
    lines: list[str] = []
    if explained.suggestion:
        lines += ["", f"to start it: {clean(explained.suggestion)}"]
    if explained.reasons:
        lines.append("")
    width = max((len(reason.runner.name) for reason in explained.reasons), default=0)
    width = min(width, LONGEST_NAME)
    lines += [
        f"{clean(reason.runner.name):<{width}}  {verdict_words(reason)}"
        for reason in sorted(explained.reasons, key=lambda reason: reason.verdict != "eligible")
    ]
    return lines


def _running(job: JobFullView, context: RowContext) -> list[str]:
    number = f"{try_number(job)} of {job.max_attempts}"
    lines = [state_words(job, context.now), "", f"try        {number}"]
    if job.times.started:
        lines.append(f"began      {_since(job.times.started, context)}")
    if job.quiet_since:
        lines.append(f"last word  {_since(job.quiet_since, context)}")
    lines.append(f"lease      {lease_words(job)}")
    if job.times.started and job.timeout_seconds:
        end = job.times.started + round(job.timeout_seconds * 1000)
        lines.append(f"must end   by {_at(end, context)}")
    wanted = {"stop": "somebody asked it to stop", "move": "it is to move elsewhere"}
    if job.wanted in wanted:
        lines.append(f"wanted     {wanted[job.wanted]}")
    return lines


def lease_words(job: JobFullView) -> str:
    """How sure the coordinator is that the job is still being worked on."""
    if not job.lease:
        return "none is live"
    states = {"ok": "good", "suspect": "in doubt: its runner is silent", "lost": "run out"}
    words = states.get(job.lease, clean(job.lease))
    if job.lease_seconds is None or job.lease == "lost":
        return words
    return f"{words}, for {duration(round(job.lease_seconds * 1000))} more"


def _ending(detail: JobDetailView, context: RowContext) -> list[str]:
    job = detail.job
    lines = [f"{state_words(job, context.now)}, at {_at(job.times.since, context)}"]
    if job.error is not None:
        lines += ["", error_words(job.error, LONGEST_ERROR)]
    if job.state == "stopped":
        lines += _who_stopped(detail.events)
    if job.tries:
        lines += ["", f"{job.tries} of {job.max_attempts} tries were made"]
    last = detail.attempts[0] if detail.attempts else None
    if last is not None and last.runner is not None:
        ran = last.ended_at - last.started_at if last.ended_at and last.started_at else 0
        took = f", for {duration(ran)}" if ran > 0 else ""
        lines.append(f"the last on {clean(last.runner.name)}{took}")
    return lines


def _who_stopped(events: Sequence[EventView]) -> list[str]:
    """Who asked for it, and why; of a job that nobody held, who ended it."""
    by_people = [event for event in events if event.actor]
    asked = [event for event in by_people if event.kind in _ASKS]
    ended = [event for event in by_people if event.kind == "stopped"]
    if not (found := [*asked, *ended]):
        return []
    reason = f': "{clean(found[0].reason, 200)}"' if found[0].reason else ""
    return [f"by {clean(found[0].actor, 40)}{reason}"]


def _since(moment: int, context: RowContext) -> str:
    return f"{_at(moment, context)}, {duration(context.now - moment)} ago"


def _at(moment: int, context: RowContext) -> str:
    return day_and_time(moment, context.zone, now=context.now)
