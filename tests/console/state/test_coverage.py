"""Coverage of a range: a bar that never looks better than it is, and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire.operator import CoverageView, SegmentView
from traffic_tui.state.coverage import coverage_bar, ends_words, figures, legend, length
from traffic_tui.state.glyphs import ASCII, DRAWN, Span

if TYPE_CHECKING:
    from server.ranges import SegmentState

HOUR = 3_600_000_000
STATES: tuple[SegmentState, ...] = (
    "covered",
    "running",
    "waiting",
    "missing",
    "elsewhere",
    "too_old",
)


def coverage(*parts: tuple[SegmentState, int], **figures: Any) -> CoverageView:
    """Parts of so many units, one after the other."""
    low = 0
    found: list[SegmentView] = []
    units: dict[str, int] = dict.fromkeys(STATES, 0)
    for state, size in parts:
        found.append(SegmentView(from_=low, to=low + size - 1, state=state))
        units[state] += size
        low += size
    total = low - units["elsewhere"] - units["too_old"]
    counted = {"running_pieces": 0, "waiting_pieces": 0, "pieces_to_cut": 0, "spent_pieces": 0}
    return CoverageView(
        total=total, **units, **(counted | figures), segments=found, is_coarse=False
    )


def text(spans: list[Span]) -> str:
    return "".join(span.text for span in spans)


def bar(*parts: tuple[SegmentState, int], width: int) -> str:
    return text(coverage_bar(coverage(*parts), width, ASCII))


def test_each_state_has_a_sign_of_its_own() -> None:
    every = coverage(*((state, 10) for state in STATES))
    for glyphs in (ASCII, DRAWN):
        drawn = text(coverage_bar(every, 6, glyphs))
        assert len(set(drawn)) == 6
        assert drawn.isascii() is glyphs.is_ascii
    assert text(coverage_bar(every, 6, ASCII)) == "#>.X- "


def test_a_cell_looks_done_only_where_all_of_it_is() -> None:
    assert bar(("covered", 99), ("waiting", 1), width=10) == "#########."
    assert bar(("covered", 99), ("running", 1), width=10) == "#########>"
    assert bar(("covered", 4), ("missing", 1), ("covered", 15), width=2) == "%#"
    assert bar(("covered", 4), ("missing", 6), width=1) == "X"
    assert bar(("waiting", 9), ("running", 1), width=1) == ">"


def test_a_range_of_fewer_units_than_cells_fills_the_bar() -> None:
    assert bar(("covered", 1), width=5) == "#####"
    assert bar(("covered", 1), ("missing", 1), width=5) == "###XX"


def test_colours_are_roles() -> None:
    spans = coverage_bar(coverage(("covered", 5), ("missing", 5)), 10, DRAWN)
    assert spans == [Span("█" * 5, "good"), Span("✗" * 5, "bad")]


def test_nothing_is_drawn_where_there_is_no_room() -> None:
    assert coverage_bar(coverage(("covered", 5)), 0, DRAWN) == []


@given(
    st.lists(st.tuples(st.sampled_from(STATES), st.integers(1, 10**18)), min_size=1, max_size=40),
    st.integers(1, 200),
)
def test_the_bar_has_its_width_and_hides_nothing_that_is_not_done(
    parts: list[tuple[SegmentState, int]], width: int
) -> None:
    drawn = bar(*parts, width=width)
    assert len(drawn) == width
    has_gaps = any(state == "missing" for state, _ in parts)
    assert (("X" in drawn) or ("%" in drawn)) is has_gaps
    is_open = any(state in ("missing", "running", "waiting") for state, _ in parts)
    assert bool(set(drawn) & set("X%>.")) is is_open


def test_figures_say_what_there_is() -> None:
    found = coverage(
        ("covered", HOUR),
        ("running", HOUR),
        ("waiting", 2 * HOUR),
        ("missing", HOUR),
        ("elsewhere", 24 * HOUR),
        ("too_old", 500_000),
        running_pieces=1,
        waiting_pieces=2,
        pieces_to_cut=1_200,
        spent_pieces=1,
    )
    assert [figure.words for figure in figures(found)] == [
        "20% covered, 1h00 of 5h00",
        "1 running",
        "2 waiting, 1,200 to cut",
        "1h00 missing (1 spent)",
        "1d00 by other jobs",
        "500ms too old",
    ]
    lines = [text(line) for line in legend(found, 40, ASCII)]
    assert lines == [
        "# 20% covered, 1h00 of 5h00  > 1 running",
        ". 2 waiting, 1,200 to cut",
        "X% 1h00 missing (1 spent)",
        "- 1d00 by other jobs  500ms too old",
    ]
    assert all(len(line) <= 40 for line in lines)


def test_a_range_that_is_done_says_only_that() -> None:
    assert [one.words for one in figures(coverage(("covered", HOUR)))] == [
        "100% covered, 1h00 of 1h00"
    ]


@pytest.mark.parametrize(
    ("units", "words"),
    [(0, "0s"), (1, "1us"), (999, "999us"), (1_500, "1.5ms"), (HOUR, "1h00"), (36 * HOUR, "1d12")],
)
def test_lengths_are_times(units: int, words: str) -> None:
    assert length(units) == words


def test_ends_are_times_where_they_look_like_times() -> None:
    new_year = 1_704_067_200_000_000
    assert ends_words((new_year, new_year + HOUR - 1)) == (
        "2024-01-01 00:00:00 to 2024-01-01 00:59:59 (1h00)"
    )
    assert ends_words((0, 9)) == "0 to 9 (10us)"
    assert ends_words((-(2**62), 2**62)).startswith(f"-{2**62} to {2**62} (")
