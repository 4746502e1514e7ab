"""Calls of runners that name the job, not the attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.coordinator import named
from server.coordinator.calls import Calls
from server.coordinator.named import OfferBook
from server.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.clock import Clock
    from server.coordinator.results import Assigned, AvailableJob
    from server.model import Outcome, Progress, Runner
    from server.settings import Settings
    from server.store.base import Store


class NamedCalls(Calls):
    """Listing, claiming, beating and ending by job id; see :mod:`server.coordinator.named`."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        super().__init__(store, settings, clock)
        self._offers = OfferBook()

    async def available(
        self, runner_id: int, types: Sequence[str], limit: int
    ) -> list[AvailableJob]:
        """Waiting jobs a runner may try to claim, oldest first. 0: one that nobody registered."""
        runner, now = named.STRANGER, self.clock.now_ms()
        if runner_id:
            runner, now = self._hear(runner_id)
        return await self.store.apply(
            lambda tx: named.available(tx, self._memory, self._offers, runner, types, limit, now)
        )

    async def claim_job(self, runner_id: int, job_uuid: str) -> Assigned | None:
        """Claim one job by name; None: it is not to be had."""
        runner, now = self._hear(runner_id)
        return await self.store.apply(
            lambda tx: named.claim_job(tx, self._memory, runner, job_uuid, now)
        )

    async def job_heartbeat(
        self, runner_id: int, job_uuid: str, *, console: bytes, progress: Progress | None
    ) -> bool:
        """A runner is busy with a job; False: not, or no longer, with this one."""
        runner, now = self._hear(runner_id)
        return await self.store.apply(
            lambda tx: named.heartbeat(tx, self._memory, runner, job_uuid, console, progress, now)
        )

    async def finish_job(
        self, runner_id: int, job_uuid: str, outcome: Outcome, *, console: bytes | None
    ) -> bool:
        """A runner says how a job ended; False: it was not, or no longer, its job."""
        runner, now = self._hear(runner_id)
        return await self.store.apply(
            lambda tx: named.finish(tx, self._memory, runner, job_uuid, outcome, console, now)
        )

    def _hear(self, runner_id: int) -> tuple[Runner, int]:
        """A runner that calls, and when that is."""
        runner = self._memory.runners.get(runner_id)
        if runner is None:
            raise NotFound("there is no such runner")
        now = self._memory.heard_at[runner_id] = self.clock.now_ms()
        return runner, now
