"""Stretches of a cursor: nothing is counted twice, nothing is forgotten."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import InvalidInput
from server.ranges import (
    MAX_CURSOR,
    SEGMENT_STATES,
    Range,
    Segment,
    Span,
    checked,
    coarsened,
    cut_front,
    in_words,
    normalised,
    overlap,
    piece_count,
    segments,
    slice_states,
    subtract,
    totals,
    units_of,
)

cursors = st.integers(-60, 60)


@st.composite
def some_ranges(draw: st.DrawFn) -> Range:
    low = draw(cursors)
    return Range(low, low + draw(st.integers(0, 30)))


def units(ranges: list[Range]) -> set[int]:
    return {unit for low, high in ranges for unit in range(low, high + 1)}


def assert_in_order_and_apart(ranges: list[Range]) -> None:
    assert all(one.low <= one.high for one in ranges)
    assert all(one.high < other.low for one, other in itertools.pairwise(ranges))


@given(st.lists(some_ranges()))
def test_normalised_ranges_are_the_same_units(ranges: list[Range]) -> None:
    found = normalised(ranges)
    assert units(found) == units(ranges)
    assert_in_order_and_apart(found)
    assert all(one.high + 1 < other.low for one, other in itertools.pairwise(found))
    assert units_of(found) == len(units(ranges))


@given(some_ranges(), st.lists(some_ranges()))
def test_what_is_left_is_what_nobody_took(whole: Range, taken: list[Range]) -> None:
    left = subtract(whole, taken)
    assert units(left) == units([whole]) - units(taken)
    assert_in_order_and_apart(left)


@given(some_ranges(), some_ranges())
def test_an_overlap_is_what_both_have(one: Range, other: Range) -> None:
    both = overlap(one, other)
    assert units([both] if both else []) == units([one]) & units([other])


@given(
    some_ranges(),
    st.lists(some_ranges()),
    st.integers(1, 9),
    st.integers(0, 9),
    st.one_of(st.none(), cursors),
)
def test_cutting_goes_on_where_it_ended(
    whole: Range, taken: list[Range], width: int, room: int, floor: int | None
) -> None:
    """However often it is cut, every unit is in one piece, taken or too old, and in only one."""
    pieces: list[Range] = []
    too_old: list[Range] = []
    cut = whole.low - 1
    for _ in range(200):
        if cut >= whole.high:
            break
        front = cut_front(
            Range(cut + 1, whole.high), taken, width=width, room=room or 1, floor=floor
        )
        assert front.cut > cut
        assert len(front.pieces) <= (room or 1)
        pieces += front.pieces
        too_old += front.too_old
        cut = front.cut
    assert cut == whole.high
    assert all(piece.units <= width for piece in pieces)
    assert floor is None or all(piece.low >= floor for piece in pieces)
    assert floor is None or all(old.high < floor for old in too_old)
    assert units_of(pieces) == len(units(pieces))
    assert units(pieces) | units(too_old) == units([whole]) - units(taken)
    assert not units(pieces) & units(too_old)


def test_no_room_cuts_nothing() -> None:
    front = cut_front(Range(1, 10), (), width=3, room=0)
    assert front.pieces == []
    assert front.cut == 0


def test_ends_are_part_of_a_piece() -> None:
    front = cut_front(Range(0, 7_200_000_000), (), width=3_600_000_000, room=9)
    assert front.pieces == [
        Range(0, 3_599_999_999),
        Range(3_600_000_000, 7_199_999_999),
        Range(7_200_000_000, 7_200_000_000),
    ]


def test_the_number_of_pieces_is_known_without_making_them() -> None:
    year = 365 * 86_400 * 1_000_000
    assert piece_count([Range(1, 50 * year)], 3_600_000_000) == 438_000
    assert piece_count([Range(7, 7)], 3_600_000_000) == 1
    assert piece_count([], 3_600_000_000) == 0


@st.composite
def parted(draw: st.DrawFn) -> tuple[Range, list[Span], list[Range], list[Range], int]:
    """A range, and what is known of parts of it that do not overlap, up to where it is cut."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=12))
    whole = Range(0, sum(sizes) - 1)
    spans: list[Span] = []
    running: list[Range] = []
    waiting: list[Range] = []
    low = 0
    cut = draw(st.integers(-1, whole.high))
    for size in sizes:
        part = Range(low, low + size - 1)
        low += size
        kind = draw(st.sampled_from(["covered", "elsewhere", "running", "waiting", "none"]))
        if kind in ("covered", "elsewhere"):
            spans.append(Span(part, kind))  # type: ignore[arg-type]
        elif kind == "running" and part.high <= cut:
            running.append(part)
        elif kind == "waiting" and part.high <= cut:
            waiting.append(part)
    return whole, spans, running, waiting, cut


@given(parted(), st.booleans())
def test_segments_fill_the_range_side_by_side(
    given: tuple[Range, list[Span], list[Range], list[Range], int], is_going_on: bool
) -> None:
    whole, spans, running, waiting, cut = given
    found = segments(whole, spans, running, waiting, is_going_on=is_going_on, cut=cut)
    assert found[0].range.low == whole.low
    assert found[-1].range.high == whole.high
    for one, other in itertools.pairwise(found):
        assert one.range.high + 1 == other.range.low
        assert one.state != other.state
    counted = totals(found)
    assert sum(counted.values()) == whole.units
    covered = [span.range for span in spans if span.kind == "covered"]
    assert counted["covered"] == units_of(covered)
    assert counted["running"] == units_of(running)
    if not is_going_on:
        assert counted["waiting"] == units_of(waiting)


@given(parted(), st.integers(1, 6))
def test_fewer_segments_hide_no_trouble(
    given: tuple[Range, list[Span], list[Range], list[Range], int], limit: int
) -> None:
    whole, spans, running, waiting, cut = given
    fine = segments(whole, spans, running, waiting, is_going_on=True, cut=cut)
    coarse = coarsened(whole, fine, limit)
    assert len(coarse) <= limit or len(coarse) == len(fine) <= limit
    assert units([one.range for one in coarse]) == units([whole])
    for one in fine:
        if one.state == "missing":
            shown = [other for other in coarse if overlap(other.range, one.range) is not None]
            assert {other.state for other in shown} == {"missing"}


def test_a_slice_shows_what_draws_the_most_attention() -> None:
    fine = [
        Segment(Range(0, 4), "covered"),
        Segment(Range(5, 5), "running"),
        Segment(Range(6, 9), "missing"),
    ]
    assert slice_states([Range(0, 4), Range(3, 5), Range(5, 9)], fine) == [
        "covered",
        "running",
        "missing",
    ]
    assert slice_states([Range(20, 30)], fine) == [None]
    assert SEGMENT_STATES[0] == "missing"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (2, 1, "lies after"),
        (-MAX_CURSOR - 1, 0, "between"),
        (0, MAX_CURSOR + 1, "between"),
        (0, MAX_CURSOR, "units"),
        (-MAX_CURSOR, MAX_CURSOR, "units"),
    ],
)
def test_ends_that_make_no_sense_are_refused_in_words(low: int, high: int, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        checked(low, high)


def test_the_widest_range_and_the_smallest() -> None:
    assert checked(1, MAX_CURSOR).units == MAX_CURSOR
    assert checked(-MAX_CURSOR, -1).units == MAX_CURSOR
    assert checked(5, 5).units == 1


def test_gaps_in_words_are_few() -> None:
    gaps = [Range(number, number) for number in range(0, 20, 2)]
    assert in_words(gaps, 2) == "0 to 0, 2 to 2 and 8 more"
    assert in_words(gaps[:1]) == "0 to 0"
