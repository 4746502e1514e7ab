"""Reading requests and writing answers on bare ASGI, shared by all hot routes.

Everything that can be wrong with a body ends as one of :mod:`server.errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import msgspec

from server.errors import Busy, InvalidInput, TooLarge, TooManyRequests, TrafficError
from server.wire.misfits import misfit
from server.wire.operator import ErrorBody, FailureView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

Scope: TypeAlias = "MutableMapping[str, Any]"
Message: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[Message]]"
Send: TypeAlias = "Callable[[Message], Awaitable[None]]"
Headers: TypeAlias = "Iterable[tuple[bytes, bytes]]"
HeaderPairs: TypeAlias = "tuple[tuple[bytes, bytes], ...]"

T = TypeVar("T")

WHOLE = "traffic.whole_request"
"""Where the scope has the :class:`WholeRequest`, once all of the body has arrived."""
SHOWN_KEYS = "traffic.shown_keys"
"""Where the scope has its connection's :class:`server.keyring.ShownKeys`."""
JSON_HEADER = (b"content-type", b"application/json")


class ClientGone(Exception):
    """The client hung up before its request was whole; there is nobody to answer."""


class WholeRequest(Protocol):
    """A request that has come whole. Nearly all have when they are looked at, and most answers are
    whole too: then one call each does what takes ASGI several messages."""

    @property
    def status(self) -> int:
        """Status answered; 0: nothing yet."""

    def take_body(self) -> bytes: ...

    async def answer(self, status: int, headers: HeaderPairs, body: bytes) -> None:
        """Give the answer. ``content-length`` and ``connection`` are not among the headers."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that (lower-case) name, as Latin-1 text."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body, refused as soon as it is known to be over ``limit`` bytes.

    Raises:
        TooLarge: by its stated length, before reading, or by what came.
        ClientGone: the connection ended first.
    """
    whole: WholeRequest | None = scope.get(WHOLE)
    if whole is not None:
        body = whole.take_body()
        if len(body) > limit:
            raise TooLarge(f"the body has {len(body)} bytes, at most {limit} are accepted")
        return body
    stated = header(scope, b"content-length")
    if stated is not None and stated.isdigit() and int(stated) > limit:
        raise TooLarge(f"the body has {stated} bytes, at most {limit} are accepted")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(f"the body is longer than the {limit} bytes accepted")
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def check_utf8(body: bytes) -> None:
    """msgspec keeps raw JSON as it came, even where it is no UTF-8; so look first."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the body is not UTF-8: byte {error.start} is wrong") from None


def shortened(words: str) -> str:
    """Words that may repeat what was sent, without its middle where that is long."""
    return words if len(words) <= 300 else f"{words[:200]} ... {words[-80:]}"


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a JSON body strictly; whatever is wrong with it becomes InvalidInput in words."""
    check_utf8(body)
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:  # ValidationError is one of these
        words = shortened(misfit(error, decoder.type))
        raise InvalidInput(f"the body is not what is expected here: {words}") from None
    except RecursionError:
        raise InvalidInput("the body is nested too deeply") from None


async def send_whole(
    scope: Scope, send: Send, status: int, headers: HeaderPairs, body: bytes
) -> None:
    """Send an answer that has a body and is whole; its length is added to the headers."""
    whole: WholeRequest | None = scope.get(WHOLE)
    if whole is not None:
        await whole.answer(status, headers, body)
        return
    length = (b"content-length", str(len(body)).encode("ascii"))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Send a JSON answer that is encoded already."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                JSON_HEADER,
                (b"content-length", str(len(body)).encode("ascii")),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def error_body(error: TrafficError) -> bytes:
    """The body every surface of ours answers an error with."""
    return msgspec.json.encode(
        ErrorBody(error=FailureView(code=error.code, message=error.message, details=error.details))
    )


def error_headers(error: TrafficError) -> list[tuple[bytes, bytes]]:
    """``Retry-After`` where the error says when to come back."""
    if isinstance(error, Busy | TooManyRequests):
        return [(b"retry-after", str(max(1, round(error.retry_after))).encode("ascii"))]
    return []


async def send_error(send: Send, error: TrafficError) -> None:
    """Answer with an error in our own form."""
    await send_json(send, error.status, error_body(error), error_headers(error))
