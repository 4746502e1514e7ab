"""Taking output in: repeats are harmless, holes are not taken, the middle may go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server import output
from server.store.base import StreamState

EMPTY = StreamState(1, "stdout", 0, 0, 0, 0, 0)
CAP = 100


def test_a_hole_is_refused_with_the_offset_wanted() -> None:
    state = EMPTY._replace(size=10)
    assert output.take(state, 12, b"abc", cap=CAP, now=1) is None


def test_a_repeat_is_harmless_and_an_overlap_is_cut() -> None:
    state = EMPTY._replace(size=10)
    assert output.take(state, 5, b"abcde", cap=CAP, now=1) is None
    taken = output.take(state, 8, b"abcde", cap=CAP, now=1)
    assert taken is not None
    assert (taken.offset, taken.data, taken.state.size) == (10, b"cde", 13)


def test_beyond_the_cap_head_and_tail_are_kept() -> None:
    state = EMPTY._replace(size=95)
    first = output.take(state, 95, b"x" * 10, cap=CAP, now=1)
    assert first is not None
    assert first.is_first_gap
    assert (first.state.gap_from, first.state.gap_to) == (50, 55)
    second = output.take(first.state, 105, b"y" * 10, cap=CAP, now=1)
    assert second is not None
    assert not second.is_first_gap
    assert second.drop == (50, 65)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=60))
def test_any_order_of_pieces_gives_the_bytes_that_were_written(
    pieces: list[tuple[int, int]],
) -> None:
    written = bytes(range(80))
    state, kept = EMPTY, b""
    for offset, length in pieces:
        taken = output.take(state, offset, written[offset : offset + length], cap=CAP, now=1)
        if taken is not None:
            assert taken.offset == len(kept)
            kept += taken.data
            state = taken.state
    assert kept == written[: state.size]


def test_text_that_goes_on_is_told_from_text_that_replaces() -> None:
    assert output.continuation(b"ab", b"abc") == b"c"
    assert output.continuation(b"ab", b"ab") == b""
    assert output.continuation(b"ab", b"b") is None
