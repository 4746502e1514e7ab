"""What protocols that push work need: phases, output without offsets, doubts, successors."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.coordinator import Introduction
from server.errors import Busy, NotFound
from server.model import Outcome, RetryPolicy
from server.store.base import EventQuery
from tests.server.core.world import LEASE_SECONDS, SAM, World, a_world

if TYPE_CHECKING:
    from server.coordinator import Assigned
    from server.events import Event
    from server.model import Session

BOARD = Introduction("treadmill", "board-1", "board-1", capacity=1, types=("image",))
IMAGE = b'{"image_id":"x"}'


async def connect(world: World) -> Session:
    return await world.coordinator.open_session(BOARD, nonce="n", secret="s")


async def taken(world: World, session: Session, **wishes: object) -> Assigned:
    await world.submit("image", params=IMAGE, **wishes)
    [assigned] = await world.coordinator.claim(session.id, 1)
    return assigned


async def all_events(world: World) -> list[Event]:
    query = EventQuery(after=0, limit=500)
    return await world.coordinator.store.reads.events(query)


async def kinds(world: World) -> list[str]:
    return [event.kind for event in await all_events(world)]


async def test_a_first_attempt_bears_the_id_of_its_job_where_the_wire_has_but_one() -> None:
    async with a_world() as world:
        session = await connect(world)
        assigned = await taken(world, session)
        assert assigned.attempt.uuid == assigned.job.uuid
        refused = Outcome("refused", "no room")
        await world.coordinator.report(assigned.attempt.uuid, refused)
        await world.pass_seconds(2)
        [again] = await world.coordinator.claim(session.id, 1)
        assert again.job.uuid == assigned.job.uuid
        assert again.attempt.uuid != assigned.job.uuid


async def test_a_phase_confirms_an_attempt_and_is_shown() -> None:
    async with a_world() as world:
        session = await connect(world)
        assigned = await taken(world, session)
        assert await world.coordinator.note_phase(assigned.attempt.uuid, "booting")
        newest = await world.newest(assigned.job)
        assert (newest.state, newest.phase) == ("running", "booting")
        await world.coordinator.report(assigned.attempt.uuid, Outcome("success"))
        assert not await world.coordinator.note_phase(assigned.attempt.uuid, "ready")
        assert "late_write" in await kinds(world)
        with pytest.raises(NotFound):
            await world.coordinator.note_phase("nobody's", "ready")


async def test_an_offer_that_its_protocol_asks_about_does_not_run_out() -> None:
    async with a_world() as world:
        session = await connect(world)
        assigned = await taken(world, session)
        for _ in range(3):
            world.coordinator.touch(session.id)
            await world.pass_seconds(2)
        assert (await world.newest(assigned.job)).state == "offered"


async def test_output_without_offsets_is_appended() -> None:
    async with a_world() as world:
        session = await connect(world)
        uuid = (await taken(world, session)).attempt.uuid
        await world.coordinator.note_phase(uuid, "ready")
        for piece in (b"one ", b"two", b""):
            assert await world.coordinator.add_output(uuid, "console", piece)
        attempts = (await world.detail(await world.coordinator.resolve(uuid))).attempts
        [stream] = attempts[0].streams
        assert (stream.stream, stream.size) == ("console", 7)
        await world.coordinator.report(uuid, Outcome("success"))
        assert not await world.coordinator.add_output(uuid, "console", b"late")


async def test_waiting_for_work_ends_for_a_job_where_a_slot_was_left_free() -> None:
    async with a_world() as world:
        session = await connect(world)
        assert await world.coordinator.recorded(session.id) == []
        assert await world.coordinator.claim(session.id, 1) == []
        waiting = asyncio.create_task(world.coordinator.wait_for_work(session.id, 20.0))
        await asyncio.sleep(0)
        await world.submit("image", params=IMAGE)
        assert await waiting
        [assigned] = await world.coordinator.claim(session.id, 1)
        [(_, attempt)] = await world.coordinator.recorded(session.id)
        assert attempt.uuid == assigned.attempt.uuid


async def test_a_doubted_session_is_suspect_until_it_is_heard() -> None:
    async with a_world() as world:
        session = await connect(world)
        runner = world.coordinator.runner(session.runner)
        assert runner is not None
        await world.coordinator.doubt(session.id, reason="its connection ended")
        await world.coordinator.doubt(session.id, reason="its connection ended")
        assert world.coordinator.runner_state(runner) == "suspect"
        assert (await kinds(world)).count("runner_suspect") == 1
        world.coordinator.touch(session.id)
        assert world.coordinator.runner_state(runner) == "ok"


async def test_an_expected_runner_was_not_heard() -> None:
    async with a_world() as world:
        runner = await world.coordinator.expect_runner(BOARD)
        assert runner.last_seen_at == 0
        await connect(world)
        seen = world.coordinator.runner(runner.id)
        assert seen is not None
        assert seen.last_seen_at > 0
        again = await world.coordinator.expect_runner(replace(BOARD, labels={"arm": "true"}))
        assert again.id == runner.id
        assert again.last_seen_at > 0
        assert again.labels == {"arm": "true"}


async def test_nonsense_is_counted_whole_and_told_now_and_then() -> None:
    async with a_world() as world:
        runner = await world.coordinator.expect_runner(BOARD)
        for _ in range(1000):
            await world.coordinator.note_ignored(runner.id, "x" * 10_000)
        assert world.coordinator.ignored_messages == {"treadmill": 1000}
        assert (await kinds(world)).count("message_ignored") == 1
        world.clock.advance(11)
        await world.coordinator.note_ignored(runner.id, "again")
        events = await all_events(world)
        told = [event for event in events if event.kind == "message_ignored"]
        assert len(told[0].reason) == 300
        assert json.loads(told[1].data) == {"ignored": 1001}


async def test_nonsense_that_could_not_be_stored_is_told_when_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(operation: object) -> None:
        raise Busy("The store is busy.")

    async with a_world() as world:
        runner = await world.coordinator.expect_runner(BOARD)
        monkeypatch.setattr(world.coordinator.store, "apply", fails)
        with pytest.raises(Busy):
            await world.coordinator.note_ignored(runner.id, "what")
        monkeypatch.undo()
        assert await world.coordinator.note_ignored(runner.id, "what")
        assert (await kinds(world)).count("message_ignored") == 1


async def test_nonsense_of_runners_that_are_gone_is_not_remembered() -> None:
    async with a_world() as world:
        gone = await world.coordinator.expect_runner(BOARD)
        await world.coordinator.note_ignored(gone.id, "what")
        await world.coordinator.forget(SAM, gone.id)
        world.clock.advance(91 * 86_400)
        await world.coordinator.sweep()
        stays = await world.coordinator.expect_runner(replace(BOARD, identity="other"))
        await world.coordinator.note_ignored(stays.id, "what")
        assert set(world.coordinator._told_at) == set(world.coordinator._ignored_of) == {stays.id}


@pytest.mark.parametrize("restarts", [0, 1, 2])
async def test_a_job_lost_for_good_is_made_anew_as_often_as_its_policy_says(restarts: int) -> None:
    policy = RetryPolicy(max_losses=0, restarts=restarts)
    async with a_world() as world:
        session = await connect(world)
        await taken(world, session, retry=policy, deadline=world.clock.now_ms() + 60_000)
        made = 0
        while recorded := await world.coordinator.recorded(session.id):
            [(job, attempt)] = recorded
            await world.coordinator.note_phase(attempt.uuid, "ready")
            await world.coordinator.report(attempt.uuid, Outcome("lost", "gone"))
            assert (await world.job(job)).state == "failed"
            for assigned in await world.coordinator.claim(session.id, 1):
                made += 1
                details = (await world.detail(assigned.job)).details
                assert details.retry.restarts == restarts - made
                assert details.resubmit_of == job.id
                assert assigned.job.deadline == world.clock.now_ms() + 60_000
        assert made == restarts


async def test_a_job_lost_with_its_lease_is_made_anew_too() -> None:
    policy = RetryPolicy(max_losses=0, restarts=1)
    async with a_world() as world:
        session = await connect(world)
        assigned = await taken(world, session, retry=policy)
        await world.coordinator.note_phase(assigned.attempt.uuid, "ready")
        await world.pass_seconds(LEASE_SECONDS + 1)
        assert (await world.job(assigned.job)).state == "failed"
        detail = await world.detail(assigned.job)
        assert len(detail.resubmitted_as) == 1


async def test_a_fact_told_before_the_end_is_an_event() -> None:
    async with a_world() as world:
        session = await connect(world)
        uuid = (await taken(world, session)).attempt.uuid
        note = world.coordinator.note_fact
        assert await note(uuid, "exit_declared", reason="success", data=b'{"status":"success"}')
        await world.coordinator.report(uuid, Outcome("success"))
        assert not await note(uuid, "exit_declared", reason="error", data=b"{}")
        assert (await kinds(world)).count("exit_declared") == 1


@pytest.mark.parametrize("mark", [b"secret", rb"\u0073ecret"])
async def test_secrets_are_not_in_what_is_stored_for_people(mark: bytes) -> None:
    params = b'{"parameters":{"pw":{"value":"hunter2","%s":true},"a":{"value":"b"}}}' % mark
    async with a_world() as world:
        session = await connect(world)
        [job] = await world.submit("image", params=params)
        details = (await world.detail(job)).details
        assert b"hunter2" not in details.params
        [assigned] = await world.coordinator.claim(session.id, 1)
        assert b"hunter2" in assigned.task.params
        await world.coordinator.report(assigned.attempt.uuid, Outcome("success"))
        again = await world.coordinator.resubmit(SAM, job.id)
        assert b"hunter2" not in (await world.detail(again.job)).details.params
        [second] = await world.coordinator.claim(session.id, 1)
        assert b"hunter2" in second.task.params


@pytest.mark.parametrize(
    "params",
    [
        b'{"secret":1}',
        b'{"parameters":{"secret":{"value":"x"}}}',
        b'{"parameters":["secret"]}',
        b'{"parameters":{"a":{"value":"x","secret":"true"}}}',
        b'"secret"',
        b'{"secret":' * 60 + b"1" + b"}" * 60,
    ],
)
async def test_what_only_looks_like_a_secret_stays_as_it_came(params: bytes) -> None:
    async with a_world() as world:
        [job] = await world.submit("image", params=params)
        assert (await world.detail(job)).details.params == params


async def test_a_runner_that_is_told_by_exchange_is_told_secrets_too() -> None:
    params = b'{"parameters":{"pw":{"value":"hunter2","secret":true}}}'
    async with a_world() as world:
        runner = await world.runner()
        await world.submit("fib", params=params)
        told = await runner.exchange(free=1, answer_is_lost=True)
        assert b"hunter2" in told.assign[0].task.params
        repeated = await runner.exchange(free=1)
        assert b"hunter2" in repeated.assign[0].task.params
