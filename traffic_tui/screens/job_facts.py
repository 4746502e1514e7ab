"""The facts of one job, as lines: what it is, where it is, how far, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.model import ACTIVE_STATES
from traffic_tui.screens.range_facts import piece_facts, range_facts
from traffic_tui.state.attempt_columns import attempt_cell, attempt_mark, exit_words
from traffic_tui.state.clean_text import cells, clean, crop
from traffic_tui.state.event_columns import event_role, event_words
from traffic_tui.state.formats import (
    age,
    bar,
    count,
    day_and_time,
    duration,
    fraction_done,
    progress_words,
    share,
    size,
)
from traffic_tui.state.glyphs import JOB_MARKS, Span
from traffic_tui.state.job_columns import error_words, is_silent
from traffic_tui.state.usage_words import around, used
from traffic_tui.widgets.facts import Fact, beside, fact_line, fit_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import AttemptView, EventView, JobDetailView, JobFullView
    from traffic_tui.state.estimate import UsualRunTimes
    from traffic_tui.state.row_context import RowContext

LABEL_WIDTH = 7
MAX_TRIES = 3
WIDE_FROM = 156
WIDE_LINES = 8
LEGEND_LINES = 4
"""What the legend of a range takes, with which its error would find no room."""
BAR_CELLS = 20
LEAST_CUT = 4
"""In fewer cells nothing of a longer text is worth showing."""
MAX_PARAMS = 4_000
Line = list[Span]


def job_state_span(job: JobFullView, context: RowContext) -> Span:
    """How the job stands, for the crumb: ``▸ running for 12m40``."""
    mark = JOB_MARKS[job.state]
    since = duration(context.now - job.times.since)
    ago = f"{since} ago" if job.times.ended else f"for {since}"
    tries = f", try {job.attempts}" if job.attempts > 1 else ""
    return Span(f"{context.glyphs.of(mark)} {mark.word} {ago}{tries}", mark.role)


def job_lines(
    detail: JobDetailView, context: RowContext, run_times: UsualRunTimes, width: int, height: int
) -> list[Line]:
    """Everything above the output, for a screen of this size."""
    is_wide = width >= WIDE_FROM
    column = _first_column(width) if is_wide else width
    facts = job_facts(detail, context, run_times, column)
    if is_wide:
        return _wide_lines(detail, facts, context, width)
    paired = _paired([fact_line(fact, LABEL_WIDTH, width // 2) for fact in facts[:2]])
    single = [fact_line(fact, LABEL_WIDTH, width) for fact in facts[2:]]
    tries = min(MAX_TRIES, max(1, height - 18))
    newest = detail.attempts[:tries]
    return [*paired, *single, *attempt_lines(newest, context, width, _no_try(detail.job))]


def _paired(lines: Sequence[Line]) -> list[Line]:
    return [[span for line in lines for span in line]]


def job_facts(
    detail: JobDetailView, context: RowContext, run_times: UsualRunTimes, width: int
) -> list[Fact]:
    """One fact a line, the two that matter most to place the job first."""
    job = detail.job
    facts = [
        Fact("queue", (Span(f"{clean(job.queue)}, priority {job.priority}"),)),
        Fact("sent", (Span(f"{day_and_time(job.times.created, context.zone, now=context.now)}"
                           f" by {clean(job.owner)}"),)),
        *range_facts(job, context, width - LABEL_WIDTH - 3),
        *piece_facts(job, context),
    ]  # fmt: skip
    if job.coverage is None:
        facts += [
            Fact("runner", tuple(_runner_spans(detail, context))),
            Fact("done", tuple(_done_spans(job, context, run_times))),
        ]
    limits = _limits(job)
    if limits:
        facts.append(Fact("limits", (Span(limits),)))
    facts += _process_facts(detail, width - LABEL_WIDTH - 3)
    facts += [Fact("why", (span,)) for span in _why(detail, context)]
    if job.has_result:
        facts.append(Fact("result", (Span(crop(_json(job.result), 300)),)))
    return facts


def _runner_spans(detail: JobDetailView, context: RowContext) -> list[Span]:
    job = detail.job
    if job.runner is None:
        wanted = " ".join(f"{key}={value}" for key, value in job.requires.items())
        return [Span(clean(f"none yet{', wants ' + wanted if wanted else ''}"), "muted")]
    protocol = detail.attempts[0].protocol if detail.attempts else ""
    spans = [Span(f"{clean(job.runner.name)} {f'({clean(protocol)})' if protocol else ''}")]
    if job.state not in ACTIVE_STATES:
        return spans
    if job.lease:
        left = "" if job.lease_seconds is None else f", {age(round(job.lease_seconds * 1000))} left"
        spans.append(Span(f"   lease {job.lease}{left}", "plain" if job.lease == "ok" else "warn"))
    if job.quiet_since:
        is_late = is_silent(job, context)
        mark = "!" if is_late else ""
        quiet = f"   quiet {age(context.now - job.quiet_since)}{mark}"
        spans.append(Span(quiet, "bad" if is_late else "plain"))
    return spans


def _done_spans(job: JobFullView, context: RowContext, run_times: UsualRunTimes) -> list[Span]:
    progress, fraction = job.progress, fraction_done(job.progress)
    if progress is None:
        return [Span("-", "muted")]
    if fraction is None:
        return [Span(progress_words(progress))]
    assert progress.current is not None
    assert progress.total is not None
    left = run_times.left(job, context.now)
    text = f"  {clean(progress.text, 200)}" if progress.text else ""
    return [
        Span(bar(fraction, BAR_CELLS, context.glyphs), "active"),
        Span(f" {share(fraction, 1):>4}  {count(round(progress.current))} of "
             f"{count(round(progress.total))}{f'   left {left}' if left else ''}{text}"),
    ]  # fmt: skip


def _process_facts(detail: JobDetailView, width: int) -> list[Fact]:
    """Of a job that runs as a process: what is around it, and what it used."""
    walls, spent = around(detail.attempts), used(detail.attempts)
    facts: list[Fact] = []
    if walls is not None:
        first, _, limits = walls.words.partition("; ")
        if not limits or cells(walls.words) <= width:
            facts.append(Fact("around", (Span(walls.words, walls.role),)))
        else:
            facts.append(Fact("around", (Span(first, walls.role),)))
            facts.append(Fact("held", (Span(limits),)))
    if spent:
        facts.append(Fact("used", (Span(spent),)))
    return facts


def _limits(job: JobFullView) -> str:
    parts: list[str] = []
    if job.timeout_seconds:
        parts.append(f"{age(round(job.timeout_seconds * 1000))} a try")
    if job.coverage is not None:
        tries = "1 try" if job.max_attempts == 1 else f"{job.max_attempts} tries"
        parts.append(f"{tries} a piece")
    elif job.max_attempts > 1:
        parts.append(f"{job.tries} of {job.max_attempts} tries used")
    return ", ".join(parts)


def _why(detail: JobDetailView, context: RowContext) -> list[Span]:
    """What explains the job's state: its error, when it goes on, where it came from."""
    job = detail.job
    spans: list[Span] = []
    if job.error is not None and job.state != "completed":
        is_over = job.state in ("failed", "expired")
        spans.append(Span(error_words(job.error), "bad" if is_over else "warn"))
    if job.state == "scheduled":
        due = day_and_time(job.times.due, context.zone, now=context.now)
        spans.append(Span(f"due at {due}, in {duration(job.times.due - context.now)}"))
    if job.wanted == "move":
        spans.append(Span("is being moved elsewhere", "warn"))
    if detail.lineage.schedule:
        spans.append(Span(f"made by schedule {clean(detail.lineage.schedule)}"))
    before, after = detail.lineage.resubmitted_from, detail.lineage.resubmitted_as
    if before is not None:
        spans.append(Span(f"resubmitted from {before.number}"))
    if after:
        numbers = ", ".join(str(one.number) for one in after[:5])
        spans.append(Span(f"resubmitted as {numbers}"))
    return spans or [Span(_waited(job), "muted")]


def _waited(job: JobFullView) -> str:
    if job.coverage is not None:
        return "e says what it waits for" if job.state in ACTIVE_STATES else ""
    if job.times.started and job.times.created:
        return f"waited {duration(max(0, job.times.started - job.times.created))}"
    return "e says runner by runner why it waits" if job.state == "pending" else ""


# attempts, parameters, events ------------------------------------------------------------------

_TRY_WIDTHS = (4, 13, 13, 9, 6, 5, 9)


def attempt_lines(
    attempts: Sequence[AttemptView], context: RowContext, width: int, no_try: str
) -> list[Line]:
    """A heading and one line a try, newest first; ``no_try`` where there is none."""
    if not attempts:
        return [[Span(f" {no_try}", "muted")]]
    heading = " TRY RUNNER       ENDED AS       STARTED    RAN  EXIT  OUTPUT"
    return [[Span(heading, "title")], *(_attempt_line(one, context) for one in attempts)]


def _no_try(job: JobFullView) -> str:
    if job.coverage is not None:
        return "its pieces are jobs of their own: p lists them"
    return "no try was made yet"


def _attempt_line(attempt: AttemptView, context: RowContext) -> Line:
    mark = attempt_mark(attempt)
    name = clean(attempt.runner.name) if attempt.runner is not None else ""
    started = attempt.started_at or attempt.offered_at
    ran = duration((attempt.ended_at or context.now) - started) if attempt.started_at else ""
    total = sum(stream.size for stream in attempt.output)
    when = day_and_time(started, context.zone, now=context.now)[-8:]
    note = attempt_cell(attempt, "note", context, 60)
    return [
        Span(f"{attempt.number:>4} {_fixed(name, 12)} "),
        Span(_fixed(f"{context.glyphs.of(mark)} {mark.word}", 13), mark.role),
        Span(f" {when:>8} {ran:>6} {exit_words(attempt):>5} {size(total) if total else '':>8}  "),
        Span(note.text, note.role),
    ]


def _fixed(text: str, width: int) -> str:
    text = crop(text, width)
    return text + " " * (width - cells(text))


def params_lines(job: JobFullView, width: int, height: int) -> list[Line]:
    """The parameters, cut to a few lines."""
    text = clean(_json(job.params), MAX_PARAMS)
    rows = [text[start : start + width] for start in range(0, len(text), max(1, width))]
    return [[Span(row)] for row in rows[:height]]


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError):
        return "(cannot be shown)"


def event_line(event: EventView, context: RowContext) -> Line:
    """One event of the job, in a narrow column."""
    when = day_and_time(event.at, context.zone, now=context.now)[-8:]
    who = clean(event.runner.name) if event.runner is not None else clean(event.actor)
    by = f" by {who}" if who and who != "coordinator" else ""
    reason = f" {clean(event.reason, 100)}" if event.reason else ""
    words = event_words(event)
    return [Span(f"{when} ", "muted"), Span(words, event_role(event)), Span(f"{by}{reason}")]


def _wide_lines(
    detail: JobDetailView, facts: Sequence[Fact], context: RowContext, width: int
) -> list[Line]:
    """Three columns: facts, tries and parameters, events."""
    first = _first_column(width)
    second = min(70, width * 2 // 5)
    third = width - first - second - 6
    most = WIDE_LINES if detail.job.coverage is None else WIDE_LINES + LEGEND_LINES
    left = [fit_spans(fact_line(fact, LABEL_WIDTH, first), first) for fact in facts[:most]]
    tries = _narrow_tries(detail.attempts, context, _no_try(detail.job))
    room = WIDE_LINES - len(tries) - 1
    params = [[Span("PARAMS", "title")], *params_lines(detail.job, second, max(1, room))]
    middle = [*tries, *(params if room > 0 else [])]
    events = [event_line(event, context) for event in detail.events[: WIDE_LINES - 2]]
    right: list[Line] = [[Span("EVENTS", "title")], *events]
    if len(detail.events) > len(events):
        right.append([Span(f"E opens all {len(detail.events)}", "muted")])
    widths = (first, second, third)
    blocks = [
        [_cut(line, width, context.glyphs.ellipsis) for line in block]
        for block, width in zip((left, middle[:WIDE_LINES], right), widths, strict=True)
    ]
    return beside(blocks, widths, context.glyphs.edge)


def _first_column(width: int) -> int:
    return min(62, width * 2 // 5)


def _cut(line: Line, width: int, ellipsis: str) -> Line:
    """A line that fits its column, what was cut off marked as this terminal can draw it."""
    kept: Line = []
    for text, role in line:
        if width < LEAST_CUT < cells(text):
            break
        shown = crop(text, width, ellipsis)
        kept.append(Span(shown, role))
        width -= cells(shown)
        if width <= 0:
            break
    return kept


def _narrow_tries(attempts: Sequence[AttemptView], context: RowContext, no_try: str) -> list[Line]:
    if not attempts:
        return [[Span(no_try, "muted")]]
    heading = [Span("TRY RUNNER       ENDED AS       STARTED    RAN  EXIT  OUTPUT", "title")]
    lines = [_attempt_line(one, context) for one in attempts[:MAX_TRIES]]
    return [heading, *([Span(line[0].text[1:]), *line[1:]] for line in lines)]
