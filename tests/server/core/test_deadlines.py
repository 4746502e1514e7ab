"""A job that waits past its deadline is not started any more, however late the sweep comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.coordinator import Introduction, sweep
from server.coordinator.claim import MOST_PASSED_OVER
from server.model import Outcome
from tests.server.core.world import SAM, World, a_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.model import Job, JobState, OutcomeKind

PATIENCE_SECONDS = 2


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


async def impatient(world: World, number: int = 1, **wishes: object) -> list[Job]:
    """Jobs whose deadline passes before the test goes on; no sweep comes to them."""
    deadline = world.clock.now_ms() + PATIENCE_SECONDS * 1000
    jobs = await world.submit(*["fib"] * number, deadline=deadline, **wishes)
    world.clock.advance(PATIENCE_SECONDS)
    return jobs


@pytest.mark.parametrize("limit", [0, 5], ids=["no limit", "limited queue"])
async def test_who_asks_for_work_gets_the_next_that_is_in_time(world: World, limit: int) -> None:
    if limit:
        await world.coordinator.limit_queue(SAM, "default", limit)
    await impatient(world, 10, priority=5)
    first, second = await world.submit("fib", "fib")
    runner = await world.runner()
    assert [one.job.id for one in (await runner.exchange()).assign] == [first.id, second.id]


async def test_so_many_are_passed_over_and_no_more(world: World) -> None:
    await impatient(world, MOST_PASSED_OVER + 2, priority=5)
    (in_time,) = await world.submit("fib")
    runner = await world.runner(capacity=1)
    assert (await runner.exchange()).assign == []
    await world.pass_seconds(1, runner)
    assert [one.job.id for one in (await runner.exchange()).assign] == [in_time.id]


async def test_who_claims_by_name_neither_sees_nor_gets_it(world: World) -> None:
    (late,) = await impatient(world)
    (in_time,) = await world.submit("fib")
    who = Introduction("runpack", "lab-1", "lab-1", 1, ("fib",))
    runner = await world.coordinator.register_runner(who)
    listed = await world.coordinator.available(runner.id, ["fib"], 10)
    assert [one.job.id for one in listed] == [in_time.id]
    assert await world.coordinator.claim_job(runner.id, late.uuid) is None
    assert await world.coordinator.claim_job(runner.id, in_time.uuid) is not None


async def test_it_is_brought_to_nobody(world: World) -> None:
    who = Introduction("native-v1", "lab-1", "lab-1", 2, ("fib",), address="10.0.0.1")
    await world.coordinator.open_session(who, nonce="boot-1")
    await impatient(world, 300, priority=5)  # more than are placed at once
    (in_time,) = await world.submit("fib")
    placed = await world.coordinator.place("native-v1")
    assert [one.assigned.job.id for one in placed] == [in_time.id]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("lost", "pending"), ("error", "scheduled"), ("cancelled", "pending")],
    ids=["lost", "failed", "moved"],
)
async def test_what_had_started_by_then_waits_for_the_next_runner(
    world: World, outcome: OutcomeKind, state: JobState
) -> None:
    runner = await world.runner(capacity=1)
    deadline = world.clock.now_ms() + PATIENCE_SECONDS * 1000
    (job,) = await world.submit("fib", deadline=deadline, max_attempts=2)
    started = await runner.take_one()
    world.clock.advance(PATIENCE_SECONDS)
    if outcome == "cancelled":
        await world.coordinator.reassign(SAM, job.id, queue="gpu")
    await runner.end(started.attempt.uuid, Outcome(outcome, "gone"))
    await world.pass_seconds(1)
    assert (await world.job(job)).state == state
    await world.pass_seconds(60, runner)
    assert [one.job.id for one in (await runner.exchange()).assign] == [job.id]


async def test_what_was_offered_and_never_started_still_expires(world: World) -> None:
    runner = await world.runner(capacity=1)
    (job,) = await world.submit("fib", deadline=world.clock.now_ms() + PATIENCE_SECONDS * 1000)
    [offered] = (await runner.exchange()).assign
    world.clock.advance(PATIENCE_SECONDS)
    await runner.end(offered.attempt.uuid, Outcome("refused", "full", is_retryable=True))
    await world.pass_seconds(1)
    assert (await world.job(job)).state == "expired"


async def test_all_whose_deadline_passed_end_at_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BATCH", 2)
    jobs = await impatient(world, 7)
    await world.pass_seconds(1)
    assert [(await world.job(job)).state for job in jobs] == ["expired"] * 7
