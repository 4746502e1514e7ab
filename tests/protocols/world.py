"""A coordinator on a real file and a real socket, spoken to over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

from server.clock import ManualClock
from server.coordinator import Coordinator
from server.http.boundary import Exchange
from server.http.gate import Gate
from server.keyring import GivenKey, Keyring
from server.model import ROLES, Actor
from server.protocols.native_v2.app import NativeV2App
from server.protocols.runpack.app import RunpackApp
from server.settings import LeaseSettings, ServerSettings, Settings
from server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from server.http.exchange import Receive, Scope, Send

LEASE_SECONDS = 6
DEADLINE_SECONDS = 20.0
BODY_SECONDS = 5.0
SETTINGS = replace(
    Settings(),
    server=ServerSettings(durability="normal"),
    leases=LeaseSettings(heartbeat_timeout_ms=LEASE_SECONDS * 1000, offer_timeout_ms=3_000),
)
SAM = Actor("sam", "operator", "operator-api")


def key_of(role: str) -> str:
    return f"the-{role}-key-of-this-test"


class Dispatch:
    """Native calls to their app, all others to Runpack's, behind the service's outermost layer."""

    def __init__(self, native: NativeV2App, runpack: RunpackApp) -> None:
        self._native = native
        self._runpack = runpack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_native = scope["path"].startswith("/api/native-v2/")
        exchange = Exchange(scope, receive, send, BODY_SECONDS)
        await exchange.run(self._native if is_native else self._runpack, scope)


class QuietServer(uvicorn.Server):
    """Leaves signals to the test run."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@dataclass
class World:
    """What a test acts on."""

    coordinator: Coordinator
    clock: ManualClock
    url: str
    http: httpx.AsyncClient
    native: NativeV2App

    async def call(
        self, method: str, path: str, *, role: str | None = None, **options: Any
    ) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {key_of(role)}"
        return await self.http.request(method, path, headers=headers, **options)

    async def pass_seconds(self, seconds: int, *beating: int) -> None:
        """Let time run second by second, with beats of some sessions."""
        for _ in range(seconds):
            self.clock.advance(1)
            for session_id in beating:
                self.coordinator.touch(session_id)
            for _ in range(4):
                await self.coordinator.sweep()

    async def late_kinds(self) -> list[str]:
        """The ledger of late writes, newest first."""
        late = await self.coordinator.store.reads.late_writes(before=None, limit=50)
        return [one.kind for one in late]


async def eventually(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is the case, in vain at most ``DEADLINE_SECONDS``."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_so():  # noqa: ASYNC110  # any condition, not only one with an event
            await asyncio.sleep(0.005)
    assert is_so(), what


@asynccontextmanager
async def a_world(
    folder: Path,
    *,
    settings: Settings = SETTINGS,
    clock: ManualClock | None = None,
    is_calm: bool = False,
) -> AsyncIterator[World]:
    """A served coordinator. ``is_calm``: leases already expire again after its start."""
    clock = clock or ManualClock()
    coordinator = Coordinator(
        SqliteStore(folder / "traffic.db", clock=clock, durability="normal"), settings, clock
    )
    await coordinator.start()
    try:
        keyring = Keyring(
            clock,
            configured=[GivenKey(f"{role}-key", role, key_of(role)) for role in ROLES],
            stored=coordinator.keys,
        )
        native = NativeV2App(coordinator, Gate(keyring, clock))
        app = Dispatch(native, RunpackApp(coordinator, keyring))
        async with _served(app, coordinator) as url, _client(url) as http:
            world = World(coordinator, clock, url, http, native)
            if is_calm:
                await world.pass_seconds(LEASE_SECONDS + 1)
            yield world
    finally:
        await coordinator.stop()


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=DEADLINE_SECONDS, trust_env=False)


@asynccontextmanager
async def _served(app: Dispatch, coordinator: Coordinator) -> AsyncIterator[str]:
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as uvloop does; asyncio: not here
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        await eventually(lambda: server.started or serving.done(), "it serves")
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        coordinator.end_waits()
        server.should_exit = True
        await serving
        bound.close()
