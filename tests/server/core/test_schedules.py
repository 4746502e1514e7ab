"""Schedules: fired once, over restarts, late looks, clocks that are set and full disks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from server.clock import ManualClock
from server.coordinator import firing, submit
from server.errors import DiskFull, InvalidInput, NotFound, Refused
from server.filters import parse_filter
from server.operator.schedules import schedule_view
from server.schedules import MAX_SCHEDULES, Schedule, ScheduledTask, ScheduleWish
from server.settings import ScheduleSettings
from server.store.base import EventQuery, JobQuery
from tests.server.core.world import SAM, SETTINGS, World, a_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.model import Job
    from server.settings import Settings

MINUTE_MS = 60_000
EVERY_MINUTE = "* * * * *"


def wish(name: str = "nightly", cron: str = EVERY_MINUTE, **facts: Any) -> ScheduleWish:
    task = facts.pop("task", ScheduledTask("fib", queue="night", priority=3))
    facts = {"time_zone": "UTC", "overlap": "queue", "catch_up_ms": 0, "params": b"[7]", **facts}
    return ScheduleWish(name, cron, task=task, **facts)


async def put(world: World, *, is_new: bool = True, **facts: Any) -> Schedule:
    return await world.coordinator.put_schedule(SAM, wish(**facts), is_new=is_new)


async def look(world: World, name: str = "nightly") -> Schedule:
    return (await world.coordinator.schedule(name))[0]


async def jobs(world: World) -> list[Job]:
    page = await world.coordinator.store.reads.job_page(JobQuery(order="number", limit=1000))
    return [row.job for row in page.rows]


async def told(world: World, *kinds: str) -> list[dict[str, Any]]:
    """What events of these kinds say, oldest first."""
    events = await world.coordinator.store.reads.events(EventQuery(after=0, limit=1000))
    return [
        {"kind": event.kind, "job": event.job, **msgspec.json.decode(event.data)}
        for event in events
        if event.kind in kinds
    ]


async def advance(world: World, seconds: float) -> None:
    """Let time go by in one step, and be looked at. Short enough not to be a clock that was set."""
    world.clock.advance(seconds)
    await world.coordinator.sweep()


def settings_with(**schedules: ScheduleSettings) -> Settings:
    return replace(SETTINGS, schedules=schedules)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as made:
        yield made


async def test_a_job_is_made_when_it_is_due_and_not_before(world: World) -> None:
    schedule = await put(world)
    now = world.clock.now_ms()
    assert now < schedule.next_at <= now + MINUTE_MS
    assert schedule.next_at % MINUTE_MS == 0
    await advance(world, (schedule.next_at - now - 1) / 1000)
    assert await jobs(world) == []
    await advance(world, 0.001)
    (job,) = await jobs(world)
    detail = await world.detail(job)
    assert (detail.row.type, detail.row.queue, job.priority) == ("fib", "night", 3)
    assert (detail.details.params, detail.details.owner) == (b"[7]", "sam")
    assert (detail.details.origin, detail.details.schedule) == ("operator-api", schedule.id)
    after = await look(world)
    assert after.last_job == job.id
    assert (after.last_at, after.next_at) == (schedule.next_at, schedule.next_at + MINUTE_MS)
    assert (after.fired, after.skipped) == (1, 0)
    await advance(world, 0)
    assert len(await jobs(world)) == 1
    assert await told(world, "schedule_created", "schedule_fired") == [
        {"kind": "schedule_created", "job": 0, "schedule": "nightly", "cron": EVERY_MINUTE},
        {
            "kind": "schedule_fired",
            "job": job.id,
            "schedule": "nightly",
            "due": schedule.next_at,
        },
    ]


async def test_seconds_and_many_schedules_at_once(world: World) -> None:
    for number in range(130):  # more than one transaction takes
        await put(world, name=f"s{number}", cron="*/10 * * * * *")
    await world.pass_seconds(10)
    assert len(await jobs(world)) == 130
    await world.pass_seconds(10)
    assert len(await jobs(world)) == 260


async def test_nothing_is_asked_of_the_store_while_nothing_is_due(world: World) -> None:
    await put(world, cron="0 0 1 1 *")
    looks = 0

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def apply(self, operation: Any, **hints: Any) -> Any:
            nonlocal looks
            looks += "firing" in operation.__code__.co_names
            return store.apply(operation, **hints)

    sweeper = world.coordinator._sweeper
    store, sweeper._store = sweeper._store, Watched()
    await world.pass_seconds(20)
    assert looks == 0


async def test_a_runner_is_woken_for_it(world: World) -> None:
    runner = await world.runner()
    await runner.exchange()
    await put(world, cron="*/5 * * * * *")
    waiting = asyncio.create_task(world.coordinator.wait_for_work(runner.session.id, 20))
    await asyncio.sleep(0)
    await world.pass_seconds(5)
    assert await waiting
    assert len((await runner.exchange()).assign) == 1


# overlap ----------------------------------------------------------------------------------------


async def test_a_run_is_skipped_while_the_last_one_has_not_ended(world: World) -> None:
    await put(world, overlap="skip")
    runner = await world.runner()
    await world.pass_seconds(60, runner)
    assigned = await runner.take_one()
    await world.pass_seconds(60, runner)
    (job,) = await jobs(world)
    (skipped,) = await told(world, "schedule_skipped")
    assert (skipped["why"], skipped["job"]) == ("overlap", job.id)
    assert (await look(world)).skipped == 1
    await runner.end(assigned.attempt.uuid)
    await world.pass_seconds(60, runner)
    assert len(await jobs(world)) == 2


async def test_runs_queue_up_where_that_is_wanted(world: World) -> None:
    await put(world, overlap="queue")
    await world.pass_seconds(180)
    assert [job.state for job in await jobs(world)] == ["pending"] * 3


async def test_a_run_takes_the_place_of_the_last_one(world: World) -> None:
    await put(world, overlap="replace")
    runner = await world.runner()
    await world.pass_seconds(60, runner)
    await runner.take_one()
    await world.pass_seconds(60, runner)
    assert [job.state for job in await jobs(world)] == ["stopping", "pending"]
    assert len((await runner.exchange(free=0)).stop) == 1
    await world.pass_seconds(60, runner)  # the waiting one is stopped at once
    assert [job.state for job in await jobs(world)][1:] == ["stopped", "pending"]


async def test_a_job_that_was_deleted_is_no_overlap(world: World) -> None:
    await put(world, overlap="skip")
    await world.pass_seconds(60)
    (job,) = await jobs(world)
    await world.coordinator.delete(SAM, [job.id])
    await world.pass_seconds(60)
    assert len(await jobs(world)) == 1


# restarts, late looks, clocks that are set --------------------------------------------------------


async def test_a_restart_repeats_nothing_and_loses_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    async with a_world(tmp_path / "jobs.db", clock=clock) as world:
        await put(world)
        await world.pass_seconds(60)
        assert len(await jobs(world)) == 1
        before = await look(world)
    async with a_world(tmp_path / "jobs.db", clock=clock, is_settled=False) as world:
        assert await look(world) == before
        await advance(world, 0)
        assert len(await jobs(world)) == 1
    clock.advance((before.next_at - clock.now_ms()) / 1000 + 20)  # due while nobody was there
    async with a_world(tmp_path / "jobs.db", clock=clock, is_settled=False) as world:
        await advance(world, 0)
        assert len(await jobs(world)) == 2


async def test_what_was_missed_for_long_is_told_and_not_made_up_for(tmp_path: Path) -> None:
    clock = ManualClock()
    async with a_world(tmp_path / "jobs.db", clock=clock) as world:
        due = (await put(world, cron="0 * * * *")).next_at
    clock.advance((due - clock.now_ms()) / 1000 + 3 * 3600 + 31)
    async with a_world(tmp_path / "jobs.db", clock=clock, is_settled=False) as world:
        await advance(world, 0)
        assert await jobs(world) == []
        (skipped,) = await told(world, "schedule_skipped")
        assert (skipped["why"], skipped["due"]) == ("missed", due + 3 * 3_600_000)
        assert (await look(world)).next_at == due + 4 * 3_600_000


async def test_the_last_run_that_was_missed_is_made_up_for_where_wanted(tmp_path: Path) -> None:
    clock = ManualClock()
    async with a_world(tmp_path / "jobs.db", clock=clock) as world:
        due = (await put(world, cron="0 * * * *", catch_up_ms=600_000)).next_at
    clock.advance((due - clock.now_ms()) / 1000 + 3 * 3600 + 300)
    async with a_world(tmp_path / "jobs.db", clock=clock, is_settled=False) as world:
        await advance(world, 0)
        await advance(world, 1)
        (job,) = await jobs(world)
        (fired,) = await told(world, "schedule_fired")
        assert (fired["job"], fired["due"]) == (job.id, due + 3 * 3_600_000)


async def test_a_clock_that_is_set_back_a_little_repeats_nothing(world: World) -> None:
    await put(world)
    await world.pass_seconds(60)
    fired = await look(world)
    world.clock.jump(-90)
    await world.coordinator.sweep()
    assert (await look(world)).next_at == fired.next_at
    await world.pass_seconds(80)
    assert len(await jobs(world)) == 1


async def test_a_clock_that_was_years_ahead_holds_nothing_up(world: World) -> None:
    world.clock.jump(5 * 365 * 86_400)
    await world.coordinator.sweep()
    await put(world)
    await world.pass_seconds(60)
    assert len(await jobs(world)) == 1
    world.clock.jump(-5 * 365 * 86_400)
    await world.coordinator.sweep()
    assert (await look(world)).next_at <= world.clock.now_ms() + MINUTE_MS
    await world.pass_seconds(60)
    assert len(await jobs(world)) == 2


async def test_no_room_for_jobs_skips_the_run(world: World) -> None:
    await put(world)
    world.coordinator.submit_problem = "the disk is full"
    await world.pass_seconds(60)
    assert await jobs(world) == []
    assert [one["why"] for one in await told(world, "schedule_skipped")] == ["storage"]
    world.coordinator.submit_problem = ""
    await world.pass_seconds(60)
    assert len(await jobs(world)) == 1


async def test_one_that_is_refused_is_told_and_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(world, name="bad", task=ScheduledTask("bad"))
    await put(world, name="good")
    takes = submit.submit

    def refuses(tx: Any, memory: Any, actor: Any, specs: Any, *rest: Any) -> Any:
        if specs[0].type == "bad":
            raise Refused("not here")
        return takes(tx, memory, actor, specs, *rest)

    monkeypatch.setattr(submit, "submit", refuses)
    await world.pass_seconds(120)
    assert len(await jobs(world)) == 2
    events = await world.coordinator.store.reads.events(EventQuery(after=0, limit=1000))
    left_out = [event.reason for event in events if event.kind == "schedule_skipped"]
    assert left_out == ["not here", "not here"]


async def test_the_last_run_goes_on_where_the_one_to_take_its_place_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any) -> None:
        raise Refused("not here")

    await put(world, overlap="replace")
    runner = await world.runner()
    await world.pass_seconds(60, runner)
    assigned = await runner.take_one()
    monkeypatch.setattr(submit, "submit", refuses)
    await world.pass_seconds(60, runner)
    assert [one["why"] for one in await told(world, "schedule_skipped")] == ["refused"]
    assert (await world.job(assigned.job)).state == "in_progress"
    assert (await look(world)).last_job == assigned.job.id


async def test_a_trouble_that_goes_on_is_told_once_a_minute(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise DiskFull("The disk is full: nothing was stored.")

    await put(world)
    await world.pass_seconds(60)
    monkeypatch.setattr(firing, "fire", fails)
    caplog.clear()
    await world.pass_seconds(60)  # due somewhere in it, and looked at four times a second
    assert caplog.text.count("schedules put off: The disk is full") == 1
    await world.pass_seconds(60)
    assert caplog.text.count("schedules put off: The disk is full") == 2


async def test_schedules_that_fail_leave_the_other_sweeps_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("broken")

    await put(world)
    await world.submit("fib")
    runner = await world.runner()
    assigned = await runner.take_one()
    monkeypatch.setattr(firing, "fire", fails)
    await world.pass_seconds(70)
    assert (await world.job(assigned.job)).state == "pending"  # its runner was lost
    assert "schedules put off" in caplog.text
    monkeypatch.undo()
    await world.pass_seconds(60)
    assert (await look(world)).fired == 1


# what operators do --------------------------------------------------------------------------------


async def test_pause_and_resume(world: World) -> None:
    await put(world)
    paused = await world.coordinator.pause_schedule(SAM, "nightly", reason="audit")
    assert (paused.next_at, paused.paused_by, paused.pause_reason) == (0, "sam", "audit")
    with pytest.raises(Refused, match="paused already, by sam"):
        await world.coordinator.pause_schedule(SAM, "nightly")
    await world.pass_seconds(150)
    assert await jobs(world) == []
    resumed = await world.coordinator.resume_schedule(SAM, "nightly")
    assert world.clock.now_ms() < resumed.next_at <= world.clock.now_ms() + MINUTE_MS
    with pytest.raises(Refused, match="not paused"):
        await world.coordinator.resume_schedule(SAM, "nightly")
    await world.pass_seconds(60)
    assert len(await jobs(world)) == 1
    kinds = [one["kind"] for one in await told(world, "schedule_paused", "schedule_resumed")]
    assert kinds == ["schedule_paused", "schedule_resumed"]


async def test_a_change_keeps_what_it_does_not_touch(world: World) -> None:
    made = await put(world)
    await world.pass_seconds(60)
    fired = await look(world)
    changed = await put(world, is_new=False, params=b"[8]")
    assert changed == replace(fired, params=b"[8]", changed_at=changed.changed_at)
    other = await put(world, is_new=False, cron="0 0 1 1 *")
    assert (other.id, other.fired) == (made.id, 1)
    assert other.next_at > world.clock.now_ms() + 60 * MINUTE_MS
    paused = await put(world, is_new=False, is_paused=True)
    assert (paused.is_paused, paused.next_at) == (True, 0)
    assert (await put(world, is_new=False, params=b"[9]")).is_paused
    again = await put(world, is_new=False, is_paused=False)
    assert again.next_at <= world.clock.now_ms() + MINUTE_MS


async def test_names_are_taken_once_and_free_after_deletion(world: World) -> None:
    made = await put(world)
    with pytest.raises(Refused, match="there is a schedule nightly already"):
        await put(world)
    await world.pass_seconds(60)
    await world.coordinator.delete_schedule(SAM, "nightly")
    for call in (
        world.coordinator.delete_schedule(SAM, "nightly"),
        world.coordinator.pause_schedule(SAM, "nightly"),
        put(world, is_new=False),
    ):
        with pytest.raises(NotFound, match="there is no schedule nightly"):
            await call
    await world.pass_seconds(120)
    assert len(await jobs(world)) == 1
    anew = await put(world)
    assert (anew.id, anew.fired, anew.last_job) == (made.id, 0, 0)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"cron": "60 * * * *"}, "field 1"),
        ({"time_zone": "Mars"}, "there is no 'Mars'"),
        ({"name": ""}, "name"),
        ({"name": "a\x1b[2J"}, "printable"),
        ({"catch_up_ms": 8 * 86_400_000}, "up to 7 days"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    world: World, facts: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        await put(world, **facts)
    assert await world.coordinator.schedules() == []


async def test_there_is_a_bound(world: World) -> None:
    def fill(tx: Any) -> None:
        for number in range(MAX_SCHEDULES):
            tx.put_schedule(replace(schedule, id=0, name=f"s{number}", next_at=0))

    schedule = await put(world)
    await world.coordinator.delete_schedule(SAM, "nightly")
    await world.coordinator.store.apply(fill)
    with pytest.raises(Refused, match="more are not kept"):
        await put(world)


async def test_jobs_are_found_by_their_schedule(world: World) -> None:
    await put(world, name="Nightly")
    await put(world, name="hourly", cron="0 0 1 1 *")
    await world.submit("fib")
    await world.pass_seconds(120)
    made = [job.id for job in await jobs(world)][1:]
    reads = world.coordinator.store.reads

    async def found(text: str) -> list[int]:
        page = await reads.job_page(JobQuery(filter=parse_filter(text), order="number"))
        return [row.job.id for row in page.rows]

    assert await found("schedule:nightly") == made
    assert await found("schedule:night*,x") == made
    assert await found("schedule:hourly") == []
    assert await found("schedule:nobody") == []
    assert await found("!schedule:nightly") == [1]
    await world.coordinator.delete_schedule(SAM, "Nightly")
    assert await found("schedule:nightly") == made
    detail = await reads.job_detail(made[0])
    assert detail is not None
    assert detail.schedule == "Nightly"


async def test_a_resubmitted_job_is_still_the_schedules(world: World) -> None:
    await put(world)
    await world.pass_seconds(60)
    (job,) = await jobs(world)
    await world.coordinator.stop_job(SAM, job.id)
    acted = await world.coordinator.resubmit(SAM, job.id)
    assert (await world.detail(acted.job)).schedule == "nightly"


async def test_a_deleted_schedule_is_forgotten_when_its_jobs_are(world: World) -> None:
    await put(world)
    await world.pass_seconds(60)
    await world.coordinator.delete_schedule(SAM, "nightly")
    (job,) = await jobs(world)

    async def prune() -> bool:
        late = world.clock.now_ms() + 1
        await world.coordinator.store.apply(
            lambda tx: tx.prune(
                jobs_before=0, output_before=0, events_before=late, now=late, limit=100
            )
        )
        return await world.coordinator.store.apply(lambda tx: tx.schedule("nightly")) is None

    assert not await prune()
    await world.coordinator.delete(SAM, [job.id])
    assert await prune()


# the configuration ----------------------------------------------------------------------------


def configured(**facts: Any) -> ScheduleSettings:
    return ScheduleSettings(**{"cron": EVERY_MINUTE, "type": "fib", **facts})


async def test_the_configuration_makes_changes_and_deletes_its_own(tmp_path: Path) -> None:
    clock = ManualClock()
    path = tmp_path / "jobs.db"
    async with a_world(path, clock=clock, settings=settings_with(a=configured())) as world:
        await put(world, name="by-hand")
        made = await look(world, "a")
        assert (made.is_configured, made.owner) == (True, "configuration")
        for call in (
            put(world, name="a", is_new=False),
            world.coordinator.delete_schedule(SAM, "a"),
        ):
            with pytest.raises(Refused, match="stands in the configuration"):
                await call
    async with a_world(path, clock=clock, settings=settings_with(a=configured())) as world:
        assert await look(world, "a") == made  # nothing was changed, so nothing is told
        await world.coordinator.reload(settings_with(a=configured(queue="gpu")))
        changed = await look(world, "a")
        assert (changed.id, changed.task.queue) == (made.id, "gpu")
        await world.coordinator.reload(settings_with())
        assert [one.name for one, _ in await world.coordinator.schedules()] == ["by-hand"]
    kinds = ("schedule_created", "schedule_changed", "schedule_deleted")
    async with a_world(path, clock=clock, settings=settings_with()) as world:
        said = [(one["kind"], one["schedule"]) for one in await told(world, *kinds)]
    assert said == [
        ("schedule_created", "a"),
        ("schedule_created", "by-hand"),
        ("schedule_changed", "a"),
        ("schedule_deleted", "a"),
    ]


async def test_somebodys_pause_outlives_the_configuration_but_its_own_goes_with_it(
    world: World,
) -> None:
    await world.coordinator.reload(settings_with(a=configured(), b=configured(paused=True)))
    assert (await look(world, "b")).paused_by == "configuration"
    await world.coordinator.pause_schedule(SAM, "a")
    await world.coordinator.reload(settings_with(a=configured(queue="gpu"), b=configured()))
    assert (await look(world, "a")).paused_by == "sam"
    assert not (await look(world, "b")).is_paused


async def test_the_configuration_takes_over_a_name(world: World) -> None:
    made = await put(world, name="a")
    await world.coordinator.reload(settings_with(a=configured()))
    taken = await look(world, "a")
    assert (taken.id, taken.is_configured, taken.owner) == (made.id, True, "sam")


async def test_secrets_of_a_schedule_are_shown_to_nobody_and_reach_its_jobs(world: World) -> None:
    secret = b'{"parameters":{"key":{"value":"hush","secret":true}}}'
    await put(world, params=secret)
    shown = schedule_view(*await world.coordinator.schedule("nightly")).params
    assert shown == {"parameters": {"key": {"value": None, "secret": True}}}
    changed = await put(world, is_new=False, params=msgspec.json.encode(shown))
    await advance(world, (changed.next_at - world.clock.now_ms()) / 1000)
    (job,) = await jobs(world)
    assert b"hush" not in (await world.detail(job)).details.params
    runner = await world.runner(types=("fib",))
    assigned = await runner.take_one()
    assert msgspec.json.decode(assigned.task.params) == msgspec.json.decode(secret)
