"""The life of a job, as clients and runners see it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from server.model import Actor, JobSpec
from tests.protocols.native_v2.box import say_hello
from tests.protocols.runpack.peer import FREE, HELLO, Peer
from tests.protocols.world import LEASE_SECONDS, SAM, a_world

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_job_from_submit_to_cached_result(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        client = Peer(world)
        runner = await client.register()
        born = world.clock.now_ms()
        answer = await client.post(
            "/api/jobs/submit", {"job_type": "hello_world", "input_params": HELLO}, role="submit"
        )
        assert answer.status_code == 201
        job_id = answer.json()["job_id"]
        assert answer.json() == {
            "job_id": job_id,
            "status": "pending",
            "message": "Job queued successfully",
        }
        assert await runner.available() == [
            {
                "job_id": job_id,
                "job_type": "hello_world",
                "input_params": HELLO,
                "created_at": born,
            }
        ]
        assert (await client.submit())["message"] == "Job is pending"
        world.clock.advance(1)
        answer = await runner.claim(job_id)
        assert answer.status_code == 200
        assert answer.json() == {
            "success": True,
            "message": "Job claimed successfully",
            "job": {"job_id": job_id, "job_type": "hello_world", "input_params": HELLO},
        }
        assert await client.submit() == {
            "job_id": job_id,
            "status": "claimed",
            "message": "Job is claimed",
        }
        world.clock.advance(1)
        answer = await runner.beat(job_id)
        assert answer.status_code == 200
        assert answer.json() == {"success": True, "message": "Heartbeat updated successfully"}
        assert await client.status(job_id) == {
            "job_id": job_id,
            "status": "in_progress",
            "job_type": "hello_world",
            "created_at": born,
            "updated_at": born + 2_000,
            "progress": {"current": 1, "total": 4},
        }
        answer = await runner.complete(job_id)
        assert answer.status_code == 200
        assert answer.json() == {"success": True, "message": "Job completed successfully"}
        result = {"output_data": {"message": "hi"}, "console_output": "done\n"}
        answer = await client.post(
            "/api/jobs/submit", {"job_type": "hello_world", "input_params": HELLO}, role="submit"
        )
        assert answer.status_code == 200
        assert answer.json() == {
            "job_id": job_id,
            "status": "completed",
            "message": "Job already completed (cached result)",
            "result": result,
        }
        status = await client.status(job_id)
        assert status["result"] == result
        assert status["progress"] == {"current": 1, "total": 4}


async def test_check_in_every_state(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        client = Peer(world)
        runner = await client.register()

        async def check() -> dict[str, Any]:
            body = {"job_type": "hello_world", "input_params": HELLO}
            answer = await client.post("/api/jobs/check", body, role="submit")
            assert answer.status_code == 200
            found: dict[str, Any] = answer.json()
            return found

        assert await check() == {"exists": False, "message": "Job does not exist"}
        job_id = (await client.submit())["job_id"]
        known = {"exists": True, "job_id": job_id}
        words = "Job exists and is "
        assert await check() == {**known, "status": "pending", "message": f"{words}pending"}
        await runner.claim(job_id)
        assert await check() == {**known, "status": "claimed", "message": f"{words}claimed"}
        await runner.beat(job_id)
        assert await check() == {**known, "status": "in_progress", "message": f"{words}in_progress"}
        await runner.fail(job_id)
        assert await check() == {
            **known,
            "status": "failed",
            "message": "Job exists but previously failed",
            "error": "no luck",
        }
        await client.world.call("DELETE", f"/api/admin/jobs/{job_id}", role="admin")
        other = await runner.taken()
        await runner.complete(other)
        assert await check() == {
            "exists": True,
            "job_id": other,
            "status": "completed",
            "message": "Job exists with cached result",
            "result": {"output_data": {"message": "hi"}, "console_output": "done\n"},
        }


async def test_a_failure_sticks_until_it_is_deleted(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        answer = await runner.fail(job_id)
        assert answer.json() == {"success": True, "message": "Job marked as failed successfully"}
        for _ in range(2):
            assert await runner.submit() == {
                "job_id": job_id,
                "status": "failed",
                "message": "Job previously failed",
                "error": "no luck",
            }
        assert (await runner.status(job_id))["error"] == "no luck"
        answer = await world.call("DELETE", f"/api/admin/jobs/{job_id}", role="admin")
        assert answer.json() == {"success": True, "message": "Job deleted successfully"}
        again = await runner.submit()
        assert again["job_id"] != job_id
        assert again["status"] == "pending"


async def test_an_empty_error_is_told_as_unknown(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        await runner.fail(job_id, error_message="")
        assert (await runner.submit())["error"] == "Unknown error"


async def test_equal_jobs_are_one_whatever_their_spelling(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        spellings = [
            b'{"job_type":"t","input_params":{"a":1.0,"b":[1e2],"10":-0}}',
            b'{ "input_params" : {"10":0, "b":[100], "a":1}, "job_type" : "t" }',
            b'\xef\xbb\xbf{"job_type":"t","input_params":{"a":7,"a":1,"b":[100.0],"10":0}}',
        ]
        answers = [await peer.post("/api/jobs/submit", body, role="submit") for body in spellings]
        assert [answer.status_code for answer in answers] == [201, 200, 200]
        assert len({answer.json()["job_id"] for answer in answers}) == 1
        page = await peer.get(f"/api/admin/jobs/{answers[0].json()['job_id']}")
        assert '"input_params":{"10":0,"a":1,"b":[100]}' in page.text


async def test_submits_racing_for_one_job_all_get_it(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answers = await asyncio.gather(*(Peer(world).submit() for _ in range(8)))
        assert len({answer["job_id"] for answer in answers}) == 1
        news = [answer for answer in answers if answer["message"] == "Job queued successfully"]
        assert len(news) == 1


async def test_arrays_are_parameters_too(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        assert (await Peer(world).submit([1, 2]))["status"] == "pending"


async def test_of_racing_claims_one_wins(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        client = Peer(world)
        runners = [await client.register() for _ in range(6)]
        job_id = (await client.submit())["job_id"]
        answers = await asyncio.gather(*(runner.claim(job_id) for runner in runners))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
        lost = next(answer for answer in answers if answer.status_code == 409)
        assert lost.json() == {"success": False, "message": "Job already claimed or not found"}


async def test_runners_that_list_at_once_are_shown_different_jobs_first(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        client = Peer(world)
        one, two = await client.register(), await client.register()
        first = (await client.submit({"n": 1}))["job_id"]
        second = (await client.submit({"n": 2}))["job_id"]
        assert [job["job_id"] for job in await one.available()] == [first, second]
        assert [job["job_id"] for job in await two.available()] == [second, first]


async def test_lists_are_filtered_by_the_types_asked_for(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        await runner.submit({"n": 1}, "a")
        await runner.submit({"n": 2}, "b b")
        await runner.submit({"n": 3}, "c")

        async def types(query: str) -> list[str]:
            answer = await runner.get(f"/api/runner/jobs/available{query}")
            assert answer.status_code == 200
            return sorted(job["job_type"] for job in answer.json()["jobs"])

        assert await types("") == []
        assert await types("?types=a") == []
        assert await types("?types[]=a&types[]=b+b") == ["a", "b b"]
        assert await types("?types%5B%5D=c&types[]=zzz") == ["c"]


async def test_at_most_fifty_jobs_are_listed_oldest_first(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        ids = [(await runner.submit({"n": number}))["job_id"] for number in range(52)]
        assert [job["job_id"] for job in await runner.available()] == ids[:50]


async def test_others_may_not_touch_a_claimed_job(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        owner = await Peer(world).register()
        other = await Peer(world).register()
        job_id = await owner.taken()
        refusal = {"success": False, "message": "Job not found or not claimed by this runner"}
        for answer in (
            await other.beat(job_id),
            await other.complete(job_id),
            await other.fail(job_id),
            await owner.beat("no-such-job"),
            await Peer(world, "nobody").beat(job_id),
            await Peer(world, "nobody").complete(job_id),
        ):
            assert answer.status_code == 400
            assert answer.json() == refusal
        assert (await owner.status(job_id))["status"] == "claimed"


async def test_what_has_ended_stays_so(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        assert (await runner.complete(job_id)).status_code == 200
        for answer in (
            await runner.complete(job_id, output_data=2),
            await runner.fail(job_id),
            await runner.beat(job_id),
        ):
            assert answer.status_code == 400
        assert (await runner.claim(job_id)).status_code == 409
        assert (await runner.status(job_id))["result"]["output_data"] == {"message": "hi"}


async def test_a_runner_nobody_registered_cannot_claim(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        job_id = (await Peer(world).submit())["job_id"]
        answer = await Peer(world, "nobody").claim(job_id)
        assert answer.status_code == 404
        assert answer.json() == {"error": "Runner not found"}


async def test_whoever_is_not_registered_may_still_list(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        job_id = (await Peer(world).submit())["job_id"]
        assert [job["job_id"] for job in await Peer(world, "nobody").available()] == [job_id]


async def test_a_console_that_there_is_no_space_for_waits_for_a_later_one(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        await runner.beat(job_id, console_output="one\n")
        world.coordinator.set_output_room(0)
        assert (await runner.beat(job_id, console_output="one\ntwo\n")).status_code == 200
        assert (await runner.page(job_id))["console_output"] == "one\n"
        world.coordinator.set_output_room(1_000_000)
        await runner.beat(job_id, console_output="one\ntwo\n")
        assert (await runner.page(job_id))["console_output"] == "one\ntwo\n"
        world.coordinator.set_output_room(0)
        await runner.complete(job_id, console_output="one\ntwo\nthree\n")
        assert (await runner.page(job_id))["console_output"] == "one\ntwo\nthree\n"


async def test_each_heartbeat_replaces_console_and_progress(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        await runner.beat(job_id, console_output="first")
        assert (await runner.page(job_id))["console_output"] == "first"
        await runner.beat(
            job_id, console_output="other ü\U0001f600", progress_current=0.25, progress_total=1
        )
        page = await runner.page(job_id)
        assert page["console_output"] == "other ü\U0001f600"
        assert page["progress"] == {"current": 0.25, "total": 1}
        await runner.beat(job_id, console_output="", progress_current=None, progress_total=None)
        page = await runner.page(job_id)
        assert page["console_output"] == ""
        assert "progress" not in page


async def test_half_a_surrogate_pair_does_no_harm(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        body = b'{"job_type":"hello_world","input_params":{"a":"\\ud83d"}}'
        answer = await runner.post("/api/jobs/submit", body, role="submit")
        assert answer.status_code == 201
        job_id = answer.json()["job_id"]
        listed = await runner.get("/api/runner/jobs/available?types[]=hello_world")
        assert b'"a":"\\ud83d"' in listed.content
        await runner.claim(job_id)
        body = b'{"output_data":"\\udead","console_output":"x\\ud83dy"}'
        answer = await runner.post(f"/api/runner/jobs/{job_id}/complete", body)
        assert answer.status_code == 200
        page = await runner.get(f"/api/admin/jobs/{job_id}")
        assert page.json()["console_output"] == "x\ufffdy"
        assert b'"output_data":"\\udead"' in page.content


@pytest.mark.parametrize("output", [None, False, 0, "", [], {}, "text", [1], {"a": None}])
async def test_any_value_is_a_result(tmp_path: Path, output: object) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        assert (await runner.complete(job_id, output_data=output)).status_code == 200
        page = await runner.page(job_id)
        assert page["output_data"] == output
        assert (await runner.status(job_id))["result"]["output_data"] == output


# what the original does not do, or only promises ------------------------------------------------


async def test_a_silent_runner_loses_its_job_for_good(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE, is_calm=True) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        await world.pass_seconds(LEASE_SECONDS - 2)
        await runner.beat(job_id)
        await world.pass_seconds(LEASE_SECONDS - 2)
        assert (await runner.status(job_id))["status"] == "in_progress"
        await world.pass_seconds(4)
        status = await runner.status(job_id)
        assert status["status"] == "failed"
        assert status["error"] == "Job timed out - no heartbeat received"
        page = await runner.page(job_id)
        assert page["claimed_by"] == runner.runner_id
        assert page["error_message"] == "Job timed out - no heartbeat received"
        assert (await runner.complete(job_id)).status_code == 400
        assert await world.late_kinds() == ["success"]


async def test_a_stop_by_an_operator_makes_what_follows_too_late(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        acted = await world.coordinator.stop_job(SAM, await runner.number(job_id))
        assert "may run on" in acted.warning
        status = await runner.status(job_id)
        assert status["status"] == "failed"
        assert status["error"] == "Job was stopped by an operator"
        assert (await runner.beat(job_id)).status_code == 400
        assert (await runner.complete(job_id)).status_code == 400
        assert await world.late_kinds() == ["success", "heartbeat"]
        assert (await runner.status(job_id))["status"] == "failed"


async def test_a_resubmitted_job_answers_for_its_parameters(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        await runner.fail(job_id)
        acted = await world.coordinator.resubmit(SAM, await runner.number(job_id))
        again = await runner.submit()
        assert again["job_id"] == acted.job.uuid != job_id
        assert again["status"] == "pending"
        assert (await runner.status(job_id))["status"] == "failed"


async def test_deletion_while_running_refuses_what_follows(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        answer = await world.call("DELETE", f"/api/admin/jobs/{job_id}", role="runner")
        assert answer.status_code == 200
        assert (await runner.beat(job_id)).status_code == 400
        assert (await runner.complete(job_id)).status_code == 400
        answer = await runner.get(f"/api/jobs/{job_id}", role="submit")
        assert (answer.status_code, answer.json()) == (404, {"error": "Job not found"})


async def test_jobs_from_elsewhere_run_here_but_are_not_shown(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        actor = Actor("ci", "submit", "operator-api")
        spec = JobSpec(type="hello_world", params=json.dumps(HELLO).encode())
        [submitted] = await world.coordinator.submit(actor, [spec])
        job = submitted.job
        assert [one["job_id"] for one in await runner.available()] == [job.uuid]
        assert (await runner.claim(job.uuid)).status_code == 200
        assert (await runner.complete(job.uuid)).status_code == 200
        assert (await world.coordinator.resolve(job.uuid)).state == "completed"
        for path in (f"/api/jobs/{job.uuid}", f"/api/admin/jobs/{job.uuid}"):
            assert (await runner.get(path, role="submit")).status_code == 404
        answer = await world.call("DELETE", f"/api/admin/jobs/{job.uuid}", role="admin")
        assert answer.status_code == 404
        assert (await runner.get("/api/admin/jobs")).json() == {"jobs": [], "total": 0}
        assert (await runner.submit())["status"] == "pending"


async def test_a_native_runners_output_is_shown_as_console(tmp_path: Path) -> None:
    from tests.protocols.native_v2.box import chunk

    async with a_world(tmp_path, settings=FREE) as world:
        client = Peer(world)
        box = await say_hello(world, types=["hello_world"])
        job_id = (await client.submit())["job_id"]
        [attempt] = await box.take()
        await box.sync(output=[chunk(attempt, 0, b"out\n")])
        world.clock.advance(1)
        await box.sync(output=[chunk(attempt, 0, b"err\n", "stderr")])
        await box.end(attempt, result={"by": "native"})
        result = (await client.status(job_id))["result"]
        assert result == {"output_data": {"by": "native"}, "console_output": "out\nerr\n"}
