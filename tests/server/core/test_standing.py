"""Claims that stand: work that comes up is given by the commit that brings it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.coordinator import Said
from tests.server.core.world import LEASE_SECONDS, SAM, World, a_world

if TYPE_CHECKING:
    from server.coordinator import Assigned
    from server.store.base import Committed


class Hands:
    """Takes what it is given."""

    def __init__(self, room: int = 2) -> None:
        self.room = room
        self.taken: list[Assigned] = []

    def take(self, jobs: list[Assigned]) -> None:
        self.taken += jobs
        self.room -= len(jobs)

    @property
    def jobs(self) -> list[int]:
        return [assigned.job.id for assigned in self.taken]


def commits_of(world: World) -> list[list[str]]:
    """Kinds of the events of each commit from now on."""
    commits: list[list[str]] = []

    def note(committed: Committed) -> None:
        commits.append([event.kind for event in committed.events])

    world.coordinator.store.on_commit(note)
    return commits


async def test_a_job_is_submitted_and_given_in_one_commit() -> None:
    async with a_world() as world:
        runner, hands, commits = await world.runner(), Hands(), commits_of(world)
        with world.coordinator.standing_claim(runner.session.id, lambda: hands.room, hands.take):
            [job] = await world.submit("fib")
        assert commits == [["submitted", "claimed"]]
        assert hands.jobs == [job.id]
        assert (await world.job(job)).state == "claimed"
        assert (await world.newest(job)).state == "offered"


async def test_no_more_is_given_than_is_taken_and_the_rest_is_told_of() -> None:
    async with a_world() as world:
        runner, hands = await world.runner(capacity=4), Hands()
        await runner.exchange()
        waiting = asyncio.create_task(world.coordinator.wait_for_work(runner.session.id, 20))
        with world.coordinator.standing_claim(runner.session.id, lambda: hands.room, hands.take):
            first = await world.submit("fib", "fib", "fib")
            assert await waiting  # for what it did not take at once
            await world.submit("fib")
        assert hands.jobs == [job.id for job in first[:2]]
        assert [(await world.job(job)).state for job in first] == ["claimed", "claimed", "pending"]


async def test_what_is_taken_at_once_ends_no_wait() -> None:
    async with a_world() as world:
        runner, hands = await world.runner(capacity=4), Hands()
        await runner.exchange()
        with world.coordinator.standing_claim(runner.session.id, lambda: hands.room, hands.take):
            waiting = asyncio.create_task(world.coordinator.wait_for_work(runner.session.id, 20))
            await world.submit("fib")
            await asyncio.sleep(0)
            assert not waiting.done()
            world.coordinator.poke(runner.session.id)
            assert await waiting


async def test_nothing_is_given_once_the_claim_is_over_or_where_it_does_not_fit() -> None:
    async with a_world() as world:
        runner, hands = await world.runner(), Hands()
        with world.coordinator.standing_claim(runner.session.id, lambda: hands.room, hands.take):
            await world.submit("other")
        await world.submit("fib")
        assert hands.jobs == []


async def test_the_least_busy_runner_is_given_the_job() -> None:
    async with a_world() as world:
        busy, idle = await world.runner("busy", nonce="b"), await world.runner("idle", nonce="i")
        await world.submit("fib")
        await busy.take_one()
        first, second = Hands(1), Hands(1)
        calls = world.coordinator
        with (
            calls.standing_claim(busy.session.id, lambda: first.room, first.take),
            calls.standing_claim(idle.session.id, lambda: second.room, second.take),
        ):
            [job] = await world.submit("fib")
        assert (first.jobs, second.jobs) == ([], [job.id])


async def test_a_paused_queue_and_a_draining_runner_are_respected() -> None:
    async with a_world() as world:
        runner, hands = await world.runner(), Hands()
        with world.coordinator.standing_claim(runner.session.id, lambda: hands.room, hands.take):
            await world.coordinator.pause_queue(SAM, "default")
            [job] = await world.submit("fib")
            assert hands.jobs == []
            await world.coordinator.resume_queue(SAM, "default")
            assert hands.jobs == [job.id]
            await world.coordinator.drain(SAM, runner.session.runner)
            await world.submit("fib")
            assert hands.jobs == [job.id]


async def test_a_job_that_comes_back_is_given_too() -> None:
    async with a_world() as world:
        lost, other, hands = await world.runner("lost", nonce="l"), await world.runner(), Hands()
        [job] = await world.submit("fib")
        await lost.take_one()
        with world.coordinator.standing_claim(other.session.id, lambda: hands.room, hands.take):
            await world.pass_seconds(LEASE_SECONDS + 1, other)
            assert hands.jobs == [job.id]


async def test_what_got_lost_on_the_way_is_repeated() -> None:
    async with a_world() as world:
        runner = await world.runner()
        with world.coordinator.standing_claim(runner.session.id, lambda: 2, lambda jobs: None):
            [job] = await world.submit("fib")
        told = await world.coordinator.exchange(runner.session.id, Said(free=2))
        assert [assigned.job.id for assigned in told.assign] == [job.id]
