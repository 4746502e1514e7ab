"""The upgrade, byte by byte, as the original's supervisor sends it and looks at the answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed

from server.http.keepalive import MAX_FRAMES
from tests.protocols.treadmill.double import DEADLINE_SECONDS, IDLE, token_of
from tests.protocols.treadmill.world import FIRST, SECOND, a_world

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEY = base64.b64encode(bytes(range(16))).decode()
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
GOOD = f"Bearer {token_of(FIRST)}"
PING, CLOSE = 0x9, 0x8


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Raw:
    """A connection on which nothing is done for anybody."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def head(self) -> Answered:
        async with asyncio.timeout(DEADLINE_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        pairs = [line.partition(": ") for line in lines]
        headers = {name.lower(): value for name, _, value in pairs}
        assert len(headers) == len(pairs), "no header comes twice"
        body = b""
        status = int(first.split(" ")[1])
        if status != 101:
            body = await self._reader.read(int(headers.get("content-length", "0")))
        return Answered(status, headers, body)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame from the server: opcode and payload."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            assert not second & 0x80, "servers do not mask"
            if size == 126:
                size = struct.unpack("!H", await self._reader.readexactly(2))[0]
            return first & 0x0F, await self._reader.readexactly(size)

    def send(self, opcode: int, payload: bytes, *, is_masked: bool = True) -> None:
        mask = b"\x00\x00\x00\x00" if is_masked else b""
        self.writer.write(bytes([0x80 | opcode, len(payload) | 0x80]) + mask + payload)

    async def is_at_end(self) -> bool:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return not await self._reader.read()


async def request(url: str, *lines: str, path: str = f"/api/v1/supervisors/{FIRST}/connect") -> Raw:
    """Send the head of a request, in the bytes of the original."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *lines]
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
    return Raw(reader, writer)


def upgrade(
    *more: str, authorization: str | None = GOOD, leave_out: Sequence[str] = ()
) -> list[str]:
    lines = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Protocol: treadmillv1",
    ]
    if authorization is not None:
        lines.append(f"authorization: {authorization}")
    lines += more
    return [line for line in lines if line.partition(":")[0] not in leave_out]


async def test_the_answer_is_the_one_that_tungstenite_takes(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        raw = await request(world.server.url, *upgrade())
        answered = await raw.head()
        assert answered.status == 101
        headers = dict(answered.headers)
        config = json.loads(headers.pop("tml-socket-config"))
        assert config == {
            "keepalive": {"ping_interval": "2s", "keepalive": "10s"},
            "protocol": {"major": 1, "minor": 0},
            "features": [],
        }
        accept = base64.b64encode(hashlib.sha1((KEY + MAGIC).encode()).digest()).decode()
        assert headers == {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-accept": accept,
            "sec-websocket-protocol": "treadmillv1",
            **{name: headers[name] for name in headers if name == "date"},
        }
        assert await raw.frame() == (PING, b"")
        opcode, payload = await raw.frame()
        assert (opcode, json.loads(payload)["type"]) == (0x1, "status_request")
        raw.writer.close()


async def test_pings_are_empty_and_come_every_two_seconds(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        raw = await request(world.server.url, *upgrade())
        await raw.head()
        clock = asyncio.get_running_loop().time
        times: list[float] = []
        while len(times) < 3:
            opcode, payload = await raw.frame()
            if opcode == PING:
                assert payload == b""
                times.append(clock())
                raw.send(0xA, b"")
        assert times[2] - times[0] == pytest.approx(4.0, abs=0.7)
        raw.writer.close()


async def test_a_pong_with_any_payload_and_a_ping_are_fine(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        raw = await request(world.server.url, *upgrade())
        await raw.head()
        raw.send(0xA, b"anything")
        raw.send(PING, b"hello")
        answers = [await raw.frame() for _ in range(3)]
        assert (0xA, b"hello") in answers
        raw.writer.close()


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 400),
        (f"Bearer {token_of('somebody else')}", 403),
        ("Bearer ", 403),
        ("Bearer short", 403),
        (f"Basic {token_of(FIRST)}", 403),
        (f"Bearer {token_of(FIRST)[:-2]}==", 403),
        (f"Bearer {token_of(FIRST).rstrip('=')}", 403),
        (f"Bearer {token_of(FIRST).replace('+', '-').replace('/', '_')}", 403),
        (f"Bearer {'=' * 172}", 403),
        ("Bearer \xff\xfe", 403),
    ],
)
async def test_bad_credentials_are_refused_before_the_upgrade(
    tmp_path: Path,
    authorization: str | None,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_world(tmp_path) as world:
        raw = await request(world.server.url, *upgrade(authorization=authorization))
        answered = await raw.head()
        assert answered.status == status
        assert "upgrade" not in answered.headers
        if status == 403:
            assert answered.body == b""
        raw.writer.close()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_an_unknown_id_is_refused_like_a_wrong_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_world(tmp_path) as world:
        path = f"/api/v1/supervisors/{SECOND}/connect"
        for _ in range(3):
            raw = await request(world.server.url, *upgrade(), path=path)
            answered = await raw.head()
            assert (answered.status, answered.body) == (403, b"")
            raw.writer.close()
    told = [record for record in caplog.records if "would be a supervisor" in record.message]
    assert len(told) == 1  # whoever knocks without end does not fill the log


async def test_a_wrong_token_is_shown_to_the_operator(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        wrong = f"Bearer {token_of('somebody else')}"
        raw = await request(world.server.url, *upgrade(authorization=wrong))
        await raw.head()
        raw.writer.close()
        [event] = await world.events("message_ignored")
        assert "token" in event["reason"]
        assert token_of("somebody else") not in str(event)


@pytest.mark.parametrize(
    ("leave_out", "more", "status"),
    [
        (["Sec-WebSocket-Key"], [], 400),
        (["Sec-WebSocket-Version"], [], 400),
        (["Sec-WebSocket-Version"], ["Sec-WebSocket-Version: 12"], 400),
        (["Upgrade"], [], 426),
        (["Connection"], [], 426),
        (["Upgrade"], ["Upgrade: h2c"], 426),
    ],
)
async def test_half_an_upgrade_is_refused(
    tmp_path: Path, leave_out: list[str], more: list[str], status: int
) -> None:
    async with a_world(tmp_path) as world:
        raw = await request(world.server.url, *upgrade(*more, leave_out=leave_out))
        assert (await raw.head()).status == status
        raw.writer.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/supervisors/nonsense/connect", 400),
        ("/api/v1/supervisors/a/b/connect", 400),
        ("/api/v1/jobs", 404),
        ("/api/v1", 404),
        ("/livez", 404),
        ("/nowhere", 404),
    ],
)
async def test_other_paths_speak_no_websocket(tmp_path: Path, path: str, status: int) -> None:
    async with a_world(tmp_path) as world:
        raw = await request(world.server.url, *upgrade(), path=path)
        assert (await raw.head()).status == status
        raw.writer.close()


async def test_another_subprotocol_is_let_in_and_shown_out(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        lines = upgrade("Sec-WebSocket-Protocol: chat", leave_out=["Sec-WebSocket-Protocol"])
        raw = await request(world.server.url, *lines, "Sec-WebSocket-Protocol: chat")
        answered = await raw.head()
        assert answered.status == 101
        assert "sec-websocket-protocol" not in answered.headers
        opcode, _ = await raw.frame()
        while opcode == PING:
            opcode, _ = await raw.frame()
        assert opcode == CLOSE
        raw.writer.close()


async def test_a_message_of_frames_without_end_is_refused(tmp_path: Path) -> None:
    """Empty ones: however many come, they never add up to a message that is too long."""
    async with a_world(tmp_path) as world:
        raw = await request(world.server.url, *upgrade())
        await raw.head()
        raw.writer.write(b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * MAX_FRAMES)
        opcode, payload = await raw.frame()
        while opcode != CLOSE:
            opcode, payload = await raw.frame()
        assert int.from_bytes(payload[:2], "big") == 1009
        raw.writer.close()


async def test_compression_is_never_agreed_on(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        more = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
        raw = await request(world.server.url, *upgrade(more))
        answered = await raw.head()
        assert answered.status == 101
        assert "sec-websocket-extensions" not in answered.headers
        raw.writer.close()


async def test_an_upgrade_behind_an_unanswered_request_is_refused(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        host, port = world.server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        path = f"/api/v1/supervisors/{FIRST}/connect"
        head = "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *upgrade()])
        writer.write(f"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n{head}\r\n\r\n".encode("latin-1"))
        async with asyncio.timeout(DEADLINE_SECONDS):
            answered = await reader.read()
        assert b" 101 " not in answered
        assert b" 400 " in answered
        writer.close()


async def test_a_silent_supervisor_is_cut_off_after_ten_seconds(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        clock = asyncio.get_running_loop().time
        raw = await request(world.server.url, *upgrade())
        await raw.head()
        began = clock()
        assert await _ended(raw)
        assert 9.0 <= clock() - began <= 14.0
        raw.writer.close()


async def _ended(raw: Raw) -> bool:
    """Read without ever answering, until the other side cuts the connection."""
    try:
        while True:
            await raw.frame()
    except (asyncio.IncompleteReadError, ConnectionError):
        return True


async def test_two_that_use_one_id_do_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each ends the other's connection, and comes back a second later."""
    caplog.set_level("INFO")
    async with a_world(tmp_path) as world, AsyncExitStack() as stack:
        for _ in range(4):
            older = await stack.enter_async_context(world.supervisor(status=IDLE))
        await stack.enter_async_context(world.supervisor(status=IDLE))
        await older.is_closed()
    told = [record for record in caplog.records if "two processes use one id" in record.message]
    assert len(told) == 1


async def test_the_newest_connection_wins(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as old:
        await world.runner_becomes("ok")
        async with world.supervisor(status=IDLE) as new:
            await old.is_closed()
            assert old.socket.close_code == 4003
            job_id = await world.enqueue()
            assert (await new.takes())["job_id"] == job_id


async def test_a_half_dead_connection_does_not_block_its_successor(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        half_dead = await request(world.server.url, *upgrade())
        await half_dead.head()
        clock = asyncio.get_running_loop().time
        began = clock()
        async with world.supervisor(status=IDLE) as new:
            job_id = await world.enqueue()
            assert (await new.takes())["job_id"] == job_id
        assert clock() - began < 5.0
        half_dead.writer.close()


async def test_nothing_is_left_of_a_connection(tmp_path: Path) -> None:
    before = len(asyncio.all_tasks())
    async with a_world(tmp_path) as world:
        for _ in range(5):
            async with world.supervisor(status=IDLE):
                await world.runner_becomes("ok")
            await world.runner_becomes("lost")
        async with world.supervisor(status=IDLE) as double:
            await world.runner_becomes("ok")
            await world.server.stop()
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    while True:
                        await double.socket.ping()
                        await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before
