"""The outermost layer: slow bodies, unforeseen errors, protocols by path."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from server.errors import StoreError
from server.http.app import Surface
from server.http.exchange import read_body, send_json
from server.http.routes import PREFIX
from tests.server.http.world import DEADLINE_SECONDS, secret_of, served

if TYPE_CHECKING:
    from server.http.exchange import Message, Receive, Scope, Send


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(scope, receive, 1_000_000)
    await send_json(send, 200, b'{"path":"%b","size":%d}' % (scope["path"].encode(), len(body)))


async def crash(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a secret detail")


async def crash_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise RuntimeError("a secret detail")


async def store_down(scope: Scope, receive: Receive, send: Send) -> None:
    raise StoreError("the database failed: disk I/O error")


SURFACES = [
    Surface("store", store_down, prefixes=("/store",)),
    Surface("crash", crash, prefixes=("/crash",)),
    Surface("late", crash_late, prefixes=("/late",)),
    Surface("echo", echo, prefixes=("/api/jobs",), paths=("/", "/health")),
]


async def test_protocols_are_found_by_exact_path_and_by_prefix() -> None:
    async with served(surfaces=SURFACES) as world:
        for path in ("/", "/health", "/api/jobs", "/api/jobs/1/x"):
            assert (await world.http.post(path, content=b"abc")).json() == {"path": path, "size": 3}
        for path in ("/api/jobsx", "/health/", "/other"):
            assert (await world.http.get(path)).status_code == 404


async def test_an_unforeseen_error_costs_one_request(caplog: pytest.LogCaptureFixture) -> None:
    async with served(surfaces=SURFACES) as world:
        with caplog.at_level(logging.ERROR):
            answer = await world.http.get("/crash/1")
        assert answer.status_code == 500
        error = answer.json()["error"]
        request_id = error["details"]["request_id"]
        assert answer.headers["x-request-id"] == request_id
        assert request_id in caplog.text
        assert "secret detail" in caplog.text
        assert "secret detail" not in answer.text
        assert "Traceback" not in answer.text
        assert (await world.http.get("/health")).status_code == 200


async def test_a_failing_store_is_said_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with served(surfaces=SURFACES) as world:
        with caplog.at_level(logging.ERROR):
            answer = await world.http.get("/store")
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "store"
        assert "disk I/O error" in caplog.text


async def test_an_error_after_the_answer_began_cuts_it_off() -> None:
    async with served(surfaces=SURFACES) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(DEADLINE_SECONDS):
            whole = await reader.read()
        writer.close()
        assert whole.startswith(b"HTTP/1.1 200")
        assert not whole.endswith(b"0\r\n\r\n")
        assert (await world.http.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/api/jobs", f"{PREFIX}/jobs"])
@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 100\r\n", b"Transfer-Encoding: chunked\r\n"],
    ids=["stated", "chunked"],
)
async def test_a_body_that_does_not_come_is_not_waited_for(path: str, head: bytes) -> None:
    async with served(surfaces=SURFACES, body_seconds=0.2) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        key = f"Authorization: Bearer {secret_of('submit')}\r\n".encode()
        writer.write(b"POST %b HTTP/1.1\r\nHost: x\r\n" % path.encode() + key + head + b"\r\n")
        async with asyncio.timeout(DEADLINE_SECONDS):
            answer = await reader.readuntil(b"}}")
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"did not arrive in time" in answer
        assert (await world.http.get("/health")).status_code == 200


async def test_a_body_in_drops_is_cut_off_too() -> None:
    async with served(surfaces=SURFACES, body_seconds=0.3) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        answer = asyncio.create_task(reader.readuntil(b"}}"))
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not answer.done():
                writer.write(b"x")
                await asyncio.wait([answer], timeout=0.02)
        writer.close()
        assert (await answer).startswith(b"HTTP/1.1 408 ")


async def test_probes_need_no_key_and_figures_do() -> None:
    async with served() as world:
        assert (await world.http.get("/livez")).json() == {"status": "alive"}
        assert (await world.http.get("/readyz")).json() == {"status": "ready"}
        assert (await world.http.get("/openapi.json")).json()["openapi"] == "3.1.0"
        assert (await world.http.get("/metrics")).status_code == 401
        for role, status in (("submit", 403), ("runner", 403), ("read-only", 200), ("admin", 200)):
            key = {"Authorization": f"Bearer {secret_of(role)}"}
            assert (await world.http.get("/metrics", headers=key)).status_code == status
        world.app.close()
        stopping = await world.http.get("/readyz")
        assert stopping.status_code == 503
        assert stopping.headers["retry-after"]
        assert (await world.http.get("/livez")).status_code == 200


async def test_websockets_are_refused_where_nothing_speaks_them() -> None:
    async with served() as world:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        await world.app({"type": "websocket", "path": "/"}, receive, send)
        start, body = sent
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
        assert b"no_route" in bytes(str(body["body"]), "ascii")
