"""All of HTTP as one ASGI application: protocols by their paths, then everything of our own.

Hot paths are found by one look into a table; Starlette's router serves the rest.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router

from server.errors import Busy, NotFound, TrafficError
from server.http.boundary import Exchange
from server.http.endpoint import ROUTE_KEY, Endpoint, PathEndpoint
from server.http.exchange import send_error
from server.http.gate import Gate
from server.http.limits import BODY_SECONDS
from server.http.openapi import document
from server.http.operator_routes import ROUTES
from server.http.routes import PREFIX, Reply, Route
from server.http.sockets import serve_socket
from server.metrics import Metrics
from server.operator.happenings import program_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.http.exchange import Receive, Scope, Send
    from server.http.routes import Answer, Call
    from server.operator import OperatorApi

    App = Callable[[Scope, Receive, Send], Awaitable[None]]

READY_SECONDS = 2.0
"""A store that does not answer within this is not ready."""
UNKNOWN = "(unknown)"
"""Route label of requests for paths that do not exist."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A protocol's ASGI application, and where it listens."""

    name: str
    app: App
    prefixes: tuple[str, ...] = ()
    """``/api/jobs`` stands for itself and all below it."""
    paths: tuple[str, ...] = ()
    """Exact ones."""
    speaks_websocket: bool = False
    """Whether it is handed connections that ask to be upgraded, too."""


class HttpApp:
    """What the HTTP server is given.

    Args:
        api: the operator API, which also brings coordinator and keyring.
        surfaces: the protocols that speak HTTP, each below paths of its own.
        body_seconds: how long a client may take to send its body.
    """

    def __init__(
        self,
        api: OperatorApi,
        surfaces: Sequence[Surface] = (),
        *,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._api = api
        self._body_seconds = body_seconds
        self._is_stopping = False
        self.metrics = Metrics(api)
        gate = Gate(api.keyring, api.coordinator.clock)
        self._operator = _operator_router(api, gate)
        self._exact: dict[str, tuple[str, App]] = {
            path: (surface.name, surface.app) for surface in surfaces for path in surface.paths
        }
        self._exact |= {path: (path, app) for path, app in self._own_paths(gate).items()}
        self._prefixes = {
            prefix: (surface.name, surface.app)
            for surface in surfaces
            for prefix in surface.prefixes
        }
        self._mounted = re.compile(
            rf"(?:{'|'.join(map(re.escape, self._prefixes)) or '(?!)'})(?=/|\Z)"
        )
        self._speaking = {surface.name for surface in surfaces if surface.speaks_websocket}

    def close(self) -> None:
        """Say that no more is served, and end all event streams. The coordinator runs on."""
        self._is_stopping = True
        self._api.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
            return
        if scope["type"] != "http":
            raise TrafficError(f"nothing is done for {scope['type']}: run it with lifespan off")
        name, app = self._find(scope["path"])
        if app is self._operator:
            # Names in paths may hold a slash, so segments are told apart before unquoting.
            scope = {**scope, "path": scope["raw_path"].decode("ascii", "replace")}
        exchange = Exchange(scope, receive, send, self._body_seconds)
        await exchange.run(app, scope)
        route = scope.get(ROUTE_KEY, name)
        self.metrics.count_request(route, scope["method"], exchange.status)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, app = self._find(scope["path"])
        status = await serve_socket(app if name in self._speaking else None, scope, receive, send)
        route = name if name in self._speaking else UNKNOWN
        self.metrics.count_request(scope.get(ROUTE_KEY, route), "GET", status)

    def _find(self, path: str) -> tuple[str, App]:
        found = self._exact.get(path)
        if found is not None:
            return found
        below = self._mounted.match(path)
        if below is not None:
            return self._prefixes[below.group()]
        if path.startswith(f"{PREFIX}/"):
            return UNKNOWN, self._operator
        return UNKNOWN, not_found

    def _own_paths(self, gate: Gate) -> dict[str, App]:
        """Paths of our own that are found without the router: probes, documents, hot calls."""
        routes = {
            "/livez": Route("GET", "/livez", None, "Whether the process lives.", _live),
            "/readyz": Route("GET", "/readyz", None, "Whether it serves.", self._ready),
            "/metrics": Route("GET", "/metrics", "read", "Figures for Prometheus.", self._metrics),
            "/openapi.json": Route("GET", "/openapi.json", None, "This API.", _openapi),
        }
        own: dict[str, App] = {
            path: PathEndpoint(path, [Endpoint(route, self._api, gate)])
            for path, route in routes.items()
        }
        own[f"{PREFIX}/jobs"] = _path_endpoint("/jobs", self._api, gate)
        return own

    async def _ready(self, api: OperatorApi, call: Call) -> Answer:
        if self._is_stopping or api.coordinator.is_stopping:
            raise Busy("the coordinator is stopping")
        try:
            async with asyncio.timeout(READY_SECONDS):
                await api.coordinator.store.apply(lambda tx: None)
        except TimeoutError:
            raise Busy(f"the store did not answer within {READY_SECONDS:g}s") from None
        return _json_reply({"status": "ready"})

    async def _metrics(self, api: OperatorApi, call: Call) -> Answer:
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode("ascii"))]
        return Reply(200, headers, await self.metrics.text())


def _operator_router(api: OperatorApi, gate: Gate) -> Router:
    paths = dict.fromkeys(route.path for route in ROUTES)
    return Router(
        [StarletteRoute(PREFIX + path, _path_endpoint(path, api, gate)) for path in paths],
        redirect_slashes=False,
        default=not_found,
    )


def _path_endpoint(path: str, api: OperatorApi, gate: Gate) -> PathEndpoint:
    endpoints = [Endpoint(route, api, gate) for route in ROUTES if route.path == path]
    return PathEndpoint(PREFIX + path, endpoints)


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer for paths that nobody serves."""
    error = NotFound("there is nothing at this path; /openapi.json lists what is", code="no_route")
    await send_error(send, error)


async def _live(api: OperatorApi, call: Call) -> Answer:
    return _json_reply({"status": "alive"})


async def _openapi(api: OperatorApi, call: Call) -> Answer:
    return _json_reply(document(ROUTES, program_version()))


def _json_reply(value: object) -> Reply:
    return Reply(200, [(b"content-type", b"application/json")], msgspec.json.encode(value))
