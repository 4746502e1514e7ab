"""gRPC connections that carry as many streams at once as one of the original server does, and that
cost what their clients do with them, not more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from grpclib.protocol import H2Protocol
from grpclib.server import Server
from h2.config import H2Configuration
from h2.events import UnknownFrameReceived
from h2.settings import SettingCodes

from server.tcp import keep_alive
from server.tls_door import TlsDoor
from server.turns import let_others_read

if TYPE_CHECKING:
    import socket
    import ssl
    from asyncio import AbstractServer, BaseTransport, Transport
    from collections.abc import Callable

    from grpclib.config import Configuration
    from grpclib.server import Handler

MAX_STREAMS = 2_000
"""On one connection. h2 allows 100 where nothing is said, and a Go client waits for ever beyond."""
H2_CONFIGURATION = H2Configuration(
    client_side=False,
    header_encoding="latin-1",  # any byte is a letter: grpclib's ASCII breaks off in the middle
    validate_inbound_headers=True,  # grpclib never answers a request without a method or a path
    validate_outbound_headers=False,
    normalize_inbound_headers=False,
    normalize_outbound_headers=False,
)


class ManyStreamsProtocol(H2Protocol):
    """Tells the client how many streams it may open, and does without frames it does not know.

    Args:
        keep: called with its handler once there is a connection to handle.
    """

    def __init__(
        self, handler: Handler, configuration: Configuration, keep: Callable[[Handler], None]
    ) -> None:
        super().__init__(handler, configuration, H2_CONFIGURATION)
        self._grpc_handler = handler
        self._keep = keep

    def connection_made(self, transport: BaseTransport) -> None:
        self._keep(self._grpc_handler)
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if peer is not None:
            keep_alive(peer)
        allowed: dict[SettingCodes | int, int] = {SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS}
        self.connection._connection.update_settings(allowed)  # grpclib has no setting for it
        self.connection.flush()
        self.processor.processors[UnknownFrameReceived] = _pass_over
        self._transport = cast("Transport", transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        let_others_read(self._transport, len(data), lambda: True)


class ManyStreamsServer(Server):
    """A server whose connections speak :class:`ManyStreamsProtocol`."""

    def listen(
        self, listener: socket.socket, context: ssl.SSLContext, takes: Callable[[int], bool]
    ) -> None:
        """Serve, in place of ``start``, those whom there is room for."""
        door = TlsDoor(listener, self._protocol_factory, context, takes)
        self._server = cast("AbstractServer", door)  # closed and waited for, no more
        self._server_closed_fut = self._loop.create_future()

    def _protocol_factory(self) -> H2Protocol:
        made = super()._protocol_factory()
        handler = cast("Handler", made.handler)
        self._handlers.discard(handler)  # it would stay for good where the handshake fails
        return ManyStreamsProtocol(handler, made.config, self._keep)

    def _keep(self, handler: Handler) -> None:
        self._handlers.add(handler)  # looked up now: grpclib puts another set there at times


def _pass_over(event: Any) -> None:
    """As HTTP/2 wants it for kinds of frames that are not known."""
