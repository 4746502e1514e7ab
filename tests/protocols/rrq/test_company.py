"""What is in flight with a job: who is charged then, and suspects that wait for less of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from server.settings import LeaseSettings
from tests.protocols.rrq.double import a_double, dialling
from tests.protocols.rrq.world import SAM, a_world, dialled, settings_with

if TYPE_CHECKING:
    from pathlib import Path

    from server.coordinator.results import Explanation
    from server.model import Job
    from server.settings import Settings
    from server.wire.rrq_address import Address
    from tests.protocols.rrq.double import Double, Sent
    from tests.protocols.rrq.world import World


def settings_for(address: Address) -> Settings:
    """Offers that are not taken up go back soon."""
    settings = settings_with(py=dialled(address, max_in_flight=4))
    return replace(settings, leases=LeaseSettings(heartbeat_timeout_ms=200, offer_timeout_ms=200))


async def put_off(runner: Double, world: World) -> tuple[Sent, Job, Job]:
    """A long job is in flight, and of two suspects the first was put off for so long that its
    offer ran out."""
    first, second = await world.submit("py#x", "py#x")
    await runner.requests_for(2)
    await runner.close()  # with both of them in flight
    await world.submit("py#long", priority=1)
    await runner.listen()
    long = await runner.request()
    assert long.payload["function_name"] == "long"
    await world.until(first, lambda found: found.job.attempts >= 2)
    await world.until(first, lambda found: found.job.state == "pending")
    assert runner.requests.empty()
    return long, first, second


async def test_they_are_done_one_by_one_as_soon_as_there_is_no_company(tmp_path: Path) -> None:
    async with a_double() as runner, a_world(tmp_path, settings_for(runner.address)) as world:
        long, first, second = await put_off(runner, world)
        runner.answer(long)
        for job in (first, second):
            sent = await runner.request()
            assert sent.payload["job_id"] == job.uuid
            assert runner.requests.empty()
            runner.answer(sent)
            found = await world.ended(job)
            assert (found.job.tries, found.job.losses) == (1, 0)


async def test_others_are_taken_once_they_are_gone(tmp_path: Path) -> None:
    async with a_double() as runner, a_world(tmp_path, settings_for(runner.address)) as world:
        long, *suspects = await put_off(runner, world)
        for job in suspects:
            await world.coordinator.stop_job(SAM, job.id)
        other = await world.one("py#y")
        sent = await runner.request()
        assert sent.payload["job_id"] == other.uuid
        runner.answer(sent)
        await world.result(other)
        runner.answer(long)


async def test_a_job_beside_one_that_was_given_up_is_not_charged(tmp_path: Path) -> None:
    """What was given up may have been what broke the connection."""
    async with dialling(tmp_path) as (runner, world):
        silent = await world.one("py#x", timeout_ms=200)
        other = await world.one("py#y")
        sent = {one.payload["job_id"]: one for one in await runner.requests_for(2)}
        assert (await world.ended(silent)).job.state == "failed"
        sent[silent.uuid].over.close()
        runner.answer(await runner.request())
        found = await world.ended(other)
        assert (found.job.state, found.job.tries, found.job.losses) == ("completed", 1, 0)


async def explained(world: World, job: Job, words: str) -> Explanation:
    """Wait until the only runner's verdict on a job holds these words."""
    async with asyncio.timeout(20):
        while True:
            found = await world.coordinator.explain(job.id)
            if words in found.verdicts[0].detail:
                return found
            await asyncio.sleep(0.01)


async def test_why_nothing_else_is_taken_meanwhile_is_explained(tmp_path: Path) -> None:
    async with a_double() as runner, a_world(tmp_path, settings_for(runner.address)) as world:
        long, *suspects = await put_off(runner, world)
        waiting = await world.one("py#y")
        found = await explained(world, waiting, "waits until fewer are in flight")
        assert found.verdicts[0].kind == "withheld"
        assert found.suggestion.startswith("wait: a job that was there when its runner went down")
        runner.answer(long)
        alone = await runner.request()
        await explained(world, waiting, "runs in less company")
        runner.answer(alone)
        runner.answer(await runner.request())
        for job in suspects:
            await world.ended(job)
        runner.answer(await runner.request())
        await world.result(waiting)
