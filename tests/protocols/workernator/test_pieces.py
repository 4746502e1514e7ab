"""Output in the order in which it came in, and lines out of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.protocols.workernator.lines import MAX_LINE_BYTES, LineCutter
from server.protocols.workernator.outputs import in_time_order
from server.store.base import Chunk


def out(offset: int, at: int, data: bytes = b"x") -> Chunk:
    return Chunk("stdout", 1, offset, at, data)


def err(offset: int, at: int, data: bytes = b"x") -> Chunk:
    return Chunk("stderr", 1, offset, at, data)


def test_what_may_still_have_something_before_it_waits() -> None:
    told = in_time_order([[out(0, 10), out(1, 40)], [err(0, 25)]])
    assert told == [out(0, 10), err(0, 25)]


def test_a_clock_that_was_set_back_changes_no_order_within_a_stream() -> None:
    chunks = [out(0, 100), out(1, 50), out(2, 120)]
    assert in_time_order([chunks]) == chunks


@given(st.binary(), st.lists(st.integers(1, 50)))
def test_lines_are_those_of_the_whole_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    cutter, lines, rest = LineCutter(), [], data
    for cut in cuts:
        lines += cutter.feed(rest[:cut], 1)
        rest = rest[cut:]
    lines += [*cutter.feed(rest, 1), *cutter.end()]
    whole = data.split(b"\n")
    if not whole[-1]:
        whole.pop()
    assert [line.text for line in lines] == [
        each.removesuffix(b"\r").decode("utf-8", "replace") for each in whole
    ]


def test_a_line_without_an_end_is_told_in_parts() -> None:
    cutter = LineCutter()
    lines = cutter.feed(b"a" * (2 * MAX_LINE_BYTES + 5), 7)
    assert [len(line.text) for line in lines] == [MAX_LINE_BYTES, MAX_LINE_BYTES]
    assert [line.text for line in cutter.end()] == ["aaaaa"]
