"""A supervisor's double: a real WebSocket, and nothing behind it but what a test makes it say."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from websockets.typing import Subprotocol

DEADLINE_SECONDS = 20.0
SUBPROTOCOL = "treadmillv1"


def token_of(name: str) -> str:
    """128 bytes that are always the same for a name, as they stand in a header."""
    return base64.b64encode(hashlib.shake_256(name.encode()).digest(128)).decode()


@dataclass
class Double:
    """One connection of a supervisor.

    Status requests are kept for the test to answer, unless ``status`` says what to answer.
    """

    socket: ClientConnection
    status: dict[str, Any] | None = None
    messages: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    asked: int = 0
    """How often it was asked what it is at."""
    pings: list[bytes] = field(default_factory=list)

    async def listen(self) -> None:
        try:
            async for frame in self.socket:
                assert isinstance(frame, str), "every message is a text frame"
                message = json.loads(frame)
                assert set(message) == {"type", "message"}
                if message["type"] == "status_request":
                    self.asked += 1
                    assert message["message"]["message"] is None
                    if self.status is not None:
                        await self.answer(message["message"], self.status)
                        continue
                await self.messages.put(message)
        except ConnectionClosed:
            return

    async def next(self, kind: str) -> dict[str, Any]:
        """The next message, which has to be of this kind; what is in it."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            message = await self.messages.get()
        assert message["type"] == kind, message
        body: dict[str, Any] = message["message"]
        return body

    async def answer(self, request: dict[str, Any], status: dict[str, Any]) -> None:
        body = {"response_to_request_id": request["request_id"], "message": status}
        await self.send({"type": "status_response", "message": body})

    async def answer_next(self, status: dict[str, Any]) -> None:
        """Answer the next question."""
        await self.answer(await self.next("status_request"), status)

    async def send(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str) else json.dumps(message))

    async def event(self, job_id: str, event: dict[str, Any]) -> None:
        body = {"type": "job_event", "job_id": job_id, "event": event}
        await self.send({"type": "supervisor_event", "message": body})

    async def state(self, job_id: str, state: str, stage: str | None = None) -> None:
        new_state = {"state": state, "stage": stage} if stage else {"state": state}
        await self.event(
            job_id, {"type": "state_transition", "new_state": new_state, "status_message": None}
        )

    async def error(self, job_id: str, kind: str, description: str = "as it happens") -> None:
        error = {"error_kind": kind, "description": description}
        await self.event(job_id, {"type": "error", "error": error})

    async def console(self, job_id: str, data: bytes) -> None:
        await self.event(job_id, {"type": "console_log", "console_bytes": list(data)})

    async def declare(self, job_id: str, status: str, host_output: str | None = None) -> None:
        await self.event(
            job_id,
            {
                "type": "declare_exit_status",
                "user_exit_status": status,
                "host_output": host_output,
            },
        )

    async def run_to_ready(self, job_id: str) -> None:
        for stage in ("starting", "allocating", "booting"):
            await self.state(job_id, "initializing", stage)
        await self.state(job_id, "ready")

    async def takes(self) -> dict[str, Any]:
        """The next start_job."""
        return await self.next("start_job")

    async def is_closed(self) -> None:
        """Wait until the switchboard has ended the connection."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.socket.wait_closed()


IDLE: dict[str, Any] = {"type": "idle"}


def ongoing(job_id: str, state: str, stage: str | None = None) -> dict[str, Any]:
    job_state = {"state": state, "stage": stage} if stage else {"state": state}
    return {"type": "ongoing_job", "job_id": job_id, "job_state": job_state}


@asynccontextmanager
async def a_double(
    url: str,
    supervisor_id: str,
    *,
    token: str | None = None,
    status: dict[str, Any] | None = None,
    minor: str | None = None,
    trust: ssl.SSLContext | None = None,
) -> AsyncIterator[Double]:
    """A supervisor that connects, by TLS where the address says so.

    Args:
        status: what it answers whenever it is asked.
    """
    headers = {"authorization": f"Bearer {token or token_of(supervisor_id)}"}
    if minor is not None:
        headers["tml-protocol-minor"] = minor
    address = f"{url.replace('http', 'ws', 1)}/api/v1/supervisors/{supervisor_id}/connect"
    subprotocol: Subprotocol = SUBPROTOCOL  # type: ignore[assignment]
    async with connect(
        address,
        subprotocols=[subprotocol],
        additional_headers=headers,
        compression=None,
        ping_interval=None,
        user_agent_header=None,
        proxy=None,
        ssl=trust,
        close_timeout=1,
        max_size=64 * 1024 * 1024,
    ) as socket:
        double = Double(socket, status)
        listening = asyncio.create_task(double.listen())
        try:
            yield double
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
