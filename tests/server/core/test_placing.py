"""Work brought to a pool of runners: who gets what, and whose words count."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from server.coordinator import AttemptReport, Introduction
from server.coordinator.brought import Speaker
from server.coordinator.placing import BATCH
from server.errors import Busy
from server.model import Outcome
from tests.server.core.world import SAM, World, a_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.coordinator.placing import Placed
    from server.model import Session

POOL = "native-v1"
SUCCESS = Outcome("success")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


async def joins(
    world: World,
    name: str,
    *,
    capacity: int = 2,
    nonce: str = "boot-1",
    types: tuple[str, ...] = ("fib",),
) -> Session:
    """A runner of the pool says hello."""
    who = Introduction(POOL, name, name, capacity, types, address="10.0.0.1")
    return await world.coordinator.open_session(who, nonce=nonce)


async def placed_with(world: World) -> list[str]:
    """Place what waits: the names of those who get it, in the order of the jobs."""
    placed = await world.coordinator.place(POOL)
    return [one.runner.name for one in sorted(placed, key=lambda one: one.assigned.job.id)]


async def place_one(world: World) -> Placed:
    [placed] = await world.coordinator.place(POOL)
    return placed


async def is_called(world: World) -> bool:
    """Whether whoever places is woken."""
    try:
        async with asyncio.timeout(0.05):
            await world.coordinator.wait_for_placing(POOL)
    except TimeoutError:
        return False
    return True


async def hear(world: World, uuid: str, outcome: Outcome | None, nonce: str = "boot-1") -> str:
    return await world.coordinator.hear(Speaker(POOL, "10.0.0.1", nonce), uuid, outcome)


async def late_kinds(world: World) -> list[str]:
    late = await world.coordinator.store.reads.late_writes(before=None, limit=50)
    return [one.kind for one in late]


async def test_the_least_relative_load_is_preferred(world: World) -> None:
    await joins(world, "small", capacity=1)
    await joins(world, "large", capacity=4)
    await world.submit(*["fib"] * 5)
    assert await placed_with(world) == ["small", "large", "large", "large", "large"]


async def test_nobody_gets_more_than_its_slots_and_unfinished_attempts_count(world: World) -> None:
    await joins(world, "lab", capacity=2)
    await world.submit("fib", "fib", "fib")
    first, second = await world.coordinator.place(POOL)
    assert await world.coordinator.place(POOL) == []
    await world.coordinator.accepted(first.assigned.attempt.uuid)
    assert await world.coordinator.place(POOL) == []
    assert await hear(world, second.assigned.attempt.uuid, SUCCESS) == "taken"
    assert await placed_with(world) == ["lab"]


async def test_one_that_is_full_does_not_hide_what_others_could_do(world: World) -> None:
    await joins(world, "fib-box", capacity=1)
    await joins(world, "noop-box", capacity=1, types=("noop",))
    await world.submit(*["fib"] * 5, "noop")
    assert sorted(await placed_with(world)) == ["fib-box", "noop-box"]


async def test_queue_limits_pauses_drains_and_parking_hold(world: World) -> None:
    await joins(world, "lab", capacity=5)
    await joins(world, "parked", capacity=0)
    await world.submit("fib", "fib", "fib")
    await world.coordinator.pause_queue(SAM, "default")
    assert await placed_with(world) == []
    await world.coordinator.resume_queue(SAM, "default")
    await world.coordinator.limit_queue(SAM, "default", 2)
    assert await placed_with(world) == ["lab", "lab"]
    await world.coordinator.limit_queue(SAM, "default", None)
    [runner] = [one for one in world.coordinator.runners() if one.name == "lab"]
    await world.coordinator.drain(SAM, runner.id)
    assert await placed_with(world) == []
    await world.coordinator.resume_runner(SAM, runner.id)
    assert await placed_with(world) == ["lab"]


async def test_a_large_backlog_is_placed_in_steps(world: World) -> None:
    await joins(world, "huge", capacity=1_000)
    await world.submit(*["fib"] * (BATCH + 50))
    assert len(await world.coordinator.place(POOL)) == BATCH
    assert len(await world.coordinator.place(POOL)) == 50
    assert await world.coordinator.place(POOL) == []


async def test_who_places_is_woken_by_what_may_bring_work(world: World) -> None:
    await is_called(world)
    assert not await is_called(world)
    await world.submit("fib")
    assert not await is_called(world)  # nobody of the pool could do it
    session = await joins(world, "lab", capacity=1)
    assert await is_called(world)
    placed = await place_one(world)
    await world.submit("fib")
    assert await is_called(world)
    await world.submit("noop")
    assert not await is_called(world)
    await hear(world, placed.assigned.attempt.uuid, SUCCESS)
    assert await is_called(world)
    await world.coordinator.set_capacity(session.runner, 7)
    assert await is_called(world)


async def test_waiting_ends_with_the_coordinator(world: World) -> None:
    await is_called(world)
    waiting = asyncio.ensure_future(world.coordinator.wait_for_placing(POOL))
    await asyncio.sleep(0)
    world.coordinator.end_waits()
    with pytest.raises(Busy):
        await waiting


async def test_runners_that_ask_are_counted_in(world: World) -> None:
    asker = await world.runner("asker", capacity=3)
    await asker.exchange()
    waiting = asyncio.ensure_future(world.coordinator.wait_for_work(asker.session.id, 5))
    await asyncio.sleep(0)
    await joins(world, "brought", capacity=3)
    await world.submit(*["fib"] * 4)
    assert await placed_with(world) == ["brought", "brought"]
    assert await waiting
    assert len((await asker.exchange()).assign) == 2


async def test_who_asks_but_does_not_come_is_not_waited_for_long(world: World) -> None:
    asker = await world.runner("asker", capacity=3)
    await asker.exchange()
    waiting = asyncio.ensure_future(world.coordinator.wait_for_work(asker.session.id, 5))
    await asyncio.sleep(0)
    await joins(world, "brought", capacity=3)
    await world.submit("fib")
    assert await placed_with(world) == []
    await waiting
    world.clock.advance(1)
    assert await placed_with(world) == ["brought"]


async def test_a_yes_starts_and_a_no_costs_nothing(world: World) -> None:
    await joins(world, "lab", capacity=1)
    (job,) = await world.submit("fib")
    refused = await place_one(world)
    assert refused.assigned.attempt.uuid == job.uuid  # the wire knows one id
    assert await world.coordinator.not_taken(job.uuid, Outcome("lost", "answered 500"))
    assert (await world.job(job)).state == "pending"
    taken = await place_one(world)
    assert taken.assigned.attempt.uuid != job.uuid
    assert await world.coordinator.accepted(taken.assigned.attempt.uuid)
    found = await world.job(job)
    assert (found.state, found.tries, found.losses) == ("in_progress", 0, 0)


async def test_what_reported_already_is_not_taken_back_and_a_yes_is_no_news(world: World) -> None:
    await joins(world, "lab", capacity=1)
    (job,) = await world.submit("fib")
    await place_one(world)
    assert await hear(world, job.uuid, None) == "taken"
    assert not await world.coordinator.not_taken(job.uuid, Outcome("lost", "answered 500"))
    assert await hear(world, job.uuid, SUCCESS) == "taken"
    assert await world.coordinator.accepted(job.uuid)
    assert (await world.job(job)).state == "completed"
    assert await late_kinds(world) == []


async def test_a_yes_that_comes_too_late_is_kept_as_such(world: World) -> None:
    await joins(world, "lab", capacity=1)
    (job,) = await world.submit("fib")
    await place_one(world)
    await world.coordinator.not_taken(job.uuid, Outcome("lost", "silence"))
    assert not await world.coordinator.accepted(job.uuid)
    assert not await world.coordinator.accepted("00000000-0000-7000-8000-000000000000")
    assert await late_kinds(world) == ["running"]


async def test_stopping_while_it_is_brought_frees_the_slot_if_it_was_not_taken(
    world: World,
) -> None:
    session = await joins(world, "lab", capacity=1)
    (job,) = await world.submit("fib")
    await place_one(world)
    await world.coordinator.stop_job(SAM, job.id)
    assert world.coordinator.busy(session.runner) == 1
    assert await world.coordinator.not_taken(job.uuid, Outcome("lost", "answered 500"))
    assert world.coordinator.busy(session.runner) == 0
    assert (await world.job(job)).state == "stopped"


async def test_words_that_do_not_fit_have_no_effect_and_are_kept(world: World) -> None:
    await joins(world, "lab", capacity=1)
    (job,) = await world.submit("fib")
    await place_one(world)
    await world.coordinator.accepted(job.uuid)
    assert await hear(world, job.uuid, SUCCESS, nonce="a lie") == "foreign"
    elsewhere = Speaker(POOL, "10.0.0.2", "boot-1")
    assert await world.coordinator.hear(elsewhere, job.uuid, SUCCESS) == "foreign"
    other_wire = Speaker("runpack", "10.0.0.1", "boot-1")
    assert await world.coordinator.hear(other_wire, job.uuid, SUCCESS) == "unknown"
    assert await hear(world, "no such attempt", SUCCESS) == "unknown"
    assert (await world.job(job)).state == "in_progress"
    assert await late_kinds(world) == ["success", "success"]


async def test_repeats_are_harmless_and_words_of_a_former_life_late(world: World) -> None:
    await joins(world, "lab", capacity=1)
    first, second = await world.submit("fib", "fib")
    await place_one(world)
    assert await hear(world, first.uuid, SUCCESS) == "taken"
    assert await hear(world, first.uuid, SUCCESS) == "repeated"
    assert await hear(world, first.uuid, None) == "repeated"
    assert await hear(world, first.uuid, Outcome("error")) == "late"
    await place_one(world)
    await world.coordinator.accepted(second.uuid)
    await joins(world, "lab", capacity=1, nonce="boot-2")
    assert (await world.job(second)).state == "pending"
    assert await hear(world, second.uuid, None) == "late"
    assert await hear(world, second.uuid, SUCCESS) == "late"
    assert await hear(world, second.uuid, SUCCESS, nonce="boot-2") == "foreign"
    assert (await world.job(second)).state == "pending"


async def test_what_was_not_taken_may_be_said_to_have_stopped(world: World) -> None:
    await joins(world, "lab", capacity=1)
    (job,) = await world.submit("fib")
    await place_one(world)
    await world.coordinator.not_taken(job.uuid, Outcome("lost", "answered 503"))
    assert await hear(world, job.uuid, Outcome("cancelled")) == "repeated"
    assert await hear(world, job.uuid, SUCCESS) == "late"


async def test_what_was_given_up_keeps_its_slot_until_it_is_heard_of(world: World) -> None:
    session = await joins(world, "lab", capacity=1)
    (job,) = await world.submit("fib")
    await place_one(world)
    await world.coordinator.accepted(job.uuid)
    await world.coordinator.stop_job(SAM, job.id)
    assert await hear(world, job.uuid, None) == "late"
    assert world.coordinator.busy(session.runner) == 1
    assert await hear(world, job.uuid, SUCCESS) == "late"
    assert world.coordinator.busy(session.runner) == 0
    assert (await world.job(job)).state == "stopped"


async def test_a_faulty_runner_gets_nothing_until_its_pause_is_over(world: World) -> None:
    session = await joins(world, "lab", capacity=2)
    [runner] = world.coordinator.runners()
    await world.submit("fib")
    await world.coordinator.mark_faulty(runner.id, "answered 500", 5)
    assert world.coordinator.runner_state(runner) == "faulty"
    assert await placed_with(world) == []
    world.clock.advance(6)
    assert await placed_with(world) == ["lab"]
    assert world.coordinator.fault(runner.id) == "answered 500"
    await world.coordinator.mark_well(runner.id)
    await world.coordinator.mark_well(runner.id)  # nothing to tell
    assert world.coordinator.runner_state(runner) == "ok"
    await world.coordinator.mark_faulty(runner.id, "answered 500", 5)
    await world.coordinator.lose_session(session.id, reason="nobody is there")
    assert world.coordinator.fault(runner.id) == ""
    assert world.coordinator.runner_state(runner) == "lost"


async def test_nothing_is_placed_with_a_life_that_ends_in_the_same_commit(world: World) -> None:
    await joins(world, "lab", capacity=1)
    (job,) = await world.submit("fib")
    _, placed = await asyncio.gather(
        joins(world, "lab", capacity=1, nonce="boot-2"), world.coordinator.place(POOL)
    )
    assert placed == []
    placed = await world.coordinator.place(POOL)
    assert [one.session.nonce for one in placed] == ["boot-2"]
    assert (await world.job(job)).state == "claimed"


async def test_a_pinned_job_waits_for_its_runner(world: World) -> None:
    await joins(world, "a", capacity=1)
    await joins(world, "b", capacity=1)
    one, two = await world.submit("fib", "fib")
    [target] = [runner for runner in world.coordinator.runners() if runner.name == "b"]
    for job in (one, two):
        await world.coordinator.reassign(SAM, job.id, runner=target.id)
    assert await placed_with(world) == ["b"]
    await hear(world, one.uuid, SUCCESS)
    assert await placed_with(world) == ["b"]


async def test_a_restart_knows_the_pool_and_places_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("store") / "jobs.db"
    async with a_world(path) as world:
        await joins(world, "lab", capacity=2)
        await world.submit("fib", "fib", "fib")
        first, _ = await world.coordinator.place(POOL)
        await world.coordinator.accepted(first.assigned.attempt.uuid)
    async with a_world(path, is_settled=False) as world:
        assert await is_called(world)
        assert await placed_with(world) == []
        assert await hear(world, first.assigned.attempt.uuid, SUCCESS) == "taken"
        assert await placed_with(world) == ["lab"]


async def test_exchange_and_pool_do_not_take_the_same_job(world: World) -> None:
    asker = await world.runner("asker", capacity=2)
    await joins(world, "brought", capacity=2)
    await world.submit(*["fib"] * 3)
    told, placed = await asyncio.gather(asker.exchange(), world.coordinator.place(POOL))
    taken = [one.job.id for one in told.assign] + [one.assigned.job.id for one in placed]
    assert len(taken) == len(set(taken)) == 3
    report = AttemptReport(told.assign[0].attempt.uuid, SUCCESS)
    await asker.exchange(report)
