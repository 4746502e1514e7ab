"""Paths, keys, limits and headers, in the order in which they are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.model import ROLES
from tests.protocols.runpack.peer import FREE, Peer, runpack_settings
from tests.protocols.world import a_world, key_of

if TYPE_CHECKING:
    from pathlib import Path

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
    "access-control-allow-headers": "Content-Type, Authorization, X-Runner-ID",
}
JOB = "01890000-0000-7000-8000-000000000000"
ROUTES = [
    ("POST", "/api/jobs/check", {"submit"}),
    ("POST", "/api/jobs/submit", {"submit"}),
    ("GET", f"/api/jobs/{JOB}", {"submit"}),
    ("POST", "/api/runner/register", {"runner"}),
    ("GET", "/api/runner/verify", {"runner"}),
    ("GET", "/api/runner/jobs/available", {"runner"}),
    ("POST", f"/api/runner/jobs/{JOB}/claim", {"runner"}),
    ("POST", f"/api/runner/jobs/{JOB}/heartbeat", {"runner"}),
    ("POST", f"/api/runner/jobs/{JOB}/complete", {"runner"}),
    ("POST", f"/api/runner/jobs/{JOB}/error", {"runner"}),
    ("GET", "/api/admin/jobs", {"admin", "runner"}),
    ("DELETE", f"/api/admin/jobs/{JOB}", {"admin", "runner"}),
    ("POST", "/api/admin/jobs/batch-delete", {"admin", "runner"}),
    ("GET", "/api/admin/runners", {"admin", "runner"}),
    ("GET", f"/api/admin/runners/{JOB}", {"admin", "runner"}),
    ("GET", "/api/admin/stats", {"admin", "runner"}),
]
RUNNER = {"X-Runner-ID": "somebody"}


async def test_each_level_takes_its_own_keys_only(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        for method, path, able in ROUTES:
            for role in ROLES:
                answer = await world.call(method, path, role=role, headers=RUNNER)
                if role in able:
                    assert answer.status_code != 401, (method, path, role)
                else:
                    assert answer.status_code == 401, (method, path, role)
                    assert answer.json() == {"error": "Invalid API key"}
                assert CORS.items() <= dict(answer.headers).items(), (method, path)
                assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        (None, "Missing Authorization header"),
        ("", "Missing Authorization header"),
        ("Bearer", "Invalid Authorization header format. Use: Bearer <token>"),
        (f"bearer {key_of('submit')}", "Invalid Authorization header format. Use: Bearer <token>"),
        (
            f"Bearer  {key_of('submit')}",
            "Invalid Authorization header format. Use: Bearer <token>",
        ),
        (
            f"Bearer {key_of('submit')} x",
            "Invalid Authorization header format. Use: Bearer <token>",
        ),
        (key_of("submit"), "Invalid Authorization header format. Use: Bearer <token>"),
        ("Bearer nobody", "Invalid API key"),
        ("Bearer \xff\xfe", "Invalid API key"),
    ],
)
async def test_the_authorization_header_is_read_strictly(
    tmp_path: Path, authorization: str | None, words: str
) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        headers = (
            [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
        )
        answer = await world.http.get("/api/jobs/x", headers=headers)
        assert answer.status_code == 401
        assert answer.json() == {"error": words}


async def test_the_runners_header_is_asked_for_before_the_key(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        for method, path, _ in ROUTES:
            if "/runner/jobs/" not in path:
                continue
            answer = await world.call(method, path)
            assert answer.status_code == 400, path
            assert answer.json() == {"error": "Missing X-Runner-ID header"}


async def test_verify_asks_for_the_key_first(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        assert (await world.call("GET", "/api/runner/verify")).status_code == 401
        answer = await world.call("GET", "/api/runner/verify", role="runner")
        assert answer.status_code == 400
        assert answer.json() == {"error": "Missing X-Runner-ID header"}


@pytest.mark.parametrize("path", ["/", "/health"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE", "PUT"])
async def test_health_needs_nothing_and_has_no_cors(tmp_path: Path, method: str, path: str) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await world.call(method, path)
        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", "service": "runpack-worker"}
        assert not CORS.keys() & dict(answer.headers).keys()


@pytest.mark.parametrize("path", ["/api/jobs/submit", "/api/admin/jobs", "/api/jobs/no/such/path"])
async def test_a_preflight_is_answered_everywhere(tmp_path: Path, path: str) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await world.call("OPTIONS", path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert CORS.items() <= dict(answer.headers).items()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/jobs/submit"),
        ("GET", "/api/jobs/submit/"),
        ("GET", "/api/jobs"),
        ("POST", f"/api/jobs/{JOB}"),
        ("GET", f"/api/runner/jobs/{JOB}/claim"),
        ("POST", "/api/runner/jobs/a/b/claim"),
        ("POST", f"/api/runner/jobs/{JOB}/stop"),
        ("DELETE", "/api/admin/runners/x"),
        ("PATCH", f"/api/admin/jobs/{JOB}"),
    ],
)
async def test_other_paths_and_methods_are_not_found(
    tmp_path: Path, method: str, path: str
) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await world.call(method, path, role="runner", headers=RUNNER)
        assert answer.status_code == 404
        assert answer.json() == {"error": "Not found"}
        assert CORS.items() <= dict(answer.headers).items()


async def test_a_get_of_check_asks_for_a_job_of_that_name(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await world.call("GET", "/api/jobs/check", role="submit")
        assert answer.status_code == 404
        assert answer.json() == {"error": "Job not found"}


async def test_an_escaped_slash_does_not_part_a_segment(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await world.call("GET", "/api/admin/runners/a%2Fb", role="admin")
        assert answer.json() == {"error": "Runner not found"}


# limits ----------------------------------------------------------------------------------------


async def test_submits_and_checks_share_a_window_per_address(tmp_path: Path) -> None:
    settings = runpack_settings(submit_per_minute=3)
    async with a_world(tmp_path, settings=settings) as world:
        started = world.clock.now_ms()
        statuses = []
        for path in ("submit", "check", "submit", "check"):
            answer = await world.call("POST", f"/api/jobs/{path}", role="submit", json={})
            statuses.append(answer.status_code)
        assert statuses == [400, 400, 400, 429]
        assert answer.json() == {"error": "Rate limit exceeded", "resetTime": started + 60_000}
        assert "retry-after" not in answer.headers
        refused = await world.call("POST", "/api/jobs/submit", role="runner", json={})
        assert refused.status_code == 401
        elsewhere = await world.call(
            "POST",
            "/api/jobs/check",
            role="submit",
            json={},
            headers={"X-Forwarded-For": "10.1.2.3"},
        )
        assert elsewhere.status_code == 400
        world.clock.advance(60)
        answer = await world.call("POST", "/api/jobs/submit", role="submit", json={})
        assert answer.status_code == 400


async def test_requests_without_a_good_key_are_not_counted(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=runpack_settings(submit_per_minute=1)) as world:
        for _ in range(3):
            answer = await world.call("POST", "/api/jobs/submit", role="admin", json={})
            assert answer.status_code == 401
        answer = await world.call("POST", "/api/jobs/submit", role="submit", json={})
        assert answer.status_code == 400


async def test_status_queries_have_a_window_of_their_own(tmp_path: Path) -> None:
    settings = runpack_settings(submit_per_minute=1, poll_per_minute=2)
    async with a_world(tmp_path, settings=settings) as world:
        statuses = [
            (await world.call("GET", "/api/jobs/x", role="submit")).status_code for _ in range(3)
        ]
        assert statuses == [404, 404, 429]


async def test_lists_and_heartbeats_are_counted_per_runner_and_apart(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=runpack_settings(runner_per_minute=2)) as world:
        one = await Peer(world).register()
        two = await Peer(world).register()
        path = "/api/runner/jobs/available?types[]=x"
        assert [(await one.get(path)).status_code for _ in range(3)] == [200, 200, 429]
        assert (await two.get(path)).status_code == 200
        assert [(await one.beat(JOB)).status_code for _ in range(3)] == [400, 400, 429]
        assert [(await one.claim(JOB)).status_code for _ in range(4)] == [409] * 4
        assert [(await one.complete(JOB)).status_code for _ in range(4)] == [400] * 4


# the public page -------------------------------------------------------------------------------


async def test_the_job_page_is_public_as_configured(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=runpack_settings(public_job_detail=False)) as world:
        peer = Peer(world)
        job_id = (await peer.submit())["job_id"]
        path = f"/api/admin/jobs/{job_id}"
        assert (await peer.get(path, role=None)).status_code == 401
        assert (await peer.get(path, role="submit")).status_code == 401
        assert (await peer.get(path, role="admin")).status_code == 200
        assert (await peer.get(path, role="runner")).status_code == 200
