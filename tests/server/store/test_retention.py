"""What is old goes, step by step; what is not stays."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Never

import pytest

from server.errors import Refused
from server.store.base import (
    Change,
    Chunk,
    EventQuery,
    IdempotentAnswer,
    LateWrite,
    StreamState,
)
from server.store.sqlite_prune import ACTIVITY_MINUTES
from server.store.sqlite_tx import SqliteTx
from tests.server.store.world import a_runner, a_session, details

if TYPE_CHECKING:
    from server.model import Attempt, Job
    from server.store.base import Tx
    from tests.server.store.world import World

DAY = 86_400


async def prune(world: World, *, limit: int = 100, **before: int) -> int:
    limits = {"jobs_before": 0, "output_before": 0, "events_before": 0, **before}
    return await world.run(lambda tx: tx.prune(**limits, now=world.now, limit=limit))


async def test_old_jobs_go_in_steps_and_young_or_busy_ones_stay(world: World) -> None:
    attempts = await world.claim(await world.submit(5))
    await world.finish(attempts[:3])
    await world.finish(attempts[3:4], "failed")
    cut = world.now + 1
    world.clock.advance(1)
    await world.finish(await world.claim(await world.submit(1)))
    assert await prune(world, jobs_before=cut, limit=3) == 3
    assert await prune(world, jobs_before=cut, limit=3) == 1
    assert await prune(world, jobs_before=cut, limit=3) == 0
    assert sorted(await world.run(lambda tx: tx.jobs(range(10)))) == [5, 6]


async def test_a_finished_job_whose_old_attempt_still_holds_a_slot_stays(world: World) -> None:
    (job,) = await world.submit()
    (attempt,) = await world.claim([job])

    def abandon(tx: Tx) -> None:
        current = tx.job(1)
        assert current is not None
        lost = attempt._replace(state="abandoned")
        tx.save([Change(current, current._replace(state="stopped"), attempt, lost)])

    await world.run(abandon)
    assert await prune(world, jobs_before=world.now + 1) == 0
    assert (await world.job(1)).state == "stopped"


async def _write(world: World, attempt: Attempt) -> None:
    state = StreamState(attempt.id, "stdout", 0, 4, 0, 0, world.now)
    chunk = Chunk("stdout", 0, 0, world.now, b"text")
    await world.run(lambda tx: tx.put_output(state, [chunk]))


async def test_old_output_goes_and_its_size_stays_known(world: World) -> None:
    attempts = await world.claim(await world.submit(3))
    for attempt in attempts:
        await _write(world, attempt)
    await world.finish(attempts[:2])
    cut = world.now + 1
    assert await prune(world, output_before=cut, limit=1) == 1
    assert await prune(world, output_before=cut) == 1
    assert await prune(world, output_before=cut) == 0
    gone = await world.store.reads.output(attempts[0].id, "stdout", 0, 10)
    assert gone.chunks == []
    assert gone.state is not None
    assert (gone.state.size, gone.state.gap_from, gone.state.gap_to) == (4, 0, 4)
    kept = await world.store.reads.output(attempts[2].id, "stdout", 0, 10)
    assert [chunk.data for chunk in kept.chunks] == [b"text"]


async def test_old_events_go_and_are_not_found_by_job_either(world: World) -> None:
    def tell(tx: Tx) -> None:
        for at in (1, 2, 9):
            tx.append("submitted", at=at, job=1, members=[(1, 0), (500, 0)])

    await world.run(tell)
    assert await prune(world, events_before=5, limit=1) == 1
    assert await prune(world, events_before=5) == 1
    assert await prune(world, events_before=5) == 0
    left = await world.store.reads.events(EventQuery(job=500))
    assert [event.seq for event in left] == [3]
    assert await world.store.reads.first_seq() == 3


async def test_small_records_go_when_their_time_is_over(world: World) -> None:
    (job,) = await world.submit()
    runner = await world.runner()

    def fill(tx: Tx) -> None:
        now = world.now
        tx.add_late_write(LateWrite(0, now, 1, 1, 1, "output", ""))
        tx.put_idempotent("ci", "k", IdempotentAnswer("f", (1,)), now)
        tx.put_cached("expires", 1, now + 5)
        tx.put_cached("stays", 1, 0)
        session = tx.insert_session(a_session(runner.id, now))
        from dataclasses import replace

        tx.update_session(replace(session, ended_at=now))
        tx.insert_session(a_session(runner.id, now, "boot-2"))
        tx.insert_runner(a_runner("old", now, is_forgotten=True))
        tx.delete_jobs([job.id], at=now, by="sam")
        tx.put_cached("expires", 1, now + 5)
        tx.put_cached("stays", 1, 0)

    await world.run(fill)
    assert await prune(world, events_before=world.now) == 0
    cut = world.now + 1
    world.clock.advance(2 * DAY)
    # late write, tombstone, answer, cache key, session, runner
    assert await prune(world, events_before=cut) == 6

    def look(tx: Tx) -> None:
        assert tx.idempotent("ci", "k") is None
        assert tx.cached("expires") is None
        assert tx.cached("stays") is not None
        assert tx.tombstone(job.uuid) is None
        assert [one.name for one in tx.runners()] == ["lab-1"]
        assert tx.session_by_nonce(runner.id, "boot-1") is None
        assert tx.session_by_nonce(runner.id, "boot-2") is not None

    await world.run(look)
    assert await world.store.reads.late_writes(before=None, limit=9) == []


async def test_error_texts_go_with_the_last_job_that_had_them(world: World) -> None:
    attempts = await world.claim(await world.submit(3))
    await world.finish(attempts[:2], "failed", message="gone")
    await world.finish(attempts[2:], "failed", message="kept")
    await world.run(lambda tx: tx.delete_jobs([1, 2], at=world.now, by="sam"))
    assert await prune(world) == 1
    assert await prune(world) == 0
    outcome = await world.run(lambda tx: tx.outcome(attempts[2].id))
    assert outcome is not None and outcome.message == "kept"


LONG = 60 * (ACTIVITY_MINUTES + 1)


async def names(world: World) -> dict[str, list[str]]:
    """Names that the store knows, by table."""

    def look(tx: Tx) -> dict[str, list[str]]:
        assert isinstance(tx, SqliteTx)
        found = {
            table: sorted(row[0] for row in tx.db.read(f"SELECT {column} FROM {table}"))
            for table, column in (("classes", "queue"), ("submitters", "owner"))
        }
        memory = tx.memory
        assert sorted(one.queue for one in memory.classes.values()) == found["classes"]
        assert sorted(key[0] for key in memory.class_ids) == found["classes"]
        assert sorted(key[0] for key in memory.submitter_ids) == found["submitters"]
        assert sorted(memory.submitter_ids.values()) == sorted(memory.submitters)
        pairs = set(tx.db.read("SELECT cls, submitter FROM facets").fetchall())
        assert set(memory.facet_ids) == pairs
        assert memory.classes_of == Counter(submitter for _, submitter in pairs)
        assert {cls for cls, _ in pairs} <= set(memory.classes)
        assert {cls for cls, _ in memory.counts} <= set(memory.classes)
        return found

    return await world.run(look)


async def prune_unused(world: World, *, limit: int = 100) -> int:
    """Retention a while after the last of the jobs went."""
    world.clock.advance(LONG)
    await prune(world)
    return await world.run(lambda tx: tx.prune_unused(limit))


async def delete(world: World, *jobs: Job) -> None:
    numbers = [job.id for job in jobs]
    await world.run(lambda tx: tx.delete_jobs(numbers, at=world.now, by="sam"))


async def test_names_go_when_no_job_has_them_any_more(world: World) -> None:
    (first,) = await world.submit(queue="made-up-1", detail=details(owner="eve-1"))
    (second,) = await world.submit(queue="made-up-2", detail=details(owner="eve-2"))
    (_kept,) = await world.submit(queue="kept")
    await delete(world, first, second)
    assert await world.run(lambda tx: tx.prune_unused(100)) == 2  # pairs with a submitter
    # What came into these queues lately, and left them, is still told.
    assert (await names(world))["classes"] == ["kept", "made-up-1", "made-up-2"]
    assert await prune_unused(world) == 2
    assert await names(world) == {"classes": ["kept"], "submitters": ["ci"]}


async def test_a_name_that_went_may_come_again(world: World) -> None:
    (job,) = await world.submit(queue="made-up", detail=details(owner="eve"))
    await world.submit(queue="kept")
    await delete(world, job)
    await prune_unused(world)
    (again,) = await world.submit(queue="made-up", detail=details(owner="eve"))
    assert again.cls != job.cls
    await world.finish(await world.claim([again]))
    assert (await world.run(lambda tx: tx.details(again.id))).owner == "eve"
    assert (await names(world))["classes"] == ["kept", "made-up"]
    assert (await world.store.reads.queue_work(world.now))["made-up"].out_last_hour == 1


async def test_no_number_of_a_class_is_given_twice(world: World) -> None:
    seen = set()
    for number in range(5):
        (job,) = await world.submit(queue=f"made-up-{number}")
        assert job.cls not in seen
        seen.add(job.cls)
        await delete(world, job)
        await prune_unused(world)
    assert (await names(world))["classes"] == ["made-up-4"]  # the newest stays for that


async def test_a_class_that_a_running_job_is_moved_to_stays(world: World) -> None:
    (job,) = await world.submit(queue="here")
    (attempt,) = await world.claim([job])

    def move(tx: Tx) -> int:
        current = tx.job(job.id)
        assert current is not None
        there = tx.intern_class("there", "noop", {}, 0).id
        tx.save([Change(current, current._replace(target=there), attempt, attempt)])
        return there

    there = await world.run(move)
    await world.submit(queue="newest")
    await prune_unused(world)
    assert (await world.run(lambda tx: tx.job_class(there))).queue == "there"


async def test_submitters_of_a_class_in_use_go_as_well_in_steps(world: World) -> None:
    jobs = [(await world.submit(detail=details(owner=f"eve-{n}")))[0] for n in range(5)]
    await delete(world, *jobs[:4])
    assert [await prune_unused(world, limit=2) for _ in range(4)] == [2, 2, 0, 0]
    assert await names(world) == {"classes": ["default"], "submitters": ["eve-4"]}


class Large(dict[Any, Any]):
    """Too large to be looked at from end to end."""

    def __iter__(self) -> Never:
        raise AssertionError("a step looks at everything")


async def test_a_step_looks_at_no_name_but_its_own(world: World) -> None:
    jobs = [(await world.submit(queue=f"q{n}", detail=details(owner=f"eve-{n}")))[0] for n in "123"]
    await delete(world, *jobs)
    world.clock.advance(LONG)
    await prune(world)

    def step(tx: Tx) -> int:
        assert isinstance(tx, SqliteTx)
        for name in ("classes", "class_ids", "facet_ids", "submitters", "submitter_ids"):
            setattr(tx.memory, name, Large(getattr(tx.memory, name)))
        return tx.prune_unused(2)

    assert await world.run(step) == 2 + 1  # classes, and the pair of the one that is left


async def test_names_that_went_are_there_again_where_the_step_failed(world: World) -> None:
    (job,) = await world.submit(queue="made-up", detail=details(owner="eve"))
    await world.submit(queue="kept")
    await delete(world, job)
    world.clock.advance(LONG)
    await prune(world)
    before = await names(world)

    def fail(tx: Tx) -> None:
        assert tx.prune_unused(100) == 1
        raise Refused("no")

    with pytest.raises(Refused):
        await world.run(fail)
    assert await names(world) == before
    assert await prune_unused(world) == 1


async def test_counters_of_long_ago_go(world: World) -> None:
    await world.finish(await world.claim(await world.submit(2)))
    world.clock.advance(DAY)
    await prune(world)
    await world.finish(await world.claim(await world.submit(1)))
    assert (await world.store.reads.queue_work(world.now))["default"].out_last_hour == 1
