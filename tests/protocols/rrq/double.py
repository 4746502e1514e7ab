"""A runner that does nothing by itself: tests read what it was sent and say what it answers."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from server.wire.rrq_address import Address
from tests.ports import free_port
from tests.protocols.rrq.world import a_world, dialled, settings_with

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.protocols.rrq.world import World

SECONDS = 10.0


class Sent(NamedTuple):
    """A request as it arrived, and over which connection."""

    payload: dict[str, Any]
    over: asyncio.StreamWriter

    @property
    def id(self) -> str:
        return str(self.payload["request_id"])

    @property
    def params(self) -> Any:
        return self.payload["params"]


class Double:
    """Listens on a port of its own."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Sent] = asyncio.Queue()
        self.cancels: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.connections: list[asyncio.StreamWriter] = []
        self.raw: list[bytes] = []
        """Every frame that came, as JSON."""
        self._server: asyncio.Server | None = None
        self.address = Address("127.0.0.1", free_port())

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, *self.address)

    async def close(self) -> None:
        """Go away: the port is free, every connection ended."""
        if self._server is not None:
            self._server.close()
        for writer in self.connections:
            writer.close()
        self.connections.clear()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    async def request(self) -> Sent:
        """The next request."""
        return await asyncio.wait_for(self.requests.get(), SECONDS)

    async def requests_for(self, count: int) -> list[Sent]:
        return [await self.request() for _ in range(count)]

    async def cancel(self) -> dict[str, Any]:
        """The next cancel."""
        return await asyncio.wait_for(self.cancels.get(), SECONDS)

    def answer(self, sent: Sent, status: str = "success", **fields: Any) -> None:
        """Answer a request; fields may be changed, or with ``...`` left out."""
        payload = {
            "job_id": sent.payload["job_id"],
            "request_id": sent.id,
            "status": status,
            **fields,
        }
        given = {name: value for name, value in payload.items() if value is not ...}
        self.say({"type": "response", "payload": given}, sent.over)

    def say(self, message: Any, over: asyncio.StreamWriter) -> None:
        body = message if isinstance(message, bytes) else msgspec.json.encode(message)
        over.write(struct.pack(">I", len(body)) + body)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        try:
            while True:
                (size,) = struct.unpack(">I", await reader.readexactly(4))
                body = await reader.readexactly(size)
                self.raw.append(body)
                message = msgspec.json.decode(body)
                if message["type"] == "cancel":
                    self.cancels.put_nowait(message["payload"])
                else:
                    self.requests.put_nowait(Sent(message["payload"], writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            if writer in self.connections:
                self.connections.remove(writer)


@asynccontextmanager
async def a_double() -> AsyncIterator[Double]:
    double = Double()
    await double.listen()
    try:
        yield double
    finally:
        await double.close()


@asynccontextmanager
async def dialling(folder: Path, **group: Any) -> AsyncIterator[tuple[Double, World]]:
    """A double, and a coordinator whose group ``py`` dials it."""
    async with a_double() as runner:
        settings = settings_with(py=dialled(runner.address, **group))
        async with a_world(folder, settings) as world:
            yield runner, world
