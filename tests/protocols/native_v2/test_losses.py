"""What may get lost between a runner and the coordinator, and that it does no harm."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.store.base import EventQuery
from tests.protocols.native_v2.box import API, Box, chunk, hello_body, say_hello, state_of, submit
from tests.protocols.world import LEASE_SECONDS, SAM, a_world

if TYPE_CHECKING:
    from pathlib import Path

    from server.model import Stream
    from tests.protocols.world import World


async def output_of(world: World, attempt: str, stream: Stream = "stdout") -> bytes:
    found = await world.coordinator.store.apply(lambda tx: tx.attempts_by_uuid([attempt]))
    part = await world.coordinator.store.reads.output(found[attempt][1].id, stream, 0, 10_000)
    return b"".join(one.data for one in part.chunks)


async def test_a_job_runs_from_submit_to_result(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        [job] = await submit(world)
        assert job["state"] == "pending"
        assert not job["cached"]
        told = await box.sync(free=1)
        [assigned] = told["assign"]
        assert assigned["job"] == job["id"]
        assert assigned["type"] == "fib"
        assert assigned["params"] == {"n": 0}
        assert assigned["number"] == 1
        assert assigned["queue"] == "default"
        assert assigned["timeout_seconds"] is None
        box.held = [assigned["attempt"]]
        await box.sync(
            reports=[
                {
                    "attempt": assigned["attempt"],
                    "state": "running",
                    "progress": {"current": 1, "total": 2, "text": "half"},
                }
            ]
        )
        assert await state_of(world, job) == "in_progress"
        told = await box.end(assigned["attempt"], result={"fib": 55}, exit_code=0)
        assert told["refused"] == []
        snapshot = await world.coordinator.job_with_attempt(job["id"])
        assert snapshot is not None
        assert snapshot.job.state == "completed"
        assert snapshot.outcome is not None
        assert snapshot.outcome.result == b'{"fib":55}'
        assert snapshot.outcome.exit_code == 0
        assert snapshot.progress is not None
        assert snapshot.progress.text == "half"


async def test_a_repeated_sync_gets_the_same_bytes(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await submit(world, 3)
        box.sequence = 7
        message = box.message(free=1)
        first = await box.post(message)
        second = await box.post(message)
        assert first.status_code == second.status_code == 200
        assert first.content == second.content
        assert len(first.json()["assign"]) == 1


async def test_the_same_sync_twice_at_once_is_one(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await submit(world, 4)
        box.sequence = 1
        message = box.message(free=2)
        answers = await asyncio.gather(*(box.post(message) for _ in range(6)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert len(answers[0].json()["assign"]) == 2
        claimed = await world.coordinator.store.reads.state_counts()
        assert claimed.get("pending") == 2


async def test_an_earlier_sequence_is_out_of_order(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        box.sequence = 9
        assert (await box.post(box.message())).status_code == 200
        box.sequence = 8
        answer = await box.post(box.message())
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "out_of_order"


async def test_counting_starts_anew_with_a_hello(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        box.sequence = 40
        await box.sync()
        again = await say_hello(world)
        assert again.welcome["session"] == box.welcome["session"]
        await again.sync()


async def test_a_lost_assignment_is_repeated_until_it_is_held(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await submit(world)
        first = await box.sync(free=1)
        second = await box.sync(free=1)
        third = await box.sync(free=0)
        assert first["assign"] == second["assign"] == third["assign"]
        box.held = [first["assign"][0]["attempt"]]
        assert (await box.sync(free=1))["assign"] == []


async def test_an_assignment_that_never_arrives_goes_to_somebody_else(tmp_path: Path) -> None:
    async with a_world(tmp_path, is_calm=True) as world:
        lost, other = await say_hello(world), await say_hello(world, name="lab-2")
        [job] = await submit(world)
        [first] = (await lost.sync(free=1))["assign"]
        await world.pass_seconds(4, lost.session_id, other.session_id)
        [second] = (await other.sync(free=1))["assign"]
        assert second["job"] == first["job"] == job["id"]
        assert second["number"] == 2
        lost.held = [first["attempt"]]
        told = await lost.sync()
        assert [order["attempt"] for order in told["stop"]] == [first["attempt"]]


async def test_a_final_report_also_confirms(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        [job] = await submit(world)
        [assigned] = (await box.sync(free=1))["assign"]
        told = await box.end(assigned["attempt"], result=1)
        assert told["refused"] == []
        assert told["stop"] == []
        assert await state_of(world, job) == "completed"


async def test_a_final_report_repeated_under_a_new_number_does_no_harm(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await submit(world)
        [attempt] = await box.take()
        await box.end(attempt, result=1)
        assert (await box.end(attempt, result=1))["refused"] == []
        assert await world.late_kinds() == []


async def test_a_restarted_runner_loses_what_it_held(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        before = await say_hello(world)
        [job] = await submit(world)
        [attempt] = await before.take()
        after = await say_hello(world, nonce="boot-2")
        assert after.welcome["runner_id"] == before.welcome["runner_id"]
        assert after.welcome["session"] != before.welcome["session"]
        answer = await before.post(before.message())
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "unknown_session"
        [again] = (await after.sync(free=1))["assign"]
        assert again["job"] == job["id"]
        assert again["number"] == 2
        assert again["attempt"] != attempt


async def test_the_older_process_of_a_name_has_to_give_way(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        await say_hello(world, nonce="old")
        await say_hello(world, nonce="new")
        answer = await world.call(
            "POST", f"{API}/runner/hello", role="runner", json=hello_body(nonce="old")
        )
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "superseded"
        assert "lab-1" in answer.json()["error"]["message"]


async def test_a_second_hello_of_one_process_replaces_the_secret(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        first = await say_hello(world)
        [job] = await submit(world)
        first.held = await first.take()
        second = await say_hello(world)
        answer = await first.post(first.message())
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "unknown_session"
        second.held = first.held
        assert (await second.sync())["stop"] == []
        assert await state_of(world, job) == "in_progress"


async def test_a_restart_of_the_coordinator_is_no_news(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        [job] = await submit(world)
        [attempt] = await box.take()
        await box.sync(output=[chunk(attempt, 0, b"one ")])
        clock = world.clock
    async with a_world(tmp_path, clock=clock) as world:
        box.world = world
        told = await box.sync(output=[chunk(attempt, 4, b"two")])
        assert told["stop"] == []
        assert told["output"] == [{"attempt": attempt, "stream": "stdout", "next_offset": 7}]
        assert await state_of(world, job) == "in_progress"
        assert await output_of(world, attempt) == b"one two"
        await box.end(attempt, result=2)
        assert await state_of(world, job) == "completed"


async def test_an_end_told_twice_around_a_restart_is_taken_once(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        [job] = await submit(world)
        [attempt] = await box.take()
        box.sequence += 1
        box.held = []
        message = box.message(
            reports=[{"attempt": attempt, "state": "success", "result": 3}],
            output=[chunk(attempt, 0, b"bye")],
        )
        assert (await box.post(message)).status_code == 200
        clock = world.clock
    async with a_world(tmp_path, clock=clock) as world:
        box.world = world
        answer = await box.post(message)
        assert answer.status_code == 200
        assert answer.json()["refused"] == []
        assert answer.json()["stop"] == []
        assert await state_of(world, job) == "completed"
        assert await output_of(world, attempt) == b"bye"
        assert await world.late_kinds() == []


async def test_a_lost_session_is_told_so_and_may_come_back(tmp_path: Path) -> None:
    async with a_world(tmp_path, is_calm=True) as world:
        box = await say_hello(world)
        [job] = await submit(world)
        [attempt] = await box.take()
        await world.pass_seconds(LEASE_SECONDS + 2)
        answer = await box.post(box.message())
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "unknown_session"
        assert await state_of(world, job) == "pending"
        back = await say_hello(world)
        back.held = [attempt]
        told = await back.sync()
        assert told["stop"] == [{"attempt": attempt, "grace_seconds": 0.0, "kill": True}]


async def test_an_attempt_nobody_knows_is_stopped(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        stranger = "01890000-0000-7000-8000-000000000000"
        box.held = [stranger]
        told = await box.sync()
        assert told["stop"] == [{"attempt": stranger, "grace_seconds": 0.0, "kill": True}]


async def test_a_gap_in_the_output_is_answered_with_the_wanted_offset(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await submit(world)
        [attempt] = await box.take()
        told = await box.sync(output=[chunk(attempt, 0, b"abc"), chunk(attempt, 9, b"xyz")])
        assert told["output"] == [{"attempt": attempt, "stream": "stdout", "next_offset": 3}]
        assert await output_of(world, attempt) == b"abc"


async def test_repeated_output_does_no_harm(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await submit(world)
        [attempt] = await box.take()
        await box.sync(output=[chunk(attempt, 0, b"abc")])
        told = await box.sync(
            output=[chunk(attempt, 0, b"abcdef"), chunk(attempt, 0, b"!", "stderr")]
        )
        assert told["output"] == [
            {"attempt": attempt, "stream": "stdout", "next_offset": 6},
            {"attempt": attempt, "stream": "stderr", "next_offset": 1},
        ]
        assert await output_of(world, attempt) == b"abcdef"
        assert await output_of(world, attempt, "stderr") == b"!"


async def test_a_stop_is_repeated_until_the_end(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        [job] = await submit(world)
        [attempt] = await box.take()
        await world.coordinator.stop_job(SAM, job["number"], grace_ms=2_500, reason="enough")
        order = {"attempt": attempt, "grace_seconds": 2.5, "kill": False}
        assert (await box.sync())["stop"] == [order]
        assert (await box.sync())["stop"] == [order]
        told = await box.end(attempt, "cancelled")
        assert told["stop"] == []
        assert await state_of(world, job) == "stopped"


async def test_a_given_up_attempt_may_not_end_its_job(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        [job] = await submit(world)
        [attempt] = await box.take()
        await world.coordinator.stop_job(SAM, job["number"], abandon=True)
        assert await state_of(world, job) == "stopped"
        told = await box.end(attempt, result="too late")
        [refusal] = told["refused"]
        assert refusal["attempt"] == attempt
        assert "given up" in refusal["reason"]
        assert await state_of(world, job) == "stopped"
        assert await world.late_kinds() == ["success"]


async def test_one_stale_report_does_not_cost_the_others(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        jobs = await submit(world, 2)
        attempts = await box.take(2)
        box.held = []
        reports = [{"attempt": attempt, "state": "success"} for attempt in attempts]
        stale = {"attempt": "no-such-attempt", "state": "error", "error": {"message": "x"}}
        told = await box.sync(reports=[reports[0], stale, reports[1]])
        assert told["refused"] == [{"attempt": "no-such-attempt", "reason": "no such attempt"}]
        assert [await state_of(world, job) for job in jobs] == ["completed", "completed"]


async def test_two_runners_of_different_names_do_not_see_each_other(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        one, two = await say_hello(world), await say_hello(world, name="lab-2")
        await submit(world)
        [attempt] = await one.take()
        told = await two.sync(reports=[{"attempt": attempt, "state": "error"}])
        assert [refusal["attempt"] for refusal in told["refused"]] == [attempt]
        assert (await one.sync())["stop"] == []
        stolen = Box(world, {**two.welcome, "session": one.welcome["session"]})
        answer = await stolen.post(stolen.message())
        assert answer.status_code == 409


async def test_a_runner_that_says_good_bye_is_gone_and_not_lost(tmp_path: Path) -> None:
    def state(world: World, box: Box) -> str:
        runner = world.coordinator.runner_by_uuid(box.welcome["runner_id"])
        assert runner is not None
        return world.coordinator.runner_state(runner)

    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        assert "leaving" in box.welcome["accepts"]
        [job] = await submit(world)
        await box.sync(free=1)
        [other] = await submit(world)
        told = await box.sync(free=1, leaving=True)
        assert told["assign"] == []  # it would be gone before it began
        assert await state_of(world, other) == "pending"
        assert state(world, box) == "gone"
        assert await state_of(world, job) == "pending"
        after = await box.post(box.message())
        assert after.status_code == 409
        events = await world.coordinator.store.reads.events(EventQuery())
        assert "runner_left" in {event.kind for event in events}
    async with a_world(tmp_path) as world:
        assert state(world, box) == "gone"
        again = await say_hello(world, nonce="boot-2")
        assert state(world, again) == "ok"
        assert [one["job"] for one in (await again.sync(free=1))["assign"]] == [job["id"]]


async def test_output_that_there_is_no_space_for_is_left_with_the_runner(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        [job] = await submit(world)
        [attempt] = await box.take()
        world.coordinator.set_output_room(2)
        told = await box.sync(output=[chunk(attempt, 0, b"abc")])
        assert told["output"][0]["next_offset"] == 3  # it did not know how much would come
        told = await box.sync(output=[chunk(attempt, 3, b"def")])
        assert told["output"][0]["next_offset"] == 3
        await box.end(attempt)
        assert await state_of(world, job) == "completed"
        world.coordinator.set_output_room(1_000_000)
        told = await box.sync(output=[chunk(attempt, 3, b"def")])
        assert told["output"][0]["next_offset"] == 6
        assert await output_of(world, attempt) == b"abcdef"
