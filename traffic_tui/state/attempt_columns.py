"""The tries of one job: how each stands, and what its cells say."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, Cell
from traffic_tui.state.formats import duration, size
from traffic_tui.state.glyphs import JOB_MARKS, Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.wire.operator import AttemptView
    from traffic_tui.state.row_context import RowContext

    AttemptCell: TypeAlias = Callable[[AttemptView, RowContext, int], Cell]

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
    """What is said of a try: ``key`` is ``runner``, ``ran``, ``exit``, ``output`` or ``note``."""
    return _CELLS[key](attempt, context, width)


def exit_words(attempt: AttemptView) -> str:
    """Exit code or signal; ``-`` where it ended without one."""
    if attempt.exit_code is not None:
        return str(attempt.exit_code)
    if attempt.signal is not None:
        return f"sig{attempt.signal}"
    return "-" if attempt.state == "ended" else ""


def _runner(attempt: AttemptView, context: RowContext, width: int) -> Cell:
    return Cell(clean(attempt.runner.name)) if attempt.runner is not None else EMPTY


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
    "runner": _runner,
    "ran": _ran,
    "exit": _exit,
    "output": _output,
    "note": _note,
}
