"""Removing what is old goes on beside the rest of the clockwork."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from server.coordinator import retention, sweeper
from server.coordinator.retention import EVERY_SECONDS
from tests.server.core.world import World, a_world
from tests.server.http.world import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.coordinator.memory import Memory
    from server.store.base import Tx


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(sweeper, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(retention, "LOOK_SECONDS", 0.01)
    async with a_world() as made:
        yield made


async def test_what_takes_long_to_remove_holds_nothing_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0

    def endless(tx: Tx, memory: Memory, now: int) -> int:
        nonlocal steps
        steps += 1
        return 1

    monkeypatch.setattr(retention, "prune_step", endless)
    (job,) = await world.submit("fib", run_at=world.clock.now_ms() + 200_000)
    world.clock.advance(EVERY_SECONDS)
    await until(lambda: steps > 1)
    with world.coordinator.bus.subscribe() as heard:
        world.clock.advance(200)
        async with asyncio.timeout(DEADLINE_SECONDS):
            kinds = [getattr(item, "kind", "") for item in await heard.next()]
    assert "queued" in kinds
    assert (await world.job(job)).state == "pending"
    steps = 0
    await until(lambda: steps > 1)


async def test_a_removal_that_fails_is_tried_again_with_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = 0

    def broken(tx: Tx, memory: Memory, now: int) -> int:
        nonlocal looks
        looks += 1
        raise ValueError("broken")

    monkeypatch.setattr(retention, "prune_step", broken)
    world.clock.advance(EVERY_SECONDS)
    await until(lambda: looks == 1)
    world.clock.advance(EVERY_SECONDS)
    await until(lambda: looks == 2)
    assert "retention failed" in caplog.text
