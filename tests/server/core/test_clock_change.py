"""The wall clock is set while jobs run and wait: what was to last so long still does."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from server.clock import ManualClock
from server.coordinator.age_clock import SPEED
from server.coordinator.retention import EVERY_SECONDS
from server.errors import Busy
from server.model import Outcome, RetryPolicy
from server.settings import RetentionSettings
from server.transitions import REFUSAL_PAUSE_MS
from tests.server.core.world import SAM, SETTINGS, World, a_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from typing import Any

    from server.model import Job

HOUR = 3_600
DAY = 86_400
both_ways = pytest.mark.parametrize("jump", [HOUR, -HOUR])
in_any_step = pytest.mark.parametrize("step", range(3))
"""Following the clock takes a few operations, between which others come."""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


@both_ways
async def test_a_deadline_of_a_waiting_job_keeps_its_distance(world: World, jump: int) -> None:
    (job,) = await world.submit("fib", deadline=world.clock.now_ms() + 60_000)
    await world.pass_seconds(2)
    world.clock.jump(jump)
    await world.pass_seconds(50)
    assert (await world.job(job)).state == "pending"
    await world.pass_seconds(10)
    assert (await world.job(job)).state == "expired"


@both_ways
async def test_a_retry_comes_when_it_was_to_come(world: World, jump: int) -> None:
    policy = RetryPolicy(base_delay_ms=20_000, jitter=0.0)
    (job,) = await world.submit("fib", max_attempts=2, retry=policy)
    runner = await world.runner()
    taken = await runner.take_one()
    await runner.end(taken.attempt.uuid, Outcome("error", "no"))
    await world.pass_seconds(2, runner)
    world.clock.jump(jump)
    await world.pass_seconds(15, runner)
    assert (await world.job(job)).state == "scheduled"
    await world.pass_seconds(5, runner)
    assert (await world.job(job)).state == "pending"


async def test_a_due_time_that_was_named_stays(world: World) -> None:
    (job,) = await world.submit("fib", run_at=world.clock.now_ms() + HOUR * 1000)
    await world.pass_seconds(2)
    world.clock.jump(HOUR)
    await world.pass_seconds(1)
    assert (await world.job(job)).state == "pending"


@both_ways
async def test_a_timeout_counts_from_the_start_over_a_jump_before_it(
    world: World, jump: int
) -> None:
    await world.submit("fib", timeout_ms=60_000)
    runner = await world.runner()
    told = await runner.exchange(free=1)
    world.clock.jump(jump)
    await world.pass_seconds(1, runner)
    await runner.exchange(free=0)
    [assigned] = told.assign
    attempt = await world.newest(assigned.job)
    assert attempt.state == "running"
    assert attempt.deadline == world.clock.now_ms() + 60_000


@both_ways
async def test_what_began_after_the_jump_and_before_it_was_noticed_is_not_moved(
    world: World, jump: int
) -> None:
    runner = await world.runner()
    await world.pass_seconds(1, runner)
    world.clock.jump(jump)
    (job,) = await world.submit("fib", timeout_ms=60_000, deadline=world.clock.now_ms() + 60_000)
    await runner.take_one()
    deadline = (await world.newest(job)).deadline
    await world.pass_seconds(2, runner)
    attempt = await world.newest(job)
    assert (attempt.state, attempt.deadline) == ("running", deadline)
    assert (await world.job(job)).deadline == job.deadline


@both_ways
async def test_an_offer_nobody_confirmed_goes_back_in_time(world: World, jump: int) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    await runner.exchange(free=1, answer_is_lost=True)
    assert (await world.newest(job)).state == "offered"
    world.clock.jump(jump)
    await world.pass_seconds(1, runner)
    attempt = await world.newest(job)
    assert world.clock.now_ms() - attempt.offered_at == 1_000


async def test_a_drain_keeps_its_time(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    await runner.take_one()
    await world.coordinator.drain(SAM, runner.session.runner, deadline_ms=60_000, move=False)
    await world.pass_seconds(2, runner)
    world.clock.jump(HOUR)
    await world.pass_seconds(50, runner)
    assert (await world.newest(job)).state == "running"
    await world.pass_seconds(10, runner)
    assert (await world.newest(job)).state == "ending"


WEEK_KEPT = replace(SETTINGS, retention=RetentionSettings(jobs_ms=7 * DAY * 1000))


async def is_kept(world: World, job: Job) -> bool:
    await world.pass_seconds(2 * round(EVERY_SECONDS))
    return await world.coordinator.store.reads.job_detail(job.id) is not None


async def ended_job(world: World) -> Job:
    (job,) = await world.submit("fib")
    await world.coordinator.stop_job(SAM, job.id)
    return job


async def test_a_clock_that_is_far_ahead_for_a_while_removes_nothing() -> None:
    async with a_world(settings=WEEK_KEPT) as world:
        job = await ended_job(world)
        world.clock.jump(365 * DAY)
        assert await is_kept(world, job)
        world.clock.advance(6 * DAY / SPEED)
        assert await is_kept(world, job)
        world.clock.advance(1 * DAY / SPEED)
        assert not await is_kept(world, job)


async def test_a_start_under_a_clock_that_is_far_ahead_removes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    async with a_world(tmp_path / "db", settings=WEEK_KEPT, clock=clock) as world:
        job = await ended_job(world)
        await world.pass_seconds(round(EVERY_SECONDS))
    assert "past the last look" not in caplog.text
    clock.jump(365 * DAY)
    for _ in range(2):
        async with a_world(tmp_path / "db", settings=WEEK_KEPT, clock=clock) as world:
            assert await is_kept(world, job)
        assert "the clock is 365 days past the last look at what is old" in caplog.text
    clock.jump(-365 * DAY)
    async with a_world(tmp_path / "db", settings=WEEK_KEPT, clock=clock) as world:
        clock.advance(6 * DAY)
        assert await is_kept(world, job)
        clock.advance(2 * DAY)
        assert not await is_kept(world, job)


async def test_a_laptop_that_sleeps_every_hour_is_kept_clean() -> None:
    """Asleep, the wall clock goes on alone."""
    async with a_world(settings=WEEK_KEPT) as world:
        job = await ended_job(world)
        for day in range(7):
            assert await is_kept(world, job), day
            world.clock.jump(23 * HOUR)
            world.clock.advance(HOUR)
        assert not await is_kept(world, job)


async def test_a_clock_that_was_behind_is_caught_up_with() -> None:
    async with a_world(settings=WEEK_KEPT) as world:
        job = await ended_job(world)
        world.clock.jump(-365 * DAY)
        assert await is_kept(world, job)
        world.clock.jump(365 * DAY)
        world.clock.advance(8 * DAY)
        assert not await is_kept(world, job)


async def test_when_a_runner_was_heard_is_never_in_the_future(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    async with a_world(path) as world:
        runner = await world.runner()
        runner_id = runner.session.runner
        await world.pass_seconds(10, runner)
        world.clock.jump(-HOUR)
        await world.pass_seconds(5)
        known = world.coordinator.runner(runner_id)
        assert known is not None and known.last_seen_at <= world.clock.now_ms()
        await world.pass_seconds(1, runner)
        known = world.coordinator.runner(runner_id)
        assert known is not None and known.last_seen_at == world.clock.now_ms()
        await world.pass_seconds(10, runner)
        clock = world.clock
    clock.jump(-HOUR)
    async with a_world(path, clock=clock) as after:
        known = after.coordinator.runner(runner_id)
        assert known is not None and known.last_seen_at <= clock.now_ms()


# what happens while the clock is followed -----------------------------------------------------


def before_operation(
    world: World, patch: pytest.MonkeyPatch, step: int, act: Callable[[], Awaitable[object]]
) -> None:
    """Have something done before one of the operations that come next, counted from 0."""
    store, apply, steps = world.coordinator.store, world.coordinator.store.apply, count()

    def interrupted(*args: Any, **options: Any) -> Awaitable[Any]:
        async def both() -> Any:
            if next(steps) == step:
                patch.setattr(store, "apply", apply)
                await act()
            return await apply(*args, **options)

        return both()

    patch.setattr(store, "apply", interrupted)


@in_any_step
async def test_a_store_that_takes_nothing_just_then_is_asked_again(
    world: World, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> None:
        raise Busy("There is more work queued than is accepted.")

    monkeypatch.setattr("server.coordinator.sweeper.TICK_SECONDS", 0.0)
    (waits,) = await world.submit("other", deadline=world.clock.now_ms() + 60_000)
    (runs,) = await world.submit("fib", timeout_ms=60_000)
    runner = await world.runner()
    await runner.take_one()
    deadline = (await world.newest(runs)).deadline
    world.clock.jump(HOUR)
    before_operation(world, monkeypatch, step, refuse)
    await world.coordinator.sweep()
    assert (await world.newest(runs)).deadline == deadline + HOUR * 1000
    assert (await world.job(waits)).deadline == waits.deadline + HOUR * 1000


@both_ways
@in_any_step
async def test_what_begins_while_the_clock_is_followed_is_not_moved(
    world: World, jump: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []

    async def submit() -> None:
        world.clock.advance(0.02)
        deadline = world.clock.now_ms() + 60_000
        jobs.extend(await world.submit("fib", "fib", deadline=deadline, timeout_ms=60_000))
        await runner.take_one()

    runner = await world.runner()
    await world.submit("other", deadline=world.clock.now_ms() + 60_000)
    world.clock.jump(jump)
    before_operation(world, monkeypatch, step, submit)
    await world.coordinator.sweep()
    assert (await world.newest(jobs[0])).deadline == world.clock.now_ms() + 60_000
    assert [(await world.job(job)).deadline for job in jobs] == [jobs[0].deadline] * 2


@both_ways
@in_any_step
async def test_a_deadline_is_moved_once_whether_its_job_comes_back_or_is_taken_meanwhile(
    world: World, jump: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse_one_and_take_the_other() -> None:
        await runner.end(offered.attempt.uuid, Outcome("refused", "full", is_retryable=True))
        await runner.take_one()

    deadline = world.clock.now_ms() + 7_200_000
    jobs = await world.submit("fib", "fib", deadline=deadline)
    runner = await world.runner()
    [offered] = (await runner.exchange(free=1)).assign
    world.clock.jump(jump)
    before_operation(world, monkeypatch, step, refuse_one_and_take_the_other)
    await world.coordinator.sweep()
    found = [await world.job(job) for job in jobs]
    assert [job.state for job in found] == ["scheduled", "in_progress"]
    assert [job.deadline for job in found] == [deadline + jump * 1000] * 2
    assert found[0].run_at == world.clock.now_ms() + REFUSAL_PAUSE_MS
