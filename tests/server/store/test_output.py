"""Console output: storing, replacing, reading, searching."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.store.base import Chunk, StreamState
from tests.server.store.world import steps_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.store.base import Tx
    from tests.server.store.world import World


def state(size: int, *, gap: tuple[int, int] = (0, 0), generation: int = 0) -> StreamState:
    return StreamState(1, "stdout", generation, size, *gap, 5)


async def put(
    world: World, *pieces: tuple[int, bytes], gap: tuple[int, int] = (0, 0), at: int = 5
) -> None:
    chunks = [Chunk("stdout", 0, offset, at, data) for offset, data in pieces]
    size = max(offset + len(data) for offset, data in pieces)
    await world.run(lambda tx: tx.put_output(state(size, gap=gap), chunks))


async def read(world: World, offset: int, limit: int) -> list[tuple[int, bytes]]:
    part = await world.store.reads.output(1, "stdout", offset, limit)
    return [(chunk.offset, chunk.data) for chunk in part.chunks]


async def find(world: World, needle: bytes, offset: int, *, backwards: bool = False) -> int | None:
    return await world.store.reads.find_output(1, "stdout", needle, offset, backwards=backwards)


async def test_chunks_are_cut_to_what_is_asked(world: World) -> None:
    await put(world, (0, b"abcd"), (4, b"efgh"), (8, b"ij"))
    assert await read(world, 0, 100) == [(0, b"abcd"), (4, b"efgh"), (8, b"ij")]
    assert await read(world, 2, 4) == [(2, b"cd"), (4, b"ef")]
    assert await read(world, 5, 1) == [(5, b"f")]
    assert await read(world, 8, 0) == []
    assert await read(world, 10, 5) == []
    part = await world.store.reads.output(1, "stdout", 0, 1)
    assert part.state == state(10)


async def test_a_stream_nobody_wrote_to_has_no_state(world: World) -> None:
    part = await world.store.reads.output(1, "stderr", 0, 10)
    assert part == ([], None)
    assert await world.run(lambda tx: tx.streams(1)) == []
    assert await world.run(lambda tx: tx.output_text(1, "stderr")) == b""


async def test_a_repeated_chunk_is_harmless(world: World) -> None:
    await put(world, (0, b"abcd"))
    await put(world, (0, b"abcd"), at=9)
    assert await read(world, 0, 10) == [(0, b"abcd")]


async def test_dropping_removes_chunks_wholly_inside(world: World) -> None:
    await put(world, (0, b"aa"), (2, b"bb"), (4, b"cc"), (6, b"dd"))
    gap = state(8, gap=(2, 6))
    await world.run(lambda tx: tx.put_output(gap, [], drop=(1, 6)))
    assert await read(world, 0, 8) == [(0, b"aa"), (6, b"dd")]
    assert await world.run(lambda tx: tx.streams(1)) == [gap]


async def test_reading_goes_on_behind_what_was_left_out(world: World) -> None:
    """However little is asked for at once: else whoever reads part by part never gets there."""
    await put(world, (0, b"head"), (9_000, b"ta"), (9_002, b"il"), gap=(4, 9_000))
    assert await read(world, 2, 100) == [(2, b"ad")]
    assert await read(world, 4, 100) == [(9_000, b"ta"), (9_002, b"il")]
    assert await read(world, 4, 3) == [(9_000, b"ta"), (9_002, b"i")]
    assert await read(world, 5_000, 1) == [(9_000, b"t")]
    assert await read(world, 4, 0) == []
    assert await read(world, 9_004, 100) == []


async def test_dropping_looks_at_no_more_than_it_drops(world: World) -> None:
    """What is kept after the gap may be many thousand pieces, and one comes with each flush."""
    steps: list[int] = []
    for number in (10, 3_000):
        await put(world, *((offset, b"x") for offset in range(number)))
        gap = state(number, gap=(1, 2))

        def drop(tx: Tx, gap: StreamState = gap) -> None:
            tx.put_output(gap, [], drop=(1, 2))

        steps.append(await steps_of(world, drop))
    few, many = steps
    assert many <= few * 1.2


async def test_replacing_starts_a_generation(world: World) -> None:
    await put(world, (0, b"old text"))

    def replace(tx: Tx) -> bytes:
        tx.replace_output(state(3, generation=1), b"new", at=9)
        return tx.output_text(1, "stdout")

    assert await world.run(replace) == b"new"
    assert await read(world, 0, 10) == [(0, b"new")]
    await world.run(lambda tx: tx.replace_output(state(0, generation=2), b"", at=9))
    assert await read(world, 0, 10) == []


async def test_streams_do_not_mix(world: World) -> None:
    def both(tx: Tx) -> list[str]:
        tx.put_output(state(1), [Chunk("stdout", 0, 0, 5, b"o")])
        error = StreamState(1, "stderr", 0, 2, 0, 0, 6)
        tx.put_output(error, [Chunk("stderr", 0, 0, 6, b"er")])
        assert tx.output_text(1, "stderr") == b"er"
        return [one.stream for one in tx.streams(1)]

    assert await world.run(both) == ["stdout", "stderr"]
    assert await read(world, 0, 10) == [(0, b"o")]


def cuts(text: bytes, sizes: Sequence[int]) -> list[tuple[int, bytes]]:
    pieces: list[tuple[int, bytes]] = []
    place = 0
    for size in sizes:
        pieces.append((place, text[place : place + size]))
        place += size
    return [*pieces, (place, text[place:])]


@pytest.mark.parametrize("sizes", [(), (1,) * 20, (4, 1, 1, 7), (11,)])
async def test_searching_finds_what_a_whole_text_would(
    world: World, sizes: tuple[int, ...]
) -> None:
    text = b"abcabcab needle abcneedle needl needle"
    await put(world, *cuts(text, sizes))
    for needle in (b"needle", b"abc", b"a", b"needlex", text):
        for offset in range(0, len(text) + 2, 3):
            expected = text.find(needle, offset)
            found = await find(world, needle, offset)
            assert found == (None if expected < 0 else expected)
            before = text.rfind(needle, 0, max(0, offset - 1 + len(needle)))
            found = await find(world, needle, offset, backwards=True)
            assert found == (None if before < 0 or offset == 0 else before)


async def test_nothing_is_found_over_a_gap(world: World) -> None:
    await put(world, (0, b"nee"), (9, b"dle needle"), gap=(3, 9))
    assert await find(world, b"needle", 0) == 13
    assert await find(world, b"needle", 13, backwards=True) is None
    assert await find(world, b"", 0) is None
