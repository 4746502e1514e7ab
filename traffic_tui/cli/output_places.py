"""Finding the offset at which to begin reading: the last lines, or what came since a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from traffic_tui.client.base import OutputPart

BLOCK_BYTES = 65_536


async def offset_of_last_lines(
    read: Callable[[int, int], Awaitable[OutputPart]], size: int, line_count: int
) -> int:
    """Where the last ``line_count`` lines begin, found by reading backwards from the end.

    A last line without an end counts as a line. Where the cap left something out, what is before
    the gap is never reached.
    """
    if line_count <= 0:
        return size
    end, missing, is_last_block = size, line_count, True
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        block = await _block_before(read, start, end)
        found, missing = _line_start(block.data, missing, is_last_block)
        if found is not None:
            return block.offset + found
        if block.offset > start:
            return block.offset
        end, is_last_block = start, False
    return 0


class Block(NamedTuple):
    """Bytes without a hole."""

    offset: int
    data: bytes


async def _block_before(
    read: Callable[[int, int], Awaitable[OutputPart]], start: int, end: int
) -> Block:
    """The bytes that end at ``end``, back to ``start`` or to the last hole behind that."""
    pieces: list[bytes] = []
    offset = place = start
    while place < end:
        part = await read(place, end - place)
        if not part.data or part.offset >= end:
            return Block(end, b"")
        if part.offset != place:
            offset, pieces = part.offset, []
        pieces.append(part.data[: end - part.offset])
        place = part.offset + len(part.data)
    return Block(offset, b"".join(pieces))


def _line_start(data: bytes, missing: int, is_last_block: bool) -> tuple[int | None, int]:
    """The start of the ``missing``-th line from the end of ``data``, or how many still miss."""
    place = len(data) - 1 if is_last_block and data.endswith(b"\n") else len(data)
    while missing > 0:
        place = data.rfind(b"\n", 0, place)
        if place < 0:
            return None, missing
        missing -= 1
    return place + 1, 0


async def first_offset_since(
    read: Callable[[int, int], Awaitable[OutputPart]], size: int, since_ms: int
) -> int:
    """The first byte that came at or after ``since_ms``: times only grow along a stream."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        part = await read(middle, 1)
        if not part.data or part.offset >= high:
            high = middle
        elif part.at < since_ms:
            low = part.offset + 1
        else:
            high = middle
    return low
