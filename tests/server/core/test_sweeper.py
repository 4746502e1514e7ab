"""The clockwork, where something happens in the middle of one of its rounds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.coordinator import sweep
from server.coordinator.named import OFFER_SECONDS, OfferBook
from server.errors import DiskFull, Refused
from server.events import Notice
from server.store.sqlite import SqliteStore
from tests.server.core.world import LEASE_SECONDS, SAM, World, a_world
from tests.server.http.world import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from server.coordinator.memory import Memory
    from server.store.base import Tx


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


async def test_being_stopped_within_a_round_loses_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    await runner.take_one()
    watch = sweep.watch_attempts

    def stopped_meanwhile(tx: Tx, memory: Memory, now: int, *, may_expire: bool) -> None:
        watch(tx, memory, now, may_expire=may_expire)
        world.clock.advance(LEASE_SECONDS * 10)

    await world.pass_seconds(1, runner)
    monkeypatch.setattr(sweep, "watch_attempts", stopped_meanwhile)
    for _ in range(4):
        await world.coordinator.sweep()
    monkeypatch.undo()
    assert world.coordinator.session(runner.session.uuid) is not None
    assert (await world.job(job)).state == "in_progress"


async def test_a_beat_while_the_loss_is_being_written_saves_the_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = await world.runner()
    lose = sweep.lose_sessions
    asked: list[int] = []

    def heard_meanwhile(tx: Tx, memory: Memory, session_ids: list[int], now: int) -> None:
        asked.extend(session_ids)
        world.coordinator.touch(runner.session.id)
        lose(tx, memory, session_ids, now)

    monkeypatch.setattr(sweep, "lose_sessions", heard_meanwhile)
    for _ in range(LEASE_SECONDS + 1):
        await world.pass_seconds(1)
        if asked:
            break
    assert asked == [runner.session.id]
    assert world.coordinator.session(runner.session.uuid) is not None


async def test_storing_when_a_runner_was_heard_keeps_a_drain_of_the_same_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = await world.runner()
    runner_id = runner.session.runner
    write = sweep.write_last_seen
    drained: list[int] = []

    def drained_first(tx: Tx, memory: Memory, heard: dict[int, int]) -> None:
        known = tx.runner(runner_id)
        assert known is not None
        tx.update_runner(replace(known, draining_since=1))
        drained.append(runner_id)
        write(tx, memory, heard)

    monkeypatch.setattr(sweep, "write_last_seen", drained_first)
    await world.pass_seconds(12, runner)
    assert drained
    now = world.coordinator.runner(runner_id)
    assert now is not None
    assert now.draining_since == 1


async def test_a_runner_is_told_to_be_drained_once(world: World) -> None:
    runner = await world.runner()
    await world.coordinator.drain(SAM, runner.session.runner, deadline_ms=None, move=False)
    with world.coordinator.bus.subscribe() as heard:
        await world.pass_seconds(3, runner)
        kinds = [getattr(item, "kind", "") for item in await heard.next()]
    assert kinds.count("runner_drained") == 1


async def test_no_disk_no_resubmit(world: World) -> None:
    (job,) = await world.submit("fib")
    await world.coordinator.stop_job(SAM, job.id)
    world.coordinator.submit_problem = "the disk is full"
    with pytest.raises(DiskFull):
        await world.coordinator.resubmit(SAM, job.id)


async def test_a_job_is_not_pinned_to_a_forgotten_runner(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    await world.coordinator.close_session(runner.session.id, reason="bye")
    await world.coordinator.forget(SAM, runner.session.runner)
    with pytest.raises(Refused, match="forgotten"):
        await world.coordinator.reassign(SAM, job.id, runner=runner.session.runner)


async def test_offers_to_others_go_last_until_they_are_over(world: World) -> None:
    first, second = await world.submit("fib", "fib")
    book = OfferBook()
    assert book.order([first, second], 1, 0.0) == [first, second]
    assert book.order([first, second], 2, 1.0) == [second, first]
    assert book.order([first, second], 1, 1.0) == [first, second]
    assert book.order([first, second], 2, 1.0 + OFFER_SECONDS) == [first, second]


async def test_an_idle_coordinator_asks_nothing_of_the_store(world: World) -> None:
    await world.submit("fib")
    await world.submit("fib", run_at=world.clock.now_ms() + 3_600_000)
    await world.pass_seconds(2)
    asked = 0

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def apply(self, operation: Callable[[Tx], object]) -> object:
            nonlocal asked
            asked += 1
            return store.apply(operation)

    sweeper = world.coordinator._sweeper
    store, sweeper._store = sweeper._store, Watched()  # type: ignore[assignment]
    await world.pass_seconds(30)
    assert asked == 0


async def test_jobs_that_wait_are_seen_in_time_whenever_they_came(world: World) -> None:
    """What is looked for next is known in memory: it has to follow every change."""
    now = world.clock.now_ms()
    (late,) = await world.submit("fib", run_at=now + 60_000)
    await world.pass_seconds(2)
    (early,) = await world.submit("fib", run_at=now + 10_000)
    (short,) = await world.submit("fib", deadline=now + 20_000)
    await world.pass_seconds(10)
    assert (await world.job(early)).state == "pending"
    assert (await world.job(short)).state == "pending"
    await world.pass_seconds(10)
    assert (await world.job(short)).state == "expired"
    assert (await world.job(late)).state == "scheduled"
    await world.pass_seconds(45)
    assert (await world.job(late)).state == "pending"


async def test_a_runner_forgotten_long_ago_leaves_nothing_behind(world: World) -> None:
    stays = await world.runner("lab-2")
    goes = await world.runner("lab-1")
    await goes.exchange()
    await world.coordinator.close_session(goes.session.id, reason="bye")
    await world.coordinator.forget(SAM, goes.session.runner)
    world.clock.advance(91 * 86_400)
    world.coordinator.touch(stays.session.id)
    await world.coordinator.sweep()
    memory = world.coordinator._memory
    assert set(memory.runners) == {stays.session.runner}
    held = (memory._runner_ids.values(), memory._fits, memory._busy, memory._sessions_of)
    assert all(goes.session.runner not in one for one in held)
    again = await world.runner("lab-1", nonce="boot-2")
    (job,) = await world.submit("fib")
    assert [one.job.id for one in (await again.exchange(free=1)).assign] == [job.id]


async def test_names_that_clients_made_up_are_forgotten_with_their_jobs(world: World) -> None:
    runner = await world.runner(types=("*",), capacity=50)
    jobs = [(await world.submit(f"type-{n}", queue=f"queue-{n}"))[0] for n in range(40)]
    for assigned in (await runner.exchange(free=40)).assign:
        await runner.end(assigned.attempt.uuid)
    store = world.coordinator.store
    assert isinstance(store, SqliteStore)
    assert len(store._memory.classes) == len(jobs)
    world.clock.advance(31 * 86_400)
    world.coordinator.touch(runner.session.id)
    await world.coordinator.sweep()
    memory = store._memory
    assert len(memory.classes) == len(memory.class_ids) == 1  # the newest stays
    assert not memory.facet_ids and not memory.submitters
    assert len(memory.active) <= 1
    assert {cls for cls, _ in memory.counts} <= set(memory.classes)
    (again,) = await world.submit("type-3", queue="queue-3")
    assert [one.job.id for one in (await runner.exchange(free=1)).assign] == [again.id]


async def test_what_clients_make_up_is_remembered_in_bounds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.coordinator.memory.MOST_VERDICTS", 3)
    runner = await world.runner()
    for number in range(10):
        await world.submit("fib", queue=f"made-up-{number}")
    assert len((await runner.exchange(free=10)).assign) == 10
    memory = world.coordinator._memory
    assert 0 < len(memory._fits[runner.session.runner]) <= 3


async def test_an_end_that_cannot_be_stored_is_told_in_words(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(operation: object) -> None:
        raise DiskFull("The disk is full: nothing was stored.")

    monkeypatch.setattr(world.coordinator.store, "apply", fails)
    await world.coordinator.stop()
    assert "the end of this run is not among the events: The disk is full" in caplog.text


async def test_many_jobs_that_fall_due_at_once_are_no_standing_still(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    due_at = world.clock.now_ms() + 1_000
    jobs = await world.submit("fib", "fib", "fib", run_at=due_at)
    fall_due = sweep.fall_due

    def slowly(tx: Tx, memory: Memory, now: int) -> int:
        world.clock.advance(1.5)
        return fall_due(tx, memory, now)

    monkeypatch.setattr(sweep, "BATCH", 1)
    monkeypatch.setattr(sweep, "fall_due", slowly)
    await world.pass_seconds(1)
    assert [(await world.job(job)).state for job in jobs] == ["pending"] * 3
    assert "stood still" not in caplog.text


@pytest.mark.parametrize("what", ["due", "past their deadline"])
async def test_leases_run_out_while_many_jobs_are_dealt_with(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Each step takes longer than a round, and there are more of them than a lease has seconds."""
    name = "fall_due" if what == "due" else "expire_waiting"
    step, steps = getattr(sweep, name), 0
    lost_after: list[int] = []
    lose = sweep.lose_sessions

    def slowly(tx: Tx, memory: Memory, now: int) -> None:
        nonlocal steps
        steps += 1
        world.clock.advance(1)
        step(tx, memory, now)

    def noted(tx: Tx, memory: Memory, session_ids: list[int], now: int) -> None:
        lost_after.append(steps)
        lose(tx, memory, session_ids, now)

    at = world.clock.now_ms() + 1_000
    wishes = {"run_at": at} if what == "due" else {"deadline": at}
    await world.submit(*["fib"] * 2 * LEASE_SECONDS, **wishes)
    await world.runner()
    monkeypatch.setattr(sweep, "BATCH", 1)
    monkeypatch.setattr(sweep, name, slowly)
    monkeypatch.setattr(sweep, "lose_sessions", noted)
    await world.pass_seconds(1)
    assert steps > 2 * LEASE_SECONDS
    assert lost_after
    assert lost_after[0] <= LEASE_SECONDS


async def test_whose_lease_ran_out_is_not_ok_until_it_is_looked_at(world: World) -> None:
    session = (await world.runner()).session
    known = world.coordinator._memory.runners[session.runner]
    assert world.coordinator.runner_state(known) == "ok"
    world.clock.advance(LEASE_SECONDS + 1)
    assert world.coordinator.runner_state(known) == "suspect"


async def test_who_is_suspect_no_more_as_we_stood_still_is_told(world: World) -> None:
    """Its next beat finds nothing to tell: lists showed it as suspect until something happened."""
    runner = await world.runner()
    await world.pass_seconds(LEASE_SECONDS // 2 + 2)
    leases = world.coordinator._memory.session_leases
    assert leases.state(runner.session.id) == "suspect"
    with world.coordinator.bus.subscribe() as heard:
        world.clock.advance(10)
        await world.coordinator.sweep()
        assert leases.state(runner.session.id) == "ok"
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert Notice("runner", runner=runner.session.runner) in await heard.next()
