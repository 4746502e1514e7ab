"""uvicorn's HTTP protocol with bounds on the head of a request, and answers sent in one go.

Neither httptools nor uvicorn limits how long, or how slow, the lines before a body may be, so one
connection could take all memory, and a thousand silent ones all file descriptors.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.http.exchange import BODY_IS_HERE
from server.http.joined_writes import JoinedWrites
from server.wire.operator import ErrorBody, FailureView

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers."""
MAX_LINES = 500
"""Header lines, those after a chunked body included."""
MAX_PIPELINED = 32
"""Requests of one connection that may wait for an answer before theirs. Without a bound, whoever
sends and never reads makes each forty bytes cost a kilobyte."""
HEAD_SECONDS = 15.0
"""How long a head may take to arrive, counted from the connection or from its first byte."""


_CODES = {400: "no_http", 408: "slow_head", 431: "head_too_large"}


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. Heads that are too long end with 431, too slow ones with 408."""

    head_seconds = HEAD_SECONDS

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_began: float | None = None
        """When the head that is arriving began; None: none is."""
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answers = JoinedWrites(transport, self.loop)
        self._head_began = self.loop.time()
        self._look_later()

    def handle_websocket_upgrade(self) -> None:
        """The connection goes to another protocol: this one's watch over its heads ends."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse(400, "an upgrade has to wait for the answers to what was asked before")
            return
        self._head_began = None
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_began is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_began is not None and self._head_bytes > MAX_HEAD:
            self._refuse(431, f"the head of a request has at most {MAX_HEAD} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_began = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > MAX_LINES:
            raise ValueError("too many header lines")  # ends as a 400, and the connection with it

    def on_headers_complete(self) -> None:
        self._head_began = None
        self._head_bytes = 0
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests at once")  # ends as a 400, as above
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        cast("dict[str, Any]", self.scope)[BODY_IS_HERE] = True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        cycle.transport = cast("asyncio.Transport", self._answers)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._answers.flush()  # the connection may be closed, or change hands, from here on
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(
            400,
            "this is no HTTP/1.1 request, or one with too many header lines "
            f"or more than {MAX_PIPELINED} before it that wait for their answer",
        )

    def _look_later(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._look)

    def _look(self) -> None:
        """One timer a connection, not one a request: it looks whether a head has stood too long."""
        began = self._head_began
        if began is not None and self.loop.time() - began >= self.head_seconds * 0.99:
            self._refuse(408, "the head of the request did not arrive in time")
        else:
            self._look_later()

    def _refuse(self, status: int, words: str) -> None:
        if self.transport.is_closing():
            return
        phrase = HTTPStatus(status).phrase.encode("ascii")
        code = _CODES[status]
        body = msgspec.json.encode(ErrorBody(error=FailureView(code=code, message=words)))
        self._answers.flush()
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b" % (status, phrase, len(body), body)
        )
        self.transport.close()
