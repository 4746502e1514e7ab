"""The routes under ``/api/native-v1``, on bare ASGI: admit by address, take in, say ok."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.errors import Forbidden, NotFound, TrafficError
from server.http.exchange import error_headers, header, read_body, send_json
from server.http.gate import address_of
from server.protocols.native_v1.calls import RunnerCalls
from server.protocols.native_v1.places import admitted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.coordinator import Coordinator
    from server.http.exchange import Receive, Scope, Send

PREFIX = "/api/native-v1"
MAX_BODY = 64 * 1024
OK = b'{"ok":true}'
FORWARDED = (b"forwarded", b"x-forwarded-for")
"""What most proxies add; one that adds neither cannot be told from a runner."""
CORS_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type"),
)


class NativeV1App:
    """Answers Traffic Light runners.

    The README of that system has all updates under one path, its code has two others, so each
    path takes every update.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        calls = RunnerCalls(coordinator)
        self._routes: dict[str, Callable[[str, bytes], Awaitable[None]]] = {
            f"{PREFIX}/runner/hello": calls.hello,
            f"{PREFIX}/runner/update": calls.update,
            f"{PREFIX}/runner/capacity/update": calls.update,
            f"{PREFIX}/job/update": calls.update,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await _send_empty(send)
            return
        try:
            await self._take(scope, receive)
        except TrafficError as error:
            body = msgspec.json.encode({"error": True, "message": error.message})
            headers = (*CORS_HEADERS, *error_headers(error))
            await send_json(send, error.status, body, headers)
        else:
            await send_json(send, 200, OK, CORS_HEADERS)

    async def _take(self, scope: Scope, receive: Receive) -> None:
        """Forwarded headers are nothing to go by: anybody could send them. But whoever is behind a
        proxy has the proxy's address, on this box often an admitted one. A browser says which page
        a call is from, and its user's address is none to admit that page by."""
        if header(scope, b"origin") is not None:
            raise Forbidden("pages in a browser are no runners: calls with an Origin are refused")
        settings = self._coordinator.settings.protocols.native_v1
        address = admitted(address_of(scope), settings)
        if any(header(scope, name) is not None for name in FORWARDED):
            raise Forbidden("this came through a proxy, whose address says nothing of the caller's")
        take = self._routes.get(scope["path"].rstrip("/"))
        if take is None or scope["method"] != "POST":
            raise NotFound(f"there is no call {scope['method']} {scope['path'][:200]}")
        await take(address, await read_body(scope, receive, MAX_BODY))


async def _send_empty(send: Send) -> None:
    headers = [(b"content-length", b"0"), *CORS_HEADERS]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
