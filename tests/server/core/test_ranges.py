"""Jobs over a cursor range: their pieces, and what becomes of the whole."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.clock import ManualClock
from server.coordinator import ranges as range_calls
from server.errors import InvalidInput, Refused
from server.model import FINAL_STATES, JobSpec, Outcome, RetryPolicy
from server.ranges import Range, overlap, subtract
from tests.server.core.range_world import (
    WIDTH,
    children,
    covers_exactly,
    ends,
    kept,
    range_settings,
    run_all,
    submit_range,
)
from tests.server.core.world import CI, LEASE_SECONDS, SAM, a_world

if TYPE_CHECKING:
    from pathlib import Path

    from server.model import Job
    from tests.server.core.world import FakeRunner, World

FAILED = Outcome("error", "no such post", is_retryable=False)
NO_WAIT = RetryPolicy(base_delay_ms=0, jitter=0.0, max_losses=3)


async def kinds(world: World, job: Job) -> list[str]:
    """Kinds of a job's events, oldest first."""
    return [event.kind for event in reversed((await world.detail(job)).events)]


async def test_a_range_is_done_in_pieces_and_completes_with_the_last() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 10, 3_500, params=b'{"table":"posts"}')).job
        assert job.state == "in_progress"
        runner = await world.runner(types=("range",))
        told = await runner.exchange()
        first = told.assign[0]
        assert msgspec.json.decode(first.task.params) == {
            "table": "posts",
            "cursor_from": 10,
            "cursor_to": 1_009,
        }
        done = await run_all(world, runner)
        assert covers_exactly(done, Range(10, 3_500))
        assert [one.units for one in sorted(done)] == [WIDTH, WIDTH, WIDTH, 491]
        assert (await world.job(job)).state == "completed"
        assert await kinds(world, job) == ["submitted", "range_planned", "completed"]
        details = await world.coordinator.store.apply(lambda tx: tx.details(first.job.id))
        assert details.parent == job.id
        assert (await kept(world, job)).covered == 3_491


async def test_a_range_of_one_unit() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 7, 7)).job
        runner = await world.runner(types=("range",))
        assert await run_all(world, runner) == [Range(7, 7)]
        assert (await world.job(job)).state == "completed"


async def test_the_whole_is_never_given_to_a_runner() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 0)).job
        runner = await world.runner(types=("*",), capacity=50)
        told = await runner.exchange()
        assert [one.job.id for one in told.assign] == [job.id + 1]
        assert (await world.job(job)).attempts == 0


async def test_the_whole_takes_no_place_in_a_limited_queue() -> None:
    async with a_world(settings=range_settings()) as world:
        await submit_range(world, 0, 0)
        await world.coordinator.limit_queue(SAM, "default", 1)
        runner = await world.runner(types=("range",))
        assert len((await runner.exchange()).assign) == 1


async def test_a_lost_piece_is_run_again() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 999)).job
        runner = await world.runner(types=("range",))
        lost = await runner.take_one()
        await world.pass_seconds(LEASE_SECONDS + 2)
        second = await world.runner("lab-2", types=("range",))
        again = await second.take_one()
        assert ends(again) == ends(lost)
        await second.end(again.attempt.uuid)
        assert (await world.job(job)).state == "completed"


async def test_a_failed_piece_is_tried_again_and_then_the_whole_fails_naming_it() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 2_999, retry=NO_WAIT, max_attempts=2)).job
        runner = await world.runner(types=("range",), capacity=1)
        for _ in range(5):
            await runner.exchange(free=1)
            assigned = next(iter(runner.held.values()), None)
            if assigned is None:
                break
            is_bad = ends(assigned).low == 1_000
            await runner.end(assigned.attempt.uuid, Outcome("error", "no") if is_bad else None)
        assert (await world.job(job)).state == "failed"
        assert (await kept(world, job)).problem == "not covered: 1000 to 1999"
        assert (await kinds(world, job))[2:] == ["piece_spent", "failed"]
        bad = [one for one, its in await children(world, job) if its.low == 1_000]
        assert [(one.state, one.tries) for one in bad] == [("failed", 2)]


async def test_a_range_has_patience_where_the_submit_says_nothing() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 0)).job
        piece, _ = (await children(world, job))[0]
        details = await world.coordinator.store.apply(lambda tx: tx.details(piece.id))
        assert piece.max_attempts == 5
        assert details.retry.max_losses == 10


async def test_resubmitting_does_what_is_missing() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 2_999, max_attempts=1)).job
        runner = await world.runner(types=("range",), capacity=1)
        for _ in range(3):
            assigned = await runner.take_one()
            bad = FAILED if ends(assigned).low == 1_000 else None
            await runner.end(assigned.attempt.uuid, bad)
        assert (await world.job(job)).state == "failed"
        again = (await world.coordinator.resubmit(SAM, job.id)).job
        assert (await kept(world, again)).covered == 2_000
        assert await run_all(world, runner) == [Range(1_000, 1_999)]
        assert (await world.job(again)).state == "completed"
        whole = (await world.coordinator.resubmit(SAM, again.id)).job
        assert covers_exactly(await run_all(world, runner), Range(0, 2_999))
        assert (await world.job(whole)).state == "completed"


async def test_resubmitting_with_other_parameters_does_all() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 1_999)).job
        runner = await world.runner(types=("range",), capacity=1)
        first = await runner.take_one()
        await runner.end(first.attempt.uuid)
        await world.coordinator.stop_job(SAM, job.id)
        assert (await world.job(job)).state == "stopped"
        await world.coordinator.resubmit(SAM, job.id, params=b'{"deep":true}')
        assert covers_exactly(await run_all(world, runner), Range(0, 1_999))
        with pytest.raises(InvalidInput, match="object"):
            await world.coordinator.resubmit(SAM, job.id, params=b"[1]")


async def test_resubmitting_looks_anew_at_what_was_left_to_others() -> None:
    async with a_world(settings=range_settings()) as world:
        runner = await world.runner(types=("range",), capacity=1)
        other = (await submit_range(world, 0, 1_999, max_attempts=1)).job
        second = (await submit_range(world, 0, 3_999, range_policy="missing", max_attempts=1)).job
        bad = await runner.take_one()
        await runner.end(bad.attempt.uuid, FAILED)
        await world.coordinator.stop_job(SAM, other.id)
        await world.coordinator.stop_job(SAM, second.id)
        again = await world.coordinator.resubmit(SAM, second.id)
        assert again.warning == ""
        assert covers_exactly(await run_all(world, runner), Range(0, 3_999))
        assert (await world.job(again.job)).state == "completed"


async def test_resubmitting_passes_the_cache_key_on() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 0, cache_key="k")).job
        await world.coordinator.stop_job(SAM, job.id)
        again = (await world.coordinator.resubmit(SAM, job.id)).job
        found = await world.coordinator.cached_job("k")
        assert found is not None
        assert found.id == again.id


async def test_the_same_parameters_written_otherwise_are_the_same_work() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 1_999, params=b'{"a":1,"b":2}')).job
        runner = await world.runner(types=("range",), capacity=1)
        first = await runner.take_one()
        await runner.end(first.attempt.uuid)
        await world.coordinator.stop_job(SAM, job.id)
        await world.coordinator.resubmit(SAM, job.id, params=b'{ "b": 2, "a": 1 }')
        assert await run_all(world, runner) == [Range(1_000, 1_999)]


async def test_secret_parameters_reach_the_pieces_and_nobody_else() -> None:
    secret = b'{"parameters":{"token":{"value":"hush","secret":true}}}'
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 999, params=secret)).job
        runner = await world.runner(types=("range",))
        taken = await runner.take_one()
        assert msgspec.json.decode(taken.task.params) == {
            "parameters": {"token": {"value": "hush", "secret": True}},
            "cursor_from": 0,
            "cursor_to": 999,
        }
        for one in (job, taken.job):
            assert b"hush" not in (await world.detail(one)).details.params


async def test_a_spent_piece_can_be_resubmitted_while_the_whole_goes_on() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 1_999, max_attempts=1)).job
        runner = await world.runner(types=("range",), capacity=1)
        bad = await runner.take_one()
        await runner.end(bad.attempt.uuid, FAILED)
        again = (await world.coordinator.resubmit(SAM, bad.job.id)).job
        with pytest.raises(Refused, match="in another piece"):
            await world.coordinator.resubmit(SAM, bad.job.id)
        assert again.id != bad.job.id
        assert covers_exactly(await run_all(world, runner), Range(0, 1_999))
        assert (await world.job(job)).state == "completed"


async def test_a_spent_piece_of_an_ended_range_points_to_the_range() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 0, max_attempts=1)).job
        runner = await world.runner(types=("range",))
        bad = await runner.take_one()
        await runner.end(bad.attempt.uuid, FAILED)
        with pytest.raises(Refused, match=f"resubmit job {job.id}"):
            await world.coordinator.resubmit(SAM, bad.job.id)


async def test_a_covered_piece_done_again_is_a_job_of_its_own() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 0)).job
        runner = await world.runner(types=("range",))
        await run_all(world, runner)
        again = (await world.coordinator.resubmit(SAM, job.id + 1)).job
        assert (await world.detail(again)).details.parent == 0
        assert await run_all(world, runner) == [Range(0, 0)]


async def test_stopping_reaches_waiting_and_running_pieces() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 4_999)).job
        runner = await world.runner(types=("range",), capacity=1)
        running = await runner.take_one()
        acted = await world.coordinator.stop_job(SAM, job.id, reason="enough")
        assert acted.job.state == "stopping"
        states = [one.state for one, _ in await children(world, job)]
        assert states == ["stopping", "stopped", "stopped", "stopped", "stopped"]
        told = await runner.exchange(free=0)
        assert [order.attempt for order in told.stop] == [running.attempt.uuid]
        await runner.end(running.attempt.uuid, Outcome("cancelled"))
        assert (await world.job(job)).state == "stopped"
        assert "piece_spent" not in await kinds(world, job)
        with pytest.raises(Refused):
            await world.coordinator.stop_job(SAM, job.id)


async def test_a_piece_that_is_done_all_the_same_completes_a_stopping_range() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 0)).job
        runner = await world.runner(types=("range",), capacity=1)
        running = await runner.take_one()
        await world.coordinator.stop_job(SAM, job.id)
        await runner.end(running.attempt.uuid)
        assert (await world.job(job)).state == "completed"


async def test_giving_up_ends_the_range_at_once() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 2_999)).job
        runner = await world.runner(types=("range",), capacity=1)
        running = await runner.take_one()
        acted = await world.coordinator.stop_job(SAM, job.id, abandon=True)
        assert acted.job.state == "stopped"
        assert "may run on" in acted.warning
        assert [one.state for one, _ in await children(world, job)] == ["stopped"] * 3
        await runner.end(running.attempt.uuid)
        assert (await world.job(job)).state == "stopped"
        assert (await kept(world, job)).covered == 0


async def test_deleting_takes_the_pieces_that_have_not_ended_along() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 2_999)).job
        runner = await world.runner(types=("range",), capacity=1)
        done = await runner.take_one()
        await runner.end(done.attempt.uuid)
        running = await runner.take_one()
        deleted = await world.coordinator.delete(SAM, [job.id])
        assert deleted == [job.id, job.id + 2, job.id + 3]
        left = await world.coordinator.store.apply(
            lambda tx: (tx.open_ranges(), tx.range_of(job.id), tx.job(done.job.id))
        )
        assert not left[0]
        assert left[1] is None
        assert left[2] is not None
        await runner.end(running.attempt.uuid)
        assert runner.held == {}


async def test_a_deleted_piece_leaves_its_part_undone() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 1_999)).job
        await world.coordinator.delete(SAM, [job.id + 1])
        runner = await world.runner(types=("range",))
        assert await run_all(world, runner) == [Range(1_000, 1_999)]
        assert (await world.job(job)).state == "failed"
        assert (await kept(world, job)).problem == "not covered: 0 to 999"


async def test_priority_and_queue_reach_the_pieces() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 2_999)).job
        runner = await world.runner(types=("range",), capacity=1)
        await runner.take_one()
        await world.coordinator.set_priority(SAM, job.id, 7)
        assert {one.priority for one, _ in await children(world, job)} == {7}
        await world.coordinator.reassign(SAM, job.id, queue="night")
        queues = await world.coordinator.store.apply(
            lambda tx: [tx.job_class(tx.job(job.id + n).cls).queue for n in range(4)]  # type: ignore[union-attr]
        )
        assert queues == ["night", "default", "night", "night"]
        with pytest.raises(Refused, match="pieces"):
            await world.coordinator.reassign(SAM, job.id, runner=1)
        assert (await world.job(job)).state == "in_progress"


async def test_a_piece_past_its_deadline_is_missing() -> None:
    async with a_world(settings=range_settings()) as world:
        deadline = world.clock.now_ms() + 2_000
        job = (await submit_range(world, 0, 0, deadline=deadline)).job
        await world.pass_seconds(4)
        assert (await children(world, job))[0][0].state == "expired"
        assert (await world.job(job)).state == "failed"


async def test_pieces_put_off_begin_when_they_are_due() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 0, run_at=world.clock.now_ms() + 3_000)).job
        runner = await world.runner(types=("range",))
        assert (await runner.exchange()).assign == []
        found = await world.coordinator.explain(job.id)
        assert "put off" in found.summary
        await world.pass_seconds(4, runner)
        assert await run_all(world, runner) == [Range(0, 0)]


async def test_fifty_years_are_cut_a_bounded_number_of_pieces_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(range_calls, "PIECES_AHEAD", 32)
    year = 365 * 86_400 * 1_000_000
    async with a_world(settings=range_settings(width_ms=3_600_000)) as world:
        job = (await submit_range(world, 0, 50 * year)).job
        assert len(await children(world, job)) == 32
        plan = msgspec.json.decode((await world.detail(job)).events[-2].data)
        assert plan["pieces"] == 438_001
        runner = await world.runner(types=("range",), capacity=8)
        done: list[Range] = []
        for _ in range(10):
            await runner.exchange()
            for assigned in list(runner.held.values()):
                done.append(ends(assigned))
                await runner.end(assigned.attempt.uuid)
        assert len(done) == 80
        assert subtract(Range(0, 80 * 3_600_000_000 - 1), done) == []
        open_now = await world.coordinator.store.apply(lambda tx: len(tx.open_pieces(job.id)))
        assert 16 <= open_now <= 32
        spans = await world.coordinator.store.apply(lambda tx: tx.spans(job.id, after=-1))
        assert len(spans) == 1


async def test_many_ranges_share_what_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_calls, "PIECES_AHEAD", 64)
    async with a_world(settings=range_settings()) as world:
        first = (await submit_range(world, 0, 999_999)).job
        second = (await submit_range(world, 0, 999_999)).job
        third = (await submit_range(world, 0, 999_999)).job
        counts = [len(await children(world, job)) for job in (first, second, third)]
        assert counts == [64, 32, 21]


async def test_a_range_where_nothing_works_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_calls, "MAX_SPENT", 3)
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 99_999, max_attempts=1)).job
        runner = await world.runner(types=("range",), capacity=1)
        for _ in range(3):
            assigned = await runner.take_one()
            await runner.end(assigned.attempt.uuid, FAILED)
        assert (await runner.exchange()).assign == []
        assert (await world.job(job)).state == "failed"
        problem = (await kept(world, job)).problem
        assert problem == "given up after 3 pieces were spent; not covered: 0 to 99999"
        assert all(one.state in FINAL_STATES for one, _ in await children(world, job))


async def test_each_piece_ends_once_where_many_are_past_their_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(range_calls, "MAX_SPENT", 3)
    async with a_world(settings=range_settings()) as world:
        deadline = world.clock.now_ms() + 2_000
        job = (await submit_range(world, 0, 9_999, deadline=deadline)).job
        await world.pass_seconds(4)
        pieces = [one for one, _ in await children(world, job)]
        assert len(pieces) == 10
        for piece in pieces:
            told = [event.kind for event in (await world.detail(piece)).events]
            assert sum(kind in ("expired", "stopped") for kind in told) == 1, told
        waiting = await world.coordinator.store.apply(lambda tx: tx.count(pieces[0].cls, "pending"))
        assert waiting == 0
        assert (await world.job(job)).state == "failed"
        assert (await kept(world, job)).spent == 10


async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    path, clock = tmp_path / "data.db", ManualClock()
    async with a_world(path, settings=range_settings(), clock=clock) as world:
        job = (await submit_range(world, 0, 4_999)).job
        runner = await world.runner(types=("range",), capacity=1)
        first = await runner.take_one()
        await runner.end(first.attempt.uuid)
        before = await world.coordinator.store.apply(
            lambda tx: (dict(tx.open_ranges()), sorted(tx.open_pieces(job.id)))
        )
    async with a_world(path, settings=range_settings(), clock=clock) as world:
        after = await world.coordinator.store.apply(
            lambda tx: (dict(tx.open_ranges()), sorted(tx.open_pieces(job.id)))
        )
        assert after == before
        runner = await world.runner(types=("range",), nonce="boot-2")
        done = await run_all(world, runner)
        assert covers_exactly([*done, ends(first)], Range(0, 4_999))
        assert (await world.job(job)).state == "completed"


# what is too old -------------------------------------------------------------------------------


async def test_what_is_too_old_is_left_out_and_told() -> None:
    async with a_world(settings=range_settings(max_backfill_ms=10, width_ms=4)) as world:
        now = world.clock.now_ms() * 1_000
        submitted = await submit_range(world, now - 15_000, now - 1)
        assert submitted.note == (
            "left out: 5000 of 15000 units (33%) are older than 0.01s (max_backfill)"
        )
        runner = await world.runner(types=("range",))
        done = await run_all(world, runner)
        assert covers_exactly(done, Range(now - 10_000, now - 1))
        assert (await world.job(submitted.job)).state == "completed"
        planned = (await world.detail(submitted.job)).events[-2]
        assert planned.kind == "range_planned"
        assert planned.reason == submitted.note
        assert msgspec.json.decode(planned.data)["too_old"] == 5_000


async def test_a_range_that_is_too_old_altogether_is_refused() -> None:
    async with a_world(settings=range_settings(max_backfill_ms=10)) as world:
        with pytest.raises(InvalidInput, match="max_backfill"):
            await submit_range(world, 0, 1)


async def test_what_grew_too_old_before_it_was_cut_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(range_calls, "PIECES_AHEAD", 16)
    async with a_world(settings=range_settings(max_backfill_ms=20_000, width_ms=1_000)) as world:
        now = world.clock.now_ms() * 1_000
        job = (await submit_range(world, now - 20_000_000, now - 1)).job
        assert len(await children(world, job)) == 16
        world.clock.advance(18)
        runner = await world.runner(types=("range",), capacity=20)
        done = await run_all(world, runner)
        assert len(done) == 18
        assert subtract(Range(now - 2_000_000, now - 1), done) == []
        assert (await kept(world, job)).left_out == 2_000_000
        assert (await world.job(job)).state == "completed"


# what others do --------------------------------------------------------------------------------


async def test_only_what_is_missing_is_done_when_asked_so() -> None:
    async with a_world(settings=range_settings()) as world:
        first = (await submit_range(world, 0, 1_999)).job
        runner = await world.runner(types=("range",))
        await run_all(world, runner)
        running = (await submit_range(world, 3_000, 3_999)).job
        submitted = await submit_range(world, 1_000, 4_999, range_policy="missing")
        assert submitted.note == (
            "left out: 2000 of 4000 units (50%) were done or are being done by job"
            f" {first.id}, {running.id}"
        )
        done = await run_all(world, runner)
        assert sorted(done) == [Range(2_000, 2_999), Range(3_000, 3_999), Range(4_000, 4_999)]
        assert (await world.job(submitted.job)).state == "completed"
        assert (await kept(world, submitted.job)).left_out == 2_000


async def test_a_range_that_another_job_does_is_answered_with_that_job() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 4_999)).job
        again = await submit_range(world, 1_000, 1_999, range_policy="missing")
        assert again.is_cached
        assert again.job.id == job.id
        assert again.note


async def test_a_range_that_several_jobs_have_done_is_complete_at_once() -> None:
    async with a_world(settings=range_settings()) as world:
        await submit_range(world, 0, 999)
        await submit_range(world, 1_000, 1_999)
        submitted = await submit_range(world, 500, 1_500, range_policy="missing")
        assert not submitted.is_cached
        assert submitted.job.state == "completed"


@pytest.mark.parametrize(
    "other",
    [{"params": b'{"a":1}'}, {"queue": "night"}, {"namespace": "other"}],
    ids=["params", "queue", "namespace"],
)
async def test_other_work_is_no_reason_to_leave_anything_out(other: dict[str, object]) -> None:
    async with a_world(settings=range_settings()) as world:
        await submit_range(world, 0, 999, **other)
        submitted = await submit_range(world, 0, 999, range_policy="missing")
        assert submitted.job.state == "in_progress"
        assert submitted.note == ""


async def test_what_was_spent_or_stopped_elsewhere_is_missing() -> None:
    async with a_world(settings=range_settings()) as world:
        runner = await world.runner(types=("range",), capacity=1)
        spent = (await submit_range(world, 0, 1_999, max_attempts=1)).job
        bad = await runner.take_one()
        await runner.end(bad.attempt.uuid, FAILED)
        second = await submit_range(world, 0, 1_999, range_policy="missing")
        assert (await kept(world, second.job)).left_out == 1_000
        await world.coordinator.stop_job(SAM, spent.id)
        third = await submit_range(world, 1_000, 1_999, range_policy="missing")
        assert third.job.state == "in_progress"
        assert third.note == ""


async def test_params_of_a_range_have_to_have_room_for_its_ends() -> None:
    async with a_world(settings=range_settings()) as world:
        for params in (b"[1]", b"3", b'{"cursor_to":1}'):
            with pytest.raises(InvalidInput, match="params"):
                await submit_range(world, 0, 1, params=params)
        with pytest.raises(InvalidInput, match="any runner"):
            await submit_range(world, 0, 1, pin=1)


async def test_a_list_with_ranges_and_jobs_is_answered_in_its_order() -> None:
    async with a_world(settings=range_settings()) as world:
        specs = [
            JobSpec(type="fib"),
            JobSpec(type="range", range=Range(0, 1), cache_key="k"),
            JobSpec(type="fib"),
            JobSpec(type="range", range=Range(5, 6), cache_key="k"),
        ]
        found = await world.coordinator.submit(CI, specs, idempotency_key="once")
        assert [one.job.state for one in found] == [
            "pending",
            "in_progress",
            "pending",
            "in_progress",
        ]
        assert [one.is_cached for one in found] == [False, False, False, True]
        again = await world.coordinator.submit(CI, specs, idempotency_key="once")
        assert [one.job.id for one in again] == [one.job.id for one in found]


# why it is where it is -------------------------------------------------------------------------


async def test_explaining_says_what_a_range_waits_for() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 3_999, max_attempts=1)).job
        found = await world.coordinator.explain(job.id)
        assert found.summary == "0% covered; 4 waiting for a runner"
        assert found.suggestion == "connect a runner: none is known"
        runner = await world.runner(types=("range",), capacity=1)
        done = await runner.take_one()
        await runner.end(done.attempt.uuid)
        bad = await runner.take_one()
        await runner.end(bad.attempt.uuid, FAILED)
        await runner.take_one()
        found = await world.coordinator.explain(job.id)
        assert found.summary == (
            "25% covered; 1 piece running; 1 waiting for a runner;"
            " 1 piece was spent, missing is 1000 to 1999"
        )
        assert found.suggestion == ""
        assert [one.kind for one in found.verdicts] == ["slot"]
        await world.coordinator.stop_job(SAM, job.id, abandon=True)
        found = await world.coordinator.explain(job.id)
        assert found.summary.startswith("it has ended: stopped, 25% covered; not covered: 1000")


async def test_a_range_is_not_covered_before_it_is() -> None:
    async with a_world(settings=range_settings()) as world:
        job = (await submit_range(world, 0, 1_000)).job
        runner = await world.runner(types=("range",), capacity=1)
        nearly_all = await runner.take_one()
        await runner.end(nearly_all.attempt.uuid)
        found = await world.coordinator.explain(job.id)
        assert found.summary.startswith("99% covered; ")


# whatever happens ------------------------------------------------------------------------------

STEPS = ("take", "succeed", "fail", "retry", "lose", "reboot", "stop piece", "resubmit", "wait")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    low=st.integers(-5, 5),
    size=st.integers(1, 12_500),
    steps=st.lists(st.sampled_from(STEPS), max_size=40),
    ahead=st.sampled_from((3, 8, 2_048)),
)
def test_whatever_happens_no_unit_is_done_twice_at_a_time_or_forgotten(
    low: int, size: int, steps: list[str], ahead: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_calls, "PIECES_AHEAD", ahead)
        patch.setattr(range_calls, "LEAST_AHEAD", 3)
        asyncio.run(_whatever_happens(Range(low, low + size - 1), steps))


async def _whatever_happens(whole: Range, steps: list[str]) -> None:
    async with a_world(settings=range_settings(), is_settled=False) as world:
        job = (await submit_range(world, *whole, retry=NO_WAIT, max_attempts=2)).job
        life = Life(world, job, whole)
        await life.boot()
        for step in steps:
            await life.take_step(step)
            await life.check()
        await life.run_out()


class Life:
    """One range and one runner that meets with all sorts of things."""

    def __init__(self, world: World, job: Job, whole: Range) -> None:
        self.world = world
        self.job = job
        self.whole = whole
        self.boots = 0
        self.runner: FakeRunner

    async def boot(self) -> None:
        self.boots += 1
        self.runner = await self.world.runner(
            types=("range",), capacity=3, nonce=f"boot-{self.boots}"
        )

    async def take_step(self, step: str) -> None:
        if step == "reboot":
            await self.boot()
        elif step == "wait":
            self.world.clock.advance(1)
            await self.world.coordinator.sweep()
        elif step == "resubmit":
            await self._resubmit_spent()
        else:
            await self._with_held(step)

    async def _with_held(self, step: str) -> None:
        if step == "take":
            await self.runner.exchange(free=1)
            return
        held = next(iter(self.runner.held.values()), None)
        if held is None:
            return
        uuid = held.attempt.uuid
        if step == "lose":
            del self.runner.held[uuid]
            await self.runner.exchange(free=0)
        elif step == "stop piece":
            await self.world.coordinator.stop_job(SAM, held.job.id)
            await self.runner.end(uuid, Outcome("cancelled"))
        else:
            outcomes = {"succeed": None, "fail": FAILED, "retry": Outcome("error", "again")}
            await self.runner.end(uuid, outcomes[step])

    async def _resubmit_spent(self) -> None:
        for one, _ in await children(self.world, self.job):
            if one.state in ("failed", "stopped"):
                try:
                    await self.world.coordinator.resubmit(SAM, one.id)
                except Refused as refused:
                    assert refused.code == "piece"
                return

    async def check(self) -> None:
        """Pieces that are open or done lie apart, inside, and what is covered is what was done."""
        pieces = await children(self.world, self.job)
        counted = [its for one, its in pieces if one.state not in ("failed", "stopped", "expired")]
        ordered = sorted(counted)
        for one, other in itertools.pairwise(ordered):
            assert overlap(one, other) is None
        assert all(overlap(its, self.whole) == its and its.units <= WIDTH for its in ordered)
        done = [its for one, its in pieces if one.state == "completed"]
        state = await kept(self.world, self.job)
        assert state.covered == sum(its.units for its in done)
        spans = await self.world.coordinator.store.apply(
            lambda tx: tx.spans(self.job.id, after=self.whole.low - 1)
        )
        assert subtract(self.whole, [span.range for span in spans]) == subtract(self.whole, done)
        job = await self.world.job(self.job)
        is_waited_for = any(one.state not in FINAL_STATES for one, _ in pieces)
        assert (job.state in FINAL_STATES) is not is_waited_for

    async def run_out(self) -> None:
        """In the end all of it is covered, or the job has failed and says what is not."""
        await self.boot()
        await run_all(self.world, self.runner)
        await self.check()
        job, state = await self.world.job(self.job), await kept(self.world, self.job)
        assert job.state == ("completed" if state.covered == self.whole.units else "failed")
        assert bool(state.problem) is (job.state == "failed")
