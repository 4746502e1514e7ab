"""Jobs in words: the columns of a list and the sheet of one job. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from traffic_tui.cli.range_facts import range_facts
from traffic_tui.cli.tables import Column, Fact, Look, span
from traffic_tui.state.formats import (
    age,
    clean,
    count,
    day_and_time,
    duration,
    fraction_done,
    progress_words,
    share,
    size,
)
from traffic_tui.state.glyphs import JOB_MARKS, Role, Span
from traffic_tui.state.job_columns import made_by, try_number
from traffic_tui.state.usage_words import around, used

if TYPE_CHECKING:
    from server.wire.operator import (
        AttemptView,
        ErrorView,
        ExplainView,
        JobDetailView,
        JobFullView,
        JobView,
        ProgressView,
        RunnerRef,
        SubmittedView,
        VerdictView,
    )

MAX_JSON_TEXT = 500
"""Longest parameters or result shown to people, in characters."""


def job_name(job: JobView | SubmittedView) -> str:
    """What ``-o name`` prints: the number, which every command takes."""
    return str(job.number)


def progress_text(progress: ProgressView | None) -> str:
    """Percent where it is known, else what the runner says."""
    fraction = fraction_done(progress)
    if fraction is None:
        return progress_words(progress)
    return share(fraction, 1)


def runner_name(runner: RunnerRef | None) -> str:
    return runner.name if runner is not None else ""


def error_text(error: ErrorView | None) -> str:
    """An error in one line, with its kind where that says more than that it is one."""
    if error is None:
        return ""
    if error.kind == "error" and error.message:
        return error.message
    return f"{error.kind}: {error.message}" if error.message else error.kind


def requirements(requires: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(requires.items()))


def _for(job: JobView, look: Look) -> Span:
    """Time in its state; of a job that is over, how long ago that was."""
    return span(age(look.now_ms - job.times.since) if job.times.since else "")


def _tries(job: JobView) -> str:
    return f"{try_number(job)}/{job.max_attempts}" if job.attempts else ""


JOB_COLUMNS: tuple[Column[JobView], ...] = (
    Column("JOB", lambda job, _: span(job.number), is_right=True),
    Column("STATE", lambda job, look: look.mark(JOB_MARKS[job.state])),
    Column("TYPE", lambda job, _: span(job.type), is_flexible=True),
    Column("QUEUE", lambda job, _: span(job.queue), is_flexible=True),
    Column("RUNNER", lambda job, _: span(runner_name(job.runner)), is_flexible=True),
    Column("PROGRESS", lambda job, _: span(progress_text(job.progress)), is_flexible=True),
    Column("FOR", _for, is_right=True),
    Column("TRY", lambda job, _: span(_tries(job)), is_wide=True),
    Column("PRI", lambda job, _: span(job.priority), is_wide=True, is_right=True),
    Column("BY", lambda job, _: span(made_by(job)), is_wide=True),
    Column("NEEDS", lambda job, _: span(requirements(job.requires)), is_wide=True),
    Column("ID", lambda job, _: span(job.id), is_wide=True),
    Column("ERROR", lambda job, _: span(error_text(job.error), "bad" if job.error else "plain"),
           is_flexible=True),
)  # fmt: skip

SUBMITTED_COLUMNS: tuple[Column[SubmittedView], ...] = (
    Column("JOB", lambda job, _: span(job.number), is_right=True),
    Column("STATE", lambda job, look: look.mark(JOB_MARKS[job.state])),
    Column("ID", lambda job, _: span(job.id)),
    Column("", lambda job, _: span("was there already" if job.cached else " ", "muted")),
)


def job_facts(detail: JobDetailView, look: Look) -> list[Fact]:
    """Everything worth knowing about one job, a line each; what is empty is left out."""
    job = detail.job
    facts = [
        Fact("job", span(f"{job.number}  {job.id}")),
        Fact("type", span(job.type)),
        Fact("state", look.mark(JOB_MARKS[job.state])),
        Fact("for", _for(job, look)),
        Fact("queue", span(f"{job.queue}, priority {job.priority}")),
        *range_facts(job, look),
        *_place_facts(job, look),
        *_limit_facts(job),
        *_carried_facts(job),
        *_process_facts(detail),
        *_outcome_facts(job),
        *_lineage_facts(detail),
        *(Fact(f"try {each.number}", _attempt_span(each, look)) for each in detail.attempts),
    ]
    return [fact for fact in facts if fact.value.text != "-"]


def _place_facts(job: JobFullView, look: Look) -> list[Fact]:
    needs = requirements(job.requires)
    lease = f"{job.lease}, {job.lease_seconds:.0f}s left" if job.lease_seconds else job.lease
    return [
        Fact("sent", span(f"{day_and_time(job.times.created, 'local', now=look.now_ms)} "
                          f"by {made_by(job) or 'nobody known'} over {job.origin}")),
        Fact("due", span(day_and_time(job.times.due, "local", now=look.now_ms)
                         if job.state == "scheduled" else "")),
        Fact("needs", span(needs)),
        Fact("runner", span(runner_name(job.runner))),
        Fact("lease", span(lease)),
        Fact("phase", span(job.phase)),
        Fact("done", span("" if job.coverage else _progress_fact(job.progress))),
        Fact("quiet", span(age(look.now_ms - job.quiet_since) if job.quiet_since else "")),
    ]  # fmt: skip


def _progress_fact(progress: ProgressView | None) -> str:
    if progress is None or progress.current is None or not progress.total:
        return progress_words(progress)
    amount = f"{count(round(progress.current))} of {count(round(progress.total))}"
    return f"{progress_text(progress)}  {amount}  {clean(progress.text)}".rstrip()


def _limit_facts(job: JobFullView) -> list[Fact]:
    limits = [
        f"{duration(round(job.timeout_seconds * 1000))} a try" if job.timeout_seconds else "",
        f"{job.max_attempts} tries" if job.max_attempts > 1 else "",
    ]
    return [Fact("limits", span(", ".join(part for part in limits if part)))]


def _carried_facts(job: JobFullView) -> list[Fact]:
    trace = (job.trace_context or {}).get("traceparent", "")
    carried = " ".join(f"{key}={value}" for key, value in (job.correlation or {}).items())
    return [
        Fact("trace", span(trace)),
        Fact("carries", span(carried)),
    ]


def _process_facts(detail: JobDetailView) -> list[Fact]:
    """Of jobs that run as a process: what is around it, and what it used."""
    walls = around(detail.attempts)
    return [
        Fact("isolation", span(walls.words, walls.role) if walls else span("")),
        Fact("used", span(used(detail.attempts))),
    ]


def _outcome_facts(job: JobFullView) -> list[Fact]:
    return [
        Fact("params", span(json_text(job.params))),
        Fact("result", span(json_text(job.result) if job.has_result else "")),
        Fact("error", span(error_text(job.error), "bad")),
        Fact("details", span(_error_details(job.error))),
    ]


def _error_details(error: ErrorView | None) -> str:
    """What a runner said of an error beside its text: type, code, details."""
    if error is None:
        return ""
    parts = [
        f"type {error.type}" if error.type else "",
        f"code {error.code}" if error.code else "",
        "" if error.details is None else json_text(error.details),
    ]
    return ", ".join(part for part in parts if part)


def json_text(value: object) -> str:
    """JSON in one line, cut where it is long."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_JSON_TEXT else text[:MAX_JSON_TEXT] + "…"


def _lineage_facts(detail: JobDetailView) -> list[Fact]:
    source = detail.lineage.resubmitted_from
    copies = ", ".join(str(copy.number) for copy in detail.lineage.resubmitted_as)
    return [
        Fact("schedule", span(detail.lineage.schedule)),
        Fact("made from", span(source.number if source else "")),
        Fact("made into", span(copies)),
    ]


def _attempt_span(attempt: AttemptView, look: Look) -> Span:
    """One attempt in a line: where, how it ended, how long it ran, what it wrote."""
    ended_as = attempt.outcome or attempt.state
    ended = attempt.ended_at or look.now_ms
    ran = duration(ended - attempt.started_at) if attempt.started_at else ""
    parts = [
        runner_name(attempt.runner),
        ended_as,
        ran,
        f"exit {attempt.exit_code}" if attempt.exit_code is not None else "",
        f"signal {attempt.signal}" if attempt.signal is not None else "",
        size(sum(stream.size for stream in attempt.output)) if attempt.output else "",
        f"{attempt.late_writes} late writes refused" if attempt.late_writes else "",
    ]
    role: Role = "bad" if attempt.outcome not in (None, "success", "cancelled") else "plain"
    return span("  ".join(part for part in parts if part), role)


def _verdict(verdict: VerdictView, look: Look) -> Span:
    return span(verdict.verdict, "good" if verdict.verdict == "eligible" else "warn")


VERDICT_COLUMNS: tuple[Column[VerdictView], ...] = (
    Column("RUNNER", lambda verdict, _: span(verdict.runner.name)),
    Column("VERDICT", _verdict),
    Column("WHY", lambda verdict, _: span(verdict.detail), is_flexible=True),
)


def explain_facts(explained: ExplainView, look: Look) -> list[Fact]:
    """Why a job is where it is, and what would start it."""
    return [
        Fact("state", look.mark(JOB_MARKS[explained.state])),
        Fact("why", span(explained.summary)),
        Fact("do", span(explained.suggestion)),
    ]


def changed_words(job: JobView) -> str:
    """A job after something was done to it, in one line."""
    runner = f" on {name}" if (name := runner_name(job.runner)) else ""
    where = f"queue {job.queue}, priority {job.priority}"
    return f"job {job.number} {JOB_MARKS[job.state].word}{runner}  {where}  {job.type}"


def final_words(job: JobFullView) -> str:
    """How a job ended, in one line."""
    words = f"job {job.number} {JOB_MARKS[job.state].word}"
    if job.times.started and job.times.ended:
        words += f" in {duration(job.times.ended - job.times.started)}"
    if job.error is not None and job.state != "completed":
        return f"{words}: {clean(error_text(job.error))}"
    return f"{words}: {clean(json_text(job.result))}" if job.has_result else words
