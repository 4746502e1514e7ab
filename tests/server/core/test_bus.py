"""The bus: everybody hears everything, or is told that they did not."""

from __future__ import annotations

import asyncio

import pytest

from server.bus import Bus, BusClosed, Lagged
from server.events import Notice


def notice(job: int) -> Notice:
    return Notice("progress", job=job)


async def test_subscribers_hear_in_order() -> None:
    bus = Bus()
    with bus.subscribe() as first, bus.subscribe() as second:
        bus.publish([notice(1), notice(2)])
        bus.publish([notice(3)])
        assert [item.job for item in await first.next()] == [1, 2, 3]
        assert [item.job for item in await second.next()] == [1, 2, 3]
    assert bus.subscriber_count == 0


async def test_a_slow_subscriber_is_told_once_and_goes_on() -> None:
    bus = Bus()
    slow = bus.subscribe(capacity=2)
    bus.publish([notice(1), notice(2)])
    bus.publish([notice(3)])
    with pytest.raises(Lagged):
        await slow.next()
    bus.publish([notice(4)])
    assert [item.job for item in await slow.next()] == [4]


async def test_what_waits_is_read_before_the_end() -> None:
    bus = Bus()
    subscription = bus.subscribe()
    bus.publish([notice(1)])
    bus.close()
    assert [item.job for item in await subscription.next()] == [1]
    with pytest.raises(BusClosed):
        await subscription.next()
    with pytest.raises(BusClosed):
        await bus.subscribe().next()


async def test_what_follows_an_overflow_is_not_held_back() -> None:
    bus = Bus()
    slow = bus.subscribe(capacity=2)
    bus.publish([notice(1), notice(2)])
    bus.publish([notice(3)])
    bus.publish([notice(4)])
    with pytest.raises(Lagged):
        await slow.next()
    async with asyncio.timeout(1):
        assert [item.job for item in await slow.next()] == [4]


async def test_one_that_lagged_hears_of_the_end() -> None:
    bus = Bus()
    slow = bus.subscribe(capacity=1)
    bus.publish([notice(1), notice(2)])
    bus.close()
    with pytest.raises(Lagged):
        await slow.next()
    async with asyncio.timeout(1):
        with pytest.raises(BusClosed):
            await slow.next()
