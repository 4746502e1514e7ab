"""Console output on its way into the store."""

from __future__ import annotations

import asyncio

import pytest

from server.errors import NotFound
from server.protocols.treadmill.console import MAX_WAITING, ConsoleIntake


class SlowStore:
    """Takes one write at a time, when it is let."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_open = asyncio.Event()

    async def write(self, data: bytes) -> None:
        await self.is_open.wait()
        self.writes.append(data)


async def test_what_comes_during_a_write_goes_with_the_next() -> None:
    store = SlowStore()
    intake = ConsoleIntake(store.write)
    await intake.add(b"first ")
    await asyncio.sleep(0)
    for number in range(100):
        await intake.add(b"%d " % number)
    store.is_open.set()
    await intake.flush()
    assert len(store.writes) == 2
    assert b"".join(store.writes) == b"first " + b"".join(b"%d " % number for number in range(100))
    await intake.flush()
    await intake.add(b"last")
    await intake.flush()
    assert store.writes[-1] == b"last"


async def test_who_brings_too_much_is_kept_waiting() -> None:
    store = SlowStore()
    intake = ConsoleIntake(store.write)
    await intake.add(b"x")
    await asyncio.sleep(0)
    adding = asyncio.create_task(intake.add(bytes(MAX_WAITING)))
    done, _ = await asyncio.wait([adding], timeout=0.05)
    assert not done
    store.is_open.set()
    await adding
    assert sum(map(len, store.writes)) == MAX_WAITING + 1


async def test_a_job_that_is_gone_is_told_to_the_next_who_asks() -> None:
    async def write(data: bytes) -> None:
        raise NotFound("there is no such attempt")

    intake = ConsoleIntake(write)
    await intake.add(b"x")
    await asyncio.sleep(0)
    with pytest.raises(NotFound):
        await intake.add(b"y")


async def test_what_comes_after_a_write_has_ended_is_stored_too() -> None:
    store = SlowStore()
    store.is_open.set()
    intake = ConsoleIntake(store.write)
    await intake.add(b"one ")
    for _ in range(5):
        await asyncio.sleep(0)
    assert store.writes == [b"one "]
    await intake.add(b"two")
    await intake.flush()
    assert store.writes == [b"one ", b"two"]
