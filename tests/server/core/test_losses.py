"""What is lost through no doing of its own, and what a protocol gives up by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from server.coordinator import AttemptReport
from server.errors import UnknownSession
from server.model import Actor, JobSpec, Outcome, RetryPolicy
from server.settings import RetrySettings, Settings
from tests.server.core.world import a_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.server.core.world import World

NO_LOSSES = RetryPolicy(max_losses=0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


async def test_a_blameless_loss_counts_as_nothing(world: World) -> None:
    [job] = await world.submit("fib", retry=NO_LOSSES)
    runner = await world.runner()
    for _ in range(3):
        taken = await runner.take_one()
        await runner.end(taken.attempt.uuid, Outcome("lost", "bad company", is_blameless=True))
        now = await world.job(job)
        assert (now.state, now.tries, now.losses) == ("pending", 0, 0)
    taken = await runner.take_one()
    await runner.end(taken.attempt.uuid, Outcome("lost", "on its own"))
    assert (await world.job(job)).state == "failed"


async def test_what_a_runner_cancels_unasked_does_not_come_back_for_ever(world: World) -> None:
    """It may end before it was ever held; the report confirms it, so it counts as a loss."""
    [job] = await world.submit("fib", retry=RetryPolicy(max_losses=1))
    runner = await world.runner()
    for losses in (1, 2):
        [assigned] = (await runner.exchange(free=1)).assign
        await runner.end(assigned.attempt.uuid, Outcome("cancelled", "not now"))
        assert (await world.job(job)).losses == losses
    assert (await world.job(job)).state == "failed"


@pytest.mark.parametrize(("via", "losses"), [("operator-api", 1), ("native-v2", 1), ("runpack", 0)])
async def test_submits_that_say_nothing_may_be_lost_as_often_as_is_configured(
    via: str, losses: int
) -> None:
    policy = RetryPolicy(max_losses=1)
    settings = Settings(retry=RetrySettings(policy=policy))
    async with a_world(settings=settings) as world:
        [made] = await world.coordinator.submit(
            Actor("sam", "operator", via), [JobSpec(type="fib")]
        )
        runner = await world.runner()
        for count in range(losses + 1):
            assert (await world.job(made.job)).losses == count
            taken = await runner.take_one()
            await runner.end(taken.attempt.uuid, Outcome("lost", "gone"))
        assert (await world.job(made.job)).state == "failed"


@pytest.mark.parametrize(("is_blameless", "state"), [(True, "pending"), (False, "failed")])
async def test_a_session_may_end_through_nobodys_fault(
    world: World, is_blameless: bool, state: str
) -> None:
    [job] = await world.submit("fib", retry=NO_LOSSES)
    runner = await world.runner()
    await runner.take_one()
    await world.coordinator.close_session(
        runner.session.id, reason="we restart", is_blameless=is_blameless
    )
    assert (await world.job(job)).state == state


async def test_what_a_protocol_gives_up_decides_its_job_and_keeps_its_slot(world: World) -> None:
    [job] = await world.submit("fib", max_attempts=3)
    runner = await world.runner()
    uuid = (await runner.take_one()).attempt.uuid
    silent = Outcome("timeout", "it never answered", is_retryable=False)
    for _ in range(2):
        await world.coordinator.give_up(uuid, silent, reason="never answered")
    detail = await world.detail(job)
    assert ((await world.job(job)).state, detail.attempts[0].attempt.state) == (
        "failed",
        "abandoned",
    )
    assert detail.attempts[0].outcome == silent
    assert world.coordinator.busy(runner.session.runner) == 1
    await runner.exchange(AttemptReport(uuid, Outcome("success")), free=0)
    detail = await world.detail(job)
    assert ((await world.job(job)).state, detail.attempts[0].attempt.state) == ("failed", "ended")
    assert detail.attempts[0].outcome == silent
    assert world.coordinator.busy(runner.session.runner) == 0
    [late] = await world.coordinator.store.reads.late_writes(before=None, limit=5)
    assert late.kind == "success"


async def test_giving_up_what_has_ended_or_never_was_changes_nothing(world: World) -> None:
    [job] = await world.submit("fib")
    runner = await world.runner()
    uuid = (await runner.take_one()).attempt.uuid
    await runner.end(uuid)
    for one in (uuid, "01a20ef6-0000-7000-8000-000000000000"):
        await world.coordinator.give_up(one, Outcome("timeout"), reason="")
    assert (await world.job(job)).state == "completed"


async def test_a_protocol_ends_its_own_wait(world: World) -> None:
    runner = await world.runner()
    await runner.exchange()
    waiting = asyncio.create_task(world.coordinator.wait_for_work(runner.session.id, 20))
    await asyncio.sleep(0)
    assert not waiting.done()
    world.coordinator.poke(runner.session.id)
    assert await asyncio.wait_for(waiting, 5)
    world.coordinator.poke(12345)


async def test_a_life_that_ends_in_the_same_commit_is_given_nothing(world: World) -> None:
    jobs = await world.submit("fib", "fib")
    asking, pushed = await world.runner("lab-1"), await world.runner("lab-2")
    answers = await asyncio.gather(
        world.coordinator.close_session(asking.session.id, reason="it leaves"),
        world.coordinator.close_session(pushed.session.id, reason="it leaves"),
        asking.exchange(),
        world.coordinator.claim(pushed.session.id, 1),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers[2:]] == [UnknownSession, UnknownSession]
    assert [(await world.job(job)).state for job in jobs] == ["pending", "pending"]
