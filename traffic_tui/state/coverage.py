"""How far a job over a cursor range is: a bar of its pieces, and the same in figures.

Every state has a sign of its own, so that the bar is read without colour too.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from server.ranges import Range, Segment, SegmentState, slice_states
from traffic_tui.state.formats import count, day_and_time, duration, share
from traffic_tui.state.glyphs import Role, Span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.wire.operator import CoverageView
    from traffic_tui.state.formats import Zone
    from traffic_tui.state.glyphs import GlyphSet

UNITS_PER_MS: Final = 1_000
"""The cursor counts microseconds."""
_FIRST_DATE: Final = 10**14
_LAST_DATE: Final = 5 * 10**15
"""Between these (1973 and 2128) a cursor is shown as a time, too."""
_GAP: Final = "  "
_SIGNS: Final[Mapping[SegmentState, tuple[str, str, Role]]] = {
    "covered": ("█", "#", "good"),
    "running": ("▸", ">", "active"),
    "waiting": ("·", ".", "waiting"),
    "missing": ("✗", "X", "bad"),
    "elsewhere": ("─", "-", "muted"),
    "too_old": (" ", " ", "muted"),
}


class Figure(NamedTuple):
    """One state of the legend: what lies in it, in words."""

    state: SegmentState
    words: str


def coverage_bar(coverage: CoverageView, width: int, glyphs: GlyphSet) -> list[Span]:
    """The range from its beginning to its end in ``width`` cells.

    A cell shows the most urgent state of what lies in it: the bar never looks better than it is.
    """
    ordered = [Segment(Range(one.from_, one.to), one.state) for one in coverage.segments]
    if not ordered or width <= 0:
        return []
    whole = Range(ordered[0].range.low, ordered[-1].range.high)
    return _joined(_cells(whole, ordered, width), glyphs)


def _cells(whole: Range, ordered: Sequence[Segment], width: int) -> list[SegmentState | None]:
    """A state a cell. A range of fewer units than cells has several cells a unit."""
    if whole.units < width:
        states = slice_states(
            [Range(unit, unit) for unit in range(whole.low, whole.high + 1)], ordered
        )
        return [states[cell * whole.units // width] for cell in range(width)]
    edges = [whole.low + whole.units * cell // width for cell in range(width + 1)]
    slices = [Range(low, high - 1) for low, high in itertools.pairwise(edges)]
    return slice_states(slices, ordered)


def _joined(states: Sequence[SegmentState | None], glyphs: GlyphSet) -> list[Span]:
    spans: list[Span] = []
    for state in states:
        sign, role = sign_of(state, glyphs) if state else (" ", "plain")
        if spans and spans[-1].role == role:
            spans[-1] = Span(spans[-1].text + sign, role)
        else:
            spans.append(Span(sign, role))
    return spans


def sign_of(state: SegmentState, glyphs: GlyphSet) -> tuple[str, Role]:
    """How a state is drawn on this terminal."""
    drawn, plain, role = _SIGNS[state]
    return (plain if glyphs.is_ascii else drawn), role


def figures(coverage: CoverageView) -> list[Figure]:
    """What there is of each state, in the order of the work."""
    done = f"{share(coverage.covered, coverage.total)} covered"
    found = [Figure("covered", done)]
    if coverage.running:
        found.append(Figure("running", f"{coverage.running_pieces} running"))
    if coverage.waiting:
        found.append(Figure("waiting", _waiting_words(coverage)))
    if coverage.missing:
        spent = f" ({coverage.spent_pieces} spent)" if coverage.spent_pieces else ""
        found.append(Figure("missing", f"{length(coverage.missing)} missing{spent}"))
    if coverage.elsewhere:
        found.append(Figure("elsewhere", f"{length(coverage.elsewhere)} by other jobs"))
    if coverage.too_old:
        found.append(Figure("too_old", f"{length(coverage.too_old)} too old"))
    return found


def _waiting_words(coverage: CoverageView) -> str:
    if not coverage.pieces_to_cut:
        return f"{coverage.waiting_pieces} waiting"
    return f"{coverage.waiting_pieces} waiting, {count(coverage.pieces_to_cut)} to cut"


def legend(coverage: CoverageView, width: int, glyphs: GlyphSet) -> list[list[Span]]:
    """The figures, each behind the sign it has in the bar, in lines of at most ``width`` cells."""
    lines: list[list[Span]] = []
    room = 0
    for figure in figures(coverage):
        sign, role = sign_of(figure.state, glyphs)
        spans = [
            Span(f"{sign.strip() or '_'} ", role),
            Span(figure.words, "bad" if figure.state == "missing" else "plain"),
        ]
        needed = sum(len(span.text) for span in spans)
        if lines and needed + len(_GAP) <= room:
            lines[-1] += [Span(_GAP), *spans]
            room -= needed + len(_GAP)
        else:
            lines.append(spans)
            room = width - needed
    return lines


def length(units: int) -> str:
    """How much of the cursor that is, as time: ``1h00``, ``250ms``, ``7us``."""
    if units < UNITS_PER_MS:
        return f"{units}us"
    if units < 1_000 * UNITS_PER_MS:
        return f"{units / UNITS_PER_MS:g}ms"
    return duration(units // UNITS_PER_MS)


def ends_words(ends: tuple[int, int], zone: Zone = "utc") -> str:
    """A range in words, and as times where its cursor looks like one."""
    low, high = ends
    words = f"{low} to {high} ({length(high - low + 1)})"
    if not (_FIRST_DATE <= low and high <= _LAST_DATE):
        return words
    times = [day_and_time(cursor // UNITS_PER_MS, zone) for cursor in (low, high)]
    return f"{' to '.join(times)} ({length(high - low + 1)})"
