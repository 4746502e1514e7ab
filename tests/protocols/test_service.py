"""Loops of a protocol: begun again after a failure, ended with their owner."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from server.errors import DiskFull
from server.protocols import service
from server.protocols.service import Upkeep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def upkeep() -> AsyncIterator[Upkeep]:
    upkeep = Upkeep("test")
    yield upkeep
    await upkeep.stop()


async def test_a_failed_loop_is_told_of_and_begins_again(
    upkeep: Upkeep, caplog: pytest.LogCaptureFixture
) -> None:
    again = asyncio.Event()
    runs = 0

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("broken once")
        again.set()

    with caplog.at_level(logging.ERROR):
        upkeep.keep("pushing", loop)
        await asyncio.wait_for(again.wait(), 10)
    assert "test: pushing failed and begins again" in caplog.text


async def test_trouble_that_goes_on_is_told_once_in_words(
    upkeep: Upkeep, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FIRST_PAUSE_SECONDS", 0.001)
    again = asyncio.Event()
    runs = 0

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise DiskFull("The disk is full: nothing was stored.")
        again.set()

    upkeep.keep("pushing", loop)
    await asyncio.wait_for(again.wait(), 10)
    assert caplog.text.count("test: pushing begins again: The disk is full") == 1
    assert "Traceback" not in caplog.text


async def test_a_failure_leaves_the_neighbours_alone(upkeep: Upkeep) -> None:
    ticks: asyncio.Queue[int] = asyncio.Queue()

    async def broken() -> None:
        raise ValueError("always")

    async def sound() -> None:
        for number in range(3):
            await asyncio.sleep(0)
            ticks.put_nowait(number)

    upkeep.keep("broken", broken)
    upkeep.keep("sound", sound)
    assert [await asyncio.wait_for(ticks.get(), 10) for _ in range(3)] == [0, 1, 2]


async def test_stopping_leaves_no_task() -> None:
    upkeep = Upkeep("test")
    before = asyncio.all_tasks()
    for name in ("one", "two"):
        upkeep.keep(name, asyncio.Event().wait)  # type: ignore[arg-type]  # never returns
    await upkeep.end("one")
    await upkeep.end("unknown")
    await upkeep.stop()
    await upkeep.stop()
    assert asyncio.all_tasks() == before


async def test_a_name_is_taken_once(upkeep: Upkeep) -> None:
    upkeep.keep("one", asyncio.Event().wait)  # type: ignore[arg-type]  # never returns
    with pytest.raises(ValueError, match="one runs already"):
        upkeep.keep("one", asyncio.Event().wait)  # type: ignore[arg-type]
    await upkeep.end("one")
    upkeep.keep("one", asyncio.Event().wait)  # type: ignore[arg-type]


async def test_a_loop_that_returned_is_forgotten(upkeep: Upkeep) -> None:
    async def short() -> None:
        return

    upkeep.keep("one", short)
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0)
            try:
                upkeep.keep("one", short)
            except ValueError:
                continue
            break
