"""The routes under ``/api/native-v2``, on bare ASGI: ``sync`` is the hottest call there is."""

from __future__ import annotations

import hmac
import math
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec

from server.errors import InvalidInput, NotFound, TrafficError, UnknownSession
from server.http.exchange import (
    JSON_HEADER,
    decode,
    header,
    read_body,
    send_error,
    send_json,
    send_whole,
)
from server.http.limits import MAX_BODY, MIB
from server.ids import new_secret, secret_digest
from server.protocols.native_v2 import codec
from server.protocols.native_v2.syncs import SyncLines
from server.protocols.parked import while_connected
from server.submission import idempotency_key, job_specs, submitted_views
from server.traits import NATIVE_V2
from server.wire.native_v2 import Hello, SubmitBatch, Sync, Welcome
from server.wire.operator import MAX_SUBMIT_BODY, SubmittedListView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.coordinator import Coordinator
    from server.http.exchange import Receive, Scope, Send
    from server.http.gate import Gate
    from server.model import Session

PREFIX = "/api/native-v2/"
MAX_SYNC_BODY = 32 * MIB
MAX_WAIT_SECONDS = 60.0

_encoder = msgspec.json.Encoder()
_hello_decoder = msgspec.json.Decoder(Hello)
_sync_decoder = msgspec.json.Decoder(Sync)
_submit_decoder = msgspec.json.Decoder(SubmitBatch)


class NativeV2App:
    """Answers runners of our own protocol, and clients that submit many jobs at once.

    A wrong secret is answered like a session that is not known, so that a runner says hello
    again and gets on, and whoever guesses learns nothing.
    """

    def __init__(self, coordinator: Coordinator, gate: Gate) -> None:
        self._coordinator = coordinator
        self._gate = gate
        self._lines = SyncLines(lambda uuid: coordinator.session(uuid) is not None)
        self._fixed: dict[tuple[str, str], Callable[[Scope, Receive, Send], Awaitable[None]]] = {
            ("POST", "runner/hello"): self._hello,
            ("POST", "jobs"): self._submit,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._route(scope, receive, send)
        except TrafficError as error:
            await send_error(send, error)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"].removeprefix(PREFIX)
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            await fixed(scope, receive, send)
            return
        runner, _, call = path.removeprefix("runner/").partition("/")
        if call == "sync" and method == "POST" and path.startswith("runner/"):
            await self._sync(runner, scope, receive, send)
        elif call == "wake" and method == "GET" and path.startswith("runner/"):
            await self._wake(runner, scope, receive, send)
        else:
            raise NotFound(f"there is no call {method} {scope['path'][:200]}")

    async def _hello(self, scope: Scope, receive: Receive, send: Send) -> None:
        actor = self._gate.admit(scope, "run")
        hello = decode(await read_body(scope, receive, MAX_BODY), _hello_decoder)
        secret = new_secret()
        session = await self._coordinator.open_session(
            codec.introduction(hello, actor.address), nonce=hello.nonce, secret=secret
        )
        self._lines.begin(session.uuid)
        welcome = Welcome(
            runner_id=self._runner_uuid(session),
            session=session.uuid,
            secret=secret,
            pace=codec.pace(self._coordinator.settings),
            accepts=list(codec.ACCEPTED),
        )
        await send_json(send, 200, _encoder.encode(welcome))

    async def _sync(self, runner: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._gate.admit(scope, "run")
        sync = decode(await read_body(scope, receive, MAX_SYNC_BODY), _sync_decoder)
        session = self._session(runner, sync.session, sync.secret)
        line = self._lines.line(session.uuid)
        answer = await line.answer(sync.sequence, lambda: self._exchange(session, sync))
        await send_whole(scope, send, 200, (JSON_HEADER,), answer)

    async def _exchange(self, session: Session, sync: Sync) -> bytes:
        told = await self._coordinator.exchange(session.id, codec.said(sync))
        if sync.leaving:
            await self._coordinator.leave(session.id)
            told = told._replace(assign=[])  # it went back
        answer = codec.sync_answer(told, codec.pace(self._coordinator.settings))
        return _encoder.encode(answer)

    async def _wake(self, runner: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Parked until a sync would bring something; it carries nothing itself."""
        self._gate.admit(scope, "run")
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        session = self._session(runner, _one(query, "session"), _one(query, "secret"))
        seconds = _wait_seconds(query.get("wait_seconds"))
        waiting = self._coordinator.wait_for_work(session.id, seconds)
        if await while_connected(receive, waiting):
            await send_json(send, 200, b"{}")
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def _submit(self, scope: Scope, receive: Receive, send: Send) -> None:
        actor = self._gate.admit(scope, "submit")._replace(via=NATIVE_V2.protocol)
        batch = decode(await read_body(scope, receive, MAX_SUBMIT_BODY), _submit_decoder)
        submitted = await self._coordinator.submit(
            actor,
            job_specs(batch.jobs, self._coordinator.settings),
            idempotency_key=idempotency_key(header(scope, b"idempotency-key")),
        )
        await send_json(send, 201, _encoder.encode(SubmittedListView(submitted_views(submitted))))

    def _session(self, runner: str, uuid: str, secret: str) -> Session:
        """The open session of that runner with that secret.

        Raises:
            UnknownSession: there is none, without a word on which part is wrong.
        """
        session = self._coordinator.session(uuid)
        owner = self._coordinator.introduced(runner)
        if session is not None and owner is not None and session.runner == owner.id:
            is_secret = hmac.compare_digest(secret_digest(secret), session.secret_digest)
            if is_secret and session.protocol == NATIVE_V2.protocol:
                return session
        raise UnknownSession("this session is not known (any more); say hello again")

    def _runner_uuid(self, session: Session) -> str:
        runner = self._coordinator.runner(session.runner)
        if runner is None:
            raise UnknownSession("this session's runner is not known; say hello again")
        return runner.uuid


def _one(query: dict[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]


def _wait_seconds(asked: list[str] | None) -> float:
    """How long to park: as asked, at most ``MAX_WAIT_SECONDS``, which is also the default."""
    if asked is None:
        return MAX_WAIT_SECONDS
    text = asked[0]
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise InvalidInput(f"wait_seconds is a number of seconds, not {text[:40]!r}")
    return min(seconds, MAX_WAIT_SECONDS)
