"""Whatever can happen between us and a coordinator ends in words that name the URL."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec
import pytest

from server.wire.operator import MAX_SUBMIT_BODY, SubmitRequest
from traffic_tui.client.base import ClientError, KeepAlive, Resync, Unreachable
from traffic_tui.client.http import HttpClient
from traffic_tui.client.sse import (
    MAX_BUFFERED,
    EventStreamError,
    EventStreamParser,
    ServerSentEvent,
)
from traffic_tui.client.trust import Trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator
    from pathlib import Path

NESTED = b'{"x":' + b"[" * 100_000
"""Nothing that a decoder gets to the end of."""
NO_UTF_8 = b'{"error":{"code":"\xff"}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@contextlib.asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[HttpClient]:
    """A client of a server that says one thing, or (None) nothing at all."""
    done = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await done.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient(f"http://127.0.0.1:{port}", "key", timeout_seconds=0.3)
    try:
        yield client
    finally:
        done.set()
        await client.close()
        server.close()


def answer(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (
        status.encode(),
        len(body),
        body,
    )


async def test_nobody_listens() -> None:
    client = HttpClient("http://127.0.0.1:1")
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 .*traffic-tui serve"):
        await client.stats()
    await client.close()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, "did not answer in time"),
        (b"", "the connection to .* broke"),
        (b"SSH-2.0-OpenSSH\r\n", "the connection to .* broke"),
        (answer("200 OK", b"<html>"), "cannot be read .* is it a coordinator"),
        (answer("200 OK", b'{"now": "x"}'), "cannot be read"),
        (answer("404 Not Found", b"<html>\x1b[2J"), "answered 404 in a form"),
        (answer("502 Bad Gateway", b'{"detail": "x"}'), "answered 502 in a form"),
        (answer("302 Found", b""), "answered 302 in a form"),
        (answer("200 OK", NESTED), "cannot be read"),
        (answer("200 OK", b'{"coordinator": "\xff"}'), "cannot be read"),
        (answer("404 Not Found", NESTED), "answered 404 in a form"),
        (answer("404 Not Found", NO_UTF_8), "answered 404 in a form"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "the connection to .* broke"),
    ],
)
async def test_other_things_that_listen_there(said: bytes | None, words: str) -> None:
    async with answering(said) as client:
        with pytest.raises(ClientError, match=words) as caught:
            await client.stats()
        assert client.url in caught.value.message
        assert caught.value.message.isprintable()


async def test_the_coordinators_own_words_come_through() -> None:
    body = b'{"error": {"code": "refused", "message": "no, as [/b]", "details": {"a": 1}}}'
    async with answering(answer("409 Conflict", body)) as client:
        with pytest.raises(ClientError) as caught:
            await client.stats()
    error = caught.value
    assert (error.message, error.code, error.status) == ("no, as [/b]", "refused", 409)
    assert error.details == {"a": 1}


@pytest.mark.parametrize("url", ["http://", "nonsense", "http://[", "ftp://127.0.0.1"])
async def test_urls_that_make_no_sense(url: str) -> None:
    client = HttpClient(url)
    with pytest.raises(Unreachable):
        await client.stats()
    await client.close()


LONG = "x" * 70_000
NO_TEXT = "\udcff"
"""An argument that is not UTF-8, as Python hands it over."""


async def test_what_no_request_can_carry_is_not_blamed_on_the_url() -> None:
    client = HttpClient("http://127.0.0.1:1", "key")
    calls: list[Awaitable[object]] = [
        client.jobs(filter=LONG),
        client.runner(LONG),
        client.submit([SubmitRequest(type="noop")], idempotency_key="\u20ac"),
        client.jobs(filter=NO_TEXT),
    ]
    for call in calls:
        with pytest.raises(ClientError, match="cannot be asked over HTTP") as caught:
            await call
        assert not isinstance(caught.value, Unreachable)
        assert caught.value.message.isprintable()
    await client.close()


async def test_a_body_that_is_too_large_is_not_sent() -> None:
    client = HttpClient("http://127.0.0.1:1", "key")
    params = msgspec.Raw(b'"' + b"x" * MAX_SUBMIT_BODY + b'"')
    with pytest.raises(ClientError, match="at most 8388608 are accepted") as caught:
        await client.submit([SubmitRequest(type="noop", params=params)])
    assert (caught.value.code, caught.value.status) == ("too_large", 413)
    await client.close()


async def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    for content in (None, "no certificate"):
        if content:
            path.write_text(content)
        client = HttpClient("https://127.0.0.1:1", trust=Trust(path))
        with pytest.raises(Unreachable, match=r"ca\.pem"):
            await client.connect()
        await client.close()


async def test_streams_give_what_came_and_then_end_in_words() -> None:
    body = b": hello\n\nevent: resync\ndata: {}\n\n"
    async with answering(HEAD + body) as client:
        stream = client.follow()
        assert isinstance(await anext(stream), KeepAlive)
        assert isinstance(await anext(stream), Resync)
        with pytest.raises(Unreachable, match="ended the stream"):
            await anext(stream)


@pytest.mark.parametrize(
    "body",
    [
        b"data: {\n\n",
        b"data: " + b"x" * 100 + b"\n\n",
        b"data: " + NESTED + b"\n\n",
        b'data: {"kind": "\xff"}\n\n',
    ],
    ids=["broken", "no JSON", "nested", "no UTF-8"],
)
async def test_streams_of_something_else_are_not_understood(body: bytes) -> None:
    async with answering(HEAD + body) as client:
        with pytest.raises(ClientError, match="cannot be read"):
            await anext(client.follow())


async def test_a_stream_that_is_refused_says_why() -> None:
    body = b'{"error": {"code": "forbidden", "message": "not with this key"}}'
    async with answering(answer("403 Forbidden", body)) as client:
        with pytest.raises(ClientError, match="not with this key"):
            await anext(client.follow())


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_are_found_however_they_are_cut(size: int, end: bytes) -> None:
    lines = [b": c", b"id: 7", b"data: a", b"data:b", b"", b"", b"event: notice", b"data", b""]
    parser = EventStreamParser()
    found: list[ServerSentEvent] = []
    for piece in pieces(end.join([*lines, b": end"]) + end + b"x", size):
        found += parser.feed(piece)
    assert found == [
        ServerSentEvent(is_comment=True),
        ServerSentEvent(data=b"a\nb", id="7"),
        ServerSentEvent(event="notice"),
        ServerSentEvent(is_comment=True),
    ]


def test_an_endless_event_is_refused() -> None:
    parser = EventStreamParser()
    with pytest.raises(EventStreamError):
        for _ in range(MAX_BUFFERED // 1_000_000 + 1):
            parser.feed(b"data: " + b"x" * 1_000_000 + b"\n")


def test_an_event_of_empty_lines_without_end_is_refused() -> None:
    parser = EventStreamParser()
    with pytest.raises(EventStreamError):
        for _ in range(MAX_BUFFERED // 1_000_000 + 1):
            parser.feed(b"data:\n" * 200_000)
