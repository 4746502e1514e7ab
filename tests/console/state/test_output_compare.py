"""Where two outputs begin to differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic_tui.state.output_compare import WINDOW, ComparedLine, OutputComparison

CASES = (1, 7, 10_000)


def compared(left: bytes, right: bytes, step: int = 10_000) -> OutputComparison:
    """Both outputs whole, fed in pieces."""
    found = OutputComparison()
    length = max(len(left), len(right))
    for at in range(0, length + 1, step):
        found.feed(
            left[at : at + step],
            right[at : at + step],
            left_is_over=at + step >= len(left),
            right_is_over=at + step >= len(right),
        )
    assert found.is_done
    return found


@pytest.mark.parametrize("step", CASES)
def test_the_same_outputs_differ_nowhere(step: int) -> None:
    found = compared(b"a\nb\nc", b"a\nb\nc", step)
    assert (found.differs, found.first_number, found.same_lines) == (False, 0, 3)
    assert found.lines() == []


@pytest.mark.parametrize("step", CASES)
def test_numbers_are_one_thing_and_words_another(step: int) -> None:
    left = b"start\n10:00 load 1\n10:01 load 2\nok\nfast\n"
    right = b"start\n11:30 load 1\n11:31 load 2\nok\nslow\n"
    found = compared(left, right, step)
    assert (found.first_number, found.same_lines, found.differs) == (2, 4, True)
    assert found.lines() == [
        ComparedLine("numbers", 2, "10:00 load 1", 2, "11:30 load 1"),
        ComparedLine("numbers", 3, "10:01 load 2", 3, "11:31 load 2"),
        ComparedLine("same", 4, "ok", 4, "ok"),
        ComparedLine("changed", 5, "fast", 5, "slow"),
    ]


@pytest.mark.parametrize("step", CASES)
def test_outputs_that_differ_in_numbers_alone_show_the_first_of_them(step: int) -> None:
    found = compared(b"a\nline 1\nb\n", b"a\nline 2\nb\n", step)
    assert (found.differs, found.first_number, found.same_lines) == (False, 2, 3)
    assert [line.kind for line in found.lines()] == ["same", "numbers", "same"]


@pytest.mark.parametrize("step", CASES)
def test_one_that_ends_earlier_differs_at_its_end(step: int) -> None:
    found = compared(b"a\nb\n", b"a\nb\nc\nd", step)
    assert (found.differs, found.same_lines) == (True, 2)
    assert found.lines()[-2:] == [
        ComparedLine("one", 0, "", 3, "c"),
        ComparedLine("one", 0, "", 4, "d"),
    ]


def test_what_follows_is_aligned_by_its_words() -> None:
    found = compared(b"a\nextra\n1 x\n2 y\n", b"a\n5 x\n6 y\n")
    assert [(line.kind, line.left, line.right) for line in found.lines()] == [
        ("same", 1, 1),
        ("one", 2, 0),
        ("numbers", 3, 2),
        ("numbers", 4, 3),
    ]


def test_no_more_is_read_than_is_shown() -> None:
    found = OutputComparison()
    states = []
    for left, right in ((b"x\n" * 1_000, b"y\n"), (b"", b"z\n" * 1_000)):
        found.feed(left, right, left_is_over=False, right_is_over=False)
        states.append((found.wants, found.is_done))
    assert states == [((False, True), False), ((False, False), True)]
    assert len(found.lines()) <= 2 * WINDOW


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(1, 70))
def test_pieces_make_no_difference(left: bytes, right: bytes, step: int) -> None:
    whole, pieces = compared(left, right), compared(left, right, step)
    assert whole.lines() == pieces.lines()
    assert (whole.differs, whole.same_lines) == (pieces.differs, pieces.same_lines)
