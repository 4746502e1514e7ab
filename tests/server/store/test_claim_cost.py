"""A claim costs nearly the same however many jobs wait. Counted in steps of SQLite, not in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.clock import ManualClock
from server.store.sqlite import SqliteStore
from tests.server.store.world import World, claim, insert, steps_of

if TYPE_CHECKING:
    from server.store.base import Tx

TYPES = ("a", "b", "c", "d")


async def waiting(number: int) -> World:
    """Jobs of four classes with ten priorities; the fourth class has one job alone."""
    store = SqliteStore(None, clock=ManualClock())
    await store.open()
    world = World(store, ManualClock())

    def fill(tx: Tx) -> None:
        for rank in range(10):
            for type_ in TYPES[:3]:
                insert(tx, world.now, number // 30, type=type_, rank=rank)
        insert(tx, world.now, 1, type="d", rank=99)

    await world.run(fill)
    return world


@pytest.mark.parametrize("classes", [[1], [4], [1, 2, 3, 4]], ids=["common", "rare", "all four"])
async def test_steps_do_not_grow_with_the_backlog(classes: list[int]) -> None:
    steps: list[int] = []
    for number in (600, 18_000):
        world = await waiting(number)

        def claim_next(tx: Tx, now: int = world.now) -> None:
            jobs = [job for job, _ in tx.claimable(classes, 4)]
            assert jobs
            claim(tx, jobs, now)

        steps.append(await steps_of(world, claim_next))
        await world.store.close()
    few, many = steps
    assert few > 50
    assert many <= few * 1.2


async def test_a_class_without_jobs_costs_a_look() -> None:
    world = await waiting(3_000)
    cls = (await world.submit(type="gone"))[0].cls
    await world.run(lambda tx: tx.delete_jobs([3_002], at=1, by="sam"))
    assert await world.run(lambda tx: tx.claimable([cls], 4)) == []
    assert await steps_of(world, lambda tx: tx.claimable([cls], 4)) < 100
    await world.store.close()
