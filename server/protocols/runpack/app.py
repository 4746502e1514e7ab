"""Runpack's routes on bare ASGI: check, call, answer, always with its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.errors import TrafficError
from server.http.exchange import read_body, send_whole
from server.http.limits import MAX_BODY
from server.protocols.parked import while_connected
from server.protocols.runpack import codec, routes
from server.protocols.runpack.admin_calls import AdminCalls
from server.protocols.runpack.answers import (
    HEALTH,
    NOT_FOUND,
    PREFLIGHT,
    Answer,
    Rejection,
    encode,
    failed,
    rejected,
)
from server.protocols.runpack.client_calls import ClientCalls
from server.protocols.runpack.gate import Caller, Gate
from server.protocols.runpack.relay import NotifyRelay
from server.protocols.runpack.runner_calls import RunnerCalls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from server.coordinator import Coordinator
    from server.http.exchange import Receive, Scope, Send
    from server.keyring import Keyring
    from server.protocols.runpack.routes import Match

PREFIXES = ("/api/jobs", "/api/runner", "/api/admin")
PATHS = ("/", "/health", "/poll")
"""What has to be mounted; each prefix stands for itself and all below it."""
HEALTH_PATHS = frozenset({"/", "/health"})
MIN_BODY = 2 * MAX_BODY
"""Up to here a body is read, so that the original's own words tell what is too large."""


class Request:
    """One request that was let in."""

    __slots__ = ("caller", "ident", "max_body", "receive", "scope")

    def __init__(
        self, scope: Scope, receive: Receive, match: Match, caller: Caller, max_body: int
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.ident = match.ident
        self.caller = caller
        self.max_body = max_body

    async def body(self) -> bytes:
        return await read_body(self.scope, self.receive, self.max_body)

    @property
    def query(self) -> bytes:
        return bytes(self.scope["query_string"])


class RunpackApp:
    """Answers Runpack's runners, clients and administrators, and polls of NotifyRelay."""

    def __init__(self, coordinator: Coordinator, keyring: Keyring) -> None:
        settings = coordinator.settings
        self._gate = Gate(keyring, settings, coordinator.clock)
        self._clients = ClientCalls(coordinator)
        self._runners = RunnerCalls(coordinator)
        self._admins = AdminCalls(coordinator)
        self._relay = NotifyRelay(coordinator)
        self._has_relay = settings.protocols.runpack.notify_relay
        self._max_body = max(MIN_BODY, codec.max_body(settings.protocols.runpack))
        self._handlers = self._table()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        match = routes.find(method, path)
        if match is None:
            answer = _without_route(method, path)
        else:
            try:
                caller = self._gate.admit(scope, match)
                request = Request(scope, receive, match, caller, self._max_body)
                answer = await self._handlers[match.route.name](request)
            except Rejection as rejection:
                answer = Answer(rejection.status, encode(rejection.fields))
            except TrafficError as error:
                answer = failed(match.route.verb, error)
        if answer.more is None and answer.status != 204:
            await send_whole(scope, send, answer.status, answer.headers, answer.body)
        else:
            await _send_in_parts(send, answer)

    def _table(self) -> Mapping[str, Callable[[Request], Awaitable[Answer]]]:
        return {
            "submit": self._submit,
            "check": self._check,
            "status": self._status,
            "register": self._register,
            "verify": self._verify,
            "available": self._available,
            "claim": self._claim,
            "heartbeat": self._heartbeat,
            "complete": self._complete,
            "error": self._error,
            "jobs": self._jobs,
            "job": self._job,
            "delete": self._delete,
            "batch_delete": self._batch_delete,
            "runners": self._list_runners,
            "runner": self._runner,
            "stats": self._stats,
            "poll": self._poll,
        }

    async def _submit(self, request: Request) -> Answer:
        return await self._clients.submit(request.caller.actor, await request.body())

    async def _check(self, request: Request) -> Answer:
        return await self._clients.check(await request.body())

    async def _status(self, request: Request) -> Answer:
        return await self._clients.status(request.ident)

    async def _register(self, request: Request) -> Answer:
        return await self._runners.register(await request.body(), request.caller.actor.address)

    async def _verify(self, request: Request) -> Answer:
        return self._runners.verify(request.caller.runner_uuid)

    async def _available(self, request: Request) -> Answer:
        return await self._runners.available(request.caller.runner_uuid, request.query)

    async def _claim(self, request: Request) -> Answer:
        return await self._runners.claim(request.caller.runner_uuid, request.ident)

    async def _heartbeat(self, request: Request) -> Answer:
        body = await request.body()
        return await self._runners.heartbeat(request.caller.runner_uuid, request.ident, body)

    async def _complete(self, request: Request) -> Answer:
        body = await request.body()
        return await self._runners.complete(request.caller.runner_uuid, request.ident, body)

    async def _error(self, request: Request) -> Answer:
        body = await request.body()
        return await self._runners.error(request.caller.runner_uuid, request.ident, body)

    async def _jobs(self, request: Request) -> Answer:
        return await self._admins.jobs(request.query)

    async def _job(self, request: Request) -> Answer:
        return await self._admins.job(request.ident)

    async def _delete(self, request: Request) -> Answer:
        return await self._admins.delete(request.caller.actor, request.ident)

    async def _batch_delete(self, request: Request) -> Answer:
        return await self._admins.batch_delete(request.caller.actor, await request.body())

    async def _list_runners(self, request: Request) -> Answer:
        return self._admins.runners()

    async def _runner(self, request: Request) -> Answer:
        return await self._admins.runner(request.ident)

    async def _stats(self, request: Request) -> Answer:
        return await self._admins.stats()

    async def _poll(self, request: Request) -> Answer:
        if not self._has_relay:
            raise rejected("Not found", 404)
        self._gate.admit_bare(request.scope)
        asked = codec.poll(await request.body())
        return await while_connected(request.receive, self._relay.poll(asked))


def _without_route(method: str, path: str) -> Answer:
    if path in HEALTH_PATHS:
        return HEALTH
    return PREFLIGHT if method == "OPTIONS" else NOT_FOUND


async def _send_in_parts(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    if answer.more is None:
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    async for part in answer.more:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
