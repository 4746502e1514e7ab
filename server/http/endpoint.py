"""Serving one path of the route table: let in, decode, call, encode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server.errors import InvalidInput, TrafficError
from server.http.exchange import (
    JSON_HEADER,
    decode,
    error_body,
    read_body,
    send_json,
    send_whole,
)
from server.http.queries import parse_query
from server.http.routes import Call, Reply, Route, Stream, segment
from server.model import Actor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.http.exchange import Receive, Scope, Send
    from server.http.gate import Gate
    from server.http.routes import Answer
    from server.operator import OperatorApi

ROUTE_KEY = "traffic.route"
"""Where the scope tells which path of the table served a request."""

NOBODY = Actor("", "read-only", "operator-api")

_encoder = msgspec.json.Encoder()


class Endpoint:
    """One route, ready to serve."""

    def __init__(self, route: Route, api: OperatorApi, gate: Gate) -> None:
        self.route = route
        self._api = api
        self._gate = gate
        self._decoder: msgspec.json.Decoder[Any] | None = None
        if route.body is not None:
            self._decoder = msgspec.json.Decoder(route.body)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Errors are left to the boundary."""
        route = self.route
        actor = NOBODY if route.power is None else self._gate.admit(scope, route.power)
        params = {name: segment(raw) for name, raw in scope.get("path_params", {}).items()}
        query = parse_query(scope["query_string"], route.query)
        body = await self._body(scope, receive)
        answer = await route.handle(self._api, Call(actor, params, query, body, scope))
        await _send(answer, route.status, scope, receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> Any:
        if self._decoder is None:
            return None
        raw = await read_body(scope, receive, self.route.max_body)
        if raw:
            return decode(raw, self._decoder)
        if self.route.body_is_optional:
            return self.route.body()
        raise InvalidInput("this call needs a JSON body")


class PathEndpoint:
    """All routes of one path: picks by method, and knows what to say to other methods."""

    def __init__(self, template: str, endpoints: Iterable[Endpoint]) -> None:
        self.template = template
        self._by_method = {endpoint.route.method: endpoint for endpoint in endpoints}
        if "GET" in self._by_method:
            self._by_method["HEAD"] = self._by_method["GET"]
        allowed = ", ".join(sorted([*self._by_method, "OPTIONS"]))
        self._allow = (b"allow", allowed.encode("ascii"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE_KEY] = self.template
        method = scope["method"]
        endpoint = self._by_method.get(method)
        if endpoint is None:
            await self._other_method(method, send)
            return
        await endpoint.answer(scope, receive, send)

    async def _other_method(self, method: str, send: Send) -> None:
        if method == "OPTIONS":
            start = {"type": "http.response.start", "status": 204, "headers": [self._allow]}
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        error = TrafficError(
            f"{method[:20]} is not possible here; Allow says what is", code="method_not_allowed"
        )
        await send_json(send, 405, error_body(error), [self._allow])


async def _send(answer: Answer, status: int, scope: Scope, receive: Receive, send: Send) -> None:
    if isinstance(answer, Reply):
        await send_whole(scope, send, answer.status, tuple(answer.headers), answer.body)
    elif isinstance(answer, Stream):
        await answer.run(receive, send)
    elif answer is None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send_whole(scope, send, status, (JSON_HEADER,), _encoder.encode(answer))
