"""What the runners of one group have in common, and how work is shared out among them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from server.coordinator.results import Introduction
from server.ids import new_uuid
from server.protocols.rrq.ladder import Pace
from server.protocols.rrq.names import member_name
from server.protocols.rrq.suspects import Suspects
from server.repeats import Repeats
from server.rrq_routing import types_of
from server.traits import RRQ

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from server.errors import TrafficError
    from server.model import Session
    from server.protocols.rrq.connection import Connection
    from server.protocols.rrq.courier import Courier
    from server.settings import RrqGroupSettings
    from server.wire.rrq_address import Address

logger = logging.getLogger(__name__)

DEFAULT_PACE = Pace()
PORTIONS = 8
"""A runner takes at most this part of its slots more than the one that has least to do."""


class Group:
    """One ``[protocols.rrq.runners.NAME]``."""

    def __init__(
        self,
        name: str,
        settings: RrqGroupSettings,
        coordinator: Coordinator,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self.name = name
        self.settings = settings
        self.pace = pace
        self.coordinator = coordinator
        self.suspects = Suspects(coordinator.clock, settings.max_in_flight)
        self.worker_id = f"traffic-tui-{coordinator.name[-12:]}"
        """What runners are told of who asks."""
        self._couriers: list[Courier] = []
        self._repeats = Repeats()

    @property
    def couriers(self) -> list[Courier]:
        """Those of connected runners."""
        return list(self._couriers)

    def join(self, courier: Courier) -> None:
        self._couriers.append(courier)

    def leave(self, courier: Courier) -> None:
        if courier in self._couriers:
            self._couriers.remove(courier)

    async def open_session(self, who: Introduction, connection: Connection) -> Session:
        """One life of a runner that was just dialled; where there can be none, its connection is
        not kept either."""
        try:
            return await self.coordinator.open_session(who, nonce=new_uuid())
        except BaseException:
            connection.close("it could not be given a session")
            raise

    def introduction(self, index: int, address: Address) -> Introduction:
        """One of the group's runners, as the coordinator knows it."""
        settings = self.settings
        name = member_name(self.name, index)
        return Introduction(
            protocol=RRQ.protocol,
            identity=name,
            name=name,
            capacity=settings.max_in_flight,
            types=types_of(self.name, settings),
            labels={"group": self.name, "mode": settings.mode, **settings.labels},
            address=str(address),
            version=f"rrq {settings.protocol}",
        )

    def tell_put_off(self, error: TrafficError) -> None:
        """What there is to say could not be stored, and is said again."""
        words = f"{self.name}: put off: {error.message}"
        if self._repeats.is_news(words, self.coordinator.clock.monotonic()):
            logger.warning("%s", words)

    def share_of(self, courier: Courier, free: int, ended: int) -> int:
        """How many jobs a runner may ask for at once, of the ``free`` it has room for.

        So that a handful of long jobs spreads over a pool, and suspects come one by one. What
        ``ended`` since it last asked may always be replaced.
        """
        if free <= 0:
            return 0
        if self.suspects:
            return 1
        others = [one.in_flight for one in self._couriers if one is not courier and one.takes_jobs]
        if not others:
            return free
        portion = max(1, self.settings.max_in_flight // PORTIONS)
        return max(1, min(free, max(ended, min(others) + portion - courier.in_flight)))
