"""Runpack's clients, runners and administrators as a test plays them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from server.settings import ProtocolSettings, RunpackSettings
from tests.protocols.world import SETTINGS

if TYPE_CHECKING:
    import httpx

    from server.settings import Settings
    from tests.protocols.world import World

HELLO = {"name": "Ada", "processing_time": 0}


def runpack_settings(**changes: Any) -> Settings:
    """The world's settings with Runpack's changed; without limits unless they are given."""
    off = {"submit_per_minute": 0, "poll_per_minute": 0, "runner_per_minute": 0}
    runpack = RunpackSettings(**{**off, **changes})
    return replace(SETTINGS, protocols=ProtocolSettings(runpack=runpack))


FREE = runpack_settings()


@dataclass
class Peer:
    """Whoever speaks Runpack to a world."""

    world: World
    runner_id: str = ""

    async def post(self, path: str, body: Any = None, *, role: str = "runner") -> httpx.Response:
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.world.call("POST", path, role=role, headers=self._headers(), **content)

    async def get(self, path: str, *, role: str | None = "runner") -> httpx.Response:
        return await self.world.call("GET", path, role=role, headers=self._headers())

    async def submit(self, params: Any = None, job_type: str = "hello_world") -> dict[str, Any]:
        body = {"job_type": job_type, "input_params": HELLO if params is None else params}
        answer = await self.post("/api/jobs/submit", body, role="submit")
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def register(self, name: str = "box") -> Peer:
        """The same as a registered runner."""
        body = {"name": name, "capabilities": ["hello_world"]}
        answer = await self.post("/api/runner/register", body)
        assert answer.status_code == 201, answer.text
        return Peer(self.world, answer.json()["runner_id"])

    async def available(self, *types: str) -> list[dict[str, Any]]:
        query = "&".join(f"types[]={name}" for name in types or ("hello_world",))
        answer = await self.get(f"/api/runner/jobs/available?{query}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["jobs"]
        return found

    async def claim(self, job_id: str) -> httpx.Response:
        return await self.post(f"/api/runner/jobs/{job_id}/claim")

    async def taken(self, params: Any = None) -> str:
        """A fresh job, claimed."""
        job_id: str = (await self.submit(params))["job_id"]
        assert (await self.claim(job_id)).status_code == 200
        return job_id

    async def beat(self, job_id: str, **changes: Any) -> httpx.Response:
        body = {"progress_current": 1, "progress_total": 4, "console_output": "one\n", **changes}
        return await self.post(f"/api/runner/jobs/{job_id}/heartbeat", body)

    async def complete(self, job_id: str, **changes: Any) -> httpx.Response:
        body = {"output_data": {"message": "hi"}, "console_output": "done\n", **changes}
        return await self.post(f"/api/runner/jobs/{job_id}/complete", body)

    async def fail(self, job_id: str, **changes: Any) -> httpx.Response:
        body = {"error_message": "no luck", "console_output": "oh\n", **changes}
        return await self.post(f"/api/runner/jobs/{job_id}/error", body)

    async def status(self, job_id: str) -> dict[str, Any]:
        answer = await self.get(f"/api/jobs/{job_id}", role="submit")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def page(self, job_id: str) -> dict[str, Any]:
        answer = await self.get(f"/api/admin/jobs/{job_id}", role=None)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def number(self, job_id: str) -> int:
        return (await self.world.coordinator.resolve(job_id)).id

    def _headers(self) -> dict[str, str]:
        return {"X-Runner-ID": self.runner_id} if self.runner_id else {}
