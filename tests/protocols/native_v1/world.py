"""A whole coordinator on a port of its own, and what a test asks of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx

from server.model import Actor, JobSpec
from server.runtime.coordinator_server import CoordinatorServer
from server.settings import (
    LeaseSettings,
    NativeV1Settings,
    ProtocolSettings,
    RunnerSettings,
    ServerSettings,
    Settings,
)
from server.store.base import EventQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from server.clock import Clock
    from server.coordinator import Coordinator, JobSnapshot
    from server.model import Attempt, Job

API = "/api/native-v1"
DEADLINE_SECONDS = 20.0
SAM = Actor("sam", "operator", "operator-api")
ENVIRONMENT = {"TRAFFIC_ADMIN_KEY": "the-admin-key-of-this-test"}


def settings_of(
    *, lease_ms: int = 60_000, max_jobs: int = 3, labels: Any = (), **native_v1: Any
) -> Settings:
    """Settings of a coordinator whose webhooks time out soon."""
    mine = NativeV1Settings(**{"webhook_timeout_ms": 2_000, **native_v1})
    return replace(
        Settings(),
        server=ServerSettings(port=0, durability="normal"),
        leases=LeaseSettings(heartbeat_timeout_ms=lease_ms),
        runners=RunnerSettings(max_jobs=max_jobs, labels=labels),
        protocols=ProtocolSettings(native_v1=mine),
    )


@dataclass
class World:
    """What a test acts on."""

    server: CoordinatorServer
    http: httpx.AsyncClient
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(10))
    """Calls at once: a pool of httpx is slow with many."""

    @property
    def coordinator(self) -> Coordinator:
        return self.server.coordinator

    async def post(self, call: str, body: Any, *, source: str = "") -> httpx.Response:
        """A call of a runner; ``source``: another address of this box."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        if not source:
            async with self.turns:
                return await self.http.post(f"{API}/{call}", **content)
        transport = httpx.AsyncHTTPTransport(local_address=source)
        async with httpx.AsyncClient(base_url=self.server.url, transport=transport) as elsewhere:
            return await elsewhere.post(f"{API}/{call}", **content)

    async def submit(self, *cursors: tuple[int, int], **changes: Any) -> list[Job]:
        """Jobs that each are a piece of a range."""
        specs = [
            JobSpec(
                "range",
                params=f'{{"cursor_from":{first},"cursor_to":{last}}}'.encode(),
                **changes,
            )
            for first, last in cursors or [(1, 5)]
        ]
        return [one.job for one in await self.coordinator.submit(SAM, specs)]

    async def snapshot(self, job: Job) -> JobSnapshot:
        found = await self.coordinator.job_with_attempt(job.uuid)
        assert found is not None
        return found

    async def state(self, job: Job) -> str:
        return (await self.snapshot(job)).job.state

    async def attempts(self, job: Job) -> list[Attempt]:
        return await self.coordinator.store.apply(lambda tx: tx.attempts_of(job.id))

    async def becomes(self, job: Job, state: str) -> JobSnapshot:
        """Wait until a job is in a state."""

        async def is_so() -> bool:
            return await self.state(job) == state

        await until(is_so, f"job {job.id} is {state}")
        return await self.snapshot(job)

    async def late_writes(self) -> list[tuple[str, str]]:
        """Kind and detail of what came too late, newest first."""
        late = await self.coordinator.store.reads.late_writes(before=None, limit=50)
        return [(one.kind, one.detail) for one in late]

    async def event_kinds(self) -> list[str]:
        """All events, oldest first."""
        query = EventQuery(after=0, limit=10_000)
        return [event.kind for event in await self.coordinator.store.reads.events(query)]

    def runner_state(self, identity: str) -> str:
        [runner] = [one for one in self.coordinator.runners() if one.identity == identity]
        return self.coordinator.runner_state(runner)


async def until(
    is_so: Callable[[], Awaitable[bool]], what: str, *, seconds: float = DEADLINE_SECONDS
) -> None:
    """Wait until something is the case, in vain at most so long."""
    try:
        async with asyncio.timeout(seconds):
            while not await is_so():  # noqa: ASYNC110  # any condition, not only an event
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"in vain: {what}") from None


@asynccontextmanager
async def a_world(
    folder: Path, settings: Settings | None = None, *, clock: Clock | None = None
) -> AsyncIterator[World]:
    """A served coordinator, the same again where the folder is one of an earlier world."""
    server = CoordinatorServer(
        settings or settings_of(), folder, environment=ENVIRONMENT, clock=clock
    )
    await server.start()
    try:
        async with httpx.AsyncClient(
            base_url=server.url, timeout=DEADLINE_SECONDS, trust_env=False
        ) as http:
            yield World(server, http)
    finally:
        await server.stop()
