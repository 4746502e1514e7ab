"""A coordinator on an in-memory store and a clock that tests move, with runners that play along."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from server.clock import ManualClock
from server.coordinator import (
    AttemptReport,
    Coordinator,
    Introduction,
    OutputPiece,
    Said,
    Told,
)
from server.model import Actor, JobSpec, Outcome
from server.settings import LeaseSettings, Settings
from server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.coordinator import Assigned
    from server.model import Attempt, Job, Session
    from server.store.base import JobDetail

LEASE_SECONDS = 6
SETTINGS = replace(
    Settings(),
    leases=LeaseSettings(heartbeat_timeout_ms=LEASE_SECONDS * 1000, offer_timeout_ms=3_000),
)
CI = Actor("ci", "submit", "operator-api")
SAM = Actor("sam", "operator", "operator-api")


@dataclass
class World:
    """What a test acts on."""

    coordinator: Coordinator
    clock: ManualClock

    async def submit(self, *types: str, **wishes: object) -> list[Job]:
        specs = [JobSpec(type=kind, **wishes) for kind in types]  # type: ignore[arg-type]
        return [one.job for one in await self.coordinator.submit(CI, specs)]

    async def job(self, job: Job) -> Job:
        return await self.coordinator.resolve(str(job.id))

    async def detail(self, job: Job) -> JobDetail:
        detail = await self.coordinator.store.reads.job_detail(job.id)
        assert detail is not None
        return detail

    async def newest(self, job: Job) -> Attempt:
        return (await self.detail(job)).attempts[0].attempt

    async def pass_seconds(self, seconds: int, *beating: FakeRunner) -> None:
        """Let time run second by second, with a sweep after each and beats of some runners."""
        for _ in range(seconds):
            self.clock.advance(1)
            for runner in beating:
                self.coordinator.touch(runner.session.id)
            for _ in range(4):
                await self.coordinator.sweep()

    async def runner(
        self, name: str = "lab-1", *, nonce: str = "boot-1", capacity: int = 2, **facts: object
    ) -> FakeRunner:
        types = facts.pop("types", ("fib",))
        introduction = Introduction(
            protocol="native-v2",
            identity=name,
            name=name,
            capacity=capacity,
            types=types,  # type: ignore[arg-type]
            **facts,  # type: ignore[arg-type]
        )
        session = await self.coordinator.open_session(introduction, nonce=nonce, secret="s")
        return FakeRunner(self, introduction, session, capacity)


@dataclass
class FakeRunner:
    """A native-v2 runner without a wire: it knows what it holds and says so."""

    world: World
    introduction: Introduction
    session: Session
    capacity: int
    held: dict[str, Assigned] = field(default_factory=dict)

    async def exchange(
        self,
        *reports: AttemptReport,
        output: tuple[OutputPiece, ...] = (),
        free: int | None = None,
        answer_is_lost: bool = False,
    ) -> Told:
        """Say what is held and to report; take the answer in unless it is lost on the way."""
        final = {report.attempt for report in reports if report.outcome is not None}
        held = [uuid for uuid in self.held if uuid not in final]
        wanted = self.capacity - len(held) if free is None else free
        said = Said(held=held, free=wanted, reports=reports, output=output)
        told = await self.world.coordinator.exchange(self.session.id, said)
        if answer_is_lost:
            return told
        for uuid in final:
            self.held.pop(uuid, None)
        for uuid, _ in told.refused:
            self.held.pop(uuid, None)
        for assigned in told.assign:
            self.held[assigned.attempt.uuid] = assigned
        return told

    async def take_one(self) -> Assigned:
        """Get one job and confirm it."""
        told = await self.exchange(free=1)
        assert len(told.assign) == 1
        await self.exchange(free=0)
        return told.assign[0]

    async def end(self, attempt: str, outcome: Outcome | None = None) -> Told:
        """Report how an attempt ended, taking nothing new."""
        report = AttemptReport(attempt, outcome or Outcome("success", result=b"1"))
        return await self.exchange(report, free=0)


@asynccontextmanager
async def a_world(
    path: Path | None = None,
    *,
    settings: Settings = SETTINGS,
    clock: ManualClock | None = None,
    is_settled: bool = True,
) -> AsyncIterator[World]:
    """A coordinator that was started; settled: with the calm after the start behind it."""
    clock = clock or ManualClock()
    coordinator = Coordinator(SqliteStore(path, clock=clock), settings, clock)
    await coordinator.start()
    world = World(coordinator, clock)
    if is_settled:
        await world.pass_seconds(LEASE_SECONDS + 1)
    try:
        yield world
    finally:
        await coordinator.stop()
