"""The Jobs list: its columns, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from server.model import ACTIVE_STATES
from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, Cell, Column
from traffic_tui.state.formats import (
    age,
    bar,
    day_and_time,
    fraction_done,
    marked_age,
    progress_words,
    share,
)
from traffic_tui.state.glyphs import JOB_MARKS, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from server.wire.operator import ErrorView, JobView
    from traffic_tui.state.row_context import RowContext

    JobCell: TypeAlias = Callable[[JobView, RowContext, int], Cell]

JOB_COLUMNS: tuple[Column, ...] = (
    Column("state", "   STATE", 0, 12, 12, order="state"),
    Column("number", "JOB", 0, 6, 9, is_right=True, order="number"),
    Column("type", "TYPE", 0, 12, 24, grows=True, order="type"),
    Column("queue", "QUEUE", 4, 7, 8, order="queue", wide_width=8),
    Column("priority", "PRI", 7, 3, 8, is_right=True, order="priority"),
    Column("runner", "RUNNER", 2, 9, 16, order="runner", wide_width=10),
    Column("try", "TRY", 6, 5, 5),
    Column("progress", "PROGRESS", 3, 10, 16, order="progress", wide_width=16),
    Column("for", "FOR", 1, 5, 5, is_right=True, ages=True, order="for"),
    Column("quiet", "QUIET", 3, 5, 5, is_right=True, ages=True, order="quiet"),
    Column("owner", "BY", 8, 10, 24, order="owner"),
    Column("note", "NOTE", 5, 30, UNBOUNDED, grows=True),
)


def job_cell(job: JobView, key: str, context: RowContext, width: int) -> Cell:
    """What stands in the column ``key`` of a job's row."""
    return _CELLS[key](job, context, width)


def job_row_role(job: JobView) -> Role:
    """Finished rows are muted, so that trouble stands out."""
    return "muted" if JOB_MARKS[job.state].role == "muted" else "plain"


def job_note(job: JobView, context: RowContext) -> str:
    """One line on the job: what was found out about it, else what its record says."""
    known = context.notes.get(job.number)
    if known:
        return clean(known, 400)
    if job.error is not None and job.state in ("pending", "failed", "expired", "stopped"):
        return error_words(job.error)
    if job.state == "scheduled":
        why = f": {clean(job.error.message, 300)}" if job.error is not None else ""
        when = "again" if job.attempts else "due"
        return f"{when} at {day_and_time(job.times.due, context.zone, now=context.now)}{why}"
    if job.state == "stopping":
        return "moving elsewhere" if job.wanted == "move" else "asked to stop"
    if job.progress is not None and job.progress.text:
        return clean(job.progress.text, 400)
    return clean(job.phase)


def error_words(error: ErrorView, limit: int = 400) -> str:
    """How it failed: its type, where it has one that says something, and what was told."""
    kind = clean(error.type or error.kind)
    return clean(error.message if kind == "error" else f"{kind}: {error.message}", limit)


def try_number(job: JobView) -> int:
    """Which try it is at: lost and moved attempts are none, so they do not count here."""
    return job.tries + (job.state in ACTIVE_STATES)


def made_by(job: JobView) -> str:
    """Who sent it; a schedule says more than the name of whoever set it up."""
    return clean(f"schedule {job.schedule}" if job.schedule else job.owner)


def is_silent(job: JobView, context: RowContext) -> bool:
    """Whether a running job has said nothing for longer than is usual for it."""
    if job.state != "in_progress" or not job.quiet_since:
        return False
    limit = context.quiet_limit(job)
    return limit is not None and context.now - job.quiet_since > limit


def _state(job: JobView, context: RowContext, width: int) -> Cell:
    mark = JOB_MARKS[job.state]
    is_late = False
    if job.state == "pending":
        limit = context.late_limit(job.queue)
        is_late = limit is not None and context.now - job.times.since > limit
    role: Role = "warn" if is_late else mark.role
    glyph_role: Role = "warn" if is_late else mark.glyph_role
    return Cell(f" {context.glyphs.of(mark)} {mark.word}", role, 3, glyph_role)


def _number(job: JobView, context: RowContext, width: int) -> Cell:
    return Cell(str(job.number))


def _type(job: JobView, context: RowContext, width: int) -> Cell:
    return Cell(clean(job.type))


def _queue(job: JobView, context: RowContext, width: int) -> Cell:
    return Cell(clean(job.queue))


def _priority(job: JobView, context: RowContext, width: int) -> Cell:
    return Cell(str(job.priority))


def _runner(job: JobView, context: RowContext, width: int) -> Cell:
    return Cell(clean(job.runner.name)) if job.runner is not None else EMPTY


def _try(job: JobView, context: RowContext, width: int) -> Cell:
    return Cell(f"{try_number(job)}/{job.max_attempts}") if job.attempts else EMPTY


def _progress(job: JobView, context: RowContext, width: int) -> Cell:
    if job.state not in ACTIVE_STATES:
        return EMPTY
    done = fraction_done(job.progress)
    if done is None:
        return Cell(progress_words(job.progress))
    drawn = bar(done, width - 4, context.glyphs)
    return Cell(f"{drawn}{share(done, 1):>4}", "plain", len(drawn), "active")


def _for(job: JobView, context: RowContext, width: int) -> Cell:
    if not job.times.since:
        return EMPTY
    passed = context.now - job.times.since
    return Cell(marked_age(passed, "?") if context.is_stale else age(passed))


def _quiet(job: JobView, context: RowContext, width: int) -> Cell:
    if job.state not in ("in_progress", "stopping") or not job.quiet_since:
        return EMPTY
    passed = context.now - job.quiet_since
    if context.is_stale:
        return Cell(marked_age(passed, "?"))
    return Cell(marked_age(passed, "!"), "bad") if is_silent(job, context) else Cell(age(passed))


def _owner(job: JobView, context: RowContext, width: int) -> Cell:
    return Cell(made_by(job))


def _note(job: JobView, context: RowContext, width: int) -> Cell:
    is_reason = job.state in ("failed", "expired")
    return Cell(job_note(job, context), "bad" if is_reason else "plain")


_CELLS: Mapping[str, JobCell] = {
    "state": _state,
    "number": _number,
    "type": _type,
    "queue": _queue,
    "priority": _priority,
    "runner": _runner,
    "try": _try,
    "progress": _progress,
    "for": _for,
    "quiet": _quiet,
    "owner": _owner,
    "note": _note,
}


def job_wants(jobs: Iterable[JobView]) -> Mapping[str, int]:
    """Widths that the contents of these rows want; numbers are never cropped."""
    wants: dict[str, int] = {}
    for job in jobs:
        name = job.runner.name if job.runner is not None else ""
        texts = (
            ("number", str(job.number)),
            ("priority", str(job.priority)),
            ("type", job.type),
            ("runner", name),
            ("owner", made_by(job)),
        )
        for key, text in texts:
            wants[key] = max(wants.get(key, 0), len(text))
    return wants
