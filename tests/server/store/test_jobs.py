"""Jobs and attempts in transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.errors import Refused
from server.model import Outcome, Progress, RetryPolicy, Task
from server.store.base import Change, NewAttempt, NewJob
from tests.server.store.world import a_job, claim, details, finish, insert

if TYPE_CHECKING:
    from server.model import Attempt, Job
    from server.store.base import Tx
    from tests.server.store.world import World


async def test_inserted_jobs_get_ids_in_order(world: World) -> None:
    first = await world.submit(3)
    second = await world.submit(2, queue="gpu")
    assert [job.id for job in first + second] == [1, 2, 3, 4, 5]
    assert await world.job(4) == second[0]


async def test_a_job_is_found_by_its_ids(world: World) -> None:
    jobs = await world.submit(3)

    def look(tx: Tx) -> None:
        assert tx.job_by_uuid(jobs[1].uuid) == jobs[1]
        assert tx.job_by_uuid("no such id") is None
        assert tx.job(99) is None
        assert tx.jobs([1, 3, 99]) == {1: jobs[0], 3: jobs[2]}
        assert tx.jobs([]) == {}

    await world.run(look)


async def test_a_beginning_of_an_id_finds_all_it_fits(world: World) -> None:
    def insert_named(tx: Tx) -> None:
        cls = tx.intern_class("default", "noop", {}, 0).id
        for uuid in ("aa11", "aa12", "ab00"):
            tx.insert_jobs([NewJob(a_job(cls, world.now, uuid=uuid), details())])

    await world.run(insert_named)
    found = await world.run(lambda tx: [job.uuid for job in tx.jobs_by_prefix("aa", 10)])
    assert found == ["aa11", "aa12"]
    assert len(await world.run(lambda tx: tx.jobs_by_prefix("a", 2))) == 2


async def test_the_same_id_twice_is_refused_and_changes_nothing(world: World) -> None:
    (job,) = await world.submit()
    with pytest.raises(Refused):
        await world.submit(uuid=job.uuid)
    assert [one.id for one in await world.submit()] == [2]


async def test_details_come_back_as_they_were(world: World) -> None:
    full = details(
        b'{"a": 1}',
        namespace="team",
        timeout_ms=5,
        retry=RetryPolicy(base_delay_ms=1, jitter=0),
        cache_key="key",
        parent=7,
        resubmit_of=3,
        trace_context={"traceparent": "00"},
        extra=b"[1]",
        correlation={"tenant": "42"},
        cache_ttl_ms=9,
        schedule=4,
    )
    (rich,) = await world.submit(detail=full)
    (plain,) = await world.submit()
    found = await world.run(lambda tx: tx.details_of([rich.id, plain.id]))
    assert found == {rich.id: full, plain.id: details()}
    assert await world.run(lambda tx: tx.details(rich.id)) == full
    tasks = await world.run(lambda tx: tx.tasks([rich.id, plain.id]))
    assert tasks == {
        rich.id: Task(b'{"a": 1}', 5, {"traceparent": "00"}, {"tenant": "42"}),
        plain.id: Task(b"{}", 0, None),
    }
    with pytest.raises(KeyError):
        await world.run(lambda tx: tx.details(99))


async def test_claimable_is_by_priority_then_age_and_by_class(world: World) -> None:
    await world.submit(2)
    await world.submit(1, rank=-5)
    await world.submit(1, type="fib")
    await world.submit(1, state="scheduled", run_at=world.now + 5)
    await world.submit(1, queue="gpu", rank=-1)

    def claimable(tx: Tx) -> list[list[int]]:
        cls = {(one.queue, one.type): one.id for one in tx.waiting_classes()}
        noop, fib, gpu = cls["default", "noop"], cls["default", "fib"], cls["gpu", "noop"]
        return [
            [job.id for job, _ in tx.claimable(classes, limit)]
            for classes, limit in (
                ([noop], 10),
                ([noop], 2),
                ([noop, fib, gpu], 10),
                ([fib], 10),
                ([], 10),
                ([noop], 0),
            )
        ]

    assert await world.run(claimable) == [[3, 1, 2], [3, 1], [3, 6, 1, 2, 4], [4], [], []]


async def test_due_and_past_deadline(world: World) -> None:
    await world.submit(1, state="scheduled", run_at=world.now + 20)
    await world.submit(1, state="scheduled", run_at=world.now + 10)
    await world.submit(1, deadline=world.now + 10)
    (running,) = await world.submit(1, deadline=world.now + 5)
    await world.claim([running])

    def look(tx: Tx) -> tuple[list[int], list[int], list[int], list[int]]:
        now = world.now
        return (
            [job.id for job in tx.due(now + 9, 9)],
            [job.id for job in tx.due(now + 20, 9)],
            [job.id for job in tx.due(now + 20, 1)],
            [job.id for job in tx.past_deadline(now + 10, 9)],
        )

    assert await world.run(look) == ([], [2, 1], [2], [3])


async def test_a_claim_and_an_end_are_seen_at_once_and_later(world: World) -> None:
    jobs = await world.submit(2)

    def life(tx: Tx) -> None:
        cls = jobs[0].cls
        (attempt,) = claim(tx, [jobs[0]], world.now)
        assert tx.count(cls, "pending") == 1
        assert tx.count(cls, "in_progress") == 1
        assert tx.active_in_queue("default") == 1
        job = tx.job(jobs[0].id)
        assert job is not None and (job.state, job.attempt) == ("in_progress", attempt.id)
        assert tx.claimable([cls], 9) == [(jobs[1], Task(b"{}", 0, None))]
        finish(tx, [attempt], world.now, result=b"3")
        assert tx.active_in_queue("default") == 0

    await world.run(life)
    assert (await world.job(1)).state == "completed"

    def look(tx: Tx) -> None:
        assert tx.count(jobs[0].cls, "completed") == 1
        assert tx.outcome(1) == Outcome("success", result=b"3")
        assert tx.live_attempts() == []

    await world.run(look)


async def test_attempts_are_confirmed_or_offered(world: World) -> None:
    (job,) = await world.submit()
    new = [
        NewAttempt("one", job.id, 1, 1, 1, False, 9),
        NewAttempt("two", job.id, 2, 1, 1, True, 8),
    ]
    offered, running = await world.run(lambda tx: tx.insert_attempts(new, at=world.now))
    assert (offered.state, offered.started_at, offered.deadline) == ("offered", 0, 9)
    assert (running.state, running.started_at, running.id) == ("running", world.now, 2)
    assert await world.run(lambda tx: tx.insert_attempts([], at=1)) == []


async def test_live_attempts_by_runner_and_session(world: World) -> None:
    jobs = await world.submit(3)
    (first,) = await world.claim(jobs[:1], runner=1, session=1)
    (second,) = await world.claim(jobs[1:2], runner=1, session=2)
    (third,) = await world.claim(jobs[2:], runner=2, session=3)

    def live(tx: Tx, **of: int) -> list[int]:
        return [attempt.id for _, attempt in tx.live_attempts(**of)]

    assert await world.run(live) == [1, 2, 3]
    assert await world.run(lambda tx: live(tx, runner=1)) == [1, 2]
    assert await world.run(lambda tx: live(tx, session=3)) == [3]
    assert await world.run(lambda tx: live(tx, session=9)) == []
    await world.finish([second])
    assert await world.run(live) == [first.id, third.id]


async def test_an_attempt_can_change_its_session(world: World) -> None:
    jobs = await world.submit()
    (attempt,) = await world.claim(jobs)
    job = await world.job(1)
    moved = attempt._replace(session=7)
    await world.run(lambda tx: tx.save([Change(job, job, attempt, moved)]))
    assert await world.run(lambda tx: tx.live_attempts(session=1)) == []
    assert await world.run(lambda tx: tx.live_attempts(session=7)) == [(job, moved)]


async def test_attempts_by_id_and_uuid_live_or_ended(world: World) -> None:
    jobs = await world.submit(2)
    ended, live = await world.claim(jobs)
    await world.finish([ended])

    def look(tx: Tx) -> tuple[list[str], list[str]]:
        by_id = tx.attempts([ended.id, live.id, 99])
        by_uuid = tx.attempts_by_uuid([ended.uuid, live.uuid, "none"])
        assert {attempt.id: attempt for _, attempt in by_uuid.values()} == {
            attempt.id: attempt for _, attempt in by_id.values()
        }
        assert by_id[ended.id][0].state == "completed"
        return (
            [by_id[one.id][1].state for one in (ended, live)],
            [by_uuid[one.uuid][1].uuid for one in (ended, live)],
        )

    states, uuids = await world.run(look)
    assert states == ["ended", "running"]
    assert uuids == [ended.uuid, live.uuid]


async def _again(world: World, job: Job, attempt: Attempt) -> Attempt:
    """The attempt is given up, the job goes back and is claimed anew."""

    def requeue(tx: Tx) -> None:
        current = tx.job(job.id)
        assert current is not None
        lost = attempt._replace(state="abandoned")
        tx.save([Change(current, current._replace(state="pending"), attempt, lost)])

    await world.run(requeue)
    (again,) = await world.claim([job], runner=2, session=2)
    return again


async def test_a_job_knows_all_its_attempts(world: World) -> None:
    (job,) = await world.submit()
    (first,) = await world.claim([job])
    second = await _again(world, job, first)
    found = await world.run(lambda tx: tx.attempts_of(job.id))
    assert [(one.id, one.number, one.state) for one in found] == [
        (first.id, 1, "abandoned"),
        (second.id, 2, "running"),
    ]
    assert await world.run(lambda tx: tx.attempts_of(99)) == []


async def test_an_abandoned_attempt_keeps_its_slot_until_it_ends(world: World) -> None:
    (job,) = await world.submit()
    (first,) = await world.claim([job])
    second = await _again(world, job, first)
    await world.finish([second])
    ((of_job, left),) = await world.run(lambda tx: tx.live_attempts())
    assert left.id == first.id
    assert of_job == await world.job(job.id)


async def test_outcomes_keep_all_they_say(world: World) -> None:
    jobs = await world.submit(3)
    attempts = await world.claim(jobs)
    said = Outcome("error", "no", "Boom", "E1", b"{}", 3, 9, b"", 500, False)

    def end(tx: Tx) -> None:
        plain = Outcome("success")
        for attempt, outcome in zip(attempts, (said, said, plain), strict=True):
            job = tx.job(attempt.job)
            assert job is not None
            ended = attempt._replace(state="ended", ended_at=1, outcome=outcome.kind)
            tx.save([Change(job, job._replace(state="failed"), attempt, ended, outcome)])

    await world.run(end)
    found = await world.run(lambda tx: [tx.outcome(attempt.id) for attempt in attempts])
    assert found == [said, said, Outcome("success")]
    (live,) = await world.claim(await world.submit())
    assert await world.run(lambda tx: tx.outcome(live.id)) is None
    assert await world.run(lambda tx: tx.outcome(99)) is None


async def test_progress_is_kept_while_only_life_is_reported(world: World) -> None:
    (attempt,) = await world.claim(await world.submit())

    def report(tx: Tx) -> tuple[Progress | None, Progress | None, Progress | None]:
        tx.set_progress(attempt.id, None, at=world.now)
        nothing = tx.progress(attempt.id)
        tx.set_progress(attempt.id, Progress(1, None, "a"), at=world.now)
        tx.set_progress(attempt.id, None, at=world.now + 5)
        kept = tx.progress(attempt.id)
        tx.set_progress(attempt.id, Progress(2, 4, ""), at=world.now + 6)
        return nothing, kept, tx.progress(attempt.id)

    assert await world.run(report) == (None, Progress(1, None, "a"), Progress(2, 4, ""))


async def test_moving_a_job_moves_what_is_counted(world: World) -> None:
    (job,) = await world.submit()

    def move(tx: Tx) -> None:
        cls = tx.intern_class("gpu", "noop", {}, 0).id
        tx.save([Change(job, job._replace(cls=cls))])
        assert tx.count(job.cls, "pending") == 0
        assert tx.count(cls, "pending") == 1
        assert [one.id for one, _ in tx.claimable([cls], 1)] == [job.id]

    await world.run(move)
    assert world.commits[-1].ready == {2}


async def test_saving_what_is_equal_writes_nothing(world: World) -> None:
    (job,) = await world.submit()
    before = len(world.commits)
    await world.run(lambda tx: tx.save([Change(job, job)]))
    assert len(world.commits) == before
    assert await world.job(job.id) == job


async def test_deleting_leaves_a_tombstone_and_nothing_else(world: World) -> None:
    jobs = await world.submit(2, type="fib")
    attempts = await world.claim(jobs)
    await world.finish(attempts, "failed", message="no")
    await world.run(lambda tx: tx.put_cached("key", 1, 0))

    def delete(tx: Tx) -> None:
        tx.delete_jobs([1, 99], at=world.now, by="sam")

    await world.run(delete)

    def look(tx: Tx) -> None:
        assert tx.job(1) is None
        assert tx.attempts_of(1) == []
        assert tx.outcome(attempts[0].id) is None
        assert tx.cached("key") is None
        assert tx.count(jobs[0].cls, "failed") == 1
        grave = tx.tombstone(jobs[0].uuid)
        assert grave is not None
        assert grave[1:] == (1, "fib", world.now, "sam")
        assert tx.tombstone(jobs[1].uuid) is None

    await world.run(look)
    assert [job.id for job in await world.submit()] == [3]


async def test_a_deleted_running_job_holds_no_slot(world: World) -> None:
    await world.claim(await world.submit())
    await world.run(lambda tx: tx.delete_jobs([1], at=1, by="sam"))
    assert await world.run(lambda tx: tx.live_attempts()) == []
    assert await world.run(lambda tx: tx.active_in_queue("default")) == 0


async def test_ready_names_classes_that_got_pending_jobs(world: World) -> None:
    (job,) = await world.submit()
    await world.submit(state="scheduled", run_at=5)
    assert [commit.ready for commit in world.commits] == [{job.cls}]
    (attempt,) = await world.claim([job])
    current = await world.job(job.id)
    back = current._replace(state="pending")
    ended = attempt._replace(state="ended", outcome="lost")
    await world.run(lambda tx: tx.save([Change(current, back, attempt, ended)]))
    assert world.commits[-1].ready == {job.cls}


async def test_an_operation_sees_its_own_inserts(world: World) -> None:
    def both(tx: Tx) -> bool:
        (job,) = insert(tx, world.now)
        return tx.job(job.id) == job and tx.job_by_uuid(job.uuid) == job

    assert await world.run(both)
