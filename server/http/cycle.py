"""One request of a connection and its answer, as ASGI tells them.

uvicorn has such a thing too. It serves any application, so it makes an event, a timer and a dozen
checks for each request, and sends an answer's head before its body: for the small answers of a
busy coordinator that is more than all of their own work.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from uvicorn.protocols.http.flow_control import FlowControl

    from server.http.exchange import HeaderPairs, Message, Receive, Scope, Send

    App = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode("ascii"))
    for status in HTTPStatus
}
_NO_BODY = frozenset({204, 304})


class Connection(Protocol):
    """What a cycle needs of the connection it is on."""

    transport: asyncio.Transport
    flow: FlowControl
    news: asyncio.Event
    """Set whenever something came for any cycle of the connection."""

    def default_lines(self) -> bytes:
        """Header lines of every answer."""

    def read_on(self) -> None:
        """Somebody waits for what comes next."""

    def answered(self) -> None: ...
    def ended(self, cycle: Cycle) -> None: ...
    def fail(self) -> None:
        """Answer that something went wrong here, and close."""


class Cycle:
    """A request and its answer. The connection feeds it; the application asks and tells."""

    __slots__ = (
        "_body",
        "_bytes_left",
        "_connection",
        "_head",
        "_is_body_given",
        "_is_chunked",
        "_wants_continue",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "scope",
        "status",
        "task",
    )

    def __init__(
        self, connection: Connection, scope: Scope, *, keep_alive: bool, wants_continue: bool
    ) -> None:
        self._connection = connection
        self.scope = scope
        self.keep_alive = keep_alive
        self._wants_continue = wants_continue
        self.task: asyncio.Task[None] | None = None
        self.disconnected = False
        self.more_body = True
        self._body = bytearray()
        self._is_body_given = False
        self.status = 0
        """Status answered; 0: nothing yet."""
        self.response_complete = False
        self._head = b""
        """It leaves with the first part of the body, as the one system call is the dear one."""
        self._is_chunked = False
        self._bytes_left = 0
        """Of a body whose length was stated."""

    @property
    def message_event(self) -> asyncio.Event:
        """By the name under which uvicorn tells that the connection is lost."""
        return self._connection.news

    async def run(self, app: App) -> None:
        """Have the request answered; an answer that is not whole ends the connection."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:
            # The application answers its own errors; this is for errors of that.
            logger.exception("a request was not answered")
            if not self.status and not self.disconnected:
                self._connection.fail()
        finally:
            if not self.response_complete:
                self._write(b"")
                self._connection.transport.close()
            self._connection.ended(self)
            # Both refer back to this: without it each request leaves garbage for the collector.
            self.task, self.scope = None, {}

    @property
    def is_full(self) -> bool:
        """Whether no more of the body is to be read until the application asks for it."""
        return len(self._body) > HIGH_WATER_LIMIT

    def feed(self, part: bytes) -> None:
        """A part of the body has come."""
        self._body += part
        if len(self._body) > HIGH_WATER_LIMIT:
            self._connection.flow.pause_reading()
        self._connection.news.set()

    def feed_end(self) -> None:
        """The body has come whole."""
        self.more_body = self._wants_continue = False
        self._connection.news.set()

    async def receive(self) -> Message:
        if self._wants_continue:
            self._wants_continue = False
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while self._is_waiting():
            self._connection.read_on()
            self._connection.news.clear()
            await self._connection.news.wait()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        self._is_body_given = not self.more_body
        body, self._body = bytes(self._body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def _is_waiting(self) -> bool:
        """Whether there is nothing to tell the application yet."""
        if self.disconnected or self.response_complete:
            return False
        return self._is_body_given or (self.more_body and not self._body)

    def take_body(self) -> bytes:
        """All of the body, once it is here; nothing is left to :meth:`receive` then but the end."""
        self._is_body_given = True
        body, self._body = bytes(self._body), bytearray()
        return body

    async def answer(self, status: int, headers: HeaderPairs, body: bytes) -> None:
        """Give an answer that is whole, in one step; its length is added to the headers."""
        if self._connection.flow.write_paused and not self.disconnected:
            await self._connection.flow.drain()
        if self.disconnected:
            return
        if self.status:
            raise RuntimeError("this request was answered already")
        self.status = status
        self._connection.transport.write(
            b"%b%bcontent-length: %d\r\n%b\r\n%b"
            % (
                _head(status, headers).lines,
                self._connection.default_lines(),
                len(body),
                b"" if self.keep_alive else b"connection: close\r\n",
                b"" if self.scope["method"] == "HEAD" else body,
            )
        )
        self._end()

    async def send(self, message: Message) -> None:
        if self._connection.flow.write_paused and not self.disconnected:
            await self._connection.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.status:
            self._begin(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self.status and not self.response_complete:
            self._go_on(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind} is out of turn in this answer")

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.status = status
        self._wants_continue = False
        head = _head(status, tuple(headers))
        self._bytes_left = head.length or 0
        if head.ends_connection:
            self.keep_alive = False
        parts = [head.lines, self._connection.default_lines()]
        if head.length is None and not (status in _NO_BODY or self.scope["method"] == "HEAD"):
            self._is_chunked = True
            parts.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive and not head.ends_connection:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        self._head = b"".join(parts)

    def _go_on(self, body: bytes, more: bool) -> None:
        self._write(self._framed(body, more))
        if more:
            return
        if self._bytes_left:
            raise RuntimeError(f"the answer's body lacks {self._bytes_left} bytes")
        self._end()

    def _end(self) -> None:
        self.response_complete = True
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.answered()

    def _framed(self, body: bytes, more: bool) -> bytes:
        """A part of the body as it goes over the wire."""
        if self.scope["method"] == "HEAD":
            self._bytes_left = 0
            return b""
        if not self._is_chunked:
            self._bytes_left -= len(body)
            if self._bytes_left < 0:
                raise RuntimeError("the answer's body is longer than its head says")
            return body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return chunk if more else chunk + b"0\r\n\r\n"

    def _write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            self._connection.transport.write(data)


class Head(NamedTuple):
    """The beginning of an answer."""

    lines: bytes
    """Status and headers, without the empty line after them."""
    length: int | None
    """Bytes of the body; None: it is not said."""
    ends_connection: bool


@lru_cache(maxsize=512)  # most answers have the same few headers
def _head(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> Head:
    length: int | None = None
    ends_connection = False
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
        elif name == b"connection" and value == b"close":
            ends_connection = True
    return Head(_STATUS_LINES[status] + header_lines(headers), length, ends_connection)


def header_lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
    # A value with a line break in it would begin a header, or an answer, of its own.
    if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers):
        raise RuntimeError("a header of the answer holds a line break")
    return lines
