"""Events as a stream of server-sent events.

Facts carry their sequence number as ``id`` and can be resumed after it; notices and ``resync``
have none. Comments keep the connection alive.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from server.errors import InvalidInput
from server.http.exchange import header
from server.operator import KeepAlive, Resync
from server.wire.operator import EventView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from server.http.exchange import Receive, Scope, Send
    from server.operator import Feed, FeedItem

CONTENT_TYPE = "text/event-stream"
MAX_DIGITS = 18
"""Of the number of an event."""
KEEP_ALIVE = b": keep-alive\n\n"

_encoder = msgspec.json.Encoder()


def is_wanted(scope: Scope) -> bool:
    """Whether the caller asks for a stream, not for a page."""
    return scope["method"] == "GET" and CONTENT_TYPE in (header(scope, b"accept") or "")


def last_event_id(scope: Scope) -> int | None:
    """Where a client that lost its connection goes on."""
    text = (header(scope, b"last-event-id") or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise InvalidInput("Last-Event-ID is not the number of an event")
    return int(text)


def encode(item: FeedItem) -> bytes:
    """One item on the wire. JSON of ours has no raw line breaks, so one data line is enough."""
    if isinstance(item, KeepAlive):
        return KEEP_ALIVE
    if isinstance(item, Resync):
        return b"event: resync\ndata: %b\n\n" % _encoder.encode({"reason": item.reason})
    if isinstance(item, EventView):
        return b"id: %d\ndata: %b\n\n" % (item.seq, _encoder.encode(item))
    return b"event: notice\ndata: %b\n\n" % _encoder.encode(item)


async def send_feed(
    feed: Feed, is_admitted: Callable[[], bool], receive: Receive, send: Send
) -> None:
    """Send a feed until it ends or the client is gone, whatever the client does meanwhile.

    A client that stops reading blocks the writer, not the coordinator: its feed overflows, and
    the end of the feed ends the writer too.

    Args:
        is_admitted: whether the key still counts; asked before anything is sent, as keys expire
            and are revoked while streams are open.
    """
    writer = asyncio.ensure_future(_write(feed, is_admitted, send))
    gone = asyncio.ensure_future(_until_gone(receive))
    closed = asyncio.ensure_future(feed.wait_closed())
    try:
        await asyncio.wait({writer, gone, closed}, return_when=asyncio.FIRST_COMPLETED)
        if closed.done():
            await asyncio.wait({writer, gone}, timeout=LAST_WORDS_SECONDS)
    finally:
        feed.close()
        for task in (writer, gone, closed):
            task.cancel()
        await asyncio.wait({writer, gone, closed})
    if not writer.cancelled():
        writer.result()


LAST_WORDS_SECONDS = 0.2
"""How long a closed feed's writer may take to send what is left."""


async def _write(feed: Feed, is_admitted: Callable[[], bool], send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await _part(send, KEEP_ALIVE)  # tells the client at once that it is heard
    async for round_ in feed.items():
        if not is_admitted():
            break
        await _part(send, b"".join(_encoded(round_)))
    await send({"type": "http.response.body", "body": b""})


def _encoded(items: Iterable[FeedItem]) -> Iterable[bytes]:
    return (encode(item) for item in items)


async def _part(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
