"""What a coordinator, or whatever else is there, may answer to a runner."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from traffic_tui.runner.connectors.link import Address, Link, Rejected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Link]:
    """A link to a server that says one thing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    link = Link(Address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    try:
        yield link
    finally:
        await link.close()
        server.close()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"error":{"code":"\xff"}}', b'{"x":' + b"[" * 100_000],
    ids=["empty", "no JSON", "no UTF-8", "nested"],
)
async def test_an_error_in_no_form_of_ours_is_told_by_its_status(body: bytes) -> None:
    head = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    async with answering(head % len(body) + body) as link:
        with pytest.raises(Rejected, match="502 Bad Gateway") as caught:
            await link.call("GET", "/")
        assert caught.value.is_temporary
