"""What native-v1 does on its own account: bringing work to runners, and looking after them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.errors import Busy, TrafficError
from server.protocols.native_v1.health import Health
from server.protocols.native_v1.knocks import Knocks
from server.protocols.native_v1.trust import trusted_context
from server.protocols.service import Upkeep
from server.traits import NATIVE_V1

if TYPE_CHECKING:
    import ssl

    from server.coordinator import Coordinator
    from server.protocols.native_v1.deliveries import Deliveries

PROTOCOL = NATIVE_V1.protocol


class NativeV1Service:
    """Places jobs as soon as there are some and somebody has room, and brings them.

    What calls webhooks is loaded, off the loop, when the first job is to be brought: most
    coordinators have no such runners, and it costs a tenth of a second.
    """

    name = "native-v1 webhooks"

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._health = Health(coordinator)
        self._upkeep = Upkeep(self.name)
        self._deliveries: Deliveries | None = None
        self._trusted: ssl.SSLContext | None = None
        """Whose certificates runners may show; None: whom this box trusts, found out when the
        first job is to be brought."""

    async def start(self) -> None:
        """Begin with whatever runners were there before a restart.

        Raises:
            TrafficError: the authority of their certificates cannot be read.
        """
        authority = self._coordinator.settings.protocols.native_v1.webhook_ca
        if authority:
            self._trusted = trusted_context(authority)
        self._upkeep.keep("placing", self._place)
        self._upkeep.keep("knocking", self._knock)

    async def stop(self) -> None:
        """Bring nothing more; calls under way get a second. Safe to call twice."""
        await self._upkeep.stop()
        deliveries, self._deliveries = self._deliveries, None
        if deliveries is not None:
            await deliveries.stop()
        self._health.stop()

    async def _place(self) -> None:
        while True:
            try:
                await self._coordinator.wait_for_placing(PROTOCOL)
            except Busy:
                return
            await self._place_all()

    async def _place_all(self) -> None:
        try:
            while placed := await self._coordinator.place(PROTOCOL):
                deliveries = await self._loaded_deliveries()
                for one in placed:
                    deliveries.begin(one)
        except TrafficError:
            self._coordinator.look_again(PROTOCOL)
            raise

    async def _loaded_deliveries(self) -> Deliveries:
        if self._deliveries is None:
            deliveries = await asyncio.to_thread(_load)
            if self._trusted is None:
                self._trusted = await asyncio.to_thread(trusted_context, "")
            self._deliveries = deliveries(self._coordinator, self._health, self._trusted)
        return self._deliveries

    async def _knock(self) -> None:
        await Knocks(self._coordinator, self._health).go_round()


def _load() -> type[Deliveries]:
    from server.protocols.native_v1.deliveries import Deliveries

    return Deliveries
