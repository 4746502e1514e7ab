"""Pages of jobs, and answers that come in another order than they were asked for."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.console.screens.world import World, job
from traffic_tui.screens.job_pages import JobPages


class SlowWorld(World):
    """Answers when it is told to, by filter."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, asyncio.Event] = {}

    async def jobs(self, **asked: Any) -> Any:
        view = await super().jobs(**asked)
        if asked.get("filter") in self.held:
            await self.held[asked["filter"]].wait()
        return view


def two_kinds() -> SlowWorld:
    world = SlowWorld()
    world.add(*(job(number, "failed") for number in range(1, 301)))
    world.add(*(job(number, "completed") for number in range(301, 401)))
    return world


async def test_an_answer_that_was_overtaken_is_passed_over() -> None:
    world = two_kinds()
    pages = JobPages(world.client)
    world.held["state:failed"] = asyncio.Event()
    early = asyncio.create_task(pages.load("state:failed"))
    await asyncio.sleep(0)
    await pages.load("state:completed")
    world.held["state:failed"].set()
    assert await early == set()
    assert pages.filter == "state:completed"
    assert set(pages.numbers) == set(range(301, 401))


async def test_a_next_page_of_a_list_that_is_another_now_is_passed_over() -> None:
    world = two_kinds()
    pages = JobPages(world.client)
    await pages.load("state:failed")
    world.held["state:failed"] = asyncio.Event()
    more = asyncio.create_task(pages.load_more())
    await asyncio.sleep(0)
    await pages.load("state:completed")
    world.held["state:failed"].set()
    assert not await more
    assert set(pages.numbers) == set(range(301, 401))


async def test_a_next_page_that_was_not_had_can_be_asked_for_again() -> None:
    world = two_kinds()
    pages = JobPages(world.client)
    await pages.load("state:failed")
    world.held["state:failed"] = asyncio.Event()
    more = asyncio.create_task(pages.load_more())
    await asyncio.sleep(0)
    more.cancel()
    await asyncio.wait([more])
    assert more.cancelled()
    assert pages.has_more
    world.held["state:failed"].set()
    assert await pages.load_more()
    assert set(pages.numbers) == set(range(1, 301))
