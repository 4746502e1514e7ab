"""RRQ's runners as a part of the coordinator: all groups, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from server.errors import Refused, TrafficError
from server.protocols.rrq.external import ExternalRunner
from server.protocols.rrq.group import DEFAULT_PACE, Group
from server.protocols.rrq.guard import Guard
from server.protocols.rrq.leftovers import Leftovers
from server.protocols.rrq.managed import House, ManagedRunner, environment_without
from server.protocols.rrq.names import member_name
from server.protocols.rrq.ports import PortPlan
from server.protocols.service import Upkeep
from server.settings import SecretSource
from server.traits import RRQ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.coordinator import Coordinator
    from server.protocols.rrq.courier import Courier
    from server.protocols.rrq.ladder import Pace
    from server.settings import Settings

FINISH_SECONDS = 0.4
"""What runs when the coordinator stops has so long to end by itself,"""
CANCEL_SECONDS = 0.2
"""and then so long to end because it was asked to."""
CLIENT_KEY_VARIABLE = "TRAFFIC_TUI_KEY"
"""Whoever starts a coordinator from a shell may have it set for the command line."""
LOOK_SECONDS = 0.02
SETTLE_SECONDS = 1.0
"""Between two tries to store that an earlier coordinator's sessions have ended."""
RESTARTED = "the coordinator was restarted"

logger = logging.getLogger(__name__)


class RrqService:
    """Starts and dials the configured runners.

    Args:
        folder: the data folder, where processes are recorded; None: nowhere.
    """

    name = "RRQ runners"

    def __init__(
        self,
        coordinator: Coordinator,
        settings: Settings,
        folder: Path | None,
        *,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self._coordinator = coordinator
        self.groups = [
            Group(name, group, coordinator, pace)
            for name, group in settings.protocols.rrq.runners.items()
        ]
        self._guard = Guard()
        secrets = {CLIENT_KEY_VARIABLE, *secret_variables(settings)}
        self._house = House(self._guard, Leftovers(folder), environment_without(secrets))
        self._upkeep = Upkeep(self.name)
        self._is_late = False
        """Whether it was told that sessions of an earlier coordinator could not be closed yet."""

    async def start(self) -> None:
        """Settle what an earlier coordinator left, then begin with every group.

        Raises:
            Refused: processes cannot be looked after on this system.
        """
        if not hasattr(os, "pidfd_open") and any(
            group.settings.mode == "managed" for group in self.groups
        ):
            raise Refused('managed runners need Linux; start them yourself, with mode = "external"')
        await self._house.leftovers.end_all()
        if await self._is_settled():
            self._begin_all()
        else:
            self._upkeep.keep("what an earlier coordinator left", self._settle)

    async def stop(self) -> None:
        """End all runners within bounds; what did not end by itself is queued again."""
        couriers = [courier for group in self.groups for courier in group.couriers]
        for courier in couriers:
            courier.stop_placing()
        if not await _all_idle(couriers, FINISH_SECONDS):
            for courier in couriers:
                courier.cancel_all()
            await _all_idle(couriers, CANCEL_SECONDS)
        await self._upkeep.stop()
        self._guard.close()

    async def _settle(self) -> None:
        """A disk that is full at the start may have room later; until then nobody is dialled, as
        what ran before would be taken for something that runs."""
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            if await self._is_settled():
                self._begin_all()
                return

    async def _is_settled(self) -> bool:
        """Close what an earlier coordinator had open; False: that could not be stored."""
        try:
            await self._close_old_sessions()
        except TrafficError as error:
            if not self._is_late:
                logger.warning("no runner is started yet: %s", error.message)
            self._is_late = True
            return False
        if self._is_late:
            logger.info("runners are started now")
        return True

    def _begin_all(self) -> None:
        for group in self.groups:
            self._begin(group)

    def _begin(self, group: Group) -> None:
        first = group.settings.tcp_socket
        assert first is not None  # the configuration was checked
        if group.settings.mode == "external":
            external = ExternalRunner(group, first)
            self._upkeep.keep(member_name(group.name, 0), external.run)
            return
        ports = PortPlan(first, group.settings.pool_size)
        for index in range(group.settings.pool_size):
            managed = ManagedRunner(group, index, ports, self._house)
            self._upkeep.keep(member_name(group.name, index), managed.run)

    async def _close_old_sessions(self) -> None:
        """Connections end with the coordinator that had them, and so does what ran over them."""
        for runner in self._coordinator.runners():
            if runner.protocol != RRQ.protocol:
                continue
            for session in self._coordinator.sessions_of(runner.id):
                await self._coordinator.close_session(
                    session.id, reason=RESTARTED, is_blameless=True
                )


async def _all_idle(couriers: list[Courier], seconds: float) -> bool:
    """Wait until nothing is in flight; False: something still is."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while any(courier.in_flight for courier in couriers):
        if loop.time() >= until:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True


def secret_variables(settings: object) -> Iterator[str]:
    """Names of variables that hold our secrets, wherever in the settings they are named."""
    if isinstance(settings, SecretSource):
        yield settings.env
    elif is_dataclass(settings):
        for field in fields(settings):
            yield from secret_variables(getattr(settings, field.name))
    elif isinstance(settings, tuple):
        for entry in settings:
            yield from secret_variables(entry)
