"""A coordinator that speaks just enough native-v2, on a real socket, and misbehaves on request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import uvicorn

from server.wire.native_v2 import (
    Assignment,
    Hello,
    NextOffset,
    Pace,
    Refusal,
    Report,
    StopOrder,
    Sync,
    SyncAnswer,
    Welcome,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

PACE = Pace(
    lease_seconds=10,
    heartbeat_seconds=0.3,
    flush_seconds=0.01,
    max_chunk_bytes=4096,
    max_output_bytes=10**9,
)
PREFIX = "/api/native-v2/runner/"


class QuietServer(uvicorn.Server):
    """Leaves signals to the test run."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@dataclass
class Double:
    """What it knows, and how it is to behave."""

    key: str = "the-key"
    waiting: list[tuple[str, Any]] = field(default_factory=list)
    """Type and parameters of jobs to hand out."""
    stops: list[StopOrder] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    hellos: list[Hello] = field(default_factory=list)
    syncs: list[Sync] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    """Finals, in order of arrival."""
    progress: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    output: dict[tuple[str, str], bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    assigned: dict[str, str] = field(default_factory=dict)
    """Attempt -> type."""
    is_taking_output: bool = True
    accepts: list[str] = field(default_factory=list)
    left: list[Sync] = field(default_factory=list)
    """Good-byes."""
    loses_good_byes: bool = False
    fail_with: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    """Answers (status, body, headers) to give instead, one for each sync or hello."""
    lose: int = 0
    """How many answers to syncs are to be lost after they were carried out."""
    hang: int = 0
    """How many syncs get no answer at all, on a connection that stays."""
    restarts: int = 0
    url: str = ""
    _offered: dict[str, Assignment] = field(default_factory=dict)
    _answers: dict[int, bytes] = field(default_factory=dict)
    _session: str = "session-0"
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _count: int = 0

    # what tests do -----------------------------------------------------------------------------

    def submit(self, job_type: str, params: Any = None, times: int = 1) -> None:
        self.waiting += [(job_type, params if params is not None else {})] * times
        self._news.set()

    def stop(self, attempt: str, grace_seconds: float = 5.0, *, kill: bool = False) -> None:
        self.stops.append(StopOrder(attempt, grace_seconds, kill))
        self._news.set()

    def forget_session(self) -> None:
        """As after a restart without a memory of sessions."""
        self.restarts += 1
        self._session = f"session-{self.restarts}"
        self._answers.clear()

    def final(self, attempt: str) -> Report | None:
        return next((report for report in self.reports if report.attempt == attempt), None)

    def states(self) -> list[str]:
        return [report.state for report in self.reports]

    # what it does ------------------------------------------------------------------------------

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if self.hang and scope["path"].endswith("/sync"):
            self.hang -= 1
            await receive()
            return
        status, content, headers = await self._answer(scope, body)
        if status == 0:  # cut off in the middle, as by a crash
            length = [(b"content-length", b"1000")]
            await send({"type": "http.response.start", "status": 200, "headers": length})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            return
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": content})

    async def _answer(
        self, scope: MutableMapping[str, Any], body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        call = scope["path"].rpartition("/")[2]
        headers = dict(scope["headers"])
        if headers.get(b"authorization") != f"Bearer {self.key}".encode():
            return self._error(401, "unauthenticated", "this key is not known")
        if call == "wake":
            return await self._wake()
        if self.fail_with:
            status, failure, sent = self.fail_with.pop(0)
            return status, msgspec.json.encode({"error": failure}), sent
        if call == "hello":
            self.hellos.append(msgspec.json.decode(body, type=Hello))
            welcome = Welcome("runner-1", self._session, "secret", PACE, self.accepts)
            return 200, msgspec.json.encode(welcome), {}
        return self._sync(msgspec.json.decode(body, type=Sync))

    async def _wake(self) -> tuple[int, bytes, dict[str, str]]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._news.wait()
                self._news.clear()
                return 200, b"{}", {}
        return 204, b"", {}

    def _sync(self, sync: Sync) -> tuple[int, bytes, dict[str, str]]:
        if sync.session != self._session:
            return self._error(409, "unknown_session", "say hello again")
        if sync.sequence not in self._answers:
            (self.left if sync.leaving else self.syncs).append(sync)
            self._answers[sync.sequence] = msgspec.json.encode(self._carry_out(sync))
        if sync.leaving and self.loses_good_byes:
            return 0, b"", {}
        if self.lose:
            self.lose -= 1
            return 0, b"", {}
        return 200, self._answers[sync.sequence], {}

    def _carry_out(self, sync: Sync) -> SyncAnswer:
        offsets = [self._take(chunk) for chunk in sync.output]
        for report in sync.reports:
            if report.state == "running":
                self.progress[report.attempt].append(report.progress)
            elif self.final(report.attempt) is None:
                self.reports.append(report)
        for attempt in [*sync.held, *(report.attempt for report in sync.reports)]:
            self._offered.pop(attempt, None)
        assign = list(self._offered.values())
        while self.waiting and len(assign) < sync.free:
            assign.append(self._assignment(*self.waiting.pop(0)))
        stops = [order for order in self.stops if order.attempt in sync.held]
        refused = [Refusal(*pair) for pair in self.refuse.items()]
        return SyncAnswer(assign, stops, offsets, refused, PACE)

    def _take(self, chunk: Any) -> NextOffset:
        kept = self.output[chunk.attempt, chunk.stream]
        if self.is_taking_output:
            known = len(kept) - chunk.offset
            if 0 <= known < len(chunk.data):
                kept += chunk.data[known:]
        return NextOffset(chunk.attempt, chunk.stream, len(kept))

    def _assignment(self, job_type: str, params: Any) -> Assignment:
        self._count += 1
        attempt = f"attempt-{self._count}"
        self.assigned[attempt] = job_type
        raw = msgspec.Raw(msgspec.json.encode(params))
        made = Assignment(f"job-{self._count}", attempt, 1, job_type, raw)
        self._offered[attempt] = made
        return made

    def _error(self, status: int, code: str, words: str) -> tuple[int, bytes, dict[str, str]]:
        body = {"error": {"code": code, "message": words}}
        return status, msgspec.json.encode(body), {}


@asynccontextmanager
async def serving(app: Any, port: int = 0, **tls: Any) -> AsyncIterator[str]:
    """Serve an ASGI application; the address is given."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, **tls
    )
    server = QuietServer(config)
    task = asyncio.ensure_future(server.serve(sockets=[bound]))
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
        bound.close()
