"""Reads: pages, one job whole, events, work of runners and queues."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, get_args

import pytest

from server.errors import InvalidInput
from server.filters import parse_filter
from server.model import Outcome, Progress
from server.store.base import Change, EventQuery, JobOrder, JobQuery, StreamState
from tests.server.store.world import a_schedule, details

if TYPE_CHECKING:
    from server.store.base import JobRow, Tx
    from tests.server.store.world import World

ORDERS: tuple[JobOrder, ...] = get_args(JobOrder)


async def all_pages(world: World, filter_text: str, order: JobOrder, limit: int) -> list[int]:
    """Ids of all pages, one after the other."""
    ids: list[int] = []
    after = ""
    while True:
        page = await world.store.reads.job_page(
            JobQuery(parse_filter(filter_text), limit=limit, after=after, order=order)
        )
        assert len(page.rows) <= limit
        ids += [row.job.id for row in page.rows]
        if not page.next:
            return ids
        after = page.next


async def varied(world: World) -> None:
    """Jobs of several ages, priorities and states."""
    for number in range(12):
        world.clock.advance(1)
        await world.submit(1, queue=f"q{number % 3}", rank=-(number % 4))
    jobs = await world.run(lambda tx: list(tx.jobs(range(1, 13)).values()))
    world.clock.advance(5)
    attempts = await world.claim(sorted(jobs)[3:8])
    world.clock.advance(5)
    await world.finish(attempts[:2])
    await world.finish(attempts[2:3], "failed", message="no")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("filter_text", ["", "queue:q1", "state:pending", "!queue:q1"])
async def test_pages_in_every_order_hold_each_job_once(
    world: World, order: JobOrder, filter_text: str
) -> None:
    await varied(world)
    whole = await all_pages(world, filter_text, order, 100)
    assert len(set(whole)) == len(whole) > 0
    for limit in (1, 3, 5):
        assert await all_pages(world, filter_text, order, limit) == whole
    jobs = await world.run(lambda tx: tx.jobs(whole))
    every: dict[str, list[tuple[int, ...]]] = {
        "number": [(number,) for number in whole],
        "since": [(jobs[number].since, number) for number in whole],
        "priority": [(-jobs[number].rank, -number) for number in whole],
    }
    keys = every[order.lstrip("-")]
    assert keys == sorted(keys, reverse=order.startswith("-"))


async def test_counts_are_exact_where_counters_tell(world: World) -> None:
    await varied(world)
    for text, count in (
        ("", 12),
        ("state:pending", 7),
        ("queue:q1 state:pending", 2),
        ("!state:pending", 5),
        ("type:none", 0),
        ("number>3", 9),
    ):
        page = await world.store.reads.job_page(JobQuery(parse_filter(text), limit=2))
        assert (page.count, page.count_is_exact) == (count, True), text


async def test_a_list_of_ids_is_a_page_too(world: World) -> None:
    await world.submit(5)
    page = await world.store.reads.job_page(JobQuery(ids=(4, 2, 99), order="number"))
    assert [row.job.id for row in page.rows] == [2, 4]
    assert page.count == 2
    assert (await world.store.reads.job_page(JobQuery(ids=()))).rows == []


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "!!!!",
        base64.urlsafe_b64encode(b'["-number"]').decode(),
        base64.urlsafe_b64encode(b'["-number", "1"]').decode(),
        base64.urlsafe_b64encode(b'["since", 1, 2]').decode(),
        base64.urlsafe_b64encode(b'["-number", 99999999999999999999999]').decode(),
        base64.urlsafe_b64encode(b"[" * 10_000).decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b"[]").decode(),
    ],
)
async def test_a_bad_cursor_is_refused_in_words(world: World, cursor: str) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        await world.store.reads.job_page(JobQuery(after=cursor))


async def test_a_bad_limit_or_order_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="limit"):
        await world.store.reads.job_page(JobQuery(limit=0))
    with pytest.raises(InvalidInput, match="order"):
        await world.store.reads.job_page(JobQuery(order="name"))  # type: ignore[arg-type]


async def row_of(world: World, job_id: int) -> JobRow:
    page = await world.store.reads.job_page(JobQuery(ids=(job_id,)))
    return page.rows[0]


async def test_a_row_shows_the_newest_attempt(world: World) -> None:
    runner = await world.runner("lab-7")
    jobs = await world.submit(1, queue="gpu", type="fit", requires={"os": "linux"})
    waiting = await row_of(world, 1)
    assert (waiting.type, waiting.queue, waiting.requires) == ("fit", "gpu", {"os": "linux"})
    assert (waiting.owner, waiting.origin) == ("ci", "operator-api")
    assert (waiting.runner, waiting.attempt_state, waiting.heard_at) == (0, "", 0)
    (attempt,) = await world.claim(jobs, runner.id)
    world.clock.advance(1)
    heard = world.now
    await world.run(lambda tx: tx.set_progress(attempt.id, Progress(1, 2, "x"), at=heard))
    running = await row_of(world, 1)
    assert (running.runner_name, running.runner_uuid) == ("lab-7", runner.uuid)
    assert (running.attempt_state, running.heard_at) == ("running", heard)
    assert running.progress == Progress(1, 2, "x")
    spoke = StreamState(attempt.id, "stdout", 0, 1, 0, 0, heard + 7)
    await world.run(lambda tx: tx.put_output(spoke, []))
    assert (await row_of(world, 1)).heard_at == heard + 7
    world.clock.advance(1)
    await world.finish([attempt], result=b"[1]", exit_code=3)
    ended = await row_of(world, 1)
    assert ended.has_result
    assert ended.outcome == Outcome("success", exit_code=3)
    assert ended.ended_at == ended.heard_at == world.now


async def test_one_job_whole(world: World) -> None:
    runner = await world.runner()
    (first,) = await world.submit()
    (attempt,) = await world.claim([first], runner.id)
    await world.finish([attempt], "failed", message="no", type="Boom", result=b"1")
    (again,) = await world.submit(detail=details(resubmit_of=first.id))

    def tell(tx: Tx) -> None:
        tx.append("submitted", at=1, job=first.id)
        tx.append("claimed", at=2, members=[(9, 9), (first.id, attempt.id)])
        tx.append("claimed", at=3, members=[(again.id, 9)])

    await world.run(tell)
    found = await world.store.reads.job_detail(first.id)
    assert found is not None
    assert found.resubmitted_as == [(again.id, again.uuid)]
    assert found.resubmitted_from is None
    assert [event.seq for event in found.events] == [2, 1]
    (row,) = found.attempts
    assert row.attempt.state == "ended"
    assert row.outcome == Outcome("error", "no", "Boom", result=b"1")
    assert (row.runner_name, row.protocol) == ("lab-1", "native-v2")
    made = await world.store.reads.job_detail(again.id)
    assert made is not None and made.resubmitted_from == (first.id, first.uuid)
    assert await world.store.reads.job_detail(99) is None


async def _events(world: World, **query: object) -> list[int]:
    found = await world.store.reads.events(EventQuery(**query))  # type: ignore[arg-type]
    return [event.seq for event in found]


async def test_events_are_paged_both_ways_and_by_what_they_concern(world: World) -> None:
    def tell(tx: Tx) -> None:
        tx.append("submitted", at=1, job=5, actor="ci")
        tx.append("claimed", at=2, members=[(5, 1), (6, 2), (200, 3)], runner=1)
        tx.append("runner_lost", at=3, runner=1)
        tx.append("completed", at=4, job=6, attempt=2, runner=2, data=b"{}", reason="r")
        tx.append("queue_paused", at=5, queue="gpu", actor="sam")

    await world.run(tell)
    assert await _events(world) == [5, 4, 3, 2, 1]
    assert await _events(world, limit=2) == [5, 4]
    assert await _events(world, before=4, limit=2) == [3, 2]
    assert await _events(world, after=2) == [3, 4, 5]
    assert await _events(world, after=2, limit=1) == [3]
    assert await _events(world, job=5) == [2, 1]
    assert await _events(world, job=6) == [4, 2]
    assert await _events(world, job=6, limit=1) == [4]
    assert await _events(world, job=6, before=4) == [2]
    assert await _events(world, job=5, after=1) == [2]
    assert await _events(world, job=200) == [2]
    assert await _events(world, job=7) == []
    assert await _events(world, runner=1) == [3, 2]
    assert await _events(world, actor="sam") == [5]
    assert await _events(world, kinds=("claimed", "completed")) == [4, 2]
    assert await _events(world, kinds=("claimed",), job=6) == [2]
    whole = await world.store.reads.events(EventQuery(after=3, limit=1))
    assert whole[0].data == b"{}" and whole[0].reason == "r" and whole[0].members == ()
    assert await world.store.reads.last_seq() == 5
    assert await world.store.reads.first_seq() == 1


async def test_work_of_runners_and_queues_is_of_the_last_hour(world: World) -> None:
    runner = await world.runner()
    jobs = await world.submit(5, queue="gpu")
    attempts = await world.claim(jobs[:4], runner.id)
    await world.finish(attempts[:2])
    await world.finish(attempts[2:3], "failed")
    heard = world.now + 3
    await world.run(lambda tx: tx.set_progress(attempts[3].id, None, at=heard))
    work = (await world.store.reads.runner_work(world.now))[runner.id]
    assert work == (runner.id, 1, 2, 1, heard)
    queue = (await world.store.reads.queue_work(world.now))["gpu"]
    assert (queue.in_last_hour, queue.out_last_hour) == (5, 3)
    assert queue.counts == {"pending": 1, "in_progress": 1, "completed": 2, "failed": 1}
    assert queue.oldest_pending_at == jobs[4].since
    world.clock.advance(2 * 3600)
    work = (await world.store.reads.runner_work(world.now))[runner.id]
    assert work[1:4] == (1, 0, 0)
    queue = (await world.store.reads.queue_work(world.now))["gpu"]
    assert (queue.in_last_hour, queue.out_last_hour) == (0, 0)


async def test_what_comes_into_a_queue_and_leaves_it_is_counted_in_closed_buckets(
    world: World,
) -> None:
    world.clock.advance(300 - world.now // 1000 % 300)
    start = world.now
    jobs = await world.submit(4, queue="gpu")
    world.clock.advance(300)
    await world.finish(await world.claim(jobs[:3]))
    world.clock.advance(60)
    flow = await world.store.reads.queue_flow(world.now, 300_000, 3)
    assert flow.queues == {"gpu": ((0, 0, 4), (0, 0, 0), 0, 3)}
    assert (flow.since, flow.end) == (start, start + 300_000)
    world.clock.advance(300)
    flow = await world.store.reads.queue_flow(world.now, 300_000, 3)
    assert flow.queues == {"gpu": ((0, 4, 0), (0, 0, 3), 0, 0)}
    world.clock.advance(3600)
    assert (await world.store.reads.queue_flow(world.now, 300_000, 3)).queues == {}


async def test_lists_say_which_schedule_made_a_job(world: World) -> None:
    made = await world.run(lambda tx: tx.put_schedule(a_schedule("nightly")))
    small, large = details(schedule=made.id), details(b'"' + b"x" * 50_000 + b'"', schedule=made.id)
    await world.submit(1, detail=small)
    await world.submit(1, detail=large)
    await world.submit(1)
    await world.submit(1, detail=details(schedule=made.id, resubmit_of=1))
    page = await world.store.reads.job_page(JobQuery(order="number"))
    assert [row.schedule for row in page.rows] == ["nightly", "nightly", "", ""]
    detail = await world.store.reads.job_detail(2)
    assert detail is not None and detail.row.schedule == "nightly"


async def test_the_oldest_pending_job_may_have_any_priority(world: World) -> None:
    await world.submit(1, rank=0)
    oldest = world.now
    world.clock.advance(9)
    await world.submit(1, rank=-5)
    await world.submit(1, rank=5, type="other")
    assert (await world.store.reads.queue_work(world.now))["default"].oldest_pending_at == oldest


async def test_a_job_that_came_back_does_not_hide_how_long_others_wait(world: World) -> None:
    first, _ = await world.submit(2)
    oldest = world.now
    world.clock.advance(9)
    await world.run(lambda tx: tx.save([Change(first, first._replace(since=world.now))]))
    assert (await world.store.reads.queue_work(world.now))["default"].oldest_pending_at == oldest


async def test_finished_jobs_by_bucket(world: World) -> None:
    world.clock.advance(60 - world.now // 1000 % 120)  # one minute into a bucket of two
    attempts = await world.claim(await world.submit(6))
    await world.finish(attempts[:1])
    world.clock.advance(60)
    await world.finish(attempts[1:3])
    world.clock.advance(120)
    await world.finish(attempts[3:])
    buckets = await world.store.reads.finished_per_bucket(world.now, 120_000, 3)
    assert buckets == [0, 1, 2]


async def test_states_are_counted(world: World) -> None:
    await varied(world)
    counts = await world.store.reads.state_counts()
    assert {state: number for state, number in counts.items() if number} == {
        "pending": 7,
        "in_progress": 2,
        "completed": 2,
        "failed": 1,
    }


async def test_free_space_is_known_on_disk_only(world: World) -> None:
    free = await world.store.reads.free_bytes()
    assert free is None or free > 0
