"""Operations of one tick: one commit, each with its own verdict."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from server.clock import ManualClock
from server.errors import Busy, StoreError
from server.store.base import Change
from server.store.sqlite import SqliteStore
from tests.server.store.world import World, a_runner, claim, insert

if TYPE_CHECKING:
    from pathlib import Path

    from server.model import Job
    from server.store.base import Tx


class Oops(Exception):
    """An operation's own failure."""


def fail(tx: Tx) -> None:
    raise Oops


def submit_with_event(tx: Tx) -> int:
    (job,) = insert(tx, 1)
    tx.append("submitted", at=1, job=job.id)
    return job.id


async def test_operations_of_a_tick_share_a_commit_in_order(world: World) -> None:
    ids = await asyncio.gather(*(world.store.apply(submit_with_event) for _ in range(5)))
    assert ids == [1, 2, 3, 4, 5]
    assert len(world.commits) == 1
    assert [(event.seq, event.job) for event in world.commits[0].events] == [
        (number, number) for number in range(1, 6)
    ]


async def test_nothing_happens_before_the_loop_turns(world: World) -> None:
    answer = asyncio.ensure_future(world.store.apply(submit_with_event))
    assert world.commits == []
    await answer
    assert len(world.commits) == 1


async def test_a_bad_operation_fails_alone_and_leaves_nothing(world: World) -> None:
    def bad(tx: Tx) -> None:
        (job,) = insert(tx, 1, queue="never", rank=-9)
        tx.append("submitted", at=1, job=job.id)
        tx.after_commit(lambda: called.append("bad"))
        tx.insert_runner(a_runner("never", 1))
        claim(tx, [job], 1)
        raise Oops

    def good(tx: Tx) -> int:
        tx.after_commit(lambda: called.append("good"))
        return submit_with_event(tx)

    called: list[str] = []
    before, failed, after = await asyncio.gather(
        world.store.apply(good),
        world.store.apply(bad),
        world.store.apply(good),
        return_exceptions=True,
    )
    assert (before, after) == (1, 2)
    assert isinstance(failed, Oops)
    assert called == ["good", "good"]
    assert [event.seq for event in world.commits[0].events] == [1, 2]
    assert world.commits[0].ready == {1}

    def look(tx: Tx) -> None:
        assert [known.queue for known in tx.waiting_classes()] == ["default"]
        assert tx.runners() == []
        assert tx.live_attempts() == []
        assert tx.count(1, "pending") == 2
        assert tx.active_in_queue("never") == 0
        assert tx.job(3) is None

    await world.run(look)


async def test_memory_is_as_before_where_a_change_is_taken_back(world: World) -> None:
    jobs = await world.submit(2)
    (attempt,) = await world.claim(jobs[:1])
    job = await world.job(1)

    def change_and_fail(tx: Tx) -> None:
        ended = attempt._replace(state="ended", outcome="lost")
        tx.save([Change(job, job._replace(state="pending"), attempt, ended)])
        assert tx.live_attempts() == []
        tx.delete_jobs([2], at=1, by="x")
        raise Oops

    with pytest.raises(Oops):
        await world.run(change_and_fail)
    assert await world.run(lambda tx: tx.live_attempts()) == [(job, attempt)]
    assert await world.run(lambda tx: tx.count(job.cls, "pending")) == 1
    assert await world.run(lambda tx: tx.attempts_by_uuid([attempt.uuid])) == {
        attempt.uuid: (job, attempt)
    }


async def test_answers_come_after_callbacks_and_listeners(world: World) -> None:
    order: list[str] = []
    world.store.on_commit(lambda committed: order.append("listener"))

    def operation(tx: Tx) -> None:
        tx.append("submitted", at=1)
        tx.after_commit(lambda: order.append("callback"))

    await world.run(operation)
    order.append("answer")
    assert order == ["callback", "listener", "answer"]


async def test_a_failing_callback_is_reported_and_stops_nobody(world: World) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: reported.append(context["exception"])
    )
    called: list[int] = []

    def operation(tx: Tx) -> None:
        tx.after_commit(lambda: 1 / 0)
        tx.after_commit(lambda: called.append(1))

    await world.run(operation)
    assert called == [1]
    assert [type(error) for error in reported] == [ZeroDivisionError]


async def test_a_cancelled_operation_breaks_no_batch(world: World) -> None:
    gone = asyncio.ensure_future(world.store.apply(submit_with_event))
    stays = asyncio.ensure_future(world.store.apply(submit_with_event))
    gone.cancel()
    assert await stays == 1
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_one_cancelled_while_it_runs_still_commits(world: World) -> None:
    def cancels_itself(tx: Tx) -> None:
        submit_with_event(tx)
        answer.cancel()

    answer = asyncio.ensure_future(world.store.apply(cancels_itself))
    other = world.store.apply(submit_with_event)
    assert await other == 2
    assert (await world.job(1)).id == 1
    assert answer.cancelled()


async def test_more_operations_than_fit_a_transaction_keep_their_order(world: World) -> None:
    ids = await asyncio.gather(*(world.store.apply(submit_with_event) for _ in range(1200)))
    assert ids == list(range(1, 1201))
    assert len(world.commits) == 3
    seqs = [event.seq for commit in world.commits for event in commit.events]
    assert seqs == list(range(1, 1201))


async def test_beyond_the_bound_it_is_busy(tmp_path: Path) -> None:
    store = SqliteStore(None, clock=ManualClock(), max_waiting=2)
    await store.open()
    waiting = [store.apply(submit_with_event), store.apply(submit_with_event)]
    with pytest.raises(Busy):
        store.apply(submit_with_event)
    assert await asyncio.gather(*waiting) == [1, 2]
    await store.close()


async def test_closing_commits_what_waits_and_refuses_what_comes(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    store = SqliteStore(path, clock=ManualClock())
    await store.open()
    waiting = store.apply(submit_with_event)
    await store.close()
    assert await waiting == 1
    with pytest.raises(Busy):
        store.apply(submit_with_event)
    await store.close()
    again = SqliteStore(path, clock=ManualClock())
    await again.open()
    assert await again.apply(lambda tx: tx.job(1)) is not None
    await again.close()


class _FlakyCommit(sqlite3.Connection):
    """Fails at COMMIT while told to, as a full disk would."""

    failures = 0

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.failures:
            self.failures -= 1
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)  # type: ignore[arg-type]


@pytest.fixture
async def flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    connect = sqlite3.connect
    monkeypatch.setattr(
        "server.store.sqlite.sqlite3.connect",
        lambda *args, **options: connect(*args, **options, factory=_FlakyCommit),
    )
    store = SqliteStore(None, clock=ManualClock())
    await store.open()
    made = World(store, ManualClock())
    store.on_commit(made.commits.append)
    return made


def _break(world: World, failures: int) -> None:
    store = world.store
    assert isinstance(store, SqliteStore)
    assert isinstance(store._db, _FlakyCommit)
    store._db.failures = failures


async def test_a_failed_commit_is_replayed_one_by_one(flaky: World) -> None:
    _break(flaky, 1)
    ids = await asyncio.gather(*(flaky.store.apply(submit_with_event) for _ in range(3)))
    assert ids == [1, 2, 3]
    assert [[event.seq for event in commit.events] for commit in flaky.commits] == [[1], [2], [3]]
    await flaky.store.close()


async def test_what_cannot_be_committed_alone_is_told_in_words(flaky: World) -> None:
    _break(flaky, 2)
    first, second = await asyncio.gather(
        flaky.store.apply(submit_with_event),
        flaky.store.apply(submit_with_event),
        return_exceptions=True,
    )
    assert isinstance(first, StoreError)
    assert "disk I/O error" in first.message
    assert second == 1
    assert [event.seq for event in flaky.commits[0].events] == [1]
    await flaky.store.close()


async def put_off(world: World) -> Job:
    """A job that falls due at 5 and expires at 6, and is put off while another stays for later."""
    (job,) = await world.submit(state="scheduled", run_at=5, deadline=6)
    await world.submit(state="scheduled", run_at=500, deadline=600)
    await world.run(look_for_times)
    return job


def look_for_times(tx: Tx) -> None:
    assert tx.due(1, 5) == tx.past_deadline(1, 5) == []


def put_off_in(tx: Tx, job: Job) -> None:
    tx.save([Change(job, job._replace(run_at=300, deadline=400))])
    look_for_times(tx)


async def test_no_time_is_missed_where_an_operation_that_put_it_off_fails(world: World) -> None:
    job = await put_off(world)

    def put_off_and_fail(tx: Tx) -> None:
        put_off_in(tx, job)
        raise Oops

    with pytest.raises(Oops):
        await world.run(put_off_and_fail)
    assert (world.store.first_due, world.store.first_deadline) == (5, 6)
    await world.run(lambda tx: put_off_in(tx, job))
    assert (world.store.first_due, world.store.first_deadline) == (300, 400)


async def test_no_time_is_missed_where_the_commit_that_put_it_off_fails(flaky: World) -> None:
    job = await put_off(flaky)
    _break(flaky, 2)
    with pytest.raises(StoreError):
        await flaky.run(lambda tx: put_off_in(tx, job))
    assert (flaky.store.first_due, flaky.store.first_deadline) == (5, 6)
    await flaky.store.close()


async def test_a_programming_error_reaches_the_caller(world: World) -> None:
    with pytest.raises(Oops):
        await world.run(fail)
    assert world.commits == []


async def test_who_only_looks_begins_no_transaction(world: World) -> None:
    (job,) = await world.submit(1)
    store = world.store
    assert isinstance(store, SqliteStore)
    assert store._db is not None
    asked: list[str] = []
    store._db.set_trace_callback(asked.append)

    def look(tx: Tx) -> None:
        assert tx.job(job.id) == job
        assert tx.due(world.now, 5) == tx.past_deadline(world.now, 5) == []
        assert tx.details(job.id).owner == "ci"
        assert [one for one, _ in tx.claimable([job.cls], 1)] == [job]

    await asyncio.gather(store.apply(look), store.apply(look))
    assert asked
    assert {statement.split()[0] for statement in asked} == {"SELECT"}


async def test_a_database_that_is_locked_is_told_as_busy_and_fails_nobody_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "jobs.db"
    store = SqliteStore(path, clock=ManualClock())
    await store.open()
    assert store._db is not None
    store._db.execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    submitted, looked = await asyncio.gather(
        store.apply(submit_with_event), store.apply(lambda tx: tx.job(1)), return_exceptions=True
    )
    assert isinstance(submitted, Busy)
    assert looked is None
    other.execute("ROLLBACK")
    other.close()
    assert await store.apply(submit_with_event) == 1
    await store.close()


# what follows from a transaction -----------------------------------------------------------


async def test_what_comes_last_sees_the_others_and_is_in_their_commit(world: World) -> None:
    def follow(tx: Tx) -> None:
        for job_class in tx.waiting_classes():
            tx.append("queued", at=1, reason=str(tx.count(job_class.id, "pending")))

    world.store.before_commit(follow)
    await asyncio.gather(*(world.store.apply(submit_with_event) for _ in range(3)))
    [commit] = world.commits
    assert [event.kind for event in commit.events] == ["submitted"] * 3 + ["queued"]
    assert commit.events[-1].reason == "3"


@pytest.mark.parametrize("is_in_sql", [False, True])
async def test_what_comes_last_and_fails_leaves_nothing_and_blames_nobody(
    world: World, is_in_sql: bool
) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: reported.append(context["exception"])
    )

    def follow(tx: Tx) -> None:
        tx.append("queued", at=1)
        if is_in_sql:  # its row waits for the end of the transaction, and fails it as a whole
            tx.set_progress("no number", None, at=1)  # type: ignore[arg-type]
        else:
            raise Oops

    world.store.before_commit(follow)
    ids = await asyncio.gather(*(world.store.apply(submit_with_event) for _ in range(2)))
    assert ids == [1, 2]
    kinds = [event.kind for commit in world.commits for event in commit.events]
    assert kinds == ["submitted"] * 2
    assert [type(error) for error in reported] == ([] if is_in_sql else [Oops])
