"""Heads of requests are bounded in size and time."""

from __future__ import annotations

import asyncio

import pytest

from server.http.bounded_protocol import MAX_HEAD, BoundedHttpProtocol
from tests.server.http.world import DEADLINE_SECONDS, served


class Caller(asyncio.Protocol):
    """Keeps all that comes back, also where the connection is reset right after it."""

    def __init__(self) -> None:
        self.answer = bytearray()
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.answer += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def answer_to(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Everything that comes back until the connection is closed."""
    loop = asyncio.get_running_loop()
    transport, caller = await loop.create_connection(Caller, "127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            ended = asyncio.ensure_future(caller.ended.wait())
            for part in parts:
                transport.write(part)
                await asyncio.wait([ended], timeout=pause)
                if ended.done():
                    break
            await ended
            return bytes(caller.answer)
    finally:
        transport.close()


@pytest.mark.parametrize(
    "line",
    [b"X-%d: y\r\n" * 20_000, b"X: " + b"y" * 300_000, b"GET /" + b"a" * 300_000],
    ids=["many lines", "one long line", "long path"],
)
async def test_a_head_without_end_is_cut_off(line: bytes) -> None:
    async with served() as world:
        start = b"" if line.startswith(b"GET") else b"GET /livez HTTP/1.1\r\nHost: x\r\n"
        head = start + line
        pieces = [head[at : at + 32_768] for at in range(0, len(head), 32_768)]
        answer = await answer_to(world.port, *pieces, pause=0.001)
        # What was still on its way may take the answer with it; that it ends is what counts.
        assert answer[:13] in (b"", b"HTTP/1.1 431 ", b"HTTP/1.1 400 "), answer[:200]
        assert (await world.http.get("/livez")).status_code == 200


async def test_a_head_just_over_the_bound_is_told_so() -> None:
    async with served() as world:
        head = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"y" * MAX_HEAD
        answer = await answer_to(world.port, head)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b'"code":"head_too_large"' in answer


async def test_lines_after_a_body_are_bounded_too() -> None:
    async with served() as world:
        head = b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        answer = await answer_to(world.port, head, b"X: y\r\n" * 2_000, pause=0.05)
        assert b"HTTP/1.1 400 " in answer


@pytest.mark.parametrize("line", [b"0\r\nX: ", b"1;"], ids=["after the body", "within the body"])
async def test_a_line_of_a_body_that_never_ends_is_cut_off(line: bytes) -> None:
    async with served() as world:
        head = b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + line
        answer = await answer_to(world.port, head, *[b"y" * 32_768] * 20, pause=0.05)
        assert b"HTTP/1.1 431 " in answer or b"HTTP/1.1 400 " in answer


async def test_large_heads_within_the_bound_pass() -> None:
    async with served() as world:
        for _ in range(3):  # on one connection: each head counts by itself
            sent = {f"X-{number}": "y" * 4_000 for number in range(12)}
            assert (await world.http.get("/livez", headers=sent)).status_code == 200


async def test_slow_and_silent_heads_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "head_seconds", 0.2)
    async with served() as world:
        silent = answer_to(world.port)
        begun = answer_to(world.port, b"GET /livez HTTP/1.1\r\n")
        in_drops = answer_to(
            world.port, b"GET /livez HTTP/1.1\r\n", *[b"X: y\r\n"] * 200, pause=0.02
        )
        for answer in await asyncio.gather(silent, begun, in_drops):
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"code":"slow_head"' in answer


async def test_an_idle_connection_between_requests_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "head_seconds", 1.0)

    async def ask() -> None:
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")

    async with served() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        await ask()
        waiting = asyncio.ensure_future(reader.read(1))
        await asyncio.wait([waiting], timeout=1.5)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
        await ask()
        writer.close()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with served() as world:
        two = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n"
        answer = await answer_to(world.port, two, b"Connection: close\r\n\r\n", pause=0.02)
        assert answer.index(b"alive") < answer.index(b"ready")


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"nonsense\r\n\r\n", b"GET  HTTP/9\r\n\r\n"],
)
async def test_what_is_no_http_gets_a_4xx(garbage: bytes) -> None:
    async with served() as world:
        answer = await answer_to(world.port, garbage)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"code":"no_http"' in answer
        assert (await world.http.get("/livez")).status_code == 200
