"""Two streams read in the order in which they were written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from traffic_tui.client.base import OutputPart
from traffic_tui.client.merging import StreamPart, in_time_order, tellable


def part(stream: str, pieces: list[tuple[bytes, int]]) -> StreamPart:
    times: list[tuple[int, int]] = []
    data = b""
    for text, at in pieces:
        if data:
            times.append((len(data), at))
        data += text
    first = pieces[0][1] if pieces else 0
    made = OutputPart(0, data, len(data), True, 0, 0, 0, first, tuple(times))
    return StreamPart(stream, made)


def test_warnings_stand_where_they_were_written() -> None:
    out = part("stdout", [(b"1\n", 10), (b"2\n", 20), (b"3\n", 30)])
    err = part("stderr", [(b"warn\n", 25)])
    merged = [(one.stream, one.part.data) for one in in_time_order([out, err])]
    assert merged == [
        ("stdout", b"1\n"),
        ("stdout", b"2\n"),
        ("stderr", b"warn\n"),
        ("stdout", b"3\n"),
    ]


@given(
    st.lists(
        st.lists(st.tuples(st.binary(min_size=1, max_size=5), st.integers(0, 50)), max_size=6),
        max_size=3,
    )
)
def test_no_byte_is_lost_and_no_stream_changes_its_order(
    streams: list[list[tuple[bytes, int]]],
) -> None:
    parts = [part(str(number), pieces) for number, pieces in enumerate(streams)]
    merged = in_time_order(parts)
    for one in parts:
        pieces = [found.part for found in merged if found.stream == one.stream]
        assert b"".join(piece.data for piece in pieces) == one.part.data
        assert [piece.offset for piece in pieces] == sorted(piece.offset for piece in pieces)


def test_what_may_still_have_something_before_it_waits() -> None:
    out = part("stdout", [(b"1\n", 10), (b"2\n", 40)])
    err = part("stderr", [(b"warn\n", 25)])
    assert [one.part.data for one in tellable([out, err])] == [b"1\n", b"warn\n"]


@given(
    st.lists(
        st.lists(st.tuples(st.binary(min_size=1, max_size=5), st.integers(0, 50)), min_size=1),
        min_size=1,
        max_size=3,
    )
)
def test_one_part_at_least_is_told_whole(streams: list[list[tuple[bytes, int]]]) -> None:
    parts = [part(str(number), pieces) for number, pieces in enumerate(streams)]
    told: dict[str, int] = {}
    for one in tellable(parts):
        told[one.stream] = told.get(one.stream, 0) + len(one.part.data)
    assert any(told.get(one.stream) == len(one.part.data) for one in parts)
