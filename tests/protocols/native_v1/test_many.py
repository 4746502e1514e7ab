"""Two hundred runners at once, each on a socket of its own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.protocols.native_v1.runner import Runner, a_runner, status
from tests.protocols.native_v1.world import a_world, settings_of, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import httpx

    from tests.protocols.native_v1.world import World

RUNNERS = 200
JOBS = 600
PATIENT = settings_of(webhook_timeout_ms=30_000)
"""All of it runs in one process, maybe beside other tests."""


class Worker:
    """Takes jobs, and ends each a little later by a call of its own."""

    def __init__(self, runner: Runner, capacity: int) -> None:
        self._runner = runner
        self._capacity = capacity
        self._held = 0
        self.done = 0
        self.was_overfull = False
        runner.answer = self._take

    async def hello(self) -> httpx.Response:
        return await self._runner.hello(capacity=self._capacity)

    async def _take(self, job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self._held += 1
        self.was_overfull |= self._held > self._capacity
        await status(200)(job, writer)
        await asyncio.sleep(0)
        self._held -= 1  # before the word that frees the slot
        await self._runner.say("completed", job)
        self.done += 1


@pytest.mark.timeout(180)
async def test_two_hundred_runners_share_six_hundred_jobs(tmp_path: Path) -> None:
    async with a_world(tmp_path, PATIENT) as world, AsyncExitStack() as stack:
        workers: list[Worker] = []
        for number in range(RUNNERS):
            capacity = 1 + number % 3
            runner = await stack.enter_async_context(
                a_runner(world, nonce=f"boot of {number}", says_hello=False)
            )
            workers.append(Worker(runner, capacity))
        hellos = [worker.hello() for worker in workers]
        assert {answer.status_code for answer in await asyncio.gather(*hellos)} == {200}
        await world.submit(*[(number, number) for number in range(JOBS)])
        await until(lambda: all_done(world, workers), "all are done", seconds=120)
        assert not any(worker.was_overfull for worker in workers)
        assert sum(worker.done > 0 for worker in workers) == RUNNERS
        assert await world.late_writes() == []


async def all_done(world: World, workers: Sequence[Worker]) -> bool:
    counts = await world.coordinator.store.reads.state_counts()
    return counts["completed"] == JOBS == sum(worker.done for worker in workers)
