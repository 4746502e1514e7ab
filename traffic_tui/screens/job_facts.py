"""The facts of one job, as lines: what it is, where it is, how far, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.model import ACTIVE_STATES, FINAL_STATES
from traffic_tui.screens.range_facts import piece_facts, range_facts
from traffic_tui.state.attempt_columns import attempt_cell, attempt_mark
from traffic_tui.state.clean_text import cells, clean, crop
from traffic_tui.state.event_columns import event_role, event_words
from traffic_tui.state.folding import fold_to
from traffic_tui.state.formats import (
    age,
    bar,
    count,
    day_and_time,
    duration,
    fraction_done,
    progress_words,
    share,
)
from traffic_tui.state.glyphs import JOB_MARKS, Span
from traffic_tui.state.job_columns import error_words, is_silent, made_by
from traffic_tui.state.usage_words import around, used
from traffic_tui.widgets.facts import Fact, beside, fact_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import (
        AttemptView,
        EventView,
        JobDetailView,
        JobFullView,
        RunnerRef,
    )
    from traffic_tui.state.estimate import UsualRunTimes
    from traffic_tui.state.row_context import RowContext

LABEL_WIDTH = 7
MAX_TRIES = 3
WIDE_FROM = 156
WIDE_LINES = 8
TALL_LINES = 12
"""Lines of facts on a wide screen, and on one that is tall as well."""
TALL_FROM = 40
REASON_LINES = 2
TALL_REASON_LINES = 4
"""Into how many lines a reason may be folded."""
BAR_CELLS = 20
LEAST_CUT = 4
"""In fewer cells nothing of a longer text is worth showing."""
MAX_PARAMS = 4_000
Line = list[Span]


def job_state_span(job: JobFullView, context: RowContext) -> Span:
    """How the job stands, for the crumb: ``▸ running for 12m40``."""
    mark = JOB_MARKS[job.state]
    since = f"{duration(context.now - job.times.since)}{'?' if context.is_stale else ''}"
    ago = f"{since} ago" if job.state in FINAL_STATES else f"for {since}"
    tries = f", try {job.attempts}" if job.attempts > 1 else ""
    return Span(f"{context.glyphs.of(mark)} {mark.word} {ago}{tries}", mark.role)


def job_lines(
    detail: JobDetailView, context: RowContext, run_times: UsualRunTimes, width: int, height: int
) -> list[Line]:
    """Everything above the output, for a screen of this size."""
    is_wide = width >= WIDE_FROM
    column = _wide_columns(width)[0] - 1 if is_wide else width
    facts = job_facts(detail, context, run_times, column, _reason_lines(height))
    if is_wide:
        return _wide_lines(detail, facts, context, width, height)
    paired = _paired(facts[0], facts[1], width)
    single = [fact_line(fact, LABEL_WIDTH, width) for fact in facts[2:]]
    tries = min(MAX_TRIES, max(1, height - 18))
    newest = detail.attempts[:tries]
    return [*paired, *single, *attempt_lines(newest, context, width, _no_try(detail.job))]


def _reason_lines(height: int) -> int:
    return TALL_REASON_LINES if height >= TALL_FROM else REASON_LINES


def _paired(first: Fact, second: Fact, width: int) -> list[Line]:
    """Two short facts on one line."""
    left = width * 2 // 5
    return [fact_line(first, LABEL_WIDTH, left) + fact_line(second, LABEL_WIDTH, width - left)]


def job_facts(
    detail: JobDetailView,
    context: RowContext,
    run_times: UsualRunTimes,
    width: int,
    reason_lines: int = REASON_LINES,
) -> list[Fact]:
    """One fact a line, what matters most first: where there is no room, the last are left out."""
    job = detail.job
    facts = [
        Fact("queue", (Span(f"{clean(job.queue)}, priority {job.priority}"),)),
        Fact("sent", (Span(_sent(detail, context)),)),
        *range_facts(job, context, width - LABEL_WIDTH - 3),
        *piece_facts(job, context),
    ]  # fmt: skip
    if job.coverage is None:
        facts += [
            Fact("runner", tuple(_runner_spans(detail, context))),
            Fact("done", tuple(_done_spans(job, context, run_times))),
        ]
    room = width - LABEL_WIDTH - 2
    for span in _why(detail, context):
        facts += _folded("why", span, room, reason_lines, context.glyphs.ellipsis)
    if job.has_result:
        facts.append(Fact("result", (Span(crop(_json(job.result), 300)),)))
    limits = _limits(job)
    if limits:
        facts.append(Fact("limits", (Span(limits),)))
    return facts + _process_facts(detail, room - 1)


def _sent(detail: JobDetailView, context: RowContext) -> str:
    """When, and by whom."""
    when = day_and_time(detail.job.times.created, context.zone, now=context.now)
    return f"{when} by {made_by(detail.job)}"


def _folded(label: str, span: Span, width: int, most: int, ellipsis: str) -> list[Fact]:
    """A fact that takes more than one line where it is long."""
    rows = fold_to(span.text, width, most, ellipsis)
    return [Fact("" if at else label, (Span(row, span.role),)) for at, row in enumerate(rows)]


def _runner_spans(detail: JobDetailView, context: RowContext) -> list[Span]:
    job = detail.job
    newest = detail.attempts[0] if detail.attempts else None
    if job.runner is None:
        if newest is not None and newest.runner is not None:
            return [Span(f"none now, {_on(newest.runner, newest.protocol)} before", "muted")]
        wanted = " ".join(f"{key}={value}" for key, value in job.requires.items())
        return [Span(clean(f"none yet{', wants ' + wanted if wanted else ''}"), "muted")]
    spans = [Span(_on(job.runner, newest.protocol if newest is not None else ""))]
    if job.state not in ACTIVE_STATES:
        return spans
    if job.lease:
        left = "" if job.lease_seconds is None else f", {age(round(job.lease_seconds * 1000))} left"
        spans.append(Span(f"   lease {job.lease}{left}", "plain" if job.lease == "ok" else "warn"))
    if job.quiet_since:
        is_late = is_silent(job, context)
        mark = "!" if is_late else "?" if context.is_stale else ""
        quiet = f"   quiet {age(context.now - job.quiet_since)}{mark}"
        spans.append(Span(quiet, "bad" if is_late else "plain"))
    return spans


def _on(runner: RunnerRef, protocol: str) -> str:
    """A runner, and what it speaks where that is known."""
    return f"{clean(runner.name)} ({clean(protocol)})" if protocol else clean(runner.name)


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
    before, after = detail.lineage.resubmitted_from, detail.lineage.resubmitted_as
    if before is not None:
        spans.append(Span(f"resubmitted from {before.number}"))
    if after:
        numbers = ", ".join(str(one.number) for one in after[:5])
        spans.append(Span(f"resubmitted as {numbers}"))
    waited = _waited(detail)
    return spans or ([Span(waited, "muted")] if waited else [])


def _waited(detail: JobDetailView) -> str:
    """How long its newest try was waited for: not while it was put off, or another one ran."""
    job, started = detail.job, detail.job.times.started
    if job.coverage is not None:
        return "e says what it waits for" if job.state in ACTIVE_STATES else ""
    if job.state == "pending":
        return "e says runner by runner why it waits"
    if not started:
        return ""
    queued = [one.at for one in detail.events if one.kind == "queued" and one.at <= started]
    since = max(queued, default=job.times.created)
    return f"waited {duration(max(0, started - since))}"


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
    number, how, (ran, exit_code, output) = _try_cells(attempt, context)
    when = day_and_time(attempt.started_at or attempt.offered_at, context.zone, now=context.now)
    note = attempt_cell(attempt, "note", context, 60)
    figures = f" {when[-8:]:>8} {ran:>6} {exit_code:>5} {output:>8}  "
    return [Span(f" {number}"), how, Span(figures), Span(note.text, note.role)]


def _try_cells(attempt: AttemptView, context: RowContext) -> tuple[str, Span, tuple[str, str, str]]:
    """Which try on which runner, how it stands, and its figures: time, exit, output."""
    runner, ran, exit_code, output = (
        attempt_cell(attempt, key, context, 12).text for key in ("runner", "ran", "exit", "output")
    )
    mark = attempt_mark(attempt)
    how = Span(_fixed(f"{context.glyphs.of(mark)} {mark.word}", 13), mark.role)
    return f"{attempt.number:>3} {_fixed(runner, 12)} ", how, (ran, exit_code, output)


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
    actor = clean(event.actor)
    runner = clean(event.runner.name) if event.runner is not None else ""
    by = f" by {actor}" if actor and actor != "coordinator" else ""
    where = f" on {runner}" if runner and runner != actor else ""
    reason = f": {clean(event.reason, 100)}" if event.reason else ""
    words = Span(event_words(event), event_role(event))
    return [Span(f"{when} ", "muted"), words, Span(f"{by}{where}{reason}")]


def _wide_lines(
    detail: JobDetailView, facts: Sequence[Fact], context: RowContext, width: int, height: int
) -> list[Line]:
    """Three columns: facts, tries and parameters, events."""
    widths = _wide_columns(width)
    most = TALL_LINES if height >= TALL_FROM else WIDE_LINES
    left = [fact_line(fact, LABEL_WIDTH, widths[0] - 1) for fact in facts[:most]]
    tries = _narrow_tries(detail, context)
    lines = max(len(left), WIDE_LINES)
    room = max(1, lines - len(tries) - 1)
    params = params_lines(detail.job, widths[1] - 1, room)
    middle = [*tries, [Span("PARAMS", "title")], *params][:most]
    events = [event_line(event, context) for event in detail.events[: lines - 2]]
    right: list[Line] = [[Span("EVENTS", "title")], *events]
    if len(detail.events) > len(events):
        right.append([Span(f"E opens all {len(detail.events)}", "muted")])
    blocks = [
        [_cut(line, width - 1, context.glyphs.ellipsis) for line in block]
        for block, width in zip((left, middle, right), widths, strict=True)
    ]
    return beside(blocks, widths, context.glyphs.edge)


def _wide_columns(width: int) -> tuple[int, int, int]:
    """Facts and tries take what their lines need, events the rest: they are sentences."""
    first, second = min(62, width * 2 // 5), min(64, max(54, width // 3))
    return first, second, width - first - second - 4


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


def _narrow_tries(detail: JobDetailView, context: RowContext) -> list[Line]:
    """Without when they began, which the events tell; what is to be said of one stands below."""
    if not detail.attempts:
        return [[Span(_no_try(detail.job), "muted")]]
    told = "" if detail.job.error is None else clean(detail.job.error.message, 400)
    lines: list[Line] = [[Span("TRY RUNNER       ENDED AS         RAN  EXIT   OUTPUT", "title")]]
    for one in detail.attempts[:MAX_TRIES]:
        lines.append(_narrow_try(one, context))
        note = attempt_cell(one, "note", context, 60)
        if note.text and note.text != told:
            lines.append([Span("    "), Span(note.text, note.role)])
    return lines


def _narrow_try(attempt: AttemptView, context: RowContext) -> Line:
    number, how, (ran, exit_code, output) = _try_cells(attempt, context)
    return [Span(number), how, Span(f" {ran:>6} {exit_code:>5} {output:>8}")]
