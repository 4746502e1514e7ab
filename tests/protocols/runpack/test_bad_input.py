"""Limits and what is wrong with a body: a 4xx with the original's words, and nothing is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.protocols.runpack.peer import FREE, Peer
from tests.protocols.world import a_world

if TYPE_CHECKING:
    from pathlib import Path

RESULT_LIMIT = 512_000
CONSOLE_LIMIT = 1_048_576


async def test_parameters_are_measured_as_javascript_writes_them(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        overhead = len('{"a":""}')
        for filler, size, status in (
            ("x", 102_400 - overhead, 201),
            ("x", 102_400 - overhead + 1, 400),
            ("ü", 102_400 - overhead, 201),
            ("\U0001f600", (102_400 - overhead) // 2, 201),
            ("\U0001f600", (102_400 - overhead) // 2 + 1, 400),
            ("x", 1_500_000, 400),
        ):
            body = {"job_type": "t", "input_params": {"a": filler * size}}
            answer = await peer.post("/api/jobs/submit", body, role="submit")
            assert answer.status_code == status, (filler, size)
            if status == 400:
                assert answer.json() == {
                    "error": "Input parameters exceed size limit of 102400 bytes"
                }
        blanks = b'{"job_type":"t","input_params":{"b":' + b" " * 200_000 + b"1}}"
        answer = await peer.post("/api/jobs/submit", blanks, role="submit")
        assert answer.status_code == 201


async def test_output_console_and_error_have_limits(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        console = {"error": f"Console output exceeds size limit of {CONSOLE_LIMIT} bytes"}
        for answer, body in (
            (
                await runner.complete(job_id, output_data="x" * (RESULT_LIMIT - 1)),
                {"error": f"Output JSON exceeds size limit of {RESULT_LIMIT} bytes"},
            ),
            (await runner.complete(job_id, console_output="x" * (CONSOLE_LIMIT + 1)), console),
            (await runner.beat(job_id, console_output="x" * (CONSOLE_LIMIT + 1)), console),
            (await runner.fail(job_id, console_output="x" * (CONSOLE_LIMIT + 1)), console),
            (
                await runner.fail(job_id, error_message="x" * 10_241),
                {"error": "Error message exceeds size limit of 10240 bytes"},
            ),
        ):
            assert answer.status_code == 400
            assert answer.json() == body
        answer = await runner.beat(job_id, console_output="ü" * CONSOLE_LIMIT)
        assert answer.status_code == 200
        answer = await runner.complete(
            job_id, output_data="x" * (RESULT_LIMIT - 2), console_output="x" * CONSOLE_LIMIT
        )
        assert answer.status_code == 200
        result = (await runner.status(job_id))["result"]
        assert len(result["output_data"]) == RESULT_LIMIT - 2
        assert len(result["console_output"]) == CONSOLE_LIMIT


async def test_a_body_beyond_all_limits_is_not_read(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await Peer(world).post(
            "/api/jobs/submit", b" " * (16 * 1024 * 1024), role="submit"
        )
        assert answer.status_code == 413
        assert answer.json()["error"] == "Failed to submit job"


@pytest.mark.parametrize("call", ["submit", "check"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"job_type": "", "input_params": {}}, "Job type must be a non-empty string"),
        ({"job_type": 5, "input_params": {}}, "Job type must be a non-empty string"),
        ({"input_params": {}}, "Job type must be a non-empty string"),
        ({"input_params": None}, "Job type must be a non-empty string"),
        ({"job_type": "t", "input_params": None}, "Input parameters must be an object"),
        ({"job_type": "t", "input_params": "x"}, "Input parameters must be an object"),
        ({"job_type": "t", "input_params": 0}, "Input parameters must be an object"),
        ({"job_type": "t", "input_params": True}, "Input parameters must be an object"),
        (
            {"job_type": "", "input_params": "x" * 102_400},
            "Input parameters exceed size limit of 102400 bytes",
        ),
    ],
)
async def test_what_is_no_job(tmp_path: Path, call: str, body: object, words: str) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await Peer(world).post(f"/api/jobs/{call}", body, role="submit")
        assert answer.status_code == 400
        assert answer.json() == {"error": words}


BROKEN = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"\xff\xfe",
    b'{"input_params": "\xff"}',
    b"NaN",
    b"[" * 200_000,
    b'{"a":' * 50_000,
]


@pytest.mark.parametrize("body", BROKEN)
@pytest.mark.parametrize(
    ("path", "role", "words"),
    [
        ("/api/jobs/submit", "submit", "Failed to submit job"),
        ("/api/jobs/check", "submit", "Failed to check job"),
        ("/api/runner/register", "runner", "Failed to register runner"),
        ("/api/runner/jobs/x/heartbeat", "runner", "Failed to update heartbeat"),
        ("/api/runner/jobs/x/complete", "runner", "Failed to complete job"),
        ("/api/runner/jobs/x/error", "runner", "Failed to mark job as failed"),
        ("/api/admin/jobs/batch-delete", "admin", "Failed to delete jobs"),
        ("/poll", None, "Failed to poll"),
    ],
)
async def test_bodies_that_make_no_sense(
    tmp_path: Path, body: bytes, path: str, role: str | None, words: str
) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        headers = {"X-Runner-ID": "x"}
        if role is None:
            headers["Authorization"] = "the-runner-key-of-this-test"
        answer = await world.call("POST", path, role=role, headers=headers, content=body)
        assert answer.status_code == 400, answer.text
        if answer.json()["error"] not in (
            "Invalid registration data",
            "Invalid request body. Expected { job_ids: string[] }",
        ):
            assert answer.json()["error"] == words
            assert answer.json()["details"]


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("heartbeat", {"progress_current": 1, "progress_total": 1}),
        ("heartbeat", {"progress_current": 1, "console_output": ""}),
        ("heartbeat", {"progress_total": 1, "console_output": ""}),
        ("heartbeat", {"progress_current": "1", "progress_total": 1, "console_output": ""}),
        ("heartbeat", {"progress_current": True, "progress_total": 1, "console_output": ""}),
        ("heartbeat", {"progress_current": 1, "progress_total": 1, "console_output": None}),
        ("complete", {"output_data": {}}),
        ("complete", {"console_output": ""}),
        ("complete", {"output_data": {}, "console_output": 5}),
        ("error", {"error_message": "x"}),
        ("error", {"console_output": "x"}),
        ("error", {"error_message": None, "console_output": "x"}),
        ("error", {"error_message": {"a": 1}, "console_output": "x"}),
    ],
)
async def test_missing_and_odd_members_lose_nothing(
    tmp_path: Path, call: str, body: dict[str, Any]
) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        answer = await runner.post(f"/api/runner/jobs/{job_id}/{call}", body)
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("Failed to ")
        assert answer.json()["details"]
        assert (await runner.complete(job_id)).status_code == 200


async def test_progress_beyond_all_numbers_is_refused(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        body = b'{"progress_current":1e999,"progress_total":1,"console_output":""}'
        answer = await runner.post(f"/api/runner/jobs/{job_id}/heartbeat", body)
        assert answer.status_code == 400


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "", "capabilities": []}, {"error": "Invalid registration data"}),
        ({"capabilities": []}, {"error": "Invalid registration data"}),
        ({"name": "x"}, {"error": "Invalid registration data"}),
        ({"name": "x", "capabilities": "all"}, {"error": "Invalid registration data"}),
    ],
)
async def test_what_is_no_registration(
    tmp_path: Path, body: object, expected: dict[str, str]
) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await Peer(world).post("/api/runner/register", body)
        assert answer.status_code == 400
        assert answer.json() == expected


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x" * 201, "capabilities": []},
        {"name": 5, "capabilities": []},
        {"name": "x", "capabilities": ["y" * 201]},
        {"name": "x", "capabilities": ["y"] * 1_001},
    ],
)
async def test_registrations_that_could_not_be_shown_are_refused(
    tmp_path: Path, body: object
) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await Peer(world).post("/api/runner/register", body)
        assert answer.status_code == 400
        assert answer.json()["error"] == "Failed to register runner"


@pytest.mark.parametrize("job_type", ["x" * 201, "half \ud83d"])
async def test_job_types_that_could_not_be_shown_are_refused(tmp_path: Path, job_type: str) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        body = json.dumps({"job_type": job_type, "input_params": {}}).encode()
        answer = await Peer(world).post("/api/jobs/submit", body, role="submit")
        assert answer.status_code == 400
        assert answer.json()["error"] == "Failed to submit job"


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs/{}",
        "/api/admin/jobs/{}",
        "/api/admin/runners/{}",
    ],
)
@pytest.mark.parametrize("ident", ["x", "1", "%00", "%ff%fe", "..", "a" * 5_000, "'; DROP"])
async def test_odd_ids_are_simply_not_found(tmp_path: Path, path: str, ident: str) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        await Peer(world).submit()
        role = "submit" if path.startswith("/api/jobs") else "admin"
        answer = await Peer(world).get(path.format(ident), role=role)
        assert answer.status_code == 404
