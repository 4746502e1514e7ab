"""How far a job over a cursor range is: a bar of its pieces, and the same in figures.

Every state has a sign of its own, so that the bar is read without colour too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from server.ranges import SEGMENT_STATES, Range, Segment, SegmentState, overlap
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
Look: TypeAlias = Literal[SegmentState, "gaps"]
"""How a cell is drawn: as the state of what lies in it, or as done but for a part of it."""

_SIGNS: Final[Mapping[Look, tuple[str, str, Role]]] = {
    "covered": ("█", "#", "good"),
    "running": ("▸", ">", "active"),
    "waiting": ("·", ".", "waiting"),
    "missing": ("✗", "X", "bad"),
    "gaps": ("▚", "%", "bad"),
    "elsewhere": ("─", "-", "muted"),
    "too_old": (" ", " ", "muted"),
}


class Figure(NamedTuple):
    """One state of the legend: what lies in it, in words."""

    looks: tuple[Look, ...]
    words: str


def coverage_bar(coverage: CoverageView, width: int, glyphs: GlyphSet) -> list[Span]:
    """The range from its beginning to its end in ``width`` cells.

    What is missing shows however little it is, then what runs, then what waits: a cell looks done
    only where all of it is.
    """
    ordered = [Segment(Range(one.from_, one.to), one.state) for one in coverage.segments]
    if not ordered or width <= 0:
        return []
    whole = Range(ordered[0].range.low, ordered[-1].range.high)
    return _joined([_look(units) for units in _cells(whole, ordered, width)], glyphs)


def _cells(whole: Range, ordered: Sequence[Segment], width: int) -> list[dict[SegmentState, int]]:
    """Units by state for each cell. A range of fewer units than cells has several cells a unit."""
    cells: list[dict[SegmentState, int]] = []
    place = 0
    for cell in range(width):
        low = whole.low + whole.units * cell // width
        high = max(low, whole.low + whole.units * (cell + 1) // width - 1)
        while ordered[place].range.high < low:
            place += 1
        units: dict[SegmentState, int] = {}
        for one in ordered[place:]:
            common = overlap(one.range, Range(low, high))
            if common is None:
                break
            units[one.state] = units.get(one.state, 0) + common.units
        cells.append(units)
    return cells


def _look(units: Mapping[SegmentState, int]) -> Look:
    missing = units.get("missing", 0)
    if missing:
        return "missing" if 2 * missing >= sum(units.values()) else "gaps"
    return next(state for state in SEGMENT_STATES if state in units)


def _joined(looks: Sequence[Look], glyphs: GlyphSet) -> list[Span]:
    spans: list[Span] = []
    for look in looks:
        sign, role = sign_of(look, glyphs)
        if spans and spans[-1].role == role:
            spans[-1] = Span(spans[-1].text + sign, role)
        else:
            spans.append(Span(sign, role))
    return spans


def sign_of(look: Look, glyphs: GlyphSet) -> tuple[str, Role]:
    """How a cell is drawn on this terminal."""
    drawn, plain, role = _SIGNS[look]
    return (plain if glyphs.is_ascii else drawn), role


def figures(coverage: CoverageView) -> list[Figure]:
    """What there is of each state, in the order of the work."""
    amount = f"{length(coverage.covered)} of {length(coverage.total)}"
    done = f"{share(coverage.covered, coverage.total)} covered, {amount}"
    found = [Figure(("covered",), done)]
    if coverage.running:
        found.append(Figure(("running",), f"{count(coverage.running_pieces)} running"))
    if coverage.waiting:
        found.append(Figure(("waiting",), _waiting_words(coverage)))
    if coverage.missing:
        spent = f" ({coverage.spent_pieces} spent)" if coverage.spent_pieces else ""
        found.append(Figure(("missing", "gaps"), f"{length(coverage.missing)} missing{spent}"))
    if coverage.elsewhere:
        found.append(Figure(("elsewhere",), f"{length(coverage.elsewhere)} by other jobs"))
    if coverage.too_old:
        found.append(Figure(("too_old",), f"{length(coverage.too_old)} too old"))
    return found


def _waiting_words(coverage: CoverageView) -> str:
    waiting = f"{count(coverage.waiting_pieces)} waiting"
    if not coverage.pieces_to_cut:
        return waiting
    return f"{waiting}, {count(coverage.pieces_to_cut)} to cut"


def legend(coverage: CoverageView, width: int, glyphs: GlyphSet) -> list[list[Span]]:
    """The figures, each behind the sign it has in the bar, in lines of at most ``width`` cells."""
    lines: list[list[Span]] = []
    room = 0
    for figure in figures(coverage):
        role = sign_of(figure.looks[0], glyphs)[1]
        signs = "".join(sign_of(look, glyphs)[0] for look in figure.looks).strip()
        spans = [
            Span(f"{signs} " if signs else "", role),
            Span(figure.words, role if role == "bad" else "plain"),
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
    if 0 < units < UNITS_PER_MS:
        return f"{units}us"
    if 0 < units < 1_000 * UNITS_PER_MS:
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
