"""What this surface answers, word for word as its clients know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from server.http.exchange import JSON_HEADER, error_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.errors import TrafficError

_encoder = msgspec.json.Encoder()

CORS_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Authorization, X-Runner-ID"),
)
JSON_HEADERS = (*CORS_HEADERS, JSON_HEADER)


class Answer(NamedTuple):
    """A status with a body. ``more`` holds further parts of a body too large for one."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = JSON_HEADERS
    more: AsyncIterator[bytes] | None = None


class Rejection(Exception):
    """A request ends here, with a body the original gives too."""

    def __init__(self, status: int, /, **fields: Any) -> None:
        super().__init__(str(fields))
        self.status = status
        self.fields = fields


def encode(value: Any) -> bytes:
    """JSON of plain values; stored JSON is put in as ``msgspec.Raw``."""
    return _encoder.encode(value)


def answer(status: int, /, **fields: Any) -> Answer:
    return Answer(status, encode(fields))


def rejected(text: str, status: int = 400) -> Rejection:
    """The plain error form."""
    return Rejection(status, error=text)


def failed(verb: str, error: TrafficError) -> Answer:
    """What went wrong in an operation, with our own words as details."""
    body = encode({"error": f"Failed to {verb}", "details": error.message})
    return Answer(error.status, body, (*JSON_HEADERS, *error_headers(error)))


HEALTH = Answer(200, b'{"status":"ok","service":"runpack-worker"}', (JSON_HEADER,))
NOT_FOUND = answer(404, error="Not found")
PREFLIGHT = Answer(204, b"", CORS_HEADERS)
