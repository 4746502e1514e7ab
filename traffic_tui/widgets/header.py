"""The first line of every screen: where this is, how much there is, whether it is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from traffic_tui.state.clean_text import clean, crop
from traffic_tui.state.formats import age, count, sparkline
from traffic_tui.state.glyphs import JOB_MARKS, GlyphSet, Role, Span
from traffic_tui.widgets.status_line import StatusLine, span_cells, two_sided

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.model import JobState

WIDE_FROM = 120
_WAITING: tuple[JobState, ...] = ("scheduled", "pending")
_RUNNING: tuple[JobState, ...] = ("claimed", "in_progress", "stopping")
_FAILED: tuple[JobState, ...] = ("failed", "expired")
_MARKS = (JOB_MARKS["pending"], JOB_MARKS["in_progress"], JOB_MARKS["failed"])
_WELL = ("ok", "quiet", "draining")
"""Runner states that count as being there."""


@dataclass(frozen=True, slots=True)
class HeaderState:
    """All the header says."""

    place: str = "local"
    """Name of the server."""
    place_role: Role = "place"
    counts: Mapping[str, int] | None = None
    """Jobs by state; None: not known yet."""
    runners: Mapping[str, int] | None = None
    """Runners by state."""
    problems: int = 0
    oldest_ms: int = 0
    """Age of the oldest pending job; 0: nothing waits."""
    done_buckets: tuple[int | None, ...] = ()
    done_last_minute: int = 0
    operator: str = ""
    live: Span = Span("")
    """``● live``, ``○ stale 14s``, from :class:`Freshness`."""
    pace: str = ""
    """``1/s`` where the line is slow."""
    is_read_only: bool = False
    short_time: str = ""
    """``03:12Z``"""
    long_time: str = ""
    """``03:12:44Z``"""


class HeaderLine(StatusLine):
    """Draws a :class:`HeaderState`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._state = HeaderState()

    @property
    def state(self) -> HeaderState:
        return self._state

    def show(self, state: HeaderState) -> None:
        self._state = state
        self.update_line()

    def spans(self, width: int) -> Sequence[Span]:
        return header_spans(self._state, width, self.glyphs)


def header_spans(state: HeaderState, width: int, glyphs: GlyphSet) -> list[Span]:
    """The header in ``width`` cells: what matters least gives way first."""
    is_wide = width >= WIDE_FROM
    right = _right(state, is_wide=is_wide)
    place = [Span(f" {crop(clean(state.place), 20)} ", state.place_role)]
    parts = _wide_parts(state, glyphs) if is_wide else _narrow_parts(state, glyphs)
    room = width - span_cells(right) - span_cells(place) - 2
    left = list(place)
    for part in parts:
        room -= span_cells(part)
        if room < 0:
            break
        left += part
    return two_sided(left, right, width)


def _right(state: HeaderState, *, is_wide: bool) -> list[Span]:
    spans: list[Span] = []
    if state.operator and is_wide:
        spans.append(Span(f"{crop(clean(state.operator), 16)}  "))
    if state.is_read_only:
        spans.append(Span("read-only  ", "warn"))
    if state.live.text:
        spans.append(state.live)
    if state.pace:
        spans.append(Span(f" {state.pace}", "warn"))
    clock = state.long_time if is_wide else state.short_time
    return [*spans, Span(f"  {clock} ")] if clock else [*spans, Span(" ")]


def _total(counts: Mapping[str, int], states: tuple[str, ...]) -> int:
    return sum(counts.get(state, 0) for state in states)


def _narrow_parts(state: HeaderState, glyphs: GlyphSet) -> list[list[Span]]:
    if state.counts is None:
        return []
    if not any(state.counts.values()):
        return [[Span(" no jobs")], _runners(state)]
    groups = ((_MARKS[0], _WAITING), (_MARKS[1], _RUNNING), (_MARKS[2], _FAILED))
    parts: list[list[Span]] = []
    for mark, states in groups:
        number = _total(state.counts, states)
        role: Role = mark.role if number else "muted"
        parts.append([Span(f" {glyphs.of(mark)} ", role), Span(f"{count(number)} ")])
    oldest = [Span(f" oldest {age(state.oldest_ms)}")] if state.oldest_ms else []
    return [*parts, _runners(state), oldest]


def _runners(state: HeaderState) -> list[Span]:
    if state.runners is None:
        return []
    total = sum(number for name, number in state.runners.items() if name != "gone")
    if not total:
        return [Span("  no runners")]
    there = _total(state.runners, _WELL)
    role: Role = "warn" if there < total else "plain"
    return [Span(" runners "), Span(f"{count(there)}/{count(total)}", role), Span(" ")]


def _wide_parts(state: HeaderState, glyphs: GlyphSet) -> list[list[Span]]:
    if state.counts is None:
        return []
    counts = state.counts
    numbers: tuple[tuple[str, int, Role], ...] = (
        ("all", sum(counts.values()), "plain"),
        ("waiting", _total(counts, _WAITING), "plain"),
        ("running", _total(counts, _RUNNING), "active"),
        ("failed", counts.get("failed", 0), "bad"),
        ("problems", state.problems, "bad"),
    )
    parts: list[list[Span]] = []
    for key, (word, number, role) in enumerate(numbers, start=1):
        shown = Span(f"{count(number)} ", role) if number else Span("0 ", "muted")
        parts.append([Span(f" {key} ", "muted"), Span(f"{word} "), shown])
    return [*parts, [Span(" ")], _runners(state), _done(state, glyphs)]


def _done(state: HeaderState, glyphs: GlyphSet) -> list[Span]:
    drawn = sparkline(state.done_buckets[-15:], glyphs)
    return [Span(f"  done/min {count(state.done_last_minute)} "), Span(drawn, "active")]
