"""Treadmill's surface on the HTTP port: the supervisors' WebSocket and the clients' REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.http.sockets import Socket
from server.protocols.treadmill.tokens import TokenBook, bearer
from server.wire.treadmill import (
    CONFIG_HEADER,
    MINOR_HEADER,
    SUBPROTOCOL,
    Undecodable,
    canonical_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.http.exchange import Receive, Scope, Send
    from server.protocols.treadmill.rest import RestApp
    from server.protocols.treadmill.switchboard import Switchboard

PREFIX = "/api/v1"
CONNECT = "/connect"
SUPERVISORS = f"{PREFIX}/supervisors/"
WRONG_SUBPROTOCOL = 1002


def socket_config(ping_seconds: float, silence_seconds: float) -> bytes:
    """What every revision of the supervisor finds what it looks for in, as a header's value.

    Durations have one unit: the original's own parser does not read more.
    """
    return msgspec.json.encode(
        {
            "keepalive": {
                "ping_interval": f"{ping_seconds:g}s",
                "keepalive": f"{silence_seconds:g}s",
            },
            "protocol": {"major": 1, "minor": 0},
            "features": [],
        }
    )


class TreadmillApp:
    """Everything under ``/api/v1``.

    Args:
        tokens: of the supervisors, by id.
        keepalive: how often supervisors are pinged and how long they may be silent, in seconds.
    """

    def __init__(
        self,
        switchboard: Switchboard,
        rest: RestApp,
        tokens: Mapping[str, bytes],
        *,
        keepalive: tuple[float, float],
    ) -> None:
        self._switchboard = switchboard
        self._rest = rest
        self._tokens = TokenBook(tokens)
        self._config = socket_config(*keepalive)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._connect(Socket(scope, receive, send))
        else:
            await self._rest(scope, receive, send)

    async def _connect(self, socket: Socket) -> None:
        """Let a supervisor in, or say why not, in the order of the original's checks."""
        path = socket.scope["path"]
        if not (path.startswith(SUPERVISORS) and path.endswith(CONNECT)):
            await socket.refuse(404, b"no such route")
            return
        try:
            supervisor = canonical_id(path.removeprefix(SUPERVISORS).removesuffix(CONNECT))
        except Undecodable:
            await socket.refuse(400, b"a supervisor's id is a UUID")
            return
        authorization = socket.header(b"authorization")
        if authorization is None:
            await socket.refuse(400, b"the header Authorization: Bearer TOKEN is missing")
            return
        if not self._tokens.fits(supervisor, bearer(authorization)):
            await self._switchboard.refused(supervisor, socket.address)
            await socket.refuse(403)
            return
        await self._admit(supervisor, socket)

    async def _admit(self, supervisor: str, socket: Socket) -> None:
        is_known = SUBPROTOCOL in socket.offered
        headers = [(CONFIG_HEADER.encode("ascii"), self._config)]
        await socket.accept(SUBPROTOCOL if is_known else None, headers)
        if not is_known:
            await socket.close(WRONG_SUBPROTOCOL, f"{SUBPROTOCOL} is spoken here")
            return
        minor = socket.header(MINOR_HEADER.encode("ascii"))
        version = SUBPROTOCOL if minor is None else f"{SUBPROTOCOL} minor {minor[:20]}"
        await self._switchboard.serve(supervisor, socket, version)
