"""The use cases against a real store: what clients, runners and operators can rely on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.coordinator import AttemptReport, Introduction, OutputPiece, Said
from server.errors import DiskFull, InvalidInput, NotFound, Refused, UnknownSession
from server.events import Event
from server.model import Actor, JobSpec, Outcome, Progress, RetryPolicy
from server.settings import LabelRule, QueueSettings, StorageSettings
from tests.server.core.world import CI, LEASE_SECONDS, SAM, SETTINGS, World, a_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ADMIN = Actor("ana", "admin", "operator-api")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


async def test_a_job_goes_from_submit_to_result(world: World) -> None:
    (job,) = await world.submit("fib", params=b'{"n": 3}')
    runner = await world.runner()
    told = await runner.exchange()
    assert told.assign[0].task.params == b'{"n": 3}'
    assert (await world.job(job)).state == "claimed"
    await runner.exchange()
    assert (await world.job(job)).state == "in_progress"
    await runner.end(told.assign[0].attempt.uuid)
    detail = await world.detail(job)
    assert detail.row.job.state == "completed"
    assert detail.row.has_result
    kinds = [event.kind for event in detail.events]
    assert kinds == ["completed", "started", "claimed", "submitted"]


async def test_highest_priority_first_then_oldest(world: World) -> None:
    first, second = await world.submit("fib", "fib")
    (urgent,) = await world.submit("fib", priority=5)
    runner = await world.runner(capacity=3)
    told = await runner.exchange()
    assert [one.job.id for one in told.assign] == [urgent.id, first.id, second.id]


async def test_an_idempotency_key_answers_with_the_same_jobs(world: World) -> None:
    specs = [JobSpec("fib"), JobSpec("eval")]
    first = await world.coordinator.submit(CI, specs, idempotency_key="k")
    again = await world.coordinator.submit(CI, specs, idempotency_key="k")
    assert [one.job.id for one in again] == [one.job.id for one in first]
    assert all(one.is_cached for one in again)
    with pytest.raises(Refused, match="used for other jobs"):
        await world.coordinator.submit(CI, [JobSpec("fib")], idempotency_key="k")


async def test_an_idempotent_submit_for_later_may_be_repeated_later(world: World) -> None:
    first = await world.coordinator.submit(CI, [JobSpec("fib", run_at=10**13)], idempotency_key="k")
    later = JobSpec("fib", run_at=10**13 + 400)
    again = await world.coordinator.submit(CI, [later], idempotency_key="k")
    assert [one.job.id for one in again] == [one.job.id for one in first]


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        (("try it",), "try it"),
        (("a", "", "b", "a"), "a; b"),
        (("a" * 500, "b"), "a" * 500),
    ],
)
async def test_a_submit_says_why(world: World, reasons: tuple[str, ...], told: str) -> None:
    specs = [JobSpec("fib", reason=reason) for reason in reasons]
    first = (await world.coordinator.submit(CI, specs))[0].job
    [event] = (await world.detail(first)).events
    assert (event.kind, event.reason) == ("submitted", told)


async def test_two_submits_racing_on_one_cache_key_get_the_same_job(world: World) -> None:
    spec = JobSpec("fib", cache_key="c")
    results = await asyncio.gather(*(world.coordinator.submit(CI, [spec, spec]) for _ in range(5)))
    numbers = {one.job.id for batch in results for one in batch}
    assert len(numbers) == 1
    assert sum(not one.is_cached for batch in results for one in batch) == 1


async def test_a_submit_with_one_bad_job_keeps_none(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.coordinator.submit(CI, [JobSpec("fib"), JobSpec("")])
    counts = await world.coordinator.store.reads.state_counts()
    assert sum(counts.values()) == 0


async def test_below_the_free_space_submits_are_refused_in_words(world: World) -> None:
    world.coordinator.submit_problem = "only 3 MiB are left"
    with pytest.raises(DiskFull, match="3 MiB"):
        await world.submit("fib")


async def test_a_lost_answer_is_repeated_and_nothing_runs_twice(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    lost = await runner.exchange(answer_is_lost=True)
    again = await runner.exchange()
    assert [one.attempt.uuid for one in again.assign] == [lost.assign[0].attempt.uuid]
    await runner.exchange()
    report = AttemptReport(again.assign[0].attempt.uuid, Outcome("success"))
    await runner.exchange(report, answer_is_lost=True)
    told = await runner.exchange(report)
    assert told.refused == []
    assert (await world.job(job)).attempts == 1


async def test_an_unconfirmed_offer_goes_back_and_costs_no_try(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    await runner.exchange(answer_is_lost=True)
    await world.pass_seconds(5, runner)
    waiting = await world.job(job)
    assert (waiting.state, waiting.tries, waiting.losses) == ("pending", 0, 0)


async def test_a_reboot_loses_what_ran_and_queues_it_again(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    old = await runner.take_one()
    reborn = await world.runner(nonce="boot-2")
    assert (await world.job(job)).state == "pending"
    with pytest.raises(UnknownSession):
        await runner.exchange()
    new = await reborn.take_one()
    assert (new.job.id, new.attempt.number) == (job.id, 2)
    told = await reborn.exchange(AttemptReport(old.attempt.uuid, Outcome("success")), free=0)
    assert told.refused[0][0] == old.attempt.uuid
    late = await world.coordinator.store.reads.late_writes(before=None, limit=10)
    assert [one.attempt for one in late] == [old.attempt.id]
    assert (await world.job(job)).state == "in_progress"


async def test_the_older_of_two_processes_with_one_name_has_to_give_way(world: World) -> None:
    await world.runner(nonce="boot-1")
    await world.runner(nonce="boot-2")
    with pytest.raises(Refused) as refusal:
        await world.runner(nonce="boot-1")
    assert refusal.value.code == "superseded"


async def test_a_silent_runner_is_lost_and_its_job_placed_elsewhere(world: World) -> None:
    (job,) = await world.submit("fib")
    silent = await world.runner("lab-1")
    await silent.take_one()
    other = await world.runner("lab-2")
    await world.pass_seconds(LEASE_SECONDS + 2, other)
    taken = await other.take_one()
    assert (taken.job.id, taken.attempt.number) == (job.id, 2)
    states = {r.name: world.coordinator.runner_state(r) for r in world.coordinator.runners()}
    assert states == {"lab-1": "lost", "lab-2": "ok"}


async def test_nothing_expires_when_the_coordinator_itself_stood_still(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    await runner.take_one()
    world.clock.advance(LEASE_SECONDS * 10)
    await world.coordinator.sweep()
    await world.pass_seconds(2)
    assert (await world.job(job)).state == "in_progress"
    assert (await runner.exchange(free=0)).stop == []


async def test_a_jump_of_the_clock_times_nothing_out(world: World) -> None:
    (job,) = await world.submit("fib", timeout_ms=60_000)
    runner = await world.runner()
    await runner.take_one()
    world.clock.jump(86_400)
    await world.pass_seconds(3, runner)
    assert (await world.job(job)).state == "in_progress"


async def test_sessions_and_jobs_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    async with a_world(path) as before:
        (job,) = await before.submit("fib")
        runner = await before.runner()
        taken = await runner.take_one()
        clock = before.clock
    async with a_world(path, clock=clock, is_settled=False) as after:
        runner.world = after
        assert after.coordinator.session(runner.session.uuid) is not None
        assert (await after.job(job)).state == "in_progress"
        await runner.end(taken.attempt.uuid)
        assert (await after.job(job)).state == "completed"


async def test_stopping_a_waiting_job_is_done_at_once(world: World) -> None:
    (job,) = await world.submit("fib")
    acted = await world.coordinator.stop_job(SAM, job.id, reason="not needed")
    assert acted.job.state == "stopped"
    with pytest.raises(Refused, match="is stopped"):
        await world.coordinator.stop_job(SAM, job.id)
    event = (await world.detail(job)).events[0]
    assert (event.kind, event.actor, event.reason) == ("stopped", "sam", "not needed")


async def test_the_stop_ladder_asks_then_kills_and_tells_when_it_is_ignored(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    taken = await runner.take_one()
    await world.coordinator.stop_job(SAM, job.id, grace_ms=2_000)
    assert (await runner.exchange(free=0)).stop == [(taken.attempt.uuid, 2_000, False)]
    await world.pass_seconds(3, runner)
    assert (await runner.exchange(free=0)).stop == [(taken.attempt.uuid, 2_000, True)]
    await world.pass_seconds(12, runner)
    kinds = [event.kind for event in (await world.detail(job)).events]
    assert kinds[:3] == ["stop_ignored", "kill_requested", "stop_requested"]
    await runner.end(taken.attempt.uuid, Outcome("cancelled", signal=9))
    assert (await world.job(job)).state == "stopped"


async def test_a_stop_outlives_a_runner_that_vanishes(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    await runner.take_one()
    await world.coordinator.stop_job(SAM, job.id)
    await world.pass_seconds(LEASE_SECONDS + 2)
    assert (await world.job(job)).state == "stopped"


async def test_giving_up_frees_the_job_and_refuses_what_comes_later(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner(capacity=1)
    taken = await runner.take_one()
    acted = await world.coordinator.stop_job(SAM, job.id, abandon=True)
    assert acted.job.state == "stopped"
    assert (await world.job(job)).wanted == "stop"
    assert acted.warning == "its result will be refused, the process may run on"
    assert world.coordinator.busy(runner.session.runner) == 1
    told = await runner.end(taken.attempt.uuid)
    assert told.refused == [(taken.attempt.uuid, "the attempt was given up")]
    assert world.coordinator.busy(runner.session.runner) == 0
    assert (await world.job(job)).state == "stopped"


async def test_a_timeout_stops_the_attempt_and_counts_as_one(world: World) -> None:
    (job,) = await world.submit("fib", timeout_ms=2_000)
    runner = await world.runner()
    taken = await runner.take_one()
    await world.pass_seconds(8, runner)
    told = await runner.exchange(free=0)
    assert [order.attempt for order in told.stop] == [taken.attempt.uuid]
    await runner.end(taken.attempt.uuid, Outcome("cancelled"))
    detail = await world.detail(job)
    assert detail.row.job.state == "failed"
    assert detail.attempts[0].attempt.outcome == "timeout"


async def test_a_failed_job_is_retried_after_its_delay(world: World) -> None:
    retry = RetryPolicy(base_delay_ms=2_000, jitter=0)
    (job,) = await world.submit("fib", max_attempts=2, retry=retry)
    runner = await world.runner()
    taken = await runner.take_one()
    await runner.end(taken.attempt.uuid, Outcome("error", "boom", type="ValueError"))
    assert (await world.job(job)).state == "scheduled"
    await world.pass_seconds(3, runner)
    again = await runner.take_one()
    await runner.end(again.attempt.uuid, Outcome("error", "boom"))
    detail = await world.detail(job)
    assert detail.row.job.state == "failed"
    assert [row.attempt.number for row in detail.attempts] == [2, 1]
    assert detail.row.outcome is not None
    assert detail.row.outcome.message == "boom"


async def test_reassigning_a_waiting_job_moves_it_to_another_queue(world: World) -> None:
    (job,) = await world.submit("fib")
    await world.coordinator.reassign(SAM, job.id, queue="gpu")
    assert (await world.detail(job)).row.queue == "gpu"
    with pytest.raises(Refused, match="already"):
        await world.coordinator.reassign(SAM, job.id, queue="gpu")


async def test_reassigning_a_running_job_brings_it_to_the_chosen_runner(world: World) -> None:
    (job,) = await world.submit("fib")
    first = await world.runner("lab-1")
    taken = await first.take_one()
    target = await world.runner("lab-2")
    third = await world.runner("lab-3")
    await world.coordinator.reassign(SAM, job.id, runner=target.session.runner)
    assert (await first.exchange(free=0)).stop[0].attempt == taken.attempt.uuid
    await first.end(taken.attempt.uuid, Outcome("cancelled"))
    assert (await third.exchange()).assign == []
    moved = await target.take_one()
    assert (moved.job.id, moved.attempt.number) == (job.id, 2)


async def test_a_runner_that_cannot_do_it_is_no_target(world: World) -> None:
    (job,) = await world.submit("fib")
    other = await world.runner("lab-1", types=("eval",))
    with pytest.raises(Refused, match="does not do fib"):
        await world.coordinator.reassign(SAM, job.id, runner=other.session.runner)


async def test_resubmit_makes_a_new_job_with_lineage(world: World) -> None:
    (job,) = await world.submit("fib", params=b'{"n": 1}', priority=3)
    with pytest.raises(Refused, match="once it has ended"):
        await world.coordinator.resubmit(SAM, job.id)
    await world.coordinator.stop_job(SAM, job.id)
    acted = await world.coordinator.resubmit(SAM, job.id, params=b'{"n": 2}')
    fresh = await world.detail(acted.job)
    assert fresh.details.params == b'{"n": 2}'
    assert fresh.row.job.priority == 3
    assert fresh.resubmitted_from == (job.id, job.uuid)
    assert (await world.detail(job)).resubmitted_as == [(acted.job.id, acted.job.uuid)]
    assert (await world.job(job)).state == "stopped"


async def test_a_unique_key_answers_until_its_time_is_over(world: World) -> None:
    spec = JobSpec("fib", cache_key="u", cache_ttl_ms=5_000)
    [first] = await world.coordinator.submit(CI, [spec])
    world.clock.advance(4.9)
    [again] = await world.coordinator.submit(CI, [spec])
    assert (again.job.id, again.is_cached) == (first.job.id, True)
    world.clock.advance(0.2)
    [later] = await world.coordinator.submit(CI, [spec])
    assert (later.job.id > first.job.id, later.is_cached) == (True, False)


async def test_a_unique_key_of_a_job_put_off_answers_until_after_it_is_due(world: World) -> None:
    due = world.clock.now_ms() + 60_000
    spec = JobSpec("fib", cache_key="u", cache_ttl_ms=5_000, run_at=due)
    [first] = await world.coordinator.submit(CI, [spec])
    world.clock.advance(64)
    [again] = await world.coordinator.submit(CI, [spec])
    assert (again.job.id, again.is_cached) == (first.job.id, True)
    world.clock.advance(2)
    [later] = await world.coordinator.submit(CI, [spec])
    assert not later.is_cached


async def test_what_a_job_carries_reaches_its_runner_and_its_resubmit(world: World) -> None:
    carrier, correlation = {"traceparent": "00-1-2-01"}, {"tenant": "42"}
    (job,) = await world.submit("fib", trace_context=carrier, correlation=correlation)
    runner = await world.runner()
    assigned = await runner.take_one()
    assert assigned.task.trace_context == carrier
    assert assigned.task.correlation == correlation
    await runner.end(assigned.attempt.uuid)
    acted = await world.coordinator.resubmit(SAM, job.id)
    again = (await world.detail(acted.job)).details
    assert (again.trace_context, again.correlation) == (carrier, correlation)


async def test_a_resubmit_takes_the_cache_key_over(world: World) -> None:
    (job,) = await world.submit("fib", cache_key="c")
    await world.coordinator.stop_job(SAM, job.id)
    acted = await world.coordinator.resubmit(SAM, job.id)
    cached = await world.coordinator.cached_job("c")
    assert cached is not None
    assert cached.id == acted.job.id


async def test_priority_can_change_until_the_end(world: World) -> None:
    first, second = await world.submit("fib", "fib")
    await world.coordinator.set_priority(SAM, second.id, 9)
    runner = await world.runner(capacity=1)
    assert (await runner.take_one()).job.id == second.id
    await world.coordinator.stop_job(SAM, first.id)
    with pytest.raises(Refused):
        await world.coordinator.set_priority(SAM, first.id, 9)


async def test_a_deleted_running_job_is_stopped_and_remembered(world: World) -> None:
    (job,) = await world.submit("fib", cache_key="c")
    runner = await world.runner()
    taken = await runner.take_one()
    assert await world.coordinator.delete(SAM, [job.id, 999]) == [job.id]
    assert world.coordinator.busy(runner.session.runner) == 0
    told = await runner.exchange(free=0)
    assert told.stop == [(taken.attempt.uuid, 0, True)]
    with pytest.raises(NotFound, match="deleted by sam"):
        await world.coordinator.resolve(job.uuid)
    assert await world.coordinator.cached_job("c") is None


async def test_limits_hold_and_a_freed_place_is_filled(world: World) -> None:
    await world.submit("fib", "fib", "fib", queue="gpu")
    await world.submit("fib")
    await world.coordinator.limit_queue(SAM, "gpu", 1)
    runner = await world.runner(capacity=4)
    told = await runner.exchange()
    assert sorted(one.queue for one in told.assign) == ["default", "gpu"]
    on_gpu = next(one for one in told.assign if one.queue == "gpu")
    again = await runner.exchange(AttemptReport(on_gpu.attempt.uuid, Outcome("success")))
    assert [one.queue for one in again.assign] == ["gpu"]


async def test_a_paused_queue_starts_nothing_until_it_is_resumed(world: World) -> None:
    await world.submit("fib", queue="gpu")
    await world.coordinator.pause_queue(SAM, "gpu", reason="upgrade")
    runner = await world.runner()
    assert (await runner.exchange()).assign == []
    waiting = asyncio.ensure_future(world.coordinator.wait_for_work(runner.session.id, 5))
    await asyncio.sleep(0)
    await world.coordinator.resume_queue(SAM, "gpu")
    assert await waiting is True
    assert len((await runner.exchange()).assign) == 1


async def test_a_draining_runner_gets_nothing_new_and_can_be_emptied(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    taken = await runner.take_one()
    await world.submit("fib")
    drained = await world.coordinator.drain(SAM, runner.session.runner, move=True, reason="fan")
    assert (drained.drained_by, drained.drain_reason) == ("sam", "fan")
    told = await runner.exchange()
    assert told.assign == []
    assert [order.attempt for order in told.stop] == [taken.attempt.uuid]
    await runner.end(taken.attempt.uuid, Outcome("cancelled"))
    assert (await world.job(job)).state == "pending"
    assert world.coordinator.runner_state(drained) == "drained"
    await world.coordinator.resume_runner(SAM, runner.session.runner)
    assert len((await runner.exchange()).assign) == 2


async def test_a_drain_moves_what_is_left_at_its_deadline(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    taken = await runner.take_one()
    await world.coordinator.drain(SAM, runner.session.runner, deadline_ms=3_000)
    await world.pass_seconds(2, runner)
    assert (await runner.exchange(free=0)).stop == []
    await world.pass_seconds(2, runner)
    assert (await runner.exchange(free=0)).stop[0].attempt == taken.attempt.uuid
    await runner.end(taken.attempt.uuid, Outcome("cancelled"))
    assert (await world.job(job)).state == "pending"


async def test_a_runner_that_is_gone_can_be_forgotten(world: World) -> None:
    runner = await world.runner()
    with pytest.raises(Refused, match="is connected"):
        await world.coordinator.forget(SAM, runner.session.runner)
    await world.coordinator.close_session(runner.session.id, reason="bye")
    await world.coordinator.forget(SAM, runner.session.runner)
    assert world.coordinator.runners() == []
    await world.runner(nonce="boot-2")
    assert len(world.coordinator.runners()) == 1


async def test_parked_runners_are_woken_by_work_they_can_do(world: World) -> None:
    runner = await world.runner()
    await runner.exchange()
    assert await world.coordinator.wait_for_work(runner.session.id, 0.01) is False
    waiting = asyncio.ensure_future(world.coordinator.wait_for_work(runner.session.id, 5))
    await asyncio.sleep(0)
    await world.submit("eval")
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await world.submit("fib")
    assert await waiting is True


async def test_one_job_wakes_one_of_many(world: World) -> None:
    runners = [await world.runner(f"lab-{number}") for number in range(5)]
    for runner in runners:
        await runner.exchange()
    waits = [
        asyncio.ensure_future(world.coordinator.wait_for_work(runner.session.id, 60))
        for runner in runners
    ]
    await asyncio.sleep(0)
    await world.submit("fib")
    (woken,), parked = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    assert await woken is True
    await world.submit("eval")  # nobody can do it; whatever the first commit brought is over by now
    assert not any(one.done() for one in parked)
    for one in parked:
        one.cancel()
    await asyncio.wait(parked)


async def test_output_is_kept_whole_and_repeats_are_harmless(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    uuid = (await runner.take_one()).attempt.uuid
    pieces = (
        OutputPiece(uuid, "stdout", 0, b"hello "),
        OutputPiece(uuid, "stdout", 6, b"world"),
        OutputPiece(uuid, "stdout", 0, b"hello "),
        OutputPiece(uuid, "stderr", 5, b"hole"),
    )
    told = await runner.exchange(output=pieces, free=0)
    assert sorted(told.next_offsets) == [(uuid, "stderr", 0), (uuid, "stdout", 11)]
    attempt = await world.newest(job)
    part = await world.coordinator.store.reads.output(attempt.id, "stdout", 0, 100)
    assert b"".join(chunk.data for chunk in part.chunks) == b"hello world"


async def test_last_bytes_may_come_with_the_end(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    uuid = (await runner.take_one()).attempt.uuid
    piece = OutputPiece(uuid, "stdout", 0, b"bye")
    await runner.exchange(AttemptReport(uuid, Outcome("success")), output=(piece,), free=0)
    more = OutputPiece(uuid, "stdout", 3, b"!")
    told = await runner.exchange(output=(more,), free=0)
    assert told.next_offsets == [(uuid, "stdout", 4)]
    assert (await world.job(job)).state == "completed"


async def test_the_room_for_output_holds_within_a_tick_too(world: World) -> None:
    await world.submit("fib", "fib")
    runner = await world.runner()
    told = await runner.exchange(free=2)
    pieces = [OutputPiece(one.attempt.uuid, "stdout", 0, b"abc") for one in told.assign]
    world.coordinator.set_output_room(3)
    answers = await asyncio.gather(*(runner.exchange(output=(piece,), free=0) for piece in pieces))
    wanted = [offset for answer in answers for _, _, offset in answer.next_offsets]
    assert wanted == [3, 0]


async def test_output_beyond_the_cap_leaves_a_marked_gap() -> None:
    settings = replace(SETTINGS, storage=StorageSettings(max_output=1_000))
    async with a_world(settings=settings) as world:
        (job,) = await world.submit("fib")
        runner = await world.runner()
        uuid = (await runner.take_one()).attempt.uuid
        for start in range(0, 3_000, 100):
            piece = OutputPiece(uuid, "stdout", start, b"%03d " % (start // 100) * 25)
            await runner.exchange(output=(piece,), free=0)
        (row,) = (await world.detail(job)).attempts
        (stream,) = row.streams
        assert (stream.size, stream.gap_from, stream.gap_to) == (3_000, 500, 2_500)
        assert "output_truncated" in [e.kind for e in (await world.detail(job)).events]


async def test_progress_is_seen_and_told(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    uuid = (await runner.take_one()).attempt.uuid
    with world.coordinator.bus.subscribe() as listener:
        await runner.exchange(AttemptReport(uuid, progress=Progress(3, 10, "rows")), free=0)
        items = await listener.next()
    assert [item.kind for item in items] == ["progress"]
    row = (await world.detail(job)).row
    assert row.progress == Progress(3, 10, "rows")
    assert row.heard_at == world.clock.now_ms()


async def test_an_attempt_the_runner_no_longer_holds_is_lost(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner()
    await runner.take_one()
    runner.held.clear()
    await runner.exchange(free=0)
    row = (await world.detail(job)).row
    assert (row.job.state, row.job.losses) == ("pending", 1)


async def test_a_held_attempt_we_do_not_know_is_stopped(world: World) -> None:
    runner = await world.runner()
    stranger = "0192a7c4-0000-7000-8000-000000000000"
    told = await world.coordinator.exchange(runner.session.id, Said(held=[stranger], free=0))
    assert told.stop == [(stranger, 0, True)]


async def test_explain_says_for_every_runner_why_not(world: World) -> None:
    (job,) = await world.submit("fib", requires={"gpu": "a100"})
    await world.runner("lab-1")
    await world.runner("lab-2", types=("eval",))
    explained = await world.coordinator.explain(job.id)
    assert {v.runner.name: v.kind for v in explained.verdicts} == {
        "lab-1": "label",
        "lab-2": "type",
    }
    assert "gpu=a100" in explained.suggestion
    assert explained.summary == "none of 2 runners can take it now"


async def test_explain_says_that_a_job_is_not_due_yet(world: World) -> None:
    (job,) = await world.submit("fib", run_at=world.clock.now_ms() + 60_000)
    await world.runner("lab-1")
    await world.runner("lab-0", types=("eval",))
    explained = await world.coordinator.explain(job.id)
    assert [(v.runner.name, v.kind, v.detail) for v in explained.verdicts] == [
        ("lab-1", "schedule", "2 of 2 slots free"),
        ("lab-0", "type", "does not do fib"),
    ]
    assert explained.suggestion == ""


async def test_explain_says_that_the_runner_of_a_job_is_silent(world: World) -> None:
    (job,) = await world.submit("fib")
    runner = await world.runner("lab-1")
    await runner.take_one()
    await world.pass_seconds(1, runner)
    assert (await world.coordinator.explain(job.id)).summary == "in_progress on lab-1"
    await world.pass_seconds(LEASE_SECONDS - 2)
    assert (await world.coordinator.explain(job.id)).summary == (
        "in_progress on lab-1: not heard lately; unless it is heard, the job is lost there in 2s"
    )


async def test_events_come_in_commit_order_and_name_everything(world: World) -> None:
    with world.coordinator.bus.subscribe() as listener:
        jobs = await world.submit("fib", "fib", "fib")
        await world.coordinator.stop_job(SAM, jobs[0].id, reason="why")
        events = [item for item in await listener.next() if isinstance(item, Event)]
    assert [event.kind for event in events] == ["submitted", "stopped"]
    assert events[0].jobs() == tuple(job.id for job in jobs)
    assert events[1].seq == events[0].seq + 1


async def test_configured_queues_exist_from_the_start() -> None:
    settings = replace(SETTINGS, queues={"gpu": QueueSettings(limit=2)})
    async with a_world(settings=settings) as world:
        (queue,) = await world.coordinator.queues()
        assert (queue.name, queue.limit) == ("gpu", 2)


async def test_resolving_short_forms(world: World) -> None:
    first, second = await world.submit("fib", "fib")
    assert (await world.coordinator.resolve(str(first.id))).uuid == first.uuid
    assert (await world.coordinator.resolve(second.uuid)).id == second.id
    assert (await world.coordinator.resolve(second.uuid[:-1])).id == second.id
    with pytest.raises(Refused, match="several"):
        await world.coordinator.resolve(first.uuid[:8])
    for nonsense in ("", "x", "abc", "99999999999999999999999", "é" * 500):
        with pytest.raises((InvalidInput, NotFound)):
            await world.coordinator.resolve(nonsense)


async def test_two_keys_of_one_name_cannot_both_be_made(world: World) -> None:
    made = await asyncio.gather(
        *(world.coordinator.create_key(ADMIN, "ci", "submit", 0) for _ in range(2)),
        return_exceptions=True,
    )
    refused = [one for one in made if isinstance(one, Refused)]
    assert len(refused) == 1
    assert "there is a key named ci" in refused[0].message
    (kept,) = world.coordinator.keys()
    (good,) = [one for one in made if not isinstance(one, BaseException)]
    assert kept == good[0]


@pytest.mark.parametrize(("via", "expected"), [("native-v2", 0), ("runpack", 1)])
async def test_jobs_whose_runners_name_them_are_kept_at_hand(via: str, expected: int) -> None:
    """Others are found by what waits, so that keeping them would be work for nothing."""
    async with a_world() as world:
        await world.coordinator.submit(Actor("ci", "submit", via), [JobSpec(type="fib")])
        kept = await world.coordinator.store.apply(
            lambda tx: len(tx.memory.young)  # type: ignore[attr-defined]
        )
        assert kept == expected


async def test_labels_by_pattern_are_found_at_once_whatever_a_runner_calls_itself() -> None:
    """Trying every place of every asterisk took the store minutes."""
    rules = (
        LabelRule("lab-*-gpu*", {"gpu": "yes"}),
        LabelRule("10.3.*", {"rack": "r3"}),
        LabelRule("lab", {"whole": "yes"}),
        LabelRule("*a*a*a*a*a*b", {"never": "yes"}),
    )
    settings = replace(SETTINGS, runners=replace(SETTINGS.runners, labels=rules))
    async with a_world(settings=settings) as world:
        found = {}
        for name in ("lab-7-gpu2", "lab-7-cpu", "a" * 200):
            who = Introduction("native-v2", identity=name, name=name, address="10.3.0.1")
            found[name] = (await world.coordinator.register_runner(who)).labels
    assert found == {
        "lab-7-gpu2": {"gpu": "yes", "rack": "r3"},
        "lab-7-cpu": {"rack": "r3"},
        "a" * 200: {"rack": "r3"},
    }
