"""A whole coordinator with registered supervisors, spoken to over real sockets."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from server.model import Actor, JobSpec
from server.runtime.coordinator_server import CoordinatorServer
from server.settings import (
    ApiTokenSettings,
    LeaseSettings,
    ProtocolSettings,
    SecretSource,
    ServerSettings,
    Settings,
    SupervisorSettings,
    TreadmillSettings,
)
from tests.protocols.treadmill.double import DEADLINE_SECONDS, Double, a_double, token_of
from tests.protocols.world import key_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from server.clock import Clock, ManualClock
    from server.coordinator import Coordinator

FIRST = "0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11"
SECOND = "7d55ec6d-15e7-4b84-8c04-7c085fe60df4"
ADMIN = "everything"
IMAGE = "ab" * 32
SAM = Actor("sam", "operator", "operator-api")


def environment(*names: str) -> dict[str, str]:
    """Variables with the tokens of these supervisors and clients, and a key for the operator."""
    tokens = {variable(name): token_of(name) for name in (ADMIN, *names)}
    return {**tokens, "TRAFFIC_OPERATOR_KEY": key_of("operator")}


def variable(name: str) -> str:
    return f"TOKEN_{name.replace('-', '_').upper()}"


def supervisor(supervisor_id: str, *tags: str, **facts: Any) -> SupervisorSettings:
    source = SecretSource(env=variable(supervisor_id))
    return SupervisorSettings(supervisor_id, source, tags, **facts)


def client(name: str, *permissions: str) -> ApiTokenSettings:
    return ApiTokenSettings(name, SecretSource(env=variable(name)), permissions)


def settings(
    *supervisors: SupervisorSettings,
    tokens: tuple[ApiTokenSettings, ...] = (),
    lease_seconds: float = 90.0,
    **facts: Any,
) -> Settings:
    treadmill = TreadmillSettings(
        api_token=SecretSource(env=variable(ADMIN)),
        supervisors=supervisors or (supervisor(FIRST, "arm"),),
        tokens=tokens,
        **facts,
    )
    return replace(
        Settings(),
        server=ServerSettings(port=0, durability="normal"),
        leases=LeaseSettings(heartbeat_timeout_ms=round(lease_seconds * 1000)),
        protocols=ProtocolSettings(treadmill=treadmill),
    )


@dataclass
class World:
    """What a test acts on."""

    server: CoordinatorServer
    http: httpx.AsyncClient

    @property
    def coordinator(self) -> Coordinator:
        return self.server.coordinator

    def supervisor(
        self, supervisor_id: str = FIRST, **facts: Any
    ) -> AbstractAsyncContextManager[Double]:
        return a_double(self.server.url, supervisor_id, **facts)

    async def rest(
        self, method: str, path: str, body: Any = None, *, token: str = ADMIN
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token_of(token)}"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body)
        url = f"/api/v1{path}"
        return await self.http.request(method, url, headers=headers, content=content)

    async def enqueue(self, **wishes: Any) -> str:
        """Submit over Treadmill's REST; the job's id."""
        token = wishes.pop("token", ADMIN)
        answer = await self.rest("POST", "/jobs/new", new_job(**wishes), token=token)
        assert answer.status_code == 200, answer.text
        job_id = answer.json()["job_id"]
        assert str(UUID(job_id)) == job_id
        return str(job_id)

    async def submit(self, params: bytes, **wishes: Any) -> str:
        """Submit as an operator does; the job's id."""
        spec = JobSpec(type="image", params=params, **wishes)
        return (await self.coordinator.submit(SAM, [spec]))[0].job.uuid

    async def state(self, job_id: str, *, token: str = ADMIN) -> dict[str, Any]:
        """A job's state as Treadmill's REST has it."""
        answer = await self.rest("GET", f"/jobs/{job_id}/status", token=token)
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()["job_status"]["state"]
        return state

    async def becomes(self, job_id: str, kind: str, stage: str | None = None) -> dict[str, Any]:
        """Wait until a job is in this state; the state."""
        state: dict[str, Any] = {}

        async def is_so() -> bool:
            nonlocal state
            state = await self.state(job_id)
            return state["type"] == kind and (stage is None or state.get("stage") == stage)

        await until(is_so, lambda: f"{job_id} becomes {kind}, is {state}")
        return state

    async def exit_status(self, job_id: str) -> str:
        """Wait for a job's end; how it ended."""
        state = await self.becomes(job_id, "terminated")
        return str(state["result"]["exit_status"])

    async def operator(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {key_of('operator')}"}
        options: dict[str, Any] = {} if body is None else {"json": body}
        answer = await self.http.request(
            method, f"/api/operator/v1{path}", headers=headers, **options
        )
        assert answer.status_code < 300, answer.text
        return answer

    async def operator_text(self, path: str) -> str:
        """What stands outside the operator API's prefix, for whoever has its key."""
        headers = {"Authorization": f"Bearer {key_of('operator')}"}
        return (await self.http.get(path, headers=headers)).text

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """Events of a kind, newest first."""
        answer = await self.operator("GET", "/events?limit=500")
        return [event for event in answer.json()["events"] if event["kind"] == kind]

    async def runner(self, supervisor_id: str = FIRST) -> dict[str, Any]:
        """A supervisor as the operator sees it."""
        answer = await self.operator("GET", "/runners")
        runners: list[dict[str, Any]] = answer.json()["runners"]
        return next(one for one in runners if one["name"] == supervisor_id)

    async def runner_becomes(self, state: str, supervisor_id: str = FIRST) -> dict[str, Any]:
        found: dict[str, Any] = {}

        async def is_so() -> bool:
            nonlocal found
            found = await self.runner(supervisor_id)
            return bool(found["state"] == state)

        await until(is_so, lambda: f"the supervisor becomes {state}, is {found}")
        return found


def new_job(**wishes: Any) -> dict[str, Any]:
    """A body of ``POST /jobs/new``."""
    restarts = wishes.pop("restarts", 0)
    return {
        "init_spec": {"type": "image", "image_id": IMAGE},
        "ssh_keys": [],
        "restart_policy": {"remaining_restart_count": restarts},
        "parameters": {},
        "tag_config": "",
        "override_timeout": None,
        **wishes,
    }


async def until(
    is_so: Callable[[], Awaitable[bool]], what: Callable[[], str] | str = "it is so"
) -> None:
    """Wait for a condition that has to be asked for."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await is_so():  # noqa: ASYNC110  # any condition, not only one with an event
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(what if isinstance(what, str) else what()) from None


async def while_time_passes(clock: ManualClock, awaited: Coroutine[Any, Any, object]) -> None:
    """Let the clock run, half a second at a time, until something has happened."""
    task = asyncio.create_task(awaited)

    async def is_done() -> bool:
        clock.advance(0.5)
        await asyncio.sleep(0.05)
        return task.done()

    await until(is_done, "it happens in time")
    await task


@asynccontextmanager
async def a_world(
    folder: Path, using: Settings | None = None, *, clock: Clock | None = None
) -> AsyncIterator[World]:
    using = using or settings()
    treadmill = using.protocols.treadmill
    names = [one.id for one in treadmill.supervisors] + [one.name for one in treadmill.tokens]
    server = CoordinatorServer(using, folder / "data", environment=environment(*names), clock=clock)
    await server.start()
    try:
        async with httpx.AsyncClient(
            base_url=server.url, trust_env=False, timeout=DEADLINE_SECONDS
        ) as http:
            yield World(server, http)
    finally:
        await server.stop()
