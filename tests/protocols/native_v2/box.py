"""A runner of the native protocol as a test drives it: one call at a time, over the wire."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from tests.protocols.world import World

API = "/api/native-v2"


def hello_body(name: str = "lab-1", nonce: str = "boot-1", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "nonce": nonce,
        "capacity": 2,
        "types": ["fib"],
        "labels": {"os": "linux"},
        "version": "1",
        **changes,
    }


def chunk(attempt: str, offset: int, data: bytes, stream: str = "stdout") -> dict[str, Any]:
    return {
        "attempt": attempt,
        "stream": stream,
        "offset": offset,
        "data": base64.b64encode(data).decode(),
    }


@dataclass
class Box:
    """A process that said hello."""

    world: World
    welcome: dict[str, Any]
    sequence: int = 0
    held: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{API}/runner/{self.welcome['runner_id']}"

    def message(self, **said: Any) -> dict[str, Any]:
        return {
            "session": self.welcome["session"],
            "secret": self.welcome["secret"],
            "sequence": self.sequence,
            "held": self.held,
            "free": 0,
            **said,
        }

    async def post(self, message: dict[str, Any]) -> httpx.Response:
        return await self.world.call("POST", f"{self.path}/sync", role="runner", json=message)

    async def sync(self, **said: Any) -> dict[str, Any]:
        """One sync that is answered well."""
        self.sequence += 1
        answer = await self.post(self.message(**said))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def take(self, count: int = 1) -> list[str]:
        """Get jobs, confirm them, and give their attempts."""
        told = await self.sync(free=count)
        attempts = [one["attempt"] for one in told["assign"]]
        assert len(attempts) == count
        self.held += attempts
        await self.sync()
        return attempts

    async def end(self, attempt: str, state: str = "success", **more: Any) -> dict[str, Any]:
        self.held = [one for one in self.held if one != attempt]
        return await self.sync(reports=[{"attempt": attempt, "state": state, **more}])

    async def wake(self, wait_seconds: object = 20) -> httpx.Response:
        query = {
            "session": self.welcome["session"],
            "secret": self.welcome["secret"],
            "wait_seconds": str(wait_seconds),
        }
        return await self.world.call("GET", f"{self.path}/wake", role="runner", params=query)

    @property
    def session_id(self) -> int:
        session = self.world.coordinator.session(self.welcome["session"])
        assert session is not None
        return session.id


async def say_hello(world: World, **changes: Any) -> Box:
    answer = await world.call(
        "POST", f"{API}/runner/hello", role="runner", json=hello_body(**changes)
    )
    assert answer.status_code == 200, answer.text
    return Box(world, answer.json())


async def submit(world: World, count: int = 1, **facts: Any) -> list[dict[str, Any]]:
    jobs = [{"type": "fib", "params": {"n": number}, **facts} for number in range(count)]
    answer = await world.call("POST", f"{API}/jobs", role="submit", json={"jobs": jobs})
    assert answer.status_code == 201, answer.text
    found: list[dict[str, Any]] = answer.json()["jobs"]
    return found


async def state_of(world: World, job: dict[str, Any]) -> str:
    return (await world.coordinator.resolve(job["id"])).state
