"""A switchboard's double: real WebSockets, raw JSON, and misbehaviour on request."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from tests.ports import free_port
from tests.runner.recording import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

    from websockets.http11 import Request, Response

SUPERVISOR = "7d55ec6d-15e7-4b84-8c04-7c085fe60df4"
TOKEN = base64.b64encode(hashlib.shake_256(b"a supervisor").digest(128)).decode()
IMAGE = "ab" * 32
CONFIG_S = '{"keepalive":{"ping_interval":"2s","keepalive":"10s"}}'
CONFIG_S2 = '{"protocol":{"major":1,"minor":0},"features":[]}'
UNION = (
    '{"keepalive":{"ping_interval":"2s","keepalive":"10s"},'
    '"protocol":{"major":1,"minor":0},"features":[]}'
)


class WatchedConnection(ServerConnection):
    """Keeps the pings that came; on request answers none of them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pings: list[bytes] = []

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings.append(bytes(event.data))
        super().process_event(event)


@dataclass
class Switchboard:
    """One switchboard, and all that one supervisor said to it, over all connections."""

    config: str | None = UNION
    refusal: HTTPStatus | None = None
    elsewhere: str = ""
    """Where it sends whoever it refuses."""
    speaks: bool = True
    """Whether its answer names the subprotocol."""
    url: str = ""
    ping_seconds: float | None = None
    """How often it pings."""
    pongs: int = 0
    requests: list[Request] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    connections: list[WatchedConnection] = field(default_factory=list)
    reads: bool = True
    """False: it takes nothing from its sockets."""
    _may_read: asyncio.Event = field(default_factory=asyncio.Event)

    # what it does ------------------------------------------------------------------------------

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        expected = f"/api/v1/supervisors/{SUPERVISOR}/connect"
        if request.path != expected:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such route")
        if self.refusal is not None:
            response = connection.respond(self.refusal, "")
            if self.elsewhere:
                response.headers["Location"] = self.elsewhere
            return response
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return connection.respond(HTTPStatus.FORBIDDEN, "")
        return None

    def dress(
        self, connection: ServerConnection, request: Request, response: Response
    ) -> Response | None:
        if not self.speaks:
            del response.headers["Sec-WebSocket-Protocol"]
        if self.config is not None:
            response.headers["tml-socket-config"] = self.config
        return None

    async def attend(self, connection: ServerConnection) -> None:
        assert isinstance(connection, WatchedConnection)
        self.connections.append(connection)
        pinging = asyncio.create_task(self._ping(connection))
        try:
            while True:
                if not self.reads:
                    await self._may_read.wait()
                frame = await connection.recv()
                assert isinstance(frame, str), "every message is a text frame"
                message = json.loads(frame)
                assert set(message) == {"type", "message"}, message
                self.said.append(message)
        except ConnectionClosed:
            return
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)

    async def _ping(self, connection: ServerConnection) -> None:
        while self.ping_seconds is not None:
            await (await connection.ping(b""))
            self.pongs += 1
            await asyncio.sleep(self.ping_seconds)

    def read_on(self) -> None:
        self.reads = True
        self._may_read.set()

    # what it says ------------------------------------------------------------------------------

    @property
    def connection(self) -> WatchedConnection:
        return self.connections[-1]

    async def connected(self, times: int = 1) -> None:
        await until(lambda: len(self.connections) >= times)

    async def send(self, kind: str, message: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, "message": message}))

    async def start(self, job_id: str | None = None, **facts: Any) -> str:
        job_id = job_id or str(uuid.uuid4())
        body = {
            "job_id": job_id,
            "image_spec": {"type": "image", "image_id": IMAGE},
            "ssh_keys": [],
            "restart_policy": {"remaining_restart_count": 0},
            "parameters": {},
            **facts,
        }
        await self.send("start_job", body)
        return job_id

    async def stop(self, job_id: str) -> None:
        await self.send("stop_job", {"job_id": job_id})

    async def ask(self) -> dict[str, Any]:
        """What it is at."""
        request_id = await self.question()
        return await self.answer(request_id)

    async def question(self) -> str:
        request_id = str(uuid.uuid4())
        await self.send("status_request", {"request_id": request_id, "message": None})
        return request_id

    async def answer(self, request_id: str) -> dict[str, Any]:
        def mine() -> list[dict[str, Any]]:
            return [
                message["message"]["message"]
                for message in self.said
                if message["type"] == "status_response"
                and message["message"]["response_to_request_id"] == request_id
            ]

        await until(mine)
        (status,) = mine()
        return status

    # what it heard -----------------------------------------------------------------------------

    def events(self, job_id: str | None = None) -> list[dict[str, Any]]:
        """What was said of a job, or of all."""
        found = []
        for message in self.said:
            if message["type"] != "supervisor_event":
                continue
            assert message["message"]["type"] == "job_event"
            if job_id in (None, message["message"]["job_id"]):
                found.append(message["message"]["event"])
        return found

    def states(self, job_id: str | None = None) -> list[str]:
        """The states it came through; of initializing the stage."""
        return [
            event["new_state"].get("stage") or event["new_state"]["state"]
            for event in self.events(job_id)
            if event["type"] == "state_transition" and event["status_message"] is None
        ]

    def words(self) -> list[str]:
        return [event["status_message"] for event in self.events() if event.get("status_message")]

    def declared(self, job_id: str | None = None) -> list[tuple[str, str | None]]:
        return [
            (event["user_exit_status"], event["host_output"])
            for event in self.events(job_id)
            if event["type"] == "declare_exit_status"
        ]

    def errors(self, job_id: str | None = None) -> list[tuple[str, str]]:
        return [
            (event["error"]["error_kind"], event["error"]["description"])
            for event in self.events(job_id)
            if event["type"] == "error"
        ]

    def kinds(self, job_id: str | None = None) -> list[str]:
        return [kind for kind, _ in self.errors(job_id)]

    def console(self, job_id: str | None = None) -> bytes:
        return b"".join(
            bytes(event["console_bytes"])
            for event in self.events(job_id)
            if event["type"] == "console_log"
        )

    async def hears(self, condition: Callable[[], object]) -> None:
        try:
            await until(condition)
        except TimeoutError:
            raise AssertionError(f"not heard in {DEADLINE_SECONDS} s: {self.said}") from None

    async def says(self, job_id: str, *kinds: str) -> None:
        """Wait for these errors."""
        await self.hears(lambda: self.kinds(job_id) == list(kinds))

    async def prints(self, job_id: str, data: bytes) -> None:
        await self.hears(lambda: self.console(job_id) == data)

    async def ended(self, job_id: str, times: int = 1) -> None:
        await self.hears(lambda: self.states(job_id).count("terminated") >= times)


@asynccontextmanager
async def serving(
    switchboard: Switchboard, port: int = 0, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Switchboard]:
    """Listen on a free port, or on one that was used before."""
    server = await serve(
        switchboard.attend,
        "127.0.0.1",
        port or free_port(),
        subprotocols=[Subprotocol("treadmillv1")],
        process_request=switchboard.admit,
        process_response=switchboard.dress,
        compression=None,
        ping_interval=None,
        close_timeout=0.5,
        server_header=None,
        create_connection=WatchedConnection,
        ssl=tls,
    )
    try:
        bound = server.sockets[0].getsockname()[1]
        switchboard.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{bound}"
        yield switchboard
    finally:
        server.close()
        await server.wait_closed()
