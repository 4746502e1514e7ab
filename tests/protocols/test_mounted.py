"""Both surfaces as the whole coordinator serves them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx

from server.runtime.coordinator_server import CoordinatorServer
from server.settings import ProtocolSettings, RunpackSettings, ServerSettings, Settings
from tests.protocols.native_v2.box import API, hello_body
from tests.protocols.world import key_of

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {
    "TRAFFIC_SUBMIT_KEY": key_of("submit"),
    "TRAFFIC_RUNNER_KEY": key_of("runner"),
    "TRAFFIC_ADMIN_KEY": key_of("admin"),
}
SETTINGS = replace(Settings(), server=ServerSettings(port=0, durability="normal"))


def authorized(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key_of(role)}"}


async def test_runpack_and_native_are_served(tmp_path: Path) -> None:
    server = CoordinatorServer(SETTINGS, tmp_path / "data", environment=ENVIRONMENT)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            assert (await http.get("/health")).json()["service"] == "runpack-worker"
            assert (await http.get("/")).json()["status"] == "ok"
            unknown = await http.get("/api/jobs/a/b")
            assert unknown.json() == {"error": "Not found"}
            assert unknown.headers["access-control-allow-origin"] == "*"
            submitted = await http.post(
                "/api/jobs/submit",
                json={"job_type": "fib", "input_params": {"n": 5}},
                headers=authorized("submit"),
            )
            assert submitted.status_code == 201
            welcome = await http.post(
                f"{API}/runner/hello", json=hello_body(), headers=authorized("runner")
            )
            assert welcome.status_code == 200
            found = welcome.json()
            told = await http.post(
                f"{API}/runner/{found['runner_id']}/sync",
                json={
                    "session": found["session"],
                    "secret": found["secret"],
                    "sequence": 1,
                    "free": 1,
                },
                headers=authorized("runner"),
            )
            [assigned] = told.json()["assign"]
            assert assigned["job"] == submitted.json()["job_id"]
    finally:
        await server.stop()


async def test_runpack_can_be_switched_off(tmp_path: Path) -> None:
    off = replace(SETTINGS, protocols=ProtocolSettings(runpack=RunpackSettings(enabled=False)))
    server = CoordinatorServer(off, tmp_path / "data", environment=ENVIRONMENT)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            answer = await http.get("/api/admin/stats", headers=authorized("admin"))
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "no_route"
    finally:
        await server.stop()
