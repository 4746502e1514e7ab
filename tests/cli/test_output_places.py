"""Where reading begins: the last lines, or what came since a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic_tui.cli import output_places
from traffic_tui.cli.output_places import first_offset_since, offset_of_last_lines
from traffic_tui.client.base import OutputPart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def reader(data: bytes, gap: tuple[int, int] = (0, 0), times: dict[int, int] | None = None):  # type: ignore[no-untyped-def]
    """Reads ``data`` as a coordinator would, with a gap and the times of chunks by offset."""

    async def read(offset: int, limit: int) -> OutputPart:
        start, end = offset, min(len(data), offset + limit)
        if gap[0] <= offset < gap[1]:
            start, end = gap[1], min(len(data), gap[1] + limit)
        elif offset < gap[0]:
            end = min(end, gap[0])
        at = max((when for place, when in (times or {}).items() if place <= start), default=0)
        return OutputPart(start, data[start:end], len(data), False, 0, *gap, at)

    return read


async def test_the_last_lines_are_found() -> None:
    data = b"one\ntwo\nthree\n"
    assert await offset_of_last_lines(reader(data), len(data), 1) == 8
    assert await offset_of_last_lines(reader(data), len(data), 2) == 4
    assert await offset_of_last_lines(reader(data), len(data), 9) == 0
    assert await offset_of_last_lines(reader(data), len(data), 0) == len(data)


async def test_a_last_line_without_an_end_is_a_line() -> None:
    data = b"one\ntwo"
    assert await offset_of_last_lines(reader(data), len(data), 1) == 4


async def test_nothing_written_has_no_lines() -> None:
    assert await offset_of_last_lines(reader(b""), 0, 5) == 0


async def test_what_was_left_out_is_not_looked_behind() -> None:
    data = b"a\nb\n" + b"." * 10 + b"y\nz\n"
    assert await offset_of_last_lines(reader(data, (4, 14)), len(data), 9) == 14


@pytest.mark.parametrize("block", [1, 2, 3, 7])
@given(data=st.lists(st.sampled_from([b"a", b"\n", b"bb"])).map(b"".join), count=st.integers(1, 6))
async def test_lines_are_the_same_whatever_the_block(block: int, data: bytes, count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_places, "BLOCK_BYTES", block)
        offset = await offset_of_last_lines(reader(data), len(data), count)
    assert data[offset:].split(b"\n") == _last_lines(data, count).split(b"\n")


def _last_lines(data: bytes, count: int) -> bytes:
    return b"".join(data.splitlines(keepends=True)[-count:])


@pytest.mark.parametrize(("since", "offset"), [(0, 0), (100, 0), (101, 5), (200, 5), (201, 9)])
async def test_what_came_since_a_time(since: int, offset: int) -> None:
    data = b"12345abcd"
    read: Callable[[int, int], Awaitable[OutputPart]] = reader(data, times={0: 100, 5: 200})
    assert await first_offset_since(read, len(data), since) == offset
