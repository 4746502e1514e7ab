"""Rows of several operations that are written together at the end of their tick."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from server.clock import ManualClock
from server.ids import new_uuid
from server.model import Outcome, Progress
from server.store.base import Change, Chunk, NewJob, StreamState
from server.store.sqlite import SqliteStore
from tests.server.store.world import World, a_job, claim, details, finish

if TYPE_CHECKING:
    from pathlib import Path

    from server.model import Attempt, Job
    from server.store.base import Tx


class Oops(Exception):
    """An operation's own failure."""


def submit(tx: Tx, now: int, cache_key: str = "", params: bytes = b"{}") -> Job:
    """A job whose rows may wait for those of others."""
    cls = tx.intern_class("default", "noop", {}, 0).id
    detail = details(params, cache_key=cache_key or None)
    new = NewJob(a_job(cls, now), detail, may_exist=False, is_named=True)
    (job,) = tx.insert_jobs([new])
    if cache_key:
        tx.put_cached(cache_key, job.id, 0)
    return job


def write_output(tx: Tx, attempt: Attempt, text: bytes, now: int) -> None:
    state = StreamState(attempt.id, "console", 0, len(text), 0, 0, now)
    tx.put_output(state, [Chunk("console", 0, 0, now, text)])


async def test_what_waits_is_found_by_those_who_come_after(world: World) -> None:
    def look(tx: Tx) -> None:
        made = tx.job(1)
        assert made is not None
        assert tx.job_by_uuid(made.uuid) == made
        assert tx.jobs([1]) == {1: made}
        assert tx.jobs_by_prefix(made.uuid[:30], 2) == [made]
        assert tx.details(1).params == b"[7]"
        assert tx.tasks([1])[1].params == b"[7]"
        assert [job for job, _ in tx.claimable([made.cls], 5)] == [made]
        found = tx.cached("k")
        assert found is not None
        assert found.job == 1

    await asyncio.gather(
        world.store.apply(lambda tx: submit(tx, world.now, "k", b"[7]")),
        world.store.apply(look),
    )


async def test_a_whole_life_fits_one_tick(world: World) -> None:
    def begin(tx: Tx) -> None:
        job = submit(tx, world.now)
        (attempt,) = claim(tx, [job], world.now)
        tx.set_progress(attempt.id, Progress(1, 2), at=world.now)
        tx.set_progress(attempt.id, None, at=world.now + 1)
        write_output(tx, attempt, b"hello", world.now)

    def end(tx: Tx) -> None:
        [(_, attempt)] = tx.live_attempts()
        assert tx.output_text(attempt.id, "console") == b"hello"
        state = tx.streams(attempt.id)[0]
        tx.replace_output(state._replace(generation=1, size=3), b"bye", at=world.now)
        finish(tx, [attempt], world.now, message="done and told")

    await asyncio.gather(world.store.apply(begin), world.store.apply(end))
    assert (await world.job(1)).state == "completed"
    assert await world.run(lambda tx: tx.output_text(1, "console")) == b"bye"
    assert await world.run(lambda tx: tx.progress(1)) == Progress(1, 2)
    outcome = await world.run(lambda tx: tx.outcome(1))
    assert outcome == Outcome("success", "done and told")
    detail = await world.store.reads.job_detail(1)
    assert detail is not None
    assert detail.attempts[0].heard_at == world.now + 1


async def test_changes_of_one_job_in_one_tick_end_as_the_last_one(world: World) -> None:
    (job,) = await world.submit(1)
    first = job._replace(rank=-1, since=world.now + 1)
    second = first._replace(since=world.now + 2)
    third = second._replace(rank=-3)
    await asyncio.gather(
        world.store.apply(lambda tx: tx.save([Change(job, first)])),
        world.store.apply(lambda tx: tx.save([Change(first, second)])),
        world.store.apply(lambda tx: tx.save([Change(second, third)])),
        world.store.apply(lambda tx: tx.save([Change(third, third._replace(rank=-4))])),
        world.store.apply(lambda tx: tx.save([Change(third._replace(rank=-4), third)])),
    )
    assert await world.job(job.id) == third


@pytest.mark.parametrize("is_settled", [False, True], ids=["all waiting", "partly written"])
async def test_an_operation_that_fails_takes_only_its_own_rows_along(
    world: World, is_settled: bool
) -> None:
    def good(tx: Tx) -> int:
        job = submit(tx, world.now)
        (attempt,) = claim(tx, [job], world.now)
        write_output(tx, attempt, b"kept", world.now)
        return job.id

    def bad(tx: Tx) -> None:
        for job, attempt in tx.live_attempts():
            tx.save([Change(job, job._replace(wanted="stop"))])
            write_output(tx, attempt, b"gone", world.now)
        job = submit(tx, world.now, "gone")
        claim(tx, [job], world.now)
        if is_settled:
            assert len(tx.jobs_by_prefix("0", 9)) > 1  # sees, and so writes, what waits
            submit(tx, world.now)
        raise Oops

    answers = await asyncio.gather(
        *(world.store.apply(operation) for operation in (good, bad, good, bad)),
        return_exceptions=True,
    )
    assert [answers[0], answers[2]] == [1, 2]
    assert [type(answers[1]), type(answers[3])] == [Oops, Oops]
    assert len(world.commits) <= 1

    def look(tx: Tx) -> None:
        live = tx.live_attempts()
        assert [(job.id, job.wanted, attempt.id) for job, attempt in live] == [
            (1, "run", 1),
            (2, "run", 2),
        ]
        assert [tx.output_text(number, "console") for number in (1, 2)] == [b"kept", b"kept"]
        assert [state.size for state in tx.streams(1)] == [4]
        assert tx.job(3) is None
        assert tx.attempts([3]) == {}
        assert tx.cached("gone") is None

    await world.run(look)


async def test_a_row_that_cannot_be_written_fails_its_own_operation(world: World) -> None:
    """It is noticed at the end, or by a neighbour that has it written; both are not to blame."""

    def bad(tx: Tx) -> None:
        submit(tx, world.now, params=object())  # type: ignore[arg-type]

    def good(tx: Tx) -> int:
        return submit(tx, world.now).id

    def looks(tx: Tx) -> int:
        return len(tx.jobs_by_prefix("0", 9))

    answers = await asyncio.gather(
        *(world.store.apply(operation) for operation in (good, bad, looks, good)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers].count(int) == 3
    assert (answers[0], answers[2], answers[3]) == (1, 1, 2)
    jobs = await world.run(lambda tx: tx.jobs([1, 2, 3]))
    assert sorted(jobs) == [1, 2]


async def test_ids_given_by_clients_are_given_once(world: World) -> None:
    (known,) = await world.submit(1)

    def take(tx: Tx, uuid: str) -> int:
        cls = tx.intern_class("default", "noop", {}, 0).id
        (job,) = tx.insert_jobs([NewJob(a_job(cls, world.now, uuid=uuid), details())])
        return job.id

    uuid = new_uuid()
    answers = await asyncio.gather(
        world.store.apply(lambda tx: submit(tx, world.now).id),
        world.store.apply(lambda tx: take(tx, known.uuid)),
        world.store.apply(lambda tx: take(tx, uuid)),
        world.store.apply(lambda tx: take(tx, uuid)),
        return_exceptions=True,
    )
    assert [answers[0], answers[2]] == [2, 3]
    assert [getattr(answers[place], "code", "") for place in (1, 3)] == ["exists", "exists"]


async def test_streams_of_a_live_attempt_are_known_after_an_opening(tmp_path: Path) -> None:
    clock = ManualClock()
    path = tmp_path / "jobs.db"
    first = World(SqliteStore(path, clock=clock), clock)
    await first.store.open()
    jobs = await first.submit(1)
    (attempt,) = await first.claim(jobs)
    await first.run(lambda tx: write_output(tx, attempt, b"one", clock.now_ms()))
    await first.store.close()
    again = World(SqliteStore(path, clock=clock), clock)
    await again.store.open()

    def go_on(tx: Tx) -> None:
        (state,) = tx.streams(attempt.id)
        assert state.size == 3
        chunk = Chunk("console", 0, 3, clock.now_ms(), b"two")
        tx.put_output(state._replace(size=6), [chunk])
        assert [one.size for one in tx.streams(attempt.id)] == [6]

    await again.run(go_on)
    await again.run(lambda tx: finish(tx, [attempt], clock.now_ms()))
    assert await again.run(lambda tx: [one.size for one in tx.streams(attempt.id)]) == [6]
    assert await again.run(lambda tx: tx.output_text(attempt.id, "console")) == b"onetwo"
    await again.store.close()


# jobs that just came in ----------------------------------------------------------------------


def one_by_one(tx: Tx, now: int, number: int) -> list[Job]:
    return [submit(tx, now, params=b"[%d]" % count) for count in range(number)]


def told_from_file(tx: Tx, job: Job) -> tuple[Job | None, bytes]:
    """A job and its parameters as they stand in the database."""
    tx.memory.young.clear()  # type: ignore[attr-defined]
    tx.memory.jobs.clear()  # type: ignore[attr-defined]
    tx.memory.job_uuids.clear()  # type: ignore[attr-defined]
    return tx.job_by_uuid(job.uuid), tx.tasks([job.id])[job.id].params


async def test_a_young_job_is_as_it_stands_in_the_file(world: World) -> None:
    [job] = await world.run(lambda tx: one_by_one(tx, world.now, 1))
    young = await world.run(lambda tx: (tx.job_by_uuid(job.uuid), tx.tasks([job.id])[job.id]))
    filed = await world.run(lambda tx: told_from_file(tx, job))
    assert (young[0], young[1].params) == filed == (job, b"[0]")


async def test_a_young_job_that_changes_is_as_it_was_changed(world: World) -> None:
    jobs = await world.run(lambda tx: one_by_one(tx, world.now, 3))

    def change(tx: Tx) -> None:
        tx.save([Change(jobs[0], jobs[0]._replace(rank=-5))])
        claim(tx, jobs[1:2], world.now)
        tx.delete_jobs([jobs[2].id], at=1, by="x")

    await world.run(change)
    await world.run(lambda tx: [told_from_file(tx, job) for job in jobs[:2]])
    looked = await world.run(lambda tx: [tx.job_by_uuid(job.uuid) for job in jobs])
    assert [job and (job.rank, job.state) for job in looked] == [
        (-5, "pending"),
        (0, "in_progress"),
        None,
    ]


async def test_only_so_many_young_jobs_are_kept_and_none_that_was_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.store.memory.MAX_YOUNG", 2)

    def make_and_fail(tx: Tx) -> None:
        one_by_one(tx, world.now, 3)
        raise Oops

    jobs = await world.run(lambda tx: one_by_one(tx, world.now, 3))
    with pytest.raises(Oops):
        await world.run(make_and_fail)
    kept = await world.run(lambda tx: list(tx.memory.young))  # type: ignore[attr-defined]
    assert sorted(kept) == [jobs[1].id, jobs[2].id]
    assert await world.run(lambda tx: [tx.job_by_uuid(job.uuid) for job in jobs]) == jobs


# cache keys that are looked up together -------------------------------------------------------


async def test_keys_looked_up_ahead_see_what_the_transaction_does(world: World) -> None:
    await world.run(lambda tx: submit(tx, world.now, "old"))
    await world.run(lambda tx: submit(tx, world.now, "gone"))

    def look(*keys: str) -> asyncio.Future[list[int]]:
        def read(tx: Tx) -> list[int]:
            return [0 if (found := tx.cached(key)) is None else found.job for key in keys]

        return asyncio.ensure_future(world.store.apply(read, cache_keys=keys))

    def forget(tx: Tx) -> None:
        tx.release_cached("gone")

    odd = "with\0nul"
    first = look("old", "gone", "new", odd)
    made = asyncio.ensure_future(world.store.apply(lambda tx: submit(tx, world.now, "new")))
    more = asyncio.ensure_future(world.store.apply(lambda tx: submit(tx, world.now, odd)))
    released = asyncio.ensure_future(world.store.apply(forget))
    second = look("old", "gone", "new", odd)
    await asyncio.gather(first, made, more, released, second)
    assert first.result() == [1, 2, 0, 0]
    assert second.result() == [1, 0, made.result().id, more.result().id]
    deleted = asyncio.ensure_future(
        world.store.apply(lambda tx: tx.delete_jobs([1], at=1, by="x"), cache_keys=["old", "new"])
    )
    third = look("old", "new")
    await deleted
    assert await third == [0, made.result().id]
    assert await look("old", "new", odd) == [0, made.result().id, more.result().id]
