"""The webhook's listener among clients that are slow, loud, many, or no HTTP at all."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.runner.recording import until
from traffic_tui.runner.connectors import traffic_light_listener
from traffic_tui.runner.connectors.traffic_light_listener import (
    MAX_BODY,
    MAX_CONNECTIONS,
    MAX_HEAD,
    WEBHOOK_PATH,
    Answer,
    Call,
    Listener,
)
from traffic_tui.runner.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Taken:
    """Jobs as they were handed on."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.port = 0

    async def take(self, call: Call) -> Answer:
        assert (call.caller, call.life) == ("127.0.0.1", "")
        self.bodies.append(call.body)
        if call.body == b"a fault":
            raise ZeroDivisionError
        return Answer(200)

    async def post(self, content: bytes) -> httpx.Response:
        async with httpx.AsyncClient() as http:
            return await http.post(f"http://127.0.0.1:{self.port}{WEBHOOK_PATH}", content=content)

    async def raw(self, sent: bytes) -> bytes:
        """What comes back until the connection is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(sent)
            return await asyncio.wait_for(reader.read(), 20)
        except OSError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Taken]:
    taken = Taken()
    listener = Listener("127.0.0.1", 0, taken.take)
    taken.port = await listener.open()
    try:
        yield taken
        assert (await taken.post(b"still there")).json() == {"ok": True}
    finally:
        await listener.close()
        await listener.close()
    with pytest.raises(httpx.ConnectError):
        await taken.post(b"gone")


async def test_requests_of_one_connection_are_answered_one_after_the_other() -> None:
    async with listening() as taken:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{taken.port}") as http:
            for number in range(3):
                answer = await http.post(WEBHOOK_PATH, content=str(number).encode())
                assert answer.json() == {"ok": True}
        head = f"POST {WEBHOOK_PATH}?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
        pipelined = f"{head}\r\n3{head}Connection: close\r\n\r\n4".encode()
        assert (await taken.raw(pipelined)).count(b"HTTP/1.1 200") == 2
        assert taken.bodies == [b"0", b"1", b"2", b"3", b"4"]


async def test_an_old_client_and_one_that_asks_before_it_sends() -> None:
    async with listening() as taken:
        old = f"POST {WEBHOOK_PATH} HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi".encode()
        assert b" 200 " in await taken.raw(old)
        expecting = (
            f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
            "Connection: close\r\nExpect: 100-continue\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", taken.port)
        writer.write(expecting.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
        writer.write(b"ho")
        assert b" 200 " in await reader.read()
        writer.close()
        assert taken.bodies == [b"hi", b"ho"]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("GET /", 404), ("POST /other", 404), (f"GET {WEBHOOK_PATH}", 405), ("PUT /\xe9", 400)],
)
async def test_other_calls(request_line: str, status: int) -> None:
    async with listening() as taken:
        sent = f"{request_line} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1")
        reader, writer = await asyncio.open_connection("127.0.0.1", taken.port)
        writer.write(sent)
        assert f" {status} ".encode() in await reader.readline()
        writer.close()
        assert taken.bodies == []


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 600,
        b"hello\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"GET /" + b"x" * (2 * MAX_HEAD),
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * MAX_HEAD,
    ],
    ids=["TLS", "no HTTP", "no length", "a long line", "many lines"],
)
async def test_what_is_no_http_is_told_so_and_cut(sent: bytes) -> None:
    async with listening() as taken:
        answer = await taken.raw(sent)
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")) or not answer
        assert taken.bodies == []


async def test_a_page_in_a_browser_brings_no_jobs() -> None:
    """The coordinator is told by its address, which a page opened on its box has too."""
    async with listening() as taken, httpx.AsyncClient() as http:
        url = f"http://127.0.0.1:{taken.port}{WEBHOOK_PATH}"
        origin = {"origin": "https://somewhere.example"}
        answer = await http.post(url, content=b"forged", headers=origin)
        assert answer.status_code == 403
        assert "browser" in answer.json()["message"]
        assert taken.bodies == []


async def test_a_job_that_is_too_long() -> None:
    async with listening() as taken:
        head = f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
        answer = await taken.raw(head.encode() + b"x" * (MAX_BODY + 1))
        assert b" 413 " in answer or not answer
        endless = f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = b"1000\r\n" + b"y" * 0x1000 + b"\r\n"
        answer = await taken.raw(endless.encode() + chunk * 40)
        assert b" 413 " in answer or not answer
        assert taken.bodies == []


async def test_slow_ones_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_light_listener, "SILENCE_SECONDS", 0.2)
    async with listening() as taken:
        for sent in (b"", b"POST", f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\n".encode()):
            assert await taken.raw(sent) == b""


async def test_many_silent_ones_do_not_keep_the_coordinator_out() -> None:
    async with listening() as taken:
        silent = [
            await asyncio.open_connection("127.0.0.1", taken.port)
            for _ in range(MAX_CONNECTIONS + 20)
        ]
        assert (await taken.post(b"a job")).status_code == 200
        cut = [reader for reader, _ in silent[:20]]
        await until(lambda: all(reader.at_eof() or reader.exception() for reader in cut))
        for _, writer in silent:
            writer.close()


async def test_a_fault_of_ours_costs_one_connection() -> None:
    async with listening() as taken:
        with pytest.raises(httpx.HTTPError):
            await taken.post(b"a fault")


async def test_a_port_that_is_taken_is_told_in_words() -> None:
    async with listening() as taken:
        with pytest.raises(RunnerError, match=f"cannot listen on 127.0.0.1 port {taken.port}"):
            await Listener("127.0.0.1", taken.port, taken.take).open()
