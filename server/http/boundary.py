"""The outermost layer of every request: bounds in time, and the last resort for errors.

A body has to arrive within its time; an error that nobody expected is logged under a request id
and answered as such, and the service goes on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from server.errors import Busy, DiskFull, SlowBody, TrafficError
from server.http.exchange import WHOLE, ClientGone, error_body, header, send_error, send_json
from server.ids import new_uuid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.http.exchange import Message, Receive, Scope, Send

    App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

LINGER_SECONDS = 1.0
"""How long what is left of a refused body is read away, so that its sender gets to the answer."""
LINGER_BYTES = 16 * 1024 * 1024
SMALL_BODY = 64 * 1024
"""A body this small is on its way whole; its connection can be kept."""


class Exchange:
    """One request and its answer, watched. Hand :meth:`receive` and :meth:`send` to the app."""

    __slots__ = (
        "_body_seconds",
        "_deadline",
        "_is_lingering",
        "_is_whole",
        "_receive",
        "_scope",
        "_send",
        "_status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, body_seconds: float) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body_seconds = body_seconds
        self._deadline: float | None = None
        self._is_whole = False
        self._is_lingering = False
        self._status = 0

    @property
    def status(self) -> int:
        """Status answered; 0: nothing yet."""
        whole = self._scope.get(WHOLE)
        return self._status if whole is None else whole.status

    async def receive(self) -> Message:
        """The next part of the body, or, after it, the news that the client is gone.

        Raises:
            SlowBody: the body is not there in time.
        """
        if self._is_whole or WHOLE in self._scope:  # as of nearly all requests
            return await self._receive()
        message = await self._receive_in_time()
        if not message.get("more_body", False):
            self._is_whole = True
        return message

    async def _receive_in_time(self) -> Message:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._body_seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError:
            raise SlowBody("the body did not arrive in time; send it faster or smaller") from None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = status = message["status"]
            if status >= 400 and self._has_unread_body():
                self._is_lingering = True
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
        elif self._is_lingering and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._read_away()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def run(self, app: App, scope: Scope) -> None:
        """Let the app answer; whatever it raises becomes an answer too, where one can be given."""
        try:
            await app(scope, self.receive, self.send)
        except ClientGone:
            return
        except TrafficError as error:
            await self._fail(error)
        except Exception:
            # The last resort of the service: an unforeseen error costs one request, no more.
            await self._fail_unforeseen()

    async def _fail(self, error: TrafficError) -> None:
        # Being short of space is told once, by whoever watches it, not with each refused job.
        if error.status >= 500 and not isinstance(error, Busy | DiskFull):
            method, path = self._scope.get("method", ""), self._scope.get("path", "")
            log.error("answered %d to %s %.200r: %s", error.status, method, path, error.message)
        if not self.status:
            await send_error(self.send, error)

    async def _fail_unforeseen(self) -> None:
        request_id = new_uuid()
        method, path = self._scope.get("method", ""), self._scope.get("path", "")
        log.exception("request %s failed: %s %.200r", request_id, method, path)
        if self.status:
            return  # the server sees that the answer is not whole, and closes the connection
        error = TrafficError(
            "something went wrong here that should not; the coordinator's log has it under the "
            f"request id {request_id}",
            code="internal",
            details={"request_id": request_id},
        )
        extra = [(b"x-request-id", request_id.encode("ascii"))]
        await send_json(self.send, 500, error_body(error), extra)

    def _has_unread_body(self) -> bool:
        """Whether more of the body may come than is worth waiting for."""
        if self._is_whole or WHOLE in self._scope:
            return False
        if header(self._scope, b"transfer-encoding") is not None:
            return True
        stated = header(self._scope, b"content-length") or "0"
        return not stated.isdigit() or int(stated) > SMALL_BODY

    async def _read_away(self) -> None:
        """Give the sender time to read the answer; closing at once would take it from it."""
        size = 0
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while size < LINGER_BYTES:
                    message = await self._receive()
                    size += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            return
