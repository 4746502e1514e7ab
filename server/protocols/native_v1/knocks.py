"""Looking after silent runners: does anybody listen at the webhook's port?

The protocol has no sign of life, and a runner may work for hours without a word. Opening a
connection, and closing it, asks nothing of a runner but that its process is there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.coordinator.brought import Speaker
from server.protocols.native_v1.health import Refusal, no_connection
from server.protocols.native_v1.places import place_of
from server.traits import NATIVE_V1

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from server.model import Runner, Session
    from server.protocols.native_v1.health import Health

ROUNDS_PER_LEASE = 6
SILENT_SHARE = 1 / 3
"""A runner not heard for this share of ``heartbeat_timeout`` is knocked at."""
MAX_AT_ONCE = 64


class Knocks:
    """Goes round the silent runners, a few times within each ``heartbeat_timeout``."""

    def __init__(self, coordinator: Coordinator, health: Health) -> None:
        self._coordinator = coordinator
        self._health = health
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def go_round(self) -> None:
        """Go round for ever."""
        while True:
            for _ in range(ROUNDS_PER_LEASE):
                await asyncio.sleep(self._lease_seconds / ROUNDS_PER_LEASE)
                await self.knock_at_silent()
            await self.knock_at_given_up()

    async def knock_at_silent(self) -> None:
        """Knock once at each that was silent for long."""
        lives = self._coordinator.open_sessions(NATIVE_V1.protocol)
        self._health.forget_gone({session.id for _, session in lives})
        silent = [life for life in lives if self._is_silent(*life)]
        async with asyncio.TaskGroup() as group:
            for runner, session in silent:
                group.create_task(self._knock(runner, session))

    async def knock_at_given_up(self) -> None:
        """Knock once at each that counts as lost: it may have been the network."""
        async with asyncio.TaskGroup() as group:
            for runner, session in self._health.given_up():
                group.create_task(self._look_for(runner, session))

    async def _look_for(self, runner: Runner, session: Session) -> None:
        async with self._turns:
            refusal = await self._try(runner)
        if refusal is None:
            who = Speaker(NATIVE_V1.protocol, runner.address, session.nonce)
            await self._coordinator.revive(who)

    def _is_silent(self, runner: Runner, session: Session) -> bool:
        known = self._coordinator.runner(runner.id)
        heard_at = known.last_seen_at if known is not None else 0
        silent_seconds = (self._coordinator.clock.now_ms() - heard_at) / 1000
        return silent_seconds >= self._lease_seconds * SILENT_SHARE or self._health.is_unreachable(
            session
        )

    async def _knock(self, runner: Runner, session: Session) -> None:
        async with self._turns:
            began = self._coordinator.clock.monotonic()
            refusal = await self._try(runner)
        if refusal is None:
            self._coordinator.touch(session.id)
            await self._health.is_there(runner, session)
        elif not refusal.is_ours:
            await self._health.failed(runner, session, refusal, began)

    async def _try(self, runner: Runner) -> Refusal | None:
        """Knock once, and count it."""
        coordinator = self._coordinator
        began = coordinator.clock.monotonic()
        refusal = await knock(runner, self._timeout_seconds)
        result = "ok" if refusal is None else refusal.result
        coordinator.called.note("knock", result, coordinator.clock.monotonic() - began)
        return refusal

    @property
    def _lease_seconds(self) -> float:
        return self._coordinator.settings.leases.heartbeat_timeout_ms / 1000

    @property
    def _timeout_seconds(self) -> float:
        return self._coordinator.settings.protocols.native_v1.webhook_timeout_ms / 1000


async def knock(runner: Runner, timeout_seconds: float) -> Refusal | None:
    """None: somebody listens."""
    place = place_of(runner)
    try:
        async with asyncio.timeout(timeout_seconds):
            _, writer = await asyncio.open_connection(place.address, place.port)
    except TimeoutError:
        return Refusal(f"no connection to {place.identity} within {timeout_seconds:g}s", True)
    except OSError as error:
        return no_connection(error, f"no connection to {place.identity}")
    writer.close()
    return None
