"""Treadmill's REST as its client uses it: shapes, statuses, permissions by token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.errors import InvalidInput
from server.protocols.treadmill.durations import MAX_MS, milliseconds
from tests.protocols.treadmill.double import IDLE, token_of
from tests.protocols.treadmill.world import (
    FIRST,
    IMAGE,
    SECOND,
    a_world,
    client,
    new_job,
    settings,
    supervisor,
)

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90_000),
        ("90", 90_000),
        ("1.5h", 5_400_000),
        (".5", 500),
        ("2e3", 2_000_000),
        ("+1d", 86_400_000),
        ("1w", 604_800_000),
        ("20ms", 20),
        ("20000Ms", 20),
        ("1h 1m 40s", 3_700_000),
        ("1h1m40s", 3_700_000),
        ("0", 1),
        ("1ns", 1),
        ("inf", MAX_MS),
        ("9e99w", MAX_MS),
    ],
)
def test_durations_are_read_in_every_form(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "1x", "s", "1 hour", "1h,", "nan", "9" * 200, "１s"]
)
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(InvalidInput):
        milliseconds(text)


async def test_the_shapes_are_those_of_the_original(tmp_path: Path) -> None:
    using = settings(supervisor(FIRST, "arm", ssh_endpoints=(("h", 22),)), supervisor(SECOND))
    async with a_world(tmp_path, using) as world:
        submitted = await world.rest("POST", "/jobs/new", new_job(tag_config="arm"))
        job_id = submitted.json()["job_id"]
        assert submitted.json() == {"type": "ok", "job_id": job_id}
        status = (await world.rest("GET", f"/jobs/{job_id}/status")).json()
        assert status["type"] == "ok"
        assert status["job_status"]["state"] == {
            "type": "queued",
            "dispatched_to_supervisor": None,
            "ssh_endpoints": None,
            "ssh_user": None,
            "ssh_host_keys": None,
            "result": None,
        }
        assert status["job_status"]["as_of"].endswith("Z")
        listed = (await world.rest("GET", "/jobs")).json()
        assert set(listed) == {"type", "jobs"}
        assert set(listed["jobs"]) == {job_id}
        assert listed["jobs"][job_id]["state"] == status["job_status"]["state"]
        supervisors = (await world.rest("GET", "/supervisors")).json()
        away = {"status": "disconnected"}
        assert supervisors == {"type": "ok", "supervisors": {FIRST: away, SECOND: away}}
        async with world.supervisor(status=IDLE) as double:
            await double.takes()
            scheduled = await world.becomes(job_id, "scheduled")
            assert scheduled["dispatched_to_supervisor"] == FIRST
            assert scheduled["ssh_endpoints"] == [{"host": "h", "port": 22}]
            assert scheduled["ssh_user"] == "tml"
            await double.state(job_id, "initializing", "booting")
            await world.becomes(job_id, "initializing", "booting")
            one = (await world.rest("GET", f"/supervisors/{FIRST}/status")).json()
            assert one == {
                "type": "ok",
                "status": {
                    "status": "busy",
                    "job_id": job_id,
                    "job_state": {"state": "initializing", "stage": "booting"},
                },
            }
            await double.state(job_id, "terminated")
            state = await world.becomes(job_id, "terminated")
            assert set(state["result"]) == {
                "job_id",
                "supervisor_id",
                "exit_status",
                "host_output",
                "terminated_at",
            }
            assert state["result"]["supervisor_id"] == FIRST


async def test_supervisors_can_be_asked_for_by_work_and_connection(tmp_path: Path) -> None:
    using = settings(supervisor(FIRST), supervisor(SECOND))
    async with a_world(tmp_path, using) as world, world.supervisor(status=IDLE) as double:
        await world.runner_becomes("ok")

        async def listed(query: str) -> set[str]:
            answer = await world.rest("GET", f"/supervisors?{query}")
            assert answer.status_code == 200
            return set(answer.json()["supervisors"])

        assert await listed("conn=connected") == {FIRST}
        assert await listed("conn=disconnected") == {SECOND}
        assert await listed("work=idle") == {FIRST, SECOND}
        job_id = await world.enqueue()
        await double.takes()
        await double.state(job_id, "ready")
        await world.becomes(job_id, "ready")
        assert await listed("work=busy&conn=connected") == {FIRST}
        assert await listed("work=idle") == {SECOND}
        assert (await world.rest("GET", "/supervisors?work=x")).status_code == 400


async def test_a_token_is_needed_for_everything_but_login(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        for method, path in (
            ("POST", "/jobs/new"),
            ("GET", "/jobs"),
            ("GET", f"/jobs/{NOWHERE}/status"),
            ("DELETE", f"/jobs/{NOWHERE}"),
            ("GET", "/supervisors"),
            ("GET", f"/supervisors/{FIRST}/status"),
        ):
            for headers in (
                {},
                {"Authorization": "Bearer x"},
                {"Authorization": f"Bearer {token_of('nobody')}"},
                {"Authorization": f"Bearer {token_of(FIRST)}"},  # a supervisor's is none of these
            ):
                answer = await world.http.request(method, f"/api/v1{path}", headers=headers)
                assert (answer.status_code, answer.content) == (401, b"")
        login = await world.http.post(
            "/api/v1/tokens/login", json={"user_identifier": "sam", "password": "x"}
        )
        assert (login.status_code, login.content) == (403, b"")


async def test_each_token_may_do_what_it_was_given(tmp_path: Path) -> None:
    using = settings(
        supervisor(FIRST, "arm"),
        supervisor(SECOND, "arm"),
        tokens=(
            client("looker", "list_jobs", "list_supervisors", f"read_supervisor_status:{SECOND}"),
            client("one", "submit_job", "list_jobs", f"run_job_on_supervisor:{SECOND}"),
            client("other", "submit_job", f"stop_job:{NOWHERE}"),
        ),
    )
    async with a_world(tmp_path, using) as world:
        refused = await world.rest("POST", "/jobs/new", new_job(), token="looker")
        assert (refused.status_code, refused.json()) == (403, {"type": "unauthorized"})
        seen = (await world.rest("GET", "/supervisors", token="looker")).json()["supervisors"]
        assert set(seen) == {SECOND}
        unseen = await world.rest("GET", f"/supervisors/{FIRST}/status", token="looker")
        assert (unseen.status_code, unseen.json()) == (404, {"type": "invalid"})
        assert (await world.rest("GET", "/supervisors", token="one")).status_code == 403
        nowhere = await world.rest("POST", "/jobs/new", new_job(), token="other")
        assert (nowhere.status_code, nowhere.json()) == (404, {"type": "supervisor_match_error"})
        job_id = await world.enqueue(token="one")
        assert (await world.state(job_id, token="one"))["type"] == "queued"
        assert set((await world.rest("GET", "/jobs", token="one")).json()["jobs"]) == {job_id}
        for method, path in (("GET", f"/jobs/{job_id}/status"), ("DELETE", f"/jobs/{job_id}")):
            hidden = await world.rest(method, path, token="other")
            assert (hidden.status_code, hidden.json()) == (404, {"type": "invalid"})
        assert (await world.rest("GET", "/jobs", token="looker")).json()["jobs"] == {}
        async with (
            world.supervisor(FIRST, status=IDLE) as first,
            world.supervisor(SECOND, status=IDLE) as second,
        ):
            assert (await second.takes())["job_id"] == job_id  # and not the first, which is open
            assert first.messages.empty()
            assert (await world.rest("DELETE", f"/jobs/{job_id}", token="one")).status_code == 200
            assert (await second.next("stop_job"))["job_id"] == job_id


async def test_no_registered_supervisor_fits(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        for tags in ("fpga", "arm;fpga", " arm"):
            answer = await world.rest("POST", "/jobs/new", new_job(tag_config=tags))
            assert answer.status_code == 404
            assert answer.json() == {"type": "supervisor_match_error"}
        assert (await world.rest("GET", "/jobs")).json()["jobs"] == {}


async def test_a_job_made_from_another(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        old = await world.enqueue()
        await double.takes()
        await double.state(old, "terminated")
        await world.becomes(old, "terminated")
        new = await world.enqueue(init_spec={"type": "restart_job", "job_id": old})
        told = await double.takes()
        assert told["job_id"] == new
        assert told["image_spec"] == {"type": "image", "image_id": IMAGE}
        for kind in ("restart_job", "resume_job"):
            body = new_job(init_spec={"type": kind, "job_id": NOWHERE})
            answer = await world.rest("POST", "/jobs/new", body)
            assert (answer.status_code, answer.json()) == (404, {"type": "invalid"})


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"init_spec": {"type": "image", "image_id": "short"}}, 422),
        ({"init_spec": {"type": "image"}}, 422),
        ({"init_spec": {"type": "floppy"}}, 422),
        ({"init_spec": None}, 422),
        ({"init_spec": {"type": "resume_job", "job_id": "x"}}, 422),
        ({"ssh_keys": "x"}, 422),
        ({"ssh_keys": None}, 422),
        ({"restarts": -1}, 422),
        ({"restarts": 2**70}, 422),
        ({"parameters": {"a": 1}}, 422),
        ({"override_timeout": "soon"}, 422),
        ({"override_timeout": 5}, 422),
        ({"tag_config": []}, 422),
    ],
)
async def test_jobs_that_make_no_sense_are_refused(
    tmp_path: Path, wish: dict[str, Any], status: int
) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.rest("POST", "/jobs/new", new_job(**wish))
        assert answer.status_code == status, answer.text
        assert (await world.rest("GET", "/jobs")).json()["jobs"] == {}


async def test_bodies_and_paths_that_are_none(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        key = {"Authorization": f"Bearer {token_of('everything')}"}
        json_type = {**key, "Content-Type": "application/json"}

        async def status(method: str, path: str, **options: Any) -> int:
            return (await world.http.request(method, f"/api/v1{path}", **options)).status_code

        for body in (b"", b"{", b"\xff", b'{"a":' * 100_000):
            assert await status("POST", "/jobs/new", headers=json_type, content=body) == 400
        for body in (b"[]", b"[" * 100_000):
            assert await status("POST", "/jobs/new", headers=json_type, content=body) == 422
        assert await status("POST", "/jobs/new", headers=key, content=b"{}") == 415
        big = b'"' + b"x" * 2_000_000 + b'"'
        assert await status("POST", "/jobs/new", headers=json_type, content=big) == 413
        assert await status("GET", "/jobs/x/status", headers=key) == 400
        assert await status("GET", f"/jobs/{NOWHERE}/status", headers=key) == 404
        assert await status("DELETE", f"/jobs/{NOWHERE}", headers=key) == 404
        assert await status("PUT", "/jobs/new", headers=key) == 405
        assert await status("GET", f"/supervisors/{FIRST}/connect", headers=key) == 426
        nothing = await world.http.get("/api/v1/nothing/here", headers=key)
        assert (nothing.status_code, nothing.text) == (404, "no such route")
