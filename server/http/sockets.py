"""A WebSocket as ASGI hands it over, in words: looked at, refused or accepted, read and written.

Like :mod:`server.http.exchange` for requests: all that a protocol needs, and no framework.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from server.errors import NotFound, TrafficError
from server.http.exchange import JSON_HEADER, error_body, error_headers, header

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.http.exchange import Headers, Message, Receive, Scope, Send

    App = Callable[[Scope, Receive, Send], Awaitable[None]]

SWITCHED = 101

logger = logging.getLogger(__name__)


class SocketGone(Exception):
    """The other side has left; there is nobody to talk to."""


class Socket:
    """One connection that asks to be upgraded."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self.status = 0
        """What the request was answered with; 0: nothing yet."""

    def header(self, name: bytes) -> str | None:
        return header(self.scope, name)

    @property
    def offered(self) -> list[str]:
        """The subprotocols the client would speak."""
        return list(self.scope.get("subprotocols") or [])

    @property
    def address(self) -> str:
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    async def refuse(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        """Answer with an ordinary response; there will be no WebSocket."""
        self.status = status
        given = list(headers)
        await self._say(
            {"type": "websocket.http.response.start", "status": status, "headers": given}
        )
        await self._say({"type": "websocket.http.response.body", "body": body})

    async def accept(self, subprotocol: str | None, headers: Headers = ()) -> None:
        self.status = SWITCHED
        await self._say(
            {"type": "websocket.accept", "subprotocol": subprotocol, "headers": list(headers)}
        )

    async def read(self) -> str | bytes:
        """The next message: text, or bytes where it was binary or no UTF-8.

        Raises:
            SocketGone: there will be none.
        """
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                raise SocketGone
            if message["type"] == "websocket.receive":
                text = message.get("text")
                return bytes(message.get("bytes") or b"") if text is None else str(text)

    async def write(self, text: str) -> None:
        """Send a text message; waits while the other side reads too slowly."""
        await self._say({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str = "") -> None:
        await self._say({"type": "websocket.close", "code": code, "reason": reason})

    async def _say(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:  # uvicorn's own error for a client that has gone is one
            raise SocketGone from error
        except RuntimeError as error:  # something was said after the end
            raise SocketGone from error


async def serve_socket(app: App | None, scope: Scope, receive: Receive, send: Send) -> int:
    """Let a protocol's application have the connection; the answer is the response's status.

    Like a request's boundary: whatever it raises ends this connection and nothing else.
    """
    watched = Socket(scope, receive, send)

    async def noting(message: Message) -> None:
        if message["type"] == "websocket.accept":
            watched.status = SWITCHED
        elif message["type"] == "websocket.http.response.start":
            watched.status = int(message["status"])
        await send(message)

    try:
        if app is None:
            raise NotFound("nothing at this path speaks WebSocket", code="no_route")
        await app(scope, receive, noting)
    except SocketGone:
        pass
    except TrafficError as error:
        await _refuse_in_words(watched, error)
    except Exception:
        # The last resort of the service, as for requests: told, and this connection ends.
        logger.exception("a WebSocket at %.200r ended for an unforeseen error", scope.get("path"))
        await _end(watched)
    return watched.status


async def _refuse_in_words(socket: Socket, error: TrafficError) -> None:
    if socket.status:
        await _end(socket)
        return
    try:
        headers = [JSON_HEADER, *error_headers(error)]
        await socket.refuse(error.status, error_body(error), headers)
    except SocketGone:
        return


async def _end(socket: Socket) -> None:
    try:
        if socket.status:
            await socket.close(1011)
        else:
            await socket.refuse(500)
    except SocketGone:
        return
