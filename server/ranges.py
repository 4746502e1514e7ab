"""Stretches of a cursor: whole numbers with inclusive ends, cut, taken away, put together. Pure.

A job over a long stretch is done in pieces. What of it is done, in work, waiting or left to
nobody follows from these functions and from nothing else, so that pieces never overlap and none
is forgotten; property tests hold them to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

from server.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_CURSOR: Final = 2**63 - 1
"""Ends lie between minus and plus this, and so does the number of units between them."""

SpanKind: TypeAlias = Literal["covered", "elsewhere", "too_old"]
"""Done by a piece of this job, seen to by another job, or older than is asked for."""
SPAN_KINDS: tuple[SpanKind, ...] = get_args(SpanKind)

SegmentState: TypeAlias = Literal[
    "covered", "running", "waiting", "missing", "elsewhere", "too_old"
]
SEGMENT_STATES: tuple[SegmentState, ...] = (
    "missing",
    "running",
    "waiting",
    "covered",
    "elsewhere",
    "too_old",
)
"""What draws the most attention first: it wins where segments are drawn together."""


class Range(NamedTuple):
    """From ``low`` to ``high``, both of them part of it."""

    low: int
    high: int

    @property
    def units(self) -> int:
        return self.high - self.low + 1

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


class Span(NamedTuple):
    """A stretch that needs no piece (any more), and why."""

    range: Range
    kind: SpanKind


class Segment(NamedTuple):
    """A stretch in one state; segments of a job lie side by side and fill its range."""

    range: Range
    state: SegmentState


class Cut(NamedTuple):
    """What comes of cutting the front of a range."""

    pieces: list[Range]
    too_old: list[Range]
    cut: int
    """The last unit that was looked at; the next cut begins after it."""


def checked(low: int, high: int, *, what: str = "range") -> Range:
    """A range of these ends, or InvalidInput in words; ``what`` says whose ends they are."""
    for end, cursor in (("from", low), ("to", high)):
        if abs(cursor) > MAX_CURSOR:
            raise InvalidInput(
                f"{what}: {end} is {cursor}; cursors lie between -{MAX_CURSOR} and {MAX_CURSOR}"
            )
    if low > high:
        raise InvalidInput(f"{what}: from ({low}) lies after to ({high}); both ends are part of it")
    if high - low >= MAX_CURSOR:
        raise InvalidInput(f"{what}: {low} to {high} is more than {MAX_CURSOR} units")
    return Range(low, high)


def normalised(ranges: Iterable[Range]) -> list[Range]:
    """The same units in order, each once, and nothing apart that adjoins."""
    merged: list[Range] = []
    for one in sorted(ranges):
        if merged and one.low <= merged[-1].high + 1:
            if one.high > merged[-1].high:
                merged[-1] = Range(merged[-1].low, one.high)
        else:
            merged.append(one)
    return merged


def subtract(whole: Range, taken: Iterable[Range]) -> list[Range]:
    """What of ``whole`` lies in none of ``taken``, in order."""
    left: list[Range] = []
    begin = whole.low
    for one in normalised(taken):
        if one.high < begin:
            continue
        if one.low > whole.high:
            break
        if one.low > begin:
            left.append(Range(begin, one.low - 1))
        begin = one.high + 1
    if begin <= whole.high:
        left.append(Range(begin, whole.high))
    return left


def overlap(one: Range, other: Range) -> Range | None:
    """What both have in common."""
    low, high = max(one.low, other.low), min(one.high, other.high)
    return Range(low, high) if low <= high else None


def units_of(ranges: Iterable[Range]) -> int:
    """How many units these disjoint ranges have together."""
    return sum(one.units for one in ranges)


def cut_front(
    uncut: Range, taken: Iterable[Range], *, width: int, room: int, floor: int | None = None
) -> Cut:
    """Cut at most ``room`` pieces of at most ``width`` units off the front of ``uncut``.

    What is ``taken`` is passed over, and what lies before ``floor`` is too old.
    """
    too_old: list[Range] = []
    pieces: list[Range] = []
    for gap in subtract(uncut, taken):
        low = gap.low
        if floor is not None and low < floor:
            old = Range(low, min(gap.high, floor - 1))
            too_old.append(old)
            low = old.high + 1
        while low <= gap.high:
            if len(pieces) >= room:
                return Cut(pieces, too_old, low - 1)
            high = min(gap.high, low + width - 1)
            pieces.append(Range(low, high))
            low = high + 1
    return Cut(pieces, too_old, uncut.high)


def piece_count(gaps: Iterable[Range], width: int) -> int:
    """How many pieces of at most ``width`` these gaps make."""
    return sum(-(-gap.units // width) for gap in gaps)


def segments(
    whole: Range,
    spans: Iterable[Span],
    running: Iterable[Range],
    waiting: Iterable[Range],
    *,
    is_going_on: bool,
    cut: int,
) -> list[Segment]:
    """The state of every unit of ``whole``, neighbours alike as one.

    What is cut but neither covered nor in a piece is missing: nobody will see to it by itself.
    What is not cut yet waits, while the job goes on; after that it is missing too.
    """
    known = [Segment(span.range, span.kind) for span in spans]
    known += [Segment(one, "running") for one in running]
    known += [Segment(one, "waiting") for one in waiting]
    for gap in subtract(whole, [one.range for one in known]):
        behind = overlap(gap, Range(whole.low, cut)) if cut >= whole.low else None
        ahead = overlap(gap, Range(cut + 1, whole.high)) if cut < whole.high else None
        if behind is not None:
            known.append(Segment(behind, "missing"))
        if ahead is not None:
            known.append(Segment(ahead, "waiting" if is_going_on else "missing"))
    return merged_alike(sorted(known))


def merged_alike(ordered: Iterable[Segment]) -> list[Segment]:
    """Neighbours in the same state as one segment."""
    merged: list[Segment] = []
    for one in ordered:
        last = merged[-1] if merged else None
        if last and last.state == one.state and last.range.high + 1 == one.range.low:
            merged[-1] = Segment(Range(last.range.low, one.range.high), one.state)
        else:
            merged.append(one)
    return merged


def totals(all_segments: Iterable[Segment]) -> dict[SegmentState, int]:
    """Units by state; every state is there."""
    units: dict[SegmentState, int] = dict.fromkeys(SEGMENT_STATES, 0)
    for one in all_segments:
        units[one.state] += one.range.units
    return units


def coarsened(whole: Range, ordered: Sequence[Segment], limit: int) -> list[Segment]:
    """At most ``limit`` segments: the range in equal slices, each in its most urgent state."""
    if len(ordered) <= limit:
        return list(ordered)
    width = -(-whole.units // limit)
    slices = cut_front(whole, (), width=width, room=limit).pieces
    states = slice_states(slices, ordered)
    return merged_alike(
        Segment(one, state) for one, state in zip(slices, states, strict=True) if state
    )


def slice_states(slices: Sequence[Range], ordered: Sequence[Segment]) -> list[SegmentState | None]:
    """For each slice, in order, the most urgent state of what lies in it; None: nothing does."""
    urgency: Mapping[SegmentState, int] = {
        state: place for place, state in enumerate(SEGMENT_STATES)
    }
    found: list[SegmentState | None] = []
    place = 0
    for one in slices:
        while place < len(ordered) and ordered[place].range.high < one.low:
            place += 1
        inside = place
        most_urgent: SegmentState | None = None
        while inside < len(ordered) and ordered[inside].range.low <= one.high:
            state = ordered[inside].state
            if most_urgent is None or urgency[state] < urgency[most_urgent]:
                most_urgent = state
            inside += 1
        found.append(most_urgent)
    return found


def in_words(gaps: Sequence[Range], limit: int = 5) -> str:
    """The first few of these ranges, and how many more there are."""
    listed = ", ".join(str(one) for one in gaps[:limit])
    more = len(gaps) - limit
    return f"{listed} and {more} more" if more > 0 else listed
