"""What is written for many jobs at once is just what would be written for each by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server import transitions
from server.clock import ManualClock
from server.model import Outcome, RetryPolicy
from server.store.base import Change, NewAttempt, NewJob
from server.store.sqlite import SqliteStore
from tests.server.store.world import World, a_job, details

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.model import Attempt, Job
    from server.store.base import Tx

TABLES = ("jobs", "job_details", "attempts", "counts", "activity", "submitters", "facets")
SUCCESS = Outcome("success")


async def a_world() -> World:
    clock = ManualClock()
    store = SqliteStore(None, clock=clock)
    await store.open()
    return World(store, clock)


def stored(world: World) -> dict[str, list[Any]]:
    """Every row of what concerns jobs."""
    store = world.store
    assert isinstance(store, SqliteStore)
    db = store._db
    assert db is not None
    return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}


def mixed_jobs(tx: Tx, now: int) -> list[NewJob]:
    """Jobs of which some neighbours are alike and some are not."""
    first = tx.intern_class("default", "noop", {}, 0).id
    second = tx.intern_class("gpu", "fib", {"gpu": "yes"}, 0).id
    plain, late = details(b'{"a": "\\u00e9\\u0000\\"\xc3\xa9"}'), details(b"[]", timeout_ms=5)
    made = [(first, 0, plain), (first, 0, details(b"1")), (first, -3, plain), (second, 0, plain)]
    made += [(first, 0, late), (first, 0, late), (second, 0, details(retry=RetryPolicy(1)))]
    return [
        NewJob(a_job(cls, now, uuid=f"job-{number}", rank=rank), detail)
        for number, (cls, rank, detail) in enumerate(made)
    ]


def take(tx: Tx, jobs: list[Job], now: int) -> list[tuple[Job, Job]]:
    """Attempts for the jobs, and the jobs before and after."""
    new = [
        NewAttempt(f"{job.uuid}/{job.attempts}", job.id, job.attempts + 1, 4, 7, False, job.rank)
        for job in jobs
    ]
    attempts = tx.insert_attempts(new, at=now)
    return [
        (job, transitions.claim(job, attempt, now=now).job)
        for job, attempt in zip(jobs, attempts, strict=True)
    ]


def claim_together(tx: Tx, jobs: list[Job], now: int) -> None:
    pairs = take(tx, jobs, now)
    tx.save_claims([before for before, _ in pairs], [after for _, after in pairs])


def claim_few(tx: Tx, jobs: list[Job], now: int) -> None:
    for before, after in take(tx, jobs, now):
        tx.save_claims([before], [after])


def claim_each(tx: Tx, jobs: list[Job], now: int) -> None:
    tx.save([Change(before, after) for before, after in take(tx, jobs, now)])


def succeed_together(tx: Tx, ended: list[tuple[Job, Attempt]], now: int) -> None:
    tx.save_successes(ended, at=now)


def succeed_each(tx: Tx, ended: list[tuple[Job, Attempt]], now: int) -> None:
    for job, attempt in ended:
        step = transitions.finish(job, attempt, SUCCESS, retry=RetryPolicy(), now=now, jitter=0.0)
        tx.save([Change(job, step.job, attempt, step.attempt)])


def lose(tx: Tx, now: int) -> list[Job]:
    """Every live attempt is lost once, so that the next one is a second one."""
    back: list[Job] = []
    for job, attempt in tx.live_attempts():
        lost = Outcome("lost")
        step = transitions.lose(job, attempt, lost, retry=RetryPolicy(), now=now, jitter=0.0)
        tx.save([Change(job, step.job, attempt, step.attempt)])
        back.append(step.job)
    return back


@pytest.mark.parametrize("places", [(2, 0, 1, 6, 4, 5), (0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0)])
@pytest.mark.parametrize("is_repeated", [False, True], ids=["first attempts", "second attempts"])
@pytest.mark.parametrize("claim_alike", [claim_together, claim_few])
async def test_together_is_the_same_as_each_by_itself(
    claim_alike: Callable[[Tx, list[Job], int], None],
    is_repeated: bool,
    places: tuple[int, ...],
) -> None:
    together, each = await a_world(), await a_world()
    for world, claim, succeed in (
        (together, claim_alike, succeed_together),
        (each, claim_each, succeed_each),
    ):
        now = world.now
        made = await world.run(lambda tx, now=now: tx.insert_jobs(mixed_jobs(tx, now)))  # type: ignore[misc]
        jobs = [made[place] for place in places]
        await world.run(lambda tx, c=claim, j=jobs, now=now: c(tx, j, now + 1))  # type: ignore[misc]
        if is_repeated:
            jobs = await world.run(lambda tx, now=now: lose(tx, now + 2))  # type: ignore[misc]
            jobs += [job for place, job in enumerate(made) if place not in places]  # its first try
            jobs.sort(key=lambda job: job.id)
            await world.run(lambda tx, c=claim, j=jobs, now=now: c(tx, j, now + 3))  # type: ignore[misc]
        live = await world.run(lambda tx: tx.live_attempts())
        assert [job.attempt for job, _ in live] == [attempt.id for _, attempt in live]
        await world.run(lambda tx, s=succeed, live=live, now=now: s(tx, live[:4], now + 4))  # type: ignore[misc]
    assert stored(together) == stored(each)
    assert await together.run(lambda tx: tx.live_attempts()) == await each.run(
        lambda tx: tx.live_attempts()
    )
    await together.store.close()
    await each.store.close()


@pytest.mark.parametrize("length", [1, 4], ids=["one of a kind", "runs of a kind"])
async def test_a_batch_is_stored_as_its_jobs_by_themselves(length: int) -> None:
    def batch(tx: Tx, now: int) -> list[NewJob]:
        kinds = [new for new in mixed_jobs(tx, now) for _ in range(length)]
        return [
            new._replace(job=new.job._replace(uuid=f"job-{number}"))
            for number, new in enumerate(kinds)
        ]

    together, each = await a_world(), await a_world()
    await together.run(lambda tx: tx.insert_jobs(batch(tx, together.now)))
    for new in await each.run(lambda tx: batch(tx, each.now)):
        await each.run(lambda tx, new=new: tx.insert_jobs([new]))  # type: ignore[misc]
    assert stored(together) == stored(each)
    await together.store.close()
    await each.store.close()


async def test_mixed_jobs_come_back_as_they_were(world: World) -> None:
    new = await world.run(lambda tx: mixed_jobs(tx, world.now))
    jobs = await world.run(lambda tx: tx.insert_jobs(new))
    found = await world.run(lambda tx: tx.jobs([job.id for job in jobs]))
    assert list(found.values()) == jobs
    assert [job[1:] for job in jobs] == [one.job[1:] for one in new]
    kept = await world.run(lambda tx: tx.details_of([job.id for job in jobs]))
    assert [kept[job.id] for job in jobs] == [one.details for one in new]


async def test_what_fails_leaves_nothing_behind(world: World) -> None:
    jobs = await world.run(lambda tx: tx.insert_jobs(mixed_jobs(tx, world.now)))
    await world.run(lambda tx: claim_together(tx, jobs[:2], world.now))
    live = await world.run(lambda tx: tx.live_attempts())

    def fail(tx: Tx) -> None:
        succeed_together(tx, live, world.now)
        claim_together(tx, jobs[2:], world.now)
        assert len(tx.live_attempts()) == len(jobs) - 2
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await world.run(fail)

    def look(tx: Tx) -> None:
        assert tx.live_attempts() == live
        assert tx.attempts_by_uuid([live[0][1].uuid]) == {live[0][1].uuid: live[0]}
        assert tx.count(jobs[0].cls, "claimed") == 2
        assert tx.count(jobs[0].cls, "completed") == 0
        assert tx.active_in_queue("default") == 2
        claim_together(tx, jobs[2:], world.now)

    await world.run(look)
