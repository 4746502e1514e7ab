"""What the client tests act on: a coordinator, its clients, and a runner moved by hand."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import httpx

from server.keyfile import read_keys
from traffic_tui.client.embedded import EmbeddedClient
from traffic_tui.client.http import HttpClient

if TYPE_CHECKING:
    from server.model import Role
    from server.runtime import CoordinatorThread
    from traffic_tui.client.base import Client


class World:
    """One coordinator and the clients on it."""

    def __init__(self, thread: CoordinatorThread, *, is_embedded: bool) -> None:
        self.thread = thread
        self.is_embedded = is_embedded
        self.url = thread.server.url
        self.client: Client = self.make_client()
        self.looker: Client = self.make_client(is_read_only=True)

    def key(self, role: Role) -> str:
        return read_keys(self.thread.server.folder)[role]

    def make_client(self, *, is_read_only: bool = False) -> Client:
        """Another client of the same form."""
        if self.is_embedded:
            return EmbeddedClient(self.thread, is_read_only=is_read_only)
        role: Role = "read-only" if is_read_only else "admin"
        return HttpClient(self.url, self.key(role), is_read_only=is_read_only)

    async def close(self) -> None:
        await self.client.close()
        await self.looker.close()


class LocalRunner:
    """A native-v2 runner whose every word is said by a test."""

    def __init__(self, url: str, key: str, *, name: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{url}/api/native-v2", headers={"authorization": f"Bearer {key}"}
        )
        self._name = name
        self._session: dict[str, Any] = {}
        self._sequence = 0
        self.held: list[str] = []

    async def hello(self) -> None:
        greeting = {
            "name": self._name,
            "nonce": "one life",
            "capacity": 2,
            "types": ["work"],
            "labels": {"rack": "r12"},
            "version": "1",
        }
        answer = await self._http.post("/runner/hello", json=greeting)
        assert answer.status_code == 200, answer.text
        self._session = answer.json()

    async def sync(self, *, free: int = 0, **said: Any) -> dict[str, Any]:
        """One exchange; what is assigned is held from then on."""
        self._sequence += 1
        body = {
            "session": self._session["session"],
            "secret": self._session["secret"],
            "sequence": self._sequence,
            "held": self.held,
            "free": free,
            "reports": said.get("reports", []),
            "output": said.get("output", []),
        }
        answer = await self._http.post(f"/runner/{self._session['runner_id']}/sync", json=body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        self.held += [entry["attempt"] for entry in told["assign"]]
        return told

    async def take(self) -> str:
        """Take one job and confirm it; the answer is its attempt."""
        await self.sync(free=1)
        assert self.held, "no job was assigned"
        await self.sync()
        return self.held[-1]

    async def print(self, attempt: str, data: bytes, offset: int = 0) -> None:
        piece = {
            "attempt": attempt,
            "stream": "stdout",
            "offset": offset,
            "data": base64.b64encode(data).decode("ascii"),
        }
        await self.sync(output=[piece])

    async def finish(self, attempt: str, state: str = "success", **more: Any) -> None:
        self.held.remove(attempt)
        await self.sync(reports=[{"attempt": attempt, "state": state, **more}])

    async def close(self) -> None:
        await self._http.aclose()
