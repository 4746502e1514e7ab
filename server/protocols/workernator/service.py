"""The gRPC port: both contracts and reflection, for as long as the coordinator lives."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

from grpclib.reflection.service import ServerReflection

from server.errors import TrafficError
from server.protocols.service import Upkeep
from server.protocols.workernator.access import caller
from server.protocols.workernator.calls import Calls
from server.protocols.workernator.connections import ManyStreamsServer
from server.protocols.workernator.draft_service import DraftService
from server.protocols.workernator.final_service import FinalService
from server.protocols.workernator.outputs import Outputs
from server.protocols.workernator.tls import server_context
from server.protocols.workernator.watch import JobWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpclib.server import Stream

    from server.coordinator import Coordinator
    from server.protocols.workernator.access import Call, Caller
    from server.settings import WorkernatorSettings

GRACE_SECONDS = 1.0
"""Given to calls under way once the coordinator stops."""

logger = logging.getLogger(__name__)


class WorkernatorService:
    """Serves Workernator's clients.

    Args:
        settings: the port, the files, and who may do what.
        takes: whether a connection that came in with this descriptor may stay.
    """

    name = "workernator"

    def __init__(
        self,
        coordinator: Coordinator,
        settings: WorkernatorSettings,
        takes: Callable[[int], bool],
    ) -> None:
        self._settings = settings
        self._takes = takes
        self._watch = JobWatch(coordinator.bus)
        self._calls = Calls(coordinator, self._watch)
        self._coordinator = coordinator
        self._upkeep = Upkeep(self.name)
        self._server: ManyStreamsServer | None = None
        self.port = 0
        """Where it listens, once started."""

    async def start(self) -> None:
        """Listen.

        Raises:
            TrafficError: the port or the files cannot be used, in words.
        """
        settings = self._settings
        context = server_context(settings)
        outputs = Outputs(self._coordinator, self._watch)
        services: list[Any] = [
            FinalService(self._calls, outputs, self._authorize),
            DraftService(self._coordinator, self._calls, outputs, self._authorize),
        ]
        listener = _listen(settings)
        self.port = listener.getsockname()[1]
        self._server = ManyStreamsServer(ServerReflection.extend(services))
        self._server.listen(listener, context, self._takes)
        self._upkeep.keep("news of jobs", self._watch.run)
        logger.info("Workernator's clients are served on %s:%d", settings.host, self.port)

    async def stop(self) -> None:
        """End calls, then connections."""
        self._watch.close()
        server, self._server = self._server, None
        if server is not None:
            server.close()
            try:
                await asyncio.wait_for(server.wait_closed(), GRACE_SECONDS)
            except TimeoutError:
                logger.warning("calls of Workernator's clients were cut off")
        await self._calls.close()
        await self._upkeep.stop()

    def _authorize(self, stream: Stream[Any, Any], call: Call) -> Caller:
        address = stream.peer.addr()
        return caller(stream.peer.cert(), self._settings.users, call, address[0] if address else "")


def _listen(settings: WorkernatorSettings) -> socket.socket:
    """The port, bound before anything is served on it."""
    address = (settings.host, settings.port)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server(address, family=family, backlog=512)
    except OSError as error:
        raise TrafficError(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}); "
            "protocols.workernator.host and port name another place"
        ) from error
    listener.setblocking(False)
    return listener
