"""An orchestrator played by a test: RRQ's frames on a plain socket, to whatever runner listens."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import struct
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from traffic_tui.runner.connectors.rrq import RrqConnector
from traffic_tui.runner.connectors.rrq_handlers import as_rrq_reads
from traffic_tui.runner.supervisor import Supervisor
from traffic_tui.runner.tcp_socket import TcpSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from traffic_tui.runner.registry import Registry

ANSWER_SECONDS = 15.0
BUSY = "Runner busy: too many in-flight requests"
CANCELLED = ("error", "Job cancelled", "cancelled")
_ids = itertools.count(1)


def frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def message(kind: str, payload: object) -> bytes:
    return frame(json.dumps({"type": kind, "payload": payload}).encode())


def request(function_name: str = "echo", **fields: Any) -> dict[str, Any]:
    """A request as the real orchestrator writes it, every key said."""
    number = next(_ids)
    job_id = fields.pop("job_id", f"job-{number}")
    context = {
        "job_id": job_id,
        "attempt": 1,
        "enqueue_time": "2026-01-02T03:04:05.123456789Z",
        "queue_name": "rrq:queue:default",
        "deadline": fields.pop("deadline", None),
        "trace_context": None,
        "correlation_context": None,
        "worker_id": "rrq_worker_1_abcdef",
        **fields.pop("context", {}),
    }
    return {
        "protocol_version": "2",
        "request_id": f"request-{number}",
        "job_id": job_id,
        "function_name": function_name,
        "params": {},
        "context": context,
        **fields,
    }


def in_seconds(seconds: float) -> str:
    """A deadline so far from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def error(answer: dict[str, Any]) -> tuple[str, str, str | None]:
    """Status, message and type of an answer that is no success."""
    return answer["status"], answer["error"]["message"], answer["error"]["type"]


class Peer:
    """One connection to a runner."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def request(self, function_name: str = "echo", **fields: Any) -> dict[str, Any]:
        """Send a request, and give it back."""
        sent = request(function_name, **fields)
        self.send("request", sent)
        return sent

    def cancel(self, job_id: str, request_id: str | None = None, **fields: Any) -> None:
        payload = {"protocol_version": "2", "job_id": job_id, "request_id": request_id}
        self.send("cancel", {**payload, "hard_kill": False, **fields})

    def send(self, kind: str, payload: object) -> None:
        self.writer.write(message(kind, payload))

    async def receive(self) -> dict[str, Any]:
        """The next answer."""
        async with asyncio.timeout(ANSWER_SECONDS):
            (size,) = struct.unpack(">I", await self.reader.readexactly(4))
            whole = json.loads(await self.reader.readexactly(size))
        assert whole["type"] == "response"
        answer: dict[str, Any] = whole["payload"]
        return answer

    async def call(self, function_name: str = "echo", **fields: Any) -> dict[str, Any]:
        """Send a request and wait for the next answer, which must be its own."""
        sent = self.request(function_name, **fields)
        answer = await self.receive()
        assert (answer["job_id"], answer["request_id"]) == (sent["job_id"], sent["request_id"])
        return answer

    async def is_closed(self) -> bool:
        """Wait for the runner to close; false where it says something instead."""
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.writer.wait_closed()


@asynccontextmanager
async def peer(port: int, host: str = "127.0.0.1") -> AsyncIterator[Peer]:
    connected = Peer(*await asyncio.open_connection(host, port, limit=2**20))
    try:
        yield connected
    finally:
        await connected.close()


class Runner:
    """Our runner, on the loop of the test."""

    def __init__(self, connector: RrqConnector, supervisor: Supervisor) -> None:
        self.connector = connector
        self.supervisor = supervisor
        self.task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return self.connector.address.port

    async def drained(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(ANSWER_SECONDS):
            await self.task


@asynccontextmanager
async def runner(
    registry: Registry,
    *,
    slots: int = 1000,
    address: TcpSocket = TcpSocket("127.0.0.1", 0),  # noqa: B008  (it cannot be changed)
    **options: Any,
) -> AsyncIterator[Runner]:
    """Our runner, listening on a free port."""
    connector = RrqConnector(address, **options)
    async with Supervisor(as_rrq_reads(registry), connector, slots=slots) as supervisor:
        made = Runner(connector, supervisor)
        made.task = asyncio.create_task(connector.run(supervisor))
        async with asyncio.timeout(ANSWER_SECONDS):
            while not made.port and not made.task.done():  # noqa: ASYNC110  (a condition)
                await asyncio.sleep(0)
        try:
            yield made
        finally:
            connector.stop(0)
            await made.task
