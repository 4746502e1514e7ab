"""The Runners list: its columns, what stands in them, and which runner is the worst."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, WIDE_FROM, Cell, Column
from traffic_tui.state.formats import age, bar, count, marked_age, share, sparkline
from traffic_tui.state.glyphs import RUNNER_MARKS, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.model import RunnerState
    from server.wire.operator import RunnerView
    from traffic_tui.state.row_context import RowContext

    RunnerCell: TypeAlias = Callable[[RunnerView, RowContext, int], Cell]

_STATE = Column("state", "   STATE", 0, 11, 11, order="problem")
_RUNNER = Column("name", "RUNNER", 0, 12, 16, grows=True, order="name")
_SLOTS = Column("slots", "SLOTS", 0, 11, 14, order="busy", wide_width=14)
_BEAT = Column("beat", "BEAT", 1, 5, 5, is_right=True, ages=True, order="beat")
_QUIET = Column("quiet", "QUIET", 0, 5, 5, is_right=True, ages=True, order="quiet")
_DONE = Column("done", "DONE/h", 2, 6, 8, is_right=True, order="done")
_FAIL = Column("fail", "FAIL", 3, 5, 5, is_right=True, order="fail")
_CAN = Column("can", "CAN", 4, 4, 4)
_KIND = Column("kind", "KIND", 5, 9, 12, order="kind")
_LABELS = Column("labels", "LABELS", 6, 20, UNBOUNDED, grows=True)
_ADDRESS = Column("address", "ADDRESS", 7, 15, 21)
_UP = Column("up", "UP", 7, 8, 8, is_right=True, ages=True)
_BUSY = Column("busy", "BUSY, 15 MIN", 7, 15, 15)

_NARROW = (_STATE, _RUNNER, _SLOTS, _BEAT, _QUIET, _DONE, _FAIL, _CAN, _KIND)
_WIDE = (
    _STATE,
    _RUNNER,
    _KIND,
    _ADDRESS,
    _SLOTS,
    _BEAT,
    _QUIET,
    _DONE,
    _FAIL,
    _UP,
    _CAN,
    _LABELS,
    _BUSY,
)


def runner_columns(width: int) -> tuple[Column, ...]:
    """The columns for a list of this width; a wide list says early what kind a runner is."""
    return _WIDE if width >= WIDE_FROM else (*_NARROW, _LABELS, _ADDRESS, _UP, _BUSY)


PROBLEM_ORDER: Mapping[RunnerState, int] = {
    "lost": 0,
    "quiet": 1,
    "faulty": 2,
    "suspect": 3,
    "draining": 4,
    "drained": 5,
    "ok": 6,
    "gone": 7,
}
"""Sorted by problem: the worst first."""


def runner_cell(runner: RunnerView, key: str, context: RowContext, width: int) -> Cell:
    """What stands in the column ``key`` of a runner's row."""
    return _CELLS[key](runner, context, width)


def runner_row_role(runner: RunnerView) -> Role:
    return "muted" if RUNNER_MARKS[runner.state].role == "muted" else "plain"


def _state(runner: RunnerView, context: RowContext, width: int) -> Cell:
    mark = RUNNER_MARKS[runner.state]
    return Cell(f" {context.glyphs.of(mark)} {mark.word}", mark.role, 3, mark.glyph_role)


def _name(runner: RunnerView, context: RowContext, width: int) -> Cell:
    return Cell(clean(runner.name))


def _slots(runner: RunnerView, context: RowContext, width: int) -> Cell:
    if runner.state in ("lost", "suspect", "gone"):
        return Cell(f"{runner.busy} of {runner.capacity}")
    figures = f"{runner.busy}/{runner.capacity}"
    is_wide = width >= _SLOTS.wide_width
    if runner.phase and runner.capacity == 1:  # of one slot a bar tells nothing
        room = max(0, width - len(figures) - 1)
        return Cell(f"{clean(runner.phase)[:room]:<{room}} {figures}")
    room = max(0, min(8 if is_wide else 4, width - len(figures) - 1))
    filled = runner.busy / runner.capacity if runner.capacity > 0 else 0.0
    drawn = bar(filled, room, context.glyphs)
    return Cell(f"{drawn} {figures:>{4 if is_wide else 1}}", "plain", len(drawn), "active")


def _passed(since: int, context: RowContext, *, is_bad: bool, role: Role) -> Cell:
    if not since:
        return Cell("-")
    passed = context.now - since
    if context.is_stale:
        return Cell(marked_age(passed, "?"))
    return Cell(marked_age(passed, "!"), role) if is_bad else Cell(age(passed))


def _beat(runner: RunnerView, context: RowContext, width: int) -> Cell:
    is_late = runner.state in ("lost", "suspect")
    role: Role = "bad" if runner.state == "lost" else "warn"
    return _passed(runner.last_seen_at, context, is_bad=is_late, role=role)


def _quiet(runner: RunnerView, context: RowContext, width: int) -> Cell:
    if not runner.quiet_since or not runner.busy:
        return EMPTY
    return _passed(runner.quiet_since, context, is_bad=runner.state == "quiet", role="bad")


def _done(runner: RunnerView, context: RowContext, width: int) -> Cell:
    return Cell(count(runner.done_last_hour))


def _fail(runner: RunnerView, context: RowContext, width: int) -> Cell:
    ended = runner.done_last_hour + runner.failed_last_hour
    return Cell(share(runner.failed_last_hour, ended))


def _can(runner: RunnerView, context: RowContext, width: int) -> Cell:
    if runner.state in ("lost", "gone"):
        return Cell("-")
    return Cell("".join(letter if letter in runner.can else "." for letter in "solr"))


def _kind(runner: RunnerView, context: RowContext, width: int) -> Cell:
    return Cell(clean(runner.protocol))


def _labels(runner: RunnerView, context: RowContext, width: int) -> Cell:
    pairs = (f"{key}={value}" if value else key for key, value in runner.labels.items())
    return Cell(clean(" ".join(pairs), 400))


def _address(runner: RunnerView, context: RowContext, width: int) -> Cell:
    return Cell(clean(runner.address))


def _up(runner: RunnerView, context: RowContext, width: int) -> Cell:
    if runner.state in ("lost", "gone"):
        return Cell("-")
    return _passed(runner.connected_at, context, is_bad=False, role="plain")


def _busy(runner: RunnerView, context: RowContext, width: int) -> Cell:
    top = float(max(runner.capacity, 1))
    return Cell(sparkline(runner.busy_minutes[-width:], context.glyphs, top=top), "active")


_CELLS: Mapping[str, RunnerCell] = {
    "state": _state,
    "name": _name,
    "slots": _slots,
    "beat": _beat,
    "quiet": _quiet,
    "done": _done,
    "fail": _fail,
    "can": _can,
    "kind": _kind,
    "labels": _labels,
    "address": _address,
    "up": _up,
    "busy": _busy,
}
