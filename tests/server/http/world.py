"""A coordinator served by a real uvicorn on a loopback socket, and a client that checks answers.

Every JSON answer is held against the OpenAPI document, whatever the test is about.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import msgspec
import uvicorn

from server.clock import SystemClock
from server.coordinator import AttemptReport, Coordinator, Introduction, OutputPiece, Said
from server.http.app import HttpApp, Surface
from server.http.bounded_protocol import BoundedHttpProtocol
from server.http.openapi import document, operation_id
from server.http.operator_routes import ROUTES
from server.http.routes import PREFIX, Route
from server.keyring import GivenKey, Keyring
from server.model import ROLES, Outcome
from server.operator import OperatorApi
from server.settings import QueueSettings, Settings
from server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Sequence

    from server.clock import Clock
    from server.coordinator import Assigned
    from server.model import Role, Session

DOCUMENT = document(ROUTES, "test")
SETTINGS = Settings(queues={"default": QueueSettings(), "gpu": QueueSettings(limit=5)})
DEADLINE_SECONDS = 30.0


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def secret_of(role: str) -> str:
    return f"{role}-secret-0123456789"


def route_of(method: str, path: str) -> Route | None:
    """The route of the table that serves a path."""
    parts = path.removeprefix(PREFIX).split("/")
    for route in ROUTES:
        template = route.path.split("/")
        if route.method == method and len(template) == len(parts):
            if all(a == b or a.startswith("{") for a, b in zip(template, parts, strict=True)):
                return route
    return None


@dataclass
class World:
    """What tests act on."""

    coordinator: Coordinator
    api: OperatorApi
    app: HttpApp
    keyring: Keyring
    http: httpx.AsyncClient
    port: int
    succeeded: set[str] = field(default_factory=set)
    """Operations that were answered with success."""

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role | None = "operator",
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        params: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Call the operator API and hold the answer against the document."""
        sent = dict(headers or {})
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {secret_of(role)}")
        if content is None and body is not None:
            content = msgspec.json.encode(body)
        answer = await self.http.request(
            method, PREFIX + path, content=content, headers=sent, params=params
        )
        self.check(method, path, answer)
        return answer

    async def good(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        """Like :meth:`call`, for calls that must succeed; gives the JSON."""
        answer = await self.call(method, path, body, **how)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def bad(self, status: int, method: str, path: str, body: Any = None, **how: Any) -> str:
        """For calls that must be refused with this status; gives the words."""
        answer = await self.call(method, path, body, **how)
        assert answer.status_code == status, answer.text
        message: str = answer.json()["error"]["message"]
        assert message
        return message

    def check(self, method: str, path: str, answer: httpx.Response) -> None:
        """Status and body are as documented."""
        route = route_of(method, httpx.URL(path).path)
        if route is None:
            return
        operation = DOCUMENT["paths"][PREFIX + route.path][method.lower()]
        responses = operation["responses"]
        assert str(answer.status_code) in responses, (method, path, answer.text)
        kind = answer.headers.get("content-type", "").split(";")[0]
        if answer.status_code == 204:
            assert not answer.content
        else:
            content = responses[str(answer.status_code)]["content"]
            assert kind in content or answer.status_code == 416, (kind, content)
            if kind == "application/json":
                schema = {**content[kind]["schema"], "components": DOCUMENT["components"]}
                jsonschema.Draft202012Validator(schema).validate(answer.json())
        if answer.status_code < 300:
            self.succeeded.add(operation_id(route))

    # jobs and runners ------------------------------------------------------------------------

    async def submit(self, type: str = "fib", **fields: Any) -> int:
        """One job; gives its number."""
        answer = await self.good("POST", "/jobs", {"type": type, **fields}, role="submit")
        number: int = answer["job"]["number"]
        return number

    async def runner(self, name: str = "lab-1", *, capacity: int = 2) -> FakeRunner:
        introduction = Introduction(
            protocol="native-v2", identity=name, name=name, capacity=capacity, types=("*",)
        )
        session = await self.coordinator.open_session(introduction, nonce="boot-1")
        return FakeRunner(self.coordinator, session, capacity)


@dataclass
class FakeRunner:
    """Talks to the coordinator as native-v2 would, without HTTP."""

    coordinator: Coordinator
    session: Session
    capacity: int
    held: list[str] = field(default_factory=list)

    async def take(self) -> list[Assigned]:
        """Claim and confirm what there is."""
        told = await self.coordinator.exchange(self.session.id, Said(free=self.capacity))
        self.held += [assigned.attempt.uuid for assigned in told.assign]
        await self.coordinator.exchange(self.session.id, Said(held=self.held))
        return told.assign

    async def print(self, assigned: Assigned, data: bytes, offset: int = 0) -> None:
        attempt = assigned.attempt.uuid
        await self.coordinator.exchange(
            self.session.id,
            Said(held=self.held, output=[OutputPiece(attempt, "stdout", offset, data)]),
        )

    async def finish(self, assigned: Assigned, outcome: Outcome | None = None) -> None:
        report = AttemptReport(assigned.attempt.uuid, outcome or Outcome("success", result=b"55"))
        self.held.remove(report.attempt)
        await self.coordinator.exchange(self.session.id, Said(held=self.held, reports=[report]))

    async def leave(self) -> None:
        await self.coordinator.close_session(self.session.id, reason="bye")


@asynccontextmanager
async def served(
    *,
    surfaces: Sequence[Surface] = (),
    clock: Clock | None = None,
    settings: Settings = SETTINGS,
    body_seconds: float = 5.0,
) -> AsyncIterator[World]:
    """A world that serves until the end of the block; every part of it is stopped then."""
    clock = clock or SystemClock()
    coordinator = Coordinator(SqliteStore(None, clock=clock), settings, clock)
    given = [GivenKey(f"{role}-key", role, secret_of(role)) for role in ROLES]
    keyring = Keyring(clock, configured=given, stored=coordinator.keys)
    api = OperatorApi(coordinator, coordinator.store.reads, keyring)
    app = HttpApp(api, surfaces, body_seconds=body_seconds)
    await coordinator.start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = _Uvicorn(
            uvicorn.Config(
                app,
                http=BoundedHttpProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started)
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_SECONDS, trust_env=False
            ) as http:
                yield World(coordinator, api, app, keyring, http, port)
        finally:
            app.close()
            server.should_exit = True
            async with asyncio.timeout(DEADLINE_SECONDS):
                await serving
                await coordinator.stop()
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def until(condition: Any, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for a condition, looking often; fail after a deadline."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # conditions of parts that tell nobody
            await asyncio.sleep(0.005)
