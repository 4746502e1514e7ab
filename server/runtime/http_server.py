"""uvicorn on sockets that are bound already, started, watched and ended by its owner."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from typing import TYPE_CHECKING, Any

import uvicorn

from server.http.bounded_protocol import BoundedHttpProtocol
from server.http.keepalive import KeptAliveWebSocket
from server.runtime.problems import RuntimeProblem
from server.tls_door import TlsDoor

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator, Sequence

    from server.settings import TlsSettings

GRACE_SECONDS = 1
"""How long requests under way may take once the coordinator stops. Streams are ended before."""
KEEP_ALIVE_SECONDS = 75
PING_SECONDS = 2.0
SILENCE_SECONDS = 10.0
"""A WebSocket from which nothing, not even a pong, came for so long is cut."""
MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes of a WebSocket message: what Treadmill's own programs accept."""

logger = logging.getLogger(__name__)


class _Uvicorn(uvicorn.Server):
    """Leaves signals to whoever owns the process, and says when it serves."""

    def __init__(
        self, config: uvicorn.Config, takes: Callable[[int], bool], look: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._takes = takes
        self._look = look
        self.servers = []
        self.is_serving = asyncio.Event()
        self._is_told_to_end = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._is_told_to_end.set()

    async def main_loop(self) -> None:
        """Once a second for the date in answers, not ten times to see whether it is to end."""
        while not await self.on_tick(0):
            self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._is_told_to_end.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but over TLS whom there is no room for does not come to the handshake."""
        loop, config = asyncio.get_running_loop(), self.config
        for bound in sockets or ():
            if config.ssl is not None:
                door = TlsDoor(bound, self._new_protocol, config.ssl, self._takes)
                self.servers.append(door)  # type: ignore[arg-type]  # it can all that is asked
                continue
            server = await loop.create_server(
                self._new_protocol, sock=bound, backlog=config.backlog
            )
            self.servers.append(server)
        self.started = True
        self.is_serving.set()

    def _new_protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state={}
        )


class HttpServer:
    """Serves an ASGI application until stopped.

    Args:
        takes: whether a connection that came in with this descriptor may stay.
        look: called once a second.
        on_end: called with what went wrong when it ends without having been asked to.
    """

    def __init__(
        self,
        app: Any,
        sockets: Sequence[socket.socket],
        tls: TlsSettings,
        *,
        takes: Callable[[int], bool],
        look: Callable[[], None],
        on_end: Callable[[BaseException], None],
    ) -> None:
        self._sockets = list(sockets)
        protocol = _protocol_that_asks(takes)
        self._server = _Uvicorn(_config(app, tls, protocol), takes, look)
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def start(self) -> None:
        """Returns once connections are answered.

        Raises:
            RuntimeProblem: it cannot serve, for example for a broken certificate.
        """
        _load(self._server.config)
        self._task = asyncio.create_task(
            self._server.serve(sockets=self._sockets), name="http server"
        )
        serving = asyncio.create_task(self._server.is_serving.wait())
        await asyncio.wait([self._task, serving], return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        if self._task.done():
            await self._task
            raise RuntimeProblem("the HTTP server ended before it served")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Take no more connections, let what is under way finish for a moment, then cut it."""
        self._is_stopping = True
        if self._task is None:
            return
        self._server.end()
        await asyncio.wait([self._task], timeout=GRACE_SECONDS + 1)
        if not self._task.done():
            self._server.force_exit = True
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.5)
        for listener in self._server.servers:  # still open where it ended on its own account
            listener.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._is_stopping:
            return
        error = None if task.cancelled() else task.exception()
        self._on_end(error or RuntimeProblem("the HTTP server ended by itself"))


def _protocol_that_asks(takes: Callable[[int], bool]) -> type[BoundedHttpProtocol]:
    """The protocol of connections, of which no more stay than there is room for."""

    class RoomyHttpProtocol(BoundedHttpProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            connection = transport.get_extra_info("socket")
            is_asked_for = self.config.ssl is not None  # before its handshake
            if connection is None or is_asked_for or takes(connection.fileno()):
                super().connection_made(transport)
                return
            self.transport = transport
            transport.abort()

    return RoomyHttpProtocol


def _config(app: Any, tls: TlsSettings, protocol: type[BoundedHttpProtocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        ws=KeptAliveWebSocket,
        ws_max_size=MAX_MESSAGE,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=SILENCE_SECONDS,
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",  # it warns of each request that is none: floods hide the rest
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=tls.certificate or None,
        ssl_keyfile=tls.key or None,
        ssl_ca_certs=tls.client_ca or None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls.client_ca else ssl.CERT_NONE,
    )


def _load(config: uvicorn.Config) -> None:
    """Read certificates now, where their trouble can be put into words."""
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(
            str(name)
            for name in (config.ssl_certfile, config.ssl_keyfile, config.ssl_ca_certs)
            if name
        )
        raise RuntimeProblem(
            f"server.tls: the certificate cannot be used ({error.strerror or error}); it takes PEM "
            f"files without a passphrase that fit each other: {files}"
        ) from error
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
