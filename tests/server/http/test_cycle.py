"""A request and its answer over a real connection: in one piece, in parts, cut short, awaited."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from server.http.app import Surface
from server.http.bounded_protocol import BoundedHttpProtocol
from server.http.cycle import Cycle
from server.http.exchange import read_body, send_json, send_whole
from tests.server.http.world import DEADLINE_SECONDS, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from server.http.exchange import Receive, Scope, Send
    from tests.server.http.world import World


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await send_json(send, 200, await read_body(scope, receive, 1_000_000))


async def in_parts(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for part in (b"one ", b"", b"two"):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(scope, receive, 1_000_000)
    await send_whole(scope, send, 200, ((b"x-name", b"value"),), body)
    assert (await receive())["type"] == "http.disconnect"  # nothing is left of the body


async def whole_twice(scope: Scope, receive: Receive, send: Send) -> None:
    await send_whole(scope, send, 200, (), b"{}")
    await send_whole(scope, send, 200, (), b"{}")


async def twice(scope: Scope, receive: Receive, send: Send) -> None:
    await send_json(send, 200, b"{}")
    await send_json(send, 200, b"{}")


def lying(*headers: tuple[bytes, bytes]) -> Surface:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"four"})

    return Surface("lying", app, paths=("/lying",))


SURFACES = [
    Surface("echo", echo, paths=("/echo",)),
    Surface("parts", in_parts, paths=("/parts",)),
    Surface("nothing", nothing, paths=("/nothing",)),
    Surface("twice", twice, paths=("/twice",)),
    Surface("whole", whole, paths=("/whole",)),
    Surface("whole-twice", whole_twice, paths=("/whole-twice",)),
]


class Client:
    """A connection on which bytes are sent and read as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._reader.readuntil(end)

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._reader.read()


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def client(surfaces: Sequence[Surface] = SURFACES) -> AsyncIterator[Client]:
    async with served(surfaces=surfaces) as world, connected(world) as made:
        yield made


def get(path: str, *lines: str, version: str = "1.1", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *lines, "", ""]).encode()


def cycles() -> list[Cycle]:
    """Those in memory; `type`, as `isinstance` asks a weak proxy of any dead object and fails."""
    return [one for one in gc.get_objects() if type(one) is Cycle]


class Wire(asyncio.Transport):
    """A connection's sending side that keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))


class Line:
    """A connection without a network."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.transport: asyncio.Transport = self.wire
        self.flow = FlowControl(self.wire)
        self.news = asyncio.Event()
        self.is_answered = False

    def default_lines(self) -> bytes:
        return b""

    def read_on(self) -> None:
        self.flow.resume_reading()

    def answered(self) -> None:
        self.is_answered = True

    def ended(self, cycle: Cycle) -> None:
        raise AssertionError("it is not run")

    def fail(self) -> None:
        raise AssertionError("it is not run")


async def test_head_and_body_leave_in_one_write() -> None:
    connection = Line()
    cycle = Cycle(connection, {"method": "GET"}, keep_alive=True, wants_continue=False)
    await send_json(cycle.send, 200, b"{}")
    assert connection.wire.sent == [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    ]
    assert connection.is_answered


async def test_a_whole_answer_is_one_write() -> None:
    connection = Line()
    cycle = Cycle(connection, {"method": "GET"}, keep_alive=True, wants_continue=False)
    await cycle.answer(404, ((b"x-name", b"value"),), b"{}")
    assert connection.wire.sent == [
        b"HTTP/1.1 404 Not Found\r\nx-name: value\r\ncontent-length: 2\r\n\r\n{}"
    ]
    assert connection.is_answered
    assert cycle.status == 404


async def test_whole_requests_are_answered_like_those_in_drops() -> None:
    async with client() as at:
        at.send(get("/whole", "Content-Length: 4", method="POST") + b"body")
        in_one_go = await at.until(b"body")
        at.send(get("/whole", "Content-Length: 4", method="POST") + b"bo")
        await asyncio.sleep(0.05)  # let the application begin to read
        at.send(b"dy")
        in_drops = await at.until(b"body")
        for answer in (in_one_go, in_drops):
            assert b"\r\nx-name: value\r\n" in answer
            assert b"\r\ncontent-length: 4\r\n" in answer
        at.send(get("/whole", "Content-Length: 4", method="HEAD") + b"body")
        head = await at.until(b"\r\n\r\n")
        assert b"\r\ncontent-length: 4\r\n" in head
        at.send(get("/whole", "Connection: close"))
        last = await at.rest()
        assert last.startswith(b"HTTP/1.1 200 OK\r\n")  # no body of the one before
        assert b"\r\nconnection: close\r\n" in last


async def test_an_answer_in_parts_is_chunked_and_the_connection_stays() -> None:
    async with client() as at:
        for _ in range(2):
            at.send(get("/parts"))
            answer = await at.until(b"0\r\n\r\n")
            assert b"transfer-encoding: chunked\r\n" in answer
            assert answer.endswith(b"\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_answers_without_a_body_have_none() -> None:
    async with client() as at:
        at.send(get("/nothing"))
        assert b"transfer-encoding" not in await at.until(b"\r\n\r\n")
        at.send(get("/parts", method="HEAD"))
        assert b"chunked" not in await at.until(b"\r\n\r\n")
        at.send(get("/livez", "Connection: close"))
        assert (await at.rest()).endswith(b'{"status":"alive"}')


@pytest.mark.parametrize(
    "request_",
    [get("/livez", version="1.0"), get("/livez", "Connection: close")],
    ids=["1.0", "asked to close"],
)
async def test_a_connection_that_is_not_kept_is_closed_and_says_so(request_: bytes) -> None:
    async with client() as at:
        at.send(request_)
        answer = await at.rest()
        assert b"\r\nconnection: close\r\n" in answer
        assert answer.endswith(b'{"status":"alive"}')


async def test_who_waits_to_be_told_to_go_on_is_told() -> None:
    async with client() as at:
        at.send(get("/echo", "Expect: 100-continue", "Content-Length: 4", method="POST"))
        assert await at.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        at.send(b"body")
        assert (await at.until(b"body")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_who_did_not_wait_is_not_told_to_go_on_after_the_answer() -> None:
    async with client() as at:
        at.send(get("/whole", "Content-Length: 4", "Expect: 100-continue", method="POST") + b"body")
        await at.until(b"body")
        at.send(get("/nothing"))
        assert (await at.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 No Content\r\n")


async def test_a_body_in_drops_arrives_whole() -> None:
    async with client() as at:
        at.send(get("/echo", "Transfer-Encoding: chunked", method="POST"))
        at.send(b"2\r\nab\r\n1\r\nc\r\n3\r\ndef\r\n0\r\n\r\n")
        assert (await at.until(b"abcdef")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_requests_sent_ahead_are_answered_in_order_with_their_own_bodies() -> None:
    async with client() as at:
        bodies = [b"<%d>" % number for number in range(20)]
        at.send(
            b"".join(
                get("/echo", f"Content-Length: {len(body)}", method="POST") + body
                for body in bodies
            )
        )
        for body in bodies:
            assert (await at.until(b">")).endswith(b"\r\n\r\n" + body)


async def test_the_application_learns_that_the_client_is_gone() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(2):  # the body, and what comes after it
            await told.put((await receive())["type"])
        await send_json(send, 200, b"to nobody")

    async with served(surfaces=[Surface("w", waiting, paths=("/w",))]) as world:
        async with asyncio.timeout(DEADLINE_SECONDS):
            async with connected(world) as at:
                at.send(get("/w"))
                assert await told.get() == "http.request"
            assert await told.get() == "http.disconnect"


async def test_it_learns_so_too_when_a_further_request_was_sent_ahead() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(scope, receive, 0)
        await told.put("begun")
        await told.put((await receive())["type"])

    async with served(surfaces=[Surface("w", waiting, paths=("/w",))]) as world:
        async with asyncio.timeout(DEADLINE_SECONDS):
            async with connected(world) as at:
                at.send(get("/w") + get("/w"))
                assert await told.get() == "begun"
            assert await told.get() == "http.disconnect"
    assert told.empty()  # the further one is not begun for nobody


async def test_a_body_sent_ahead_of_an_answer_is_not_read_without_bound() -> None:
    begun = asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(scope, receive, 0)
        begun.set()
        await receive()

    size = 16_000_000
    surfaces = [*SURFACES, Surface("w", waiting, paths=("/w",))]
    async with served(surfaces=surfaces) as world, connected(world) as at:
        at.send(get("/w"))
        await begun.wait()
        at.send(get("/echo", f"Content-Length: {size}", method="POST") + bytes(size))
        await asyncio.sleep(0.5)  # long enough for all of it
        assert max(len(one._body) for one in cycles()) < 1_000_000


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([(b"content-length", b"5")], "lacks 1 bytes"),
        ([(b"content-length", b"3")], "longer than its head says"),
        ([(b"x-name", b"a\r\nx-other: b")], "line break"),
        ([(b"x-name", b"a\nx-other: b")], "line break"),
    ],
)
async def test_answers_that_would_confuse_the_client_are_cut(
    headers: list[tuple[bytes, bytes]], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with client([lying(*headers)]) as at:
        at.send(get("/lying"))
        assert b"x-other" not in await at.rest()  # it ends
    assert words in caplog.text


@pytest.mark.parametrize(
    ("path", "words"), [("/twice", "out of turn"), ("/whole-twice", "answered already")]
)
async def test_an_answer_is_given_once(
    path: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with client() as at:
        at.send(get(path, "Connection: close"))
        assert (await at.rest()).count(b"HTTP/1.1 ") == 1
    assert words in caplog.text


@pytest.mark.parametrize("path", ["/whole", "/echo", "/parts", "/nowhere"])
async def test_requests_leave_nothing_to_the_garbage_collector(path: str) -> None:
    async with client() as at:
        gc.collect()
        before = len(cycles())
        gc.disable()
        try:
            for _ in range(20):
                at.send(get(path))
                await at.until(b"\r\n\r\n")
            await asyncio.sleep(0.01)  # the last one's task ends after its answer
            left = len(cycles()) - before
        finally:
            gc.enable()
    assert left == 1  # the connection knows its last one


async def test_a_connection_without_requests_is_closed_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = BoundedHttpProtocol.connection_made

    def made_impatient(connection: BoundedHttpProtocol, transport: asyncio.Transport) -> None:
        made(connection, transport)
        connection.timeout_keep_alive = 0

    monkeypatch.setattr(BoundedHttpProtocol, "connection_made", made_impatient)
    monkeypatch.setattr(BoundedHttpProtocol, "head_seconds", 0.5)  # the pace of the look
    async with client() as at:
        at.send(get("/livez"))
        assert (await at.rest()).endswith(b'{"status":"alive"}')
