"""What is left of native-v1 where it is served no more: nothing its runners say can be heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.protocols.service import Upkeep
from server.traits import NATIVE_V1

if TYPE_CHECKING:
    from server.coordinator import Coordinator

REASON = "native-v1 is switched off, so nothing more can be heard of it"


class SwitchedOffNativeV1:
    """Gives up what runners had before: theirs are no leases that would end by themselves."""

    name = "native-v1, switched off"

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._upkeep = Upkeep(self.name)

    async def start(self) -> None:
        self._upkeep.keep("giving up", self._give_up)

    async def stop(self) -> None:
        await self._upkeep.stop()

    async def _give_up(self) -> None:
        for _, session in self._coordinator.open_sessions(NATIVE_V1.protocol):
            await self._coordinator.lose_session(session.id, reason=REASON)
