"""uvicorn's HTTP protocol with bounds on the head of a request, and requests as our own cycles.

Neither httptools nor uvicorn limits how long, or how slow, the lines before a body may be, so one
connection could take all memory, and a thousand silent ones all file descriptors.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.http.cycle import Cycle, header_lines
from server.http.exchange import SHOWN_KEYS, WHOLE
from server.keyring import ShownKeys
from server.wire.operator import ErrorBody, FailureView

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from server.http.cycle import App
    from server.http.exchange import Scope

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers; of lines after a chunked body as many more."""
MAX_LINES = 500
"""Header lines, those after a chunked body included."""
MAX_PIPELINED = 32
"""Requests of one connection that may wait for an answer before theirs. Without a bound, whoever
sends and never reads makes each forty bytes cost a kilobyte."""
HEAD_SECONDS = 15.0
"""How long a head may take to arrive, counted from the connection or from its first byte."""


_CODES = {400: "no_http", 408: "slow_head", 431: "head_too_large", 500: "internal"}


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. Heads that are too long end with 431, too slow ones with 408."""

    head_seconds = HEAD_SECONDS
    # As uvicorn has them, but of our own kind.
    app: App
    scope: Scope  # type: ignore[assignment]
    cycle: Cycle | None  # type: ignore[assignment]
    pipeline: deque[Cycle]  # type: ignore[assignment]

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
        self._line_bytes = 0
        """What came of a head, or of lines after or within a body, since anything else did."""
        self._idle_since: float | None = None
        """When the last answer had been given; None: a request is under way."""
        self._timer: asyncio.TimerHandle | None = None
        self._answering: Cycle | None = None
        """The request that was begun last; those sent ahead of its answer come after it."""
        self._is_upgrade = False
        """Whether the request that arrives asks for another protocol, and gets it."""
        self._default_headers: Sequence[tuple[bytes, bytes]] = ()
        self._default_lines = b""
        self.news = asyncio.Event()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._scope_of_connection: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            SHOWN_KEYS: ShownKeys(),
        }
        self._head_began = self.loop.time()
        self._look_later()

    def handle_websocket_upgrade(self) -> None:
        """The connection goes to another protocol: this one's watch over its heads ends."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse(400, "an upgrade has to wait for the answers to what was asked before")
            return
        self._head_began = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # uvicorn tells the newest request only, which with some sent ahead is not begun yet.
        if self._answering is not None:
            self._answering.disconnected = not self._answering.response_complete
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._line_bytes += len(data)
        super().data_received(data)
        if self._line_bytes > MAX_HEAD:
            self._refuse(431, f"the head of a request has at most {MAX_HEAD} bytes")

    def on_message_begin(self) -> None:
        self._head_began = self.loop.time()
        self._idle_since = None
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # As uvicorn does it, which is not asked: this is called more often than anything else.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        if len(self.headers) > MAX_LINES:
            raise ValueError("too many header lines")  # ends as a 400, and the connection with it

    def on_headers_complete(self) -> None:
        self._head_began = None
        self._line_bytes = 0
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests at once")  # ends as a 400, as above
        self.scope = self._scope_of_request()
        self._is_upgrade = self.parser.should_upgrade() and self._should_upgrade()
        if self._is_upgrade:
            return
        before = self.cycle
        self.cycle = Cycle(
            self,
            self.scope,
            keep_alive=self.scope["http_version"] != "1.0" and self.parser.should_keep_alive(),
            wants_continue=self.expect_100_continue,
        )
        if before is None or before.response_complete:
            self._run(self.cycle)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft(self.cycle)

    def on_body(self, body: bytes) -> None:
        self._line_bytes = 0
        if self.cycle is not None and not self._is_upgrade and not self.cycle.response_complete:
            self.cycle.feed(body)

    def on_message_complete(self) -> None:
        self._line_bytes = 0
        if self.cycle is not None and not self._is_upgrade and not self.cycle.response_complete:
            self.scope[WHOLE] = self.cycle
            self.cycle.feed_end()

    def default_lines(self) -> bytes:
        # uvicorn puts another list there each second, with the time in it.
        headers = self.server_state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_lines = header_lines(headers)
        return self._default_lines

    def read_on(self) -> None:
        # Waiting for a client to hang up must not let it fill memory with what it sends ahead.
        if self.cycle is None or not self.cycle.is_full:
            self.flow.resume_reading()

    def answered(self) -> None:
        """An answer has been given: the next request's turn, if there is one."""
        self.server_state.total_requests += 1
        self.news.set()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._run(self.pipeline.pop())
        elif self._head_began is None:
            self._idle_since = self.loop.time()

    def ended(self, cycle: Cycle) -> None:
        """Nobody works on it any more."""
        if cycle.task is not None:
            self.tasks.discard(cycle.task)

    def fail(self) -> None:
        self._refuse(500, "something went wrong here that should not; the coordinator's log has it")

    def _run(self, cycle: Cycle) -> None:
        self._answering = cycle
        cycle.task = self.loop.create_task(cycle.run(self.app))
        self.tasks.add(cycle.task)  # uvicorn waits for these when it stops

    def _scope_of_request(self) -> Scope:
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope = self._scope_of_connection.copy()
        scope["http_version"] = self.parser.get_http_version()
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        scope["headers"] = self.headers
        return scope

    def send_400_response(self, msg: str) -> None:
        self._refuse(
            400,
            "this is no HTTP/1.1 request, or one with too many header lines "
            f"or more than {MAX_PIPELINED} before it that wait for their answer",
        )

    def _look_later(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._look)

    def _look(self) -> None:
        """One timer a connection, not one a request, looks whether it has waited too long."""
        now = self.loop.time()
        if self._head_began is not None and now - self._head_began >= self.head_seconds * 0.99:
            self._refuse(408, "the head of the request did not arrive in time")
        elif self._idle_since is not None and now - self._idle_since >= self.timeout_keep_alive:
            self.transport.close()
        else:
            self._look_later()

    def _refuse(self, status: int, words: str) -> None:
        if self.transport.is_closing():
            return
        phrase = HTTPStatus(status).phrase.encode("ascii")
        code = _CODES[status]
        body = msgspec.json.encode(ErrorBody(error=FailureView(code=code, message=words)))
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b" % (status, phrase, len(body), body)
        )
        self.transport.close()
