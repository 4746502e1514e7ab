"""gRPC connections that carry as many streams at once as one of the original server does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpclib.protocol import H2Protocol
from grpclib.server import Server
from h2.settings import SettingCodes

if TYPE_CHECKING:
    from asyncio import BaseTransport

MAX_STREAMS = 2_000
"""On one connection. h2 allows 100 where nothing is said, and a Go client waits for ever beyond."""


class ManyStreamsProtocol(H2Protocol):
    """Tells the client how many streams it may open."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        allowed: dict[SettingCodes | int, int] = {SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS}
        self.connection._connection.update_settings(allowed)  # grpclib has no setting for it
        self.connection.flush()


class ManyStreamsServer(Server):
    """A server whose connections speak :class:`ManyStreamsProtocol`."""

    def _protocol_factory(self) -> H2Protocol:
        made = super()._protocol_factory()
        return ManyStreamsProtocol(made.handler, made.config, made.h2_config)
