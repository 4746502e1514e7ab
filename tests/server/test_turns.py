"""Who sends, or knocks, without end has to wait for the others in between."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from typing import TYPE_CHECKING, Any

from server.http.keepalive import KeptAliveWebSocket
from server.protocols.rrq.connection import dial
from server.runtime.http_server import HttpServer
from server.runtime.loops import new_event_loop
from server.settings import TlsSettings
from server.tls_door import TlsDoor
from server.wire.rrq_address import Address
from server.wire.rrq_frames import frame_bytes
from tests.protocols.world import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import pytest

LEAST_WAITING = 1024 * 1024
"""Bytes that wait in the kernel before the first is read."""
ONE_BUFFER = 256 * 1024
KNOCKS = 20
SECONDS = 30.0
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PONG = b"\x8a\xe4" + bytes(104)  # 100 bytes and a mask


class Turns:
    """Counts what is taken in between two turns of the loop."""

    def __init__(self) -> None:
        self.taken: Counter[int] = Counter()
        self._turn = 0
        self._begin()

    def took(self, size: int) -> None:
        self.taken[self._turn] += size

    async def until(self, size: int) -> None:
        await eventually(lambda: self.taken.total() >= size, "all of it was taken in")

    def _begin(self) -> None:
        self._turn += 1
        asyncio.get_running_loop().call_soon(self._begin)


def on_uvloop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Alone it reads on and on."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(test())


def fill(client: socket.socket, data: bytes) -> int:
    """Send as much as the kernel keeps while nobody reads, in whole pieces of ``data``."""
    client.setblocking(False)
    sent = 0
    while True:
        try:
            sent += client.send(data[sent % len(data) :])
        except BlockingIOError:
            assert sent > LEAST_WAITING
            return sent


def test_answers_of_an_rrq_runner() -> None:
    frame = frame_bytes(b"{}" + b" " * 998)

    async def read() -> None:
        turns = Turns()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            connection = await dial(Address(*listener.getsockname()), seconds=SECONDS)
            runner, _ = listener.accept()
        with runner:
            connection.attend(lambda frame: turns.took(len(frame)), lambda: None)
            sent = fill(runner, frame * 100)  # nothing is read before the next turn of the loop
            await turns.until((sent // len(frame) - 1) * 1000)
        connection.close("the test is over")
        assert max(turns.taken.values()) <= ONE_BUFFER

    on_uvloop(read)


def test_frames_of_a_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "headers": []})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def read() -> None:
        turns = Turns()
        monkeypatch.setattr(
            KeptAliveWebSocket, "handle_pong", lambda self, frame: turns.took(len(PONG))
        )
        listener = socket.create_server(("127.0.0.1", 0))
        server = HttpServer(
            app,
            [listener],
            TlsSettings(),
            takes=lambda descriptor: True,
            look=lambda: None,
            on_end=lambda error: None,
        )
        await server.start()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(UPGRADE)
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
        with writer.get_extra_info("socket").dup() as client:
            sent = fill(client, PONG * 1000)
            await turns.until(sent // len(PONG) * len(PONG))
        writer.transport.abort()
        await server.stop()
        assert max(turns.taken.values()) <= ONE_BUFFER

    on_uvloop(read)


async def test_who_knocks_at_a_door_of_tls() -> None:
    """The loop of asyncio has its next connection at once, without a turn, where one waits."""
    turns = Turns()

    def takes(descriptor: int) -> bool:
        turns.took(1)
        return False

    listener = socket.create_server(("127.0.0.1", 0), backlog=KNOCKS)
    listener.setblocking(False)
    knocking = [socket.create_connection(listener.getsockname()) for _ in range(KNOCKS)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    door = TlsDoor(listener, asyncio.Protocol, context, takes)
    await turns.until(KNOCKS)
    door.close()
    await door.wait_closed()
    for one in knocking:
        one.close()
    assert max(turns.taken.values()) == 1
