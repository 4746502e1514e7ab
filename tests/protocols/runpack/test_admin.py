"""The administrator's side: lists, pages, numbers, deletion."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from server.model import Actor, JobSpec
from tests.protocols.runpack.peer import FREE, HELLO, Peer
from tests.protocols.world import SAM, a_world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.protocols.world import World


async def listed(peer: Peer, query: str = "") -> list[dict[str, Any]]:
    answer = await peer.get(f"/api/admin/jobs{query}", role="admin")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"jobs", "total"}
    assert body["total"] == len(body["jobs"])
    jobs: list[dict[str, Any]] = body["jobs"]
    return jobs


async def one_of_each(world: World) -> tuple[Peer, dict[str, str]]:
    """A runner, and jobs by their status; the stopped one is shown as failed."""
    runner = await Peer(world).register()
    jobs = {"pending": (await runner.submit({"n": 0}))["job_id"]}
    for number, status in enumerate(
        ("claimed", "in_progress", "completed", "failed", "stopped"), start=1
    ):
        jobs[status] = await runner.taken({"n": number})
    await runner.beat(jobs["in_progress"])
    await runner.complete(jobs["completed"])
    await runner.fail(jobs["failed"])
    await world.coordinator.stop_job(SAM, await runner.number(jobs["stopped"]))
    return runner, jobs


async def test_the_list_is_newest_first_and_filtered(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner, jobs = await one_of_each(world)
        everything = await listed(runner)
        assert [job["job_id"] for job in everything] == list(jobs.values())[::-1]
        born = world.clock.now_ms()
        assert everything[-1] == {
            "job_id": jobs["pending"],
            "job_type": "hello_world",
            "status": "pending",
            "created_at": born,
            "updated_at": born,
            "claimed_by": None,
        }
        assert {job["claimed_by"] for job in everything[:-1]} == {runner.runner_id}

        async def of(status: str) -> list[str]:
            return [job["job_id"] for job in await listed(runner, f"?status={status}")]

        assert await of("pending") == [jobs["pending"]]
        assert await of("claimed") == [jobs["claimed"]]
        assert await of("in_progress") == [jobs["in_progress"]]
        assert await of("completed") == [jobs["completed"]]
        assert await of("failed") == [jobs["stopped"], jobs["failed"]]
        assert await of("expired") == []
        assert await of("stopped") == []
        assert await of("nonsense") == []


async def test_limits_of_the_list(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        specs = [JobSpec(type="t") for _ in range(2_050)]
        actor = Actor("submit-key", "submit", "runpack")
        await world.coordinator.submit(actor, specs)
        for query, count in (
            ("", 100),
            ("?limit=", 100),
            ("?limit=3", 3),
            ("?limit=3.9", 3),
            ("?limit=7abc", 7),
            ("?limit=0", 0),
            ("?limit=1500", 1_500),
            ("?limit=-1", 2_050),
            ("?limit=999999999", 2_050),
            ("?status=pending&limit=-5", 2_050),
        ):
            jobs = await listed(peer, query)
            assert len(jobs) == count, query
            assert len({job["job_id"] for job in jobs}) == count


@pytest.mark.parametrize("limit", ["abc", "%FF", "-", "NaN"])
async def test_a_limit_that_is_no_number_is_refused(tmp_path: Path, limit: str) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await Peer(world).get(f"/api/admin/jobs?limit={limit}", role="admin")
        assert answer.status_code == 400
        assert answer.json()["error"] == "Failed to get jobs"


async def test_the_page_of_a_job_through_its_life(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        born = world.clock.now_ms()
        job_id = (await runner.submit())["job_id"]
        expected = {
            "job_id": job_id,
            "job_type": "hello_world",
            "status": "pending",
            "input_params": HELLO,
            "created_at": born,
            "updated_at": born,
            "claimed_by": None,
            "claimed_at": None,
            "console_output": "",
            "last_heartbeat": None,
        }
        assert await runner.page(job_id) == expected
        world.clock.advance(1)
        await runner.claim(job_id)
        expected |= {
            "status": "claimed",
            "updated_at": born + 1_000,
            "claimed_by": runner.runner_id,
            "claimed_at": born + 1_000,
            "last_heartbeat": born + 1_000,
        }
        assert await runner.page(job_id) == expected
        world.clock.advance(1)
        await runner.beat(job_id)
        expected |= {
            "status": "in_progress",
            "updated_at": born + 2_000,
            "console_output": "one\n",
            "last_heartbeat": born + 2_000,
            "progress": {"current": 1, "total": 4},
        }
        assert await runner.page(job_id) == expected
        world.clock.advance(1)
        await runner.complete(job_id)
        page = await runner.page(job_id)
        assert page["status"] == "completed"
        assert page["updated_at"] == born + 3_000
        assert page["console_output"] == "done\n"
        assert page["output_data"] == {"message": "hi"}
        assert page["progress"] == {"current": 1, "total": 4}
        assert "error_message" not in page


async def test_the_page_of_a_failed_job(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        await runner.fail(job_id)
        page = await runner.page(job_id)
        assert page["error_message"] == "no luck"
        assert page["console_output"] == "oh\n"
        assert "output_data" not in page
        answer = await runner.get("/api/admin/jobs/nothing", role=None)
        assert (answer.status_code, answer.json()) == (404, {"error": "Job not found"})


async def test_numbers_count_this_surface_only(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner, _ = await one_of_each(world)
        await runner.register()
        actor = Actor("ci", "submit", "operator-api")
        await world.coordinator.submit(actor, [JobSpec(type="t") for _ in range(3)])
        answer = await runner.get("/api/admin/stats", role="admin")
        assert answer.json() == {
            "jobs": {
                "pending": 1,
                "claimed": 1,
                "in_progress": 1,
                "completed": 1,
                "failed": 2,
                "expired": 0,
                "total": 6,
            },
            "runners": {"total": 2, "active": 2},
        }
        world.clock.advance(300)
        answer = await runner.get("/api/admin/stats", role="admin")
        assert answer.json()["runners"] == {"total": 2, "active": 0}


async def test_runners_are_listed_by_when_they_were_seen(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        born = world.clock.now_ms()
        one = await Peer(world).register("same")
        two = await Peer(world).register("same")
        world.clock.advance(200)
        await one.available()
        world.clock.advance(150)
        answer = await one.get("/api/admin/runners", role="admin")
        line = {"name": "same", "capabilities": ["hello_world"]}
        assert answer.json() == {
            "runners": [
                {
                    "runner_id": one.runner_id,
                    **line,
                    "last_seen": born + 200_000,
                    "is_active": True,
                },
                {"runner_id": two.runner_id, **line, "last_seen": born, "is_active": False},
            ],
            "total": 2,
        }


async def test_every_call_but_verify_counts_as_being_seen(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()

        async def seen() -> int:
            answer = await runner.get(f"/api/admin/runners/{runner.runner_id}", role="admin")
            found: int = answer.json()["last_seen"]
            return found

        for call in (
            runner.get("/api/runner/jobs/available"),
            runner.available(),
            runner.claim("nothing"),
            runner.beat("nothing"),
            runner.complete("nothing"),
            runner.fail("nothing"),
        ):
            world.clock.advance(1)
            await call
            assert await seen() == world.clock.now_ms()
        world.clock.advance(1)
        answer = await runner.get("/api/runner/verify")
        assert answer.json() == {
            "exists": True,
            "runner_name": "box",
            "message": "Runner verified successfully",
        }
        assert await seen() == world.clock.now_ms() - 1_000


async def test_verify_of_a_stranger(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await Peer(world, "stranger").get("/api/runner/verify")
        assert answer.status_code == 404
        assert answer.json() == {"exists": False, "message": "Runner not found"}


async def test_the_page_of_a_runner_has_its_claims(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner, jobs = await one_of_each(world)
        other = await Peer(world).register()
        await other.taken({"n": 100})
        answer = await runner.get(f"/api/admin/runners/{runner.runner_id}", role="admin")
        body = answer.json()
        claimed = [jobs[name] for name in jobs if name != "pending"]
        assert [job["job_id"] for job in body["jobs"]] == claimed[::-1]
        assert set(body["jobs"][0]) == {
            "job_id",
            "job_type",
            "status",
            "created_at",
            "updated_at",
        }
        assert body["name"] == "box"
        assert body["registered_at"] == world.clock.now_ms()
        answer = await runner.get("/api/admin/runners/nobody", role="admin")
        assert (answer.status_code, answer.json()) == (404, {"error": "Runner not found"})


async def test_capabilities_are_kept_whatever_they_are(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        body = {"name": "odd", "capabilities": ["a", 5, {"b": [1.0]}]}
        assert (await peer.post("/api/runner/register", body)).status_code == 201
        [runner] = (await peer.get("/api/admin/runners", role="admin")).json()["runners"]
        assert runner["capabilities"] == ["a", "5", '{"b":[1]}']


async def test_deleting_many_names_what_failed(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner, jobs = await one_of_each(world)
        ids = [jobs["pending"], "nothing \ud83d", jobs["in_progress"], 5, jobs["pending"]]
        body = json.dumps({"job_ids": ids}).encode()
        answer = await runner.post("/api/admin/jobs/batch-delete", body, role="admin")
        assert answer.status_code == 200
        assert answer.json() == {
            "success": True,
            "deleted": 2,
            "failed": ["nothing \ud83d", 5, jobs["pending"]],
            "message": "Deleted 2 of 5 jobs",
        }
        assert len(await listed(runner)) == 4
        answer = await runner.post(
            "/api/admin/jobs/batch-delete", {"job_ids": ["nothing"]}, role="runner"
        )
        assert answer.status_code == 200
        assert answer.json() == {
            "success": False,
            "deleted": 0,
            "failed": ["nothing"],
            "message": "Deleted 0 of 1 jobs",
        }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Invalid request body. Expected { job_ids: string[] }"),
        ({"job_ids": "x"}, "Invalid request body. Expected { job_ids: string[] }"),
        ({"job_ids": []}, "No job IDs provided"),
    ],
)
async def test_what_is_no_list_of_jobs(tmp_path: Path, body: object, words: str) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await Peer(world).post("/api/admin/jobs/batch-delete", body, role="admin")
        assert answer.status_code == 400
        assert answer.json() == {"error": words}


async def test_a_job_that_is_not_there_cannot_be_deleted(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await world.call("DELETE", "/api/admin/jobs/nothing", role="admin")
        assert (answer.status_code, answer.json()) == (404, {"error": "Job not found"})


async def test_no_more_is_taken_when_the_disk_is_full(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        world.coordinator.submit_problem = "the disk is nearly full"
        body = {"job_type": "t", "input_params": {}}
        answer = await runner.post("/api/jobs/submit", body, role="submit")
        assert answer.status_code == 507
        assert answer.json() == {
            "error": "Failed to submit job",
            "details": "the disk is nearly full",
        }
        assert (await runner.complete(job_id)).status_code == 200


async def test_numbers_are_right_where_surfaces_share_a_type(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        for number in range(3):
            await peer.submit({"n": number}, "shared")
            await peer.submit({"n": number}, "own")
        actor = Actor("ci", "submit", "operator-api")
        await world.coordinator.submit(actor, [JobSpec(type="shared") for _ in range(5)])
        answer = await peer.get("/api/admin/stats", role="admin")
        assert answer.json()["jobs"]["pending"] == 6
        assert answer.json()["jobs"]["total"] == 6
