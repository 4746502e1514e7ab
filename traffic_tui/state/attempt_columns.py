"""The tries of one job: columns, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, Cell, Column
from traffic_tui.state.formats import day_and_time, duration, size
from traffic_tui.state.glyphs import JOB_MARKS, Mark, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.wire.operator import AttemptView
    from traffic_tui.state.row_context import RowContext

    AttemptCell: TypeAlias = Callable[[AttemptView, RowContext, int], Cell]

ATTEMPT_COLUMNS: tuple[Column, ...] = (
    Column("number", " TRY", 0, 4, 6, is_right=True),
    Column("runner", "RUNNER", 0, 9, 14),
    Column("ended", "ENDED AS", 0, 11, 16),
    Column("started", "STARTED", 3, 8, 19),
    Column("ran", "RAN", 1, 7, 7, is_right=True, ages=True),
    Column("exit", "EXIT", 2, 5, 5, is_right=True),
    Column("output", "OUTPUT", 2, 8, 8, is_right=True),
    Column("note", "", 4, 20, UNBOUNDED, grows=True),
)

_OFFERED = Mark("offered", "◔", "o", "waiting", "waiting")
_ABANDONED = Mark("abandoned", "□", "~", "warn", "warn")
_LOST = Mark("lost", "✗", "X", "bad", "bad")


def attempt_mark(attempt: AttemptView) -> Mark:
    """The glyph and word for how a try stands or how it ended."""
    if attempt.state == "offered":
        return _OFFERED
    if attempt.state == "running":
        return JOB_MARKS["in_progress"]
    if attempt.state == "ending":
        return JOB_MARKS["stopping"]
    if attempt.state == "abandoned":
        return _ABANDONED
    return _ended_mark(attempt)


def _ended_mark(attempt: AttemptView) -> Mark:
    if attempt.outcome == "success":
        return JOB_MARKS["completed"]
    if attempt.outcome in ("cancelled", "refused"):
        return JOB_MARKS["stopped"]._replace(word=attempt.outcome)
    if attempt.outcome == "lost":
        code = attempt.error.code if attempt.error is not None else ""
        return _LOST._replace(word=clean(code.removeprefix("runner_")) or "lost")
    word = "failed" if attempt.outcome in (None, "error") else attempt.outcome
    return JOB_MARKS["failed"]._replace(word=word)


def attempt_cell(attempt: AttemptView, key: str, context: RowContext, width: int) -> Cell:
    """What stands in the column ``key`` of a try's row."""
    return _CELLS[key](attempt, context, width)


def attempt_row_role(attempt: AttemptView) -> Role:
    return "plain"


def exit_words(attempt: AttemptView) -> str:
    """Exit code or signal; ``-`` where it ended without one."""
    if attempt.exit_code is not None:
        return str(attempt.exit_code)
    if attempt.signal is not None:
        return f"sig{attempt.signal}"
    return "-" if attempt.state == "ended" else ""


def _number(attempt: AttemptView, context: RowContext, width: int) -> Cell:
    return Cell(str(attempt.number))


def _runner(attempt: AttemptView, context: RowContext, width: int) -> Cell:
    return Cell(clean(attempt.runner.name)) if attempt.runner is not None else EMPTY


def _ended(attempt: AttemptView, context: RowContext, width: int) -> Cell:
    mark = attempt_mark(attempt)
    return Cell(f"{context.glyphs.of(mark)} {mark.word}", mark.role, 2, mark.glyph_role)


def _started(attempt: AttemptView, context: RowContext, width: int) -> Cell:
    at = attempt.started_at or attempt.offered_at
    return Cell(day_and_time(at, context.zone, now=context.now if width < 19 else 0)[-width:])


def _ran(attempt: AttemptView, context: RowContext, width: int) -> Cell:
    if not attempt.started_at:
        return EMPTY
    return Cell(duration((attempt.ended_at or context.now) - attempt.started_at))


def _exit(attempt: AttemptView, context: RowContext, width: int) -> Cell:
    is_bad = attempt.exit_code not in (None, 0) or attempt.signal is not None
    return Cell(exit_words(attempt), "bad" if is_bad else "plain")


def _output(attempt: AttemptView, context: RowContext, width: int) -> Cell:
    total = sum(stream.size for stream in attempt.output)
    return Cell(size(total)) if total else EMPTY


def _note(attempt: AttemptView, context: RowContext, width: int) -> Cell:
    if attempt.late_writes:
        plural = "" if attempt.late_writes == 1 else "s"
        return Cell(f"{attempt.late_writes} late write{plural} refused", "warn")
    return Cell(clean(attempt.error.message, 400)) if attempt.error is not None else EMPTY


_CELLS: Mapping[str, AttemptCell] = {
    "number": _number,
    "runner": _runner,
    "ended": _ended,
    "started": _started,
    "ran": _ran,
    "exit": _exit,
    "output": _output,
    "note": _note,
}
