"""The switchboard: one desk for each registered supervisor, and the watch over what is late."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from server.protocols.service import Upkeep
from server.protocols.treadmill.desk import Desk
from server.protocols.treadmill.line import Line
from server.protocols.treadmill.registry import introduction
from server.protocols.treadmill.views import supervisor_status
from server.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.coordinator import Coordinator
    from server.http.sockets import Socket
    from server.protocols.treadmill.registry import Supervisor

LOOK_SECONDS = 0.25
TOUCH_EVERY = 8
"""Looks between two beats of a session whose connection stands."""

logger = logging.getLogger(__name__)


class Switchboard:
    """Keeps desks; lives as long as the coordinator."""

    name = "treadmill switchboard"

    def __init__(self, coordinator: Coordinator, supervisors: Iterable[Supervisor]) -> None:
        self._coordinator = coordinator
        self.supervisors = {supervisor.id: supervisor for supervisor in supervisors}
        self._desks: dict[str, Desk] = {}
        self._has_desks = asyncio.Event()
        self._doors: dict[str, asyncio.Lock] = {}
        self._upkeep = Upkeep(self.name)
        self._repeats = Repeats()
        self._is_stopping = False

    async def start(self) -> None:
        """Know the supervisors, so that they are seen before they come."""
        for supervisor in self.supervisors.values():
            await self._desk_of(supervisor)
        self._upkeep.keep("watch", self._watch)

    async def stop(self) -> None:
        """End all connections. Sessions stay, for the next start to go on with."""
        self._is_stopping = True
        for desk in self._desks.values():
            desk.hang_up("the coordinator stops")
        await self._upkeep.stop()

    def desk(self, supervisor_id: str) -> Desk | None:
        return self._desks.get(supervisor_id)

    async def status(self, supervisor_id: str) -> dict[str, Any]:
        """What a supervisor is at, as it is recorded; nobody is kept waiting for its answer."""
        desk = await self._desk_of(self.supervisors[supervisor_id])
        recorded = await self._coordinator.recorded_on(desk.runner.id)
        work = next(((job.uuid, attempt) for job, attempt in recorded), None)
        return supervisor_status(work, is_connected=desk.is_connected)

    async def refused(self, supervisor_id: str, address: str) -> None:
        """Somebody had no good token for this id; where it is one of ours, that is shown."""
        desk = self._desks.get(supervisor_id)
        if desk is None:
            words = f"somebody at {address} would be a supervisor that is not known"
            if self._repeats.is_news(words, self._coordinator.clock.monotonic()):
                logger.warning("%s", words)
        else:
            await desk.ignored(f"no good token, from {address or 'somewhere'}: it was not let in")

    async def serve(self, supervisor_id: str, socket: Socket, version: str) -> None:
        """One accepted connection of a supervisor, until it ends."""
        desk = await self._desk_of(self.supervisors[supervisor_id])
        line = Line(socket)
        if self._is_stopping:
            line.end(reason="the coordinator stops")
        desk.take(line)
        loop = f"supervisor {supervisor_id}"
        door = self._doors.setdefault(supervisor_id, asyncio.Lock())
        try:
            async with door:
                if desk.has(line):
                    await self._upkeep.end(loop)
                    await desk.greet(line, version)
                    self._upkeep.keep(loop, desk.work)
            await line.run(desk.hear)
        finally:
            async with door:
                if desk.has(line):
                    await self._upkeep.end(loop)
                    await desk.part(line)

    async def _desk_of(self, supervisor: Supervisor) -> Desk:
        known = self._desks.get(supervisor.id)
        if known is not None:
            return known
        runner = await self._coordinator.expect_runner(introduction(supervisor))
        self._has_desks.set()
        return self._desks.setdefault(
            supervisor.id,
            Desk(self._coordinator, supervisor, runner, lambda: self._is_stopping),
        )

    async def _watch(self) -> None:
        """Renew the sessions of standing connections, and wake desks that are due."""
        looks = 0
        await self._has_desks.wait()  # nobody who has no supervisors pays for looks at them
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            looks += 1
            now = self._coordinator.clock.monotonic()
            for desk in self._desks.values():
                if not desk.is_connected:
                    continue
                if looks % TOUCH_EVERY == 0:
                    self._coordinator.touch(desk.session_id)
                if desk.telling.due_at <= now:
                    desk.wake()
