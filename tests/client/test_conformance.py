"""What every form of client does alike: same calls, same answers, same errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from server.wire.operator import (
    DrainRequest,
    EventView,
    KeyRequest,
    ReassignRequest,
    ResubmitRequest,
    StopRequest,
    SubmitRequest,
)
from server.wire.schedules import NewScheduleRequest, ScheduleRequest
from traffic_tui.client.base import ClientError, KeepAlive, Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.client.worlds import LocalRunner, World
    from traffic_tui.client.base import Client, StreamItem


async def submit(client: Client, count: int = 1, **fields: object) -> list[str]:
    requests = [
        msgspec.convert(
            {"type": "work", "params": msgspec.Raw(b'{"a": 1}'), **fields}, SubmitRequest
        )
        for _ in range(count)
    ]
    return [submitted.id for submitted in await client.submit(requests)]


async def test_what_it_is(world: World) -> None:
    assert world.client.is_embedded == world.is_embedded
    assert world.client.url == world.url
    assert not world.client.is_read_only
    assert world.looker.is_read_only


async def test_jobs_are_submitted_and_listed(world: World) -> None:
    await world.client.connect()
    ids = await submit(world.client, 3, priority=7, queue="gpu")
    page = await world.client.jobs(filter="queue:gpu", limit=2)
    assert [job.id for job in page.jobs] == ids[:0:-1]
    assert (page.count, page.jobs[0].priority, page.jobs[0].state) == (3, 7, "pending")
    rest = await world.client.jobs(filter="queue:gpu", limit=2, after=page.next)
    assert [job.id for job in rest.jobs] == ids[:1]
    assert rest.next is None
    numbers = [page.jobs[0].number]
    assert [job.id for job in (await world.client.jobs(numbers=numbers)).jobs] == [ids[2]]
    assert (await world.client.jobs(numbers=[])).jobs == []
    oldest = await world.client.jobs(order="number", limit=1)
    assert [job.id for job in oldest.jobs] == ids[:1]


async def test_jobs_are_grouped(world: World) -> None:
    await submit(world.client, 2, queue="gpu")
    await submit(world.client, 1, queue="a b")
    found = await world.client.job_groups(by="queue", filter="state:pending")
    assert [(group.name, group.count) for group in found.groups] == [("gpu", 2), ("a b", 1)]
    assert found.groups[1].filter == 'state:pending queue:"a b"'
    assert (found.number, found.count, found.count_is_exact) == (2, 3, True)
    assert (await world.client.job_groups()).groups == []
    assert len((await world.client.job_groups(by="queue", limit=1)).groups) == 1
    for wrong in ({"by": "weather"}, {"limit": 0}, {"filter": "nonsense:1"}):
        with pytest.raises(ClientError) as refused:
            await world.client.job_groups(**wrong)
        assert refused.value.status == 400


async def test_the_same_idempotency_key_gives_the_same_jobs(world: World) -> None:
    request = [SubmitRequest(type="work")]
    first = await world.client.submit(request, idempotency_key="once")
    again = await world.client.submit(request, idempotency_key="once")
    assert [job.id for job in again] == [job.id for job in first]
    assert again[0].cached


async def test_one_job_has_its_parameters_and_history(world: World) -> None:
    [job] = await submit(world.client)
    detail = await world.client.job(job)
    assert detail.job.params == {"a": 1}
    assert detail.attempts == []
    assert [event.kind for event in detail.events] == ["submitted"]
    assert (await world.client.job(str(detail.job.number))).job.id == job
    assert (await world.client.explain(job)).state == "pending"


async def test_waiting_jobs_are_changed(world: World) -> None:
    [job] = await submit(world.client)
    assert (await world.client.set_priority(job, 9, reason="hurry")).job.priority == 9
    moved = await world.client.reassign(job, ReassignRequest(queue="slow"))
    assert moved.job.queue == "slow"
    stopped = await world.client.stop(job, StopRequest(reason="not needed"))
    assert stopped.job.state == "stopped"
    fresh = await world.client.resubmit(job, ResubmitRequest(params=msgspec.Raw(b'{"a": 2}')))
    assert fresh.job.id != job
    detail = await world.client.job(fresh.job.id)
    assert detail.job.params == {"a": 2}
    assert detail.lineage.resubmitted_from is not None
    assert detail.lineage.resubmitted_from.id == job


async def test_output_is_read_and_searched(world: World, runner: LocalRunner) -> None:
    [job] = await submit(world.client)
    attempt = await runner.take()
    await runner.print(attempt, b"one\ntwo\n")
    part = await world.client.output(job)
    assert (part.offset, part.data, part.size, part.is_complete) == (0, b"one\ntwo\n", 8, False)
    assert (part.gap_from, part.gap_to) == (0, 0)
    assert (await world.client.output(job, offset=-4)).data == b"two\n"
    assert (await world.client.output(job, offset=4, limit=3)).data == b"two"
    assert (await world.client.output(job, attempt="1", stream="stderr")).data == b""
    assert await world.client.find_output(job, "two") == 4
    assert await world.client.find_output(job, "one", offset=8, backwards=True) == 0
    assert await world.client.find_output(job, "three") is None
    await runner.finish(attempt)
    assert (await world.client.output(job, offset=8)).is_complete


async def test_results_and_errors_of_runners_arrive(world: World, runner: LocalRunner) -> None:
    good, bad = await submit(world.client, 2)
    first = await runner.take()
    await runner.finish(first, result={"answer": 42})
    second = await runner.take()
    await runner.finish(second, "error", error={"message": "no [/such] file", "type": "OSError"})
    assert (await world.client.job(good)).job.result == {"answer": 42}
    failed = (await world.client.job(bad)).job
    assert failed.error is not None
    assert (failed.error.message, failed.error.type) == ("no [/such] file", "OSError")


async def test_runners_are_drained_resumed_and_forgotten(world: World, runner: LocalRunner) -> None:
    [seen] = (await world.client.runners()).runners
    assert (seen.name, seen.labels, seen.capacity) == ("lab-01", {"rack": "r12"}, 2)
    assert (await world.client.runner("lab-01")).id == seen.id
    with_log = await world.client.runner_with_log("lab-01")
    assert (with_log.runner.id, with_log.log) == (seen.id, [])
    drained = await world.client.drain(seen.id, DrainRequest(reason="a new disk"))
    assert drained.drain_reason == "a new disk"
    assert drained.state in ("draining", "drained")
    assert (await world.client.resume_runner(seen.id)).draining_since == 0
    with pytest.raises(ClientError) as refusal:
        await world.client.forget(seen.id)
    assert refusal.value.status == 409


async def test_schedules_are_made_changed_and_deleted(world: World) -> None:
    client = world.client
    wanted = NewScheduleRequest(name="every/night", cron="0 2 * * *", type="work", queue="gpu")
    made = await client.create_schedule(wanted)
    assert (made.name, made.queue, made.params, made.paused_at) == ("every/night", "gpu", {}, 0)
    assert await client.schedule("every/night") == made
    paused = await client.pause_schedule("every/night", reason="audit")
    assert (paused.next_at, paused.pause_reason) == (0, "audit")
    changed = await client.change_schedule(
        "every/night", ScheduleRequest(cron="0 3 * * *", type="work", time_zone="Europe/Berlin")
    )
    assert (changed.cron, changed.queue, changed.pause_reason) == ("0 3 * * *", "default", "audit")
    assert (await client.resume_schedule("every/night")).next_at == (
        await client.schedule_due("every/night", count=1)
    ).due[0]
    assert len((await client.cron_due("* * * * *", count=3)).due) == 3
    assert [one.name for one in (await client.schedules()).schedules] == ["every/night"]
    await client.delete_schedule("every/night", reason="done")
    assert (await client.schedules()).schedules == []


@pytest.mark.parametrize("name", [".", "..", "a/../b", "%2E", "ö?#"])
async def test_every_name_of_a_schedule_can_be_named_in_a_path(world: World, name: str) -> None:
    wanted = NewScheduleRequest(name=name, cron="0 2 * * *", type="work")
    await world.client.create_schedule(wanted)
    assert (await world.client.schedule(name)).name == name
    assert (await world.client.pause_schedule(name)).paused_at
    await world.client.delete_schedule(name)
    assert (await world.client.schedules()).schedules == []


async def test_queues_are_paused_resumed_and_limited(world: World) -> None:
    await submit(world.client, queue="gpu")
    paused = await world.client.pause_queue("gpu", reason="too hot")
    assert paused.pause_reason == "too hot"
    assert paused.paused_at > 0
    assert (await world.client.resume_queue("gpu")).paused_at == 0
    assert (await world.client.limit_queue("gpu", 3)).limit == 3
    assert (await world.client.limit_queue("gpu", None)).limit is None
    queues = {queue.name: queue.waiting for queue in (await world.client.queues()).queues}
    assert queues == {"default": 0, "gpu": 1}


async def test_what_happened_is_told_in_pages(world: World) -> None:
    [job] = await submit(world.client)
    await world.client.set_priority(job, 1, reason="why not")
    newest, oldest = (await world.client.events(job=job)).events
    assert (newest.kind, newest.reason, newest.job) == ("priority_changed", "why not", job)
    assert oldest.kind == "submitted"
    assert (await world.client.events(job=job, before=newest.seq)).events == [oldest]
    assert (await world.client.events(job=job, after=oldest.seq)).events == [newest]
    assert (await world.client.events(actor=newest.actor, limit=1)).events == [newest]
    assert (await world.client.late_writes()).late_writes == []


async def test_events_are_followed_from_a_point_on(world: World) -> None:
    [first] = await submit(world.client)
    stats = await world.client.stats()
    assert stats.counts["pending"] == 1
    stream = world.client.follow(after=stats.last_seq)
    assert isinstance(await anext(stream), KeepAlive)
    [second] = await submit(world.client)
    event = await next_event(stream)
    assert (event.kind, event.job) == ("submitted", second)
    await stream.aclose()  # type: ignore[attr-defined]
    replay = world.client.follow(after=0)
    kinds = [(await next_event(replay)) for _ in range(2)]
    assert first in {event.job for event in kinds}
    await replay.aclose()  # type: ignore[attr-defined]


async def next_event(stream: object) -> EventView:
    async with asyncio.timeout(10):
        while True:
            item: StreamItem = await anext(stream)  # type: ignore[call-overload]
            if isinstance(item, EventView):
                return item


async def test_a_quiet_stream_still_shows_that_it_lives(world: World) -> None:
    stream = world.client.follow()
    async with asyncio.timeout(10):
        assert isinstance(await anext(stream), KeepAlive)
        assert isinstance(await anext(stream), KeepAlive)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_the_end_of_the_coordinator_is_unreachable(world: World) -> None:
    stream = world.client.follow()
    await anext(stream)
    stopping = asyncio.create_task(asyncio.to_thread(world.thread.stop))
    with pytest.raises(Unreachable):
        async with asyncio.timeout(10):
            while True:
                await anext(stream)
    assert await stopping
    with pytest.raises(Unreachable):
        await world.client.stats()
    with pytest.raises(Unreachable):
        await anext(world.client.follow())


async def test_keys_are_made_listed_and_revoked(world: World) -> None:
    made = await world.client.create_key(KeyRequest(name="alice", role="operator"))
    assert len(made.secret) > 20
    listed = {key.name: key for key in (await world.client.keys()).keys}
    assert (listed["alice"].role, listed["alice"].source) == ("operator", "store")
    assert listed["admin"].source == "file"
    await world.client.revoke_key("alice", reason="she left")
    assert (await world.client.events(limit=1)).events[0].reason == "she left"
    listed = {key.name: key for key in (await world.client.keys()).keys}
    assert listed["alice"].revoked_at > 0


ERRORS: dict[str, tuple[Callable[[Client], Awaitable[object]], int, str]] = {
    "no such job": (lambda c: c.job("999999"), 404, "not_found"),
    "no such prefix": (lambda c: c.job("abcdef"), 404, "not_found"),
    "hostile id": (lambda c: c.job("../keys?x=1#[/b]\x1b[2J"), 400, "invalid"),
    "id that is no text": (lambda c: c.job("\udcff"), 400, "invalid"),
    "type that is no text": (lambda c: c.submit([SubmitRequest(type="\udcff")]), 400, "invalid"),
    "reason that is no text": (lambda c: c.pause_queue("default", reason="\udcff"), 400, "invalid"),
    "no such runner": (lambda c: c.runner("nobody"), 404, "not_found"),
    "no such schedule": (lambda c: c.schedule("nowhere"), 404, "not_found"),
    "no cron": (lambda c: c.cron_due("61 * * * *"), 400, "invalid"),
    "too many times": (lambda c: c.cron_due("* * * * *", count=101), 400, "invalid"),
    "no zone": (lambda c: c.cron_due("* * * * *", time_zone="Mars"), 400, "invalid"),
    "bad schedule": (
        lambda c: c.create_schedule(NewScheduleRequest(name="a", cron="* * 30 2 *", type="b")),
        400,
        "invalid",
    ),
    "no such queue": (lambda c: c.pause_queue("nowhere"), 404, "not_found"),
    "bad filter": (lambda c: c.jobs(filter="state:nonsense"), 400, "invalid"),
    "bad order": (lambda c: c.jobs(order="colour"), 400, "invalid"),
    "bad cursor": (lambda c: c.jobs(after="nonsense"), 400, "invalid"),
    "bad page": (lambda c: c.jobs(limit=0), 400, "invalid"),
    "bad priority": (lambda c: c.set_priority("1", 10**9), 400, "invalid"),
    "limit of none": (lambda c: c.limit_queue("default", 0), 400, "invalid"),
    "long reason": (lambda c: c.pause_queue("default", reason="x" * 501), 400, "invalid"),
    "nowhere to go": (lambda c: c.reassign("1", ReassignRequest()), 400, "invalid"),
    "no type": (lambda c: c.submit([SubmitRequest(type="")]), 400, "invalid"),
    "no such key": (lambda c: c.revoke_key("nobody"), 404, "not_found"),
    "key of the file": (lambda c: c.revoke_key("admin"), 409, "refused"),
}


@pytest.mark.parametrize("name", ERRORS)
async def test_errors_have_the_coordinators_words(world: World, name: str) -> None:
    await submit(world.client)
    call, status, code = ERRORS[name]
    with pytest.raises(ClientError) as caught:
        await call(world.client)
    error = caught.value
    assert (error.status, error.message != "") == (status, True)
    assert error.code == code or error.code not in ("", "internal")


CHANGES: dict[str, Callable[[Client], Awaitable[object]]] = {
    "submit": lambda c: c.submit([SubmitRequest(type="work")]),
    "stop": lambda c: c.stop("1", StopRequest()),
    "resubmit": lambda c: c.resubmit("1", ResubmitRequest()),
    "reassign": lambda c: c.reassign("1", ReassignRequest(queue="x")),
    "priority": lambda c: c.set_priority("1", 1),
    "drain": lambda c: c.drain("x", DrainRequest()),
    "resume runner": lambda c: c.resume_runner("x"),
    "forget": lambda c: c.forget("x"),
    "pause": lambda c: c.pause_queue("default"),
    "create schedule": lambda c: c.create_schedule(
        NewScheduleRequest(name="a", cron="* * * * *", type="b")
    ),
    "change schedule": lambda c: c.change_schedule(
        "a", ScheduleRequest(cron="* * * * *", type="b")
    ),
    "pause schedule": lambda c: c.pause_schedule("a"),
    "resume schedule": lambda c: c.resume_schedule("a"),
    "delete schedule": lambda c: c.delete_schedule("a"),
    "resume queue": lambda c: c.resume_queue("default"),
    "limit": lambda c: c.limit_queue("default", 1),
    "keys": lambda c: c.keys(),
    "create key": lambda c: c.create_key(KeyRequest(name="a", role="admin")),
    "revoke key": lambda c: c.revoke_key("admin"),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_read_only_is_enforced_by_the_coordinator(world: World, name: str) -> None:
    await submit(world.client)
    with pytest.raises(ClientError) as caught:
        await CHANGES[name](world.looker)
    assert (caught.value.status, caught.value.code) == (403, "forbidden")
    assert len((await world.looker.jobs()).jobs) == 1
