"""A coordinator with RRQ's service on it, spoken to directly; time runs as it does."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from server.clock import SystemClock
from server.coordinator import Coordinator
from server.model import ACTIVE_STATES, FINAL_STATES, Actor, JobSpec
from server.protocols.rrq.ladder import Pace
from server.protocols.rrq.service import RrqService
from server.settings import ProtocolSettings, RrqGroupSettings, RrqSettings, Settings
from server.store.base import EventQuery
from server.store.sqlite import SqliteStore
from server.wire.rrq_address import Address
from tests.ports import first_of_free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from server.coordinator.results import JobSnapshot
    from server.events import Event, EventKind
    from server.model import Attempt, Job, Outcome, Runner, Stream
    from server.protocols.rrq.courier import Courier

ROOT = Path(__file__).parents[3]
SECONDS = 45.0
QUICK = Pace(deadline_grace=0.1, answer=0.3, kill=0.2)
SAM = Actor("sam", "operator", "operator-api")


def real_group(**changes: Any) -> RrqGroupSettings:
    """A pool of the rrq package's own runner, started by its own command, on ports of its own:
    any free one may be somebody else's before the runner listens there."""
    first = first_of_free_ports(2 * changes.get("pool_size", 1))  # and those it may turn to
    command = Path(sys.executable).with_name("rrq-runner")
    group = RrqGroupSettings(
        cmd=(str(command), "--settings", "tests.protocols.rrq.handlers.settings"),
        tcp_socket=Address("127.0.0.1", first),
        cwd=str(ROOT),
        env={"PYTHONPATH": str(ROOT)},
        stop_grace_ms=1_000,
    )
    return replace(group, **changes)


def dialled(address: Address, **changes: Any) -> RrqGroupSettings:
    """A runner that listens already."""
    return replace(RrqGroupSettings(mode="external", tcp_socket=address), **changes)


def settings_with(**groups: RrqGroupSettings) -> Settings:
    return Settings(protocols=ProtocolSettings(rrq=RrqSettings(groups)))


async def eventually(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is the case, in vain at most ``SECONDS``."""
    async with asyncio.timeout(SECONDS):
        while not is_so():  # noqa: ASYNC110  # any condition, not only one with an event
            await asyncio.sleep(0.005)
    assert is_so(), what


@dataclass
class World:
    """What a test acts on."""

    coordinator: Coordinator
    service: RrqService

    async def submit(self, *types: str, params: Any = None, **wishes: Any) -> list[Job]:
        body = msgspec.json.encode(params if params is not None else {})
        specs = [JobSpec(type=kind, params=body, **wishes) for kind in types]
        return [one.job for one in await self.coordinator.submit(SAM, specs)]

    async def one(self, job_type: str, **wishes: Any) -> Job:
        return (await self.submit(job_type, **wishes))[0]

    async def look(self, job: Job) -> JobSnapshot:
        found = await self.coordinator.job_with_attempt(job.uuid)
        assert found is not None
        return found

    async def until(self, job: Job, is_so: Callable[[JobSnapshot], bool]) -> JobSnapshot:
        """A job as soon as something is the case."""
        async with asyncio.timeout(SECONDS):
            while not is_so(found := await self.look(job)):  # noqa: ASYNC110  # it is asked for
                await asyncio.sleep(0.01)
        return found

    async def ended(self, job: Job) -> JobSnapshot:
        return await self.until(job, lambda found: found.job.state in FINAL_STATES)

    async def active(self, job: Job) -> JobSnapshot:
        return await self.until(job, lambda found: found.job.state in ACTIVE_STATES)

    async def running(self, job: Job) -> JobSnapshot:
        return await self.until(job, lambda found: found.job.state == "in_progress")

    async def outcome(self, job: Job) -> Outcome:
        outcome = (await self.ended(job)).outcome
        assert outcome is not None
        return outcome

    async def result(self, job: Job) -> Any:
        """What a job that went well gave."""
        found = await self.ended(job)
        assert found.job.state == "completed", found.outcome
        assert found.outcome is not None
        return msgspec.json.decode(found.outcome.result or b"null")

    async def output(self, attempt: Attempt, stream: Stream) -> bytes:
        """What an attempt printed."""
        found = await self.coordinator.store.reads.output(attempt.id, stream, 0, 1_000_000)
        return b"".join(chunk.data for chunk in found.chunks)

    async def events(self, kind: EventKind) -> list[Event]:
        """What was told of a kind."""
        return await self.coordinator.store.reads.events(EventQuery(after=0, kinds=(kind,)))

    async def late_kinds(self) -> list[str]:
        late = await self.coordinator.store.reads.late_writes(before=None, limit=50)
        return [one.kind for one in late]

    async def has_late(self, kind: str) -> None:
        """Wait until something of a kind came too late."""
        async with asyncio.timeout(SECONDS):
            while kind not in await self.late_kinds():  # noqa: ASYNC110  # it is asked for
                await asyncio.sleep(0.01)

    def runner(self, name: str) -> Runner | None:
        return next((one for one in self.coordinator.runners() if one.name == name), None)

    def is_connected(self, name: str) -> bool:
        runner = self.runner(name)
        return runner is not None and bool(self.coordinator.sessions_of(runner.id))

    async def connected(self, *names: str) -> None:
        await eventually(
            lambda: all(self.is_connected(name) for name in names), f"{names} are connected"
        )

    def couriers(self, group: str) -> list[Courier]:
        """Those of the connected runners of a group."""
        [found] = [one for one in self.service.groups if one.name == group]
        return found.couriers

    def log(self, name: str) -> list[str]:
        """What a runner's own log says."""
        runner = self.runner(name)
        assert runner is not None
        return [line.text for line in self.coordinator.runner_logs.lines(runner.id)]


@asynccontextmanager
async def a_world(folder: Path, settings: Settings, *, pace: Pace = QUICK) -> AsyncIterator[World]:
    clock = SystemClock()
    store = SqliteStore(folder / "traffic.db", clock=clock, durability="normal")
    coordinator = Coordinator(store, settings, clock)
    await coordinator.start()
    service = RrqService(coordinator, settings, folder, pace=pace)
    try:
        await service.start()
        yield World(coordinator, service)
    finally:
        await service.stop()
        await coordinator.stop()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X") and os.path.exists(f"/proc/{pid}")  # noqa: PTH110
