"""Console output over HTTP: raw bytes, by offset or by ``Range``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from server.errors import InvalidInput
from server.http.exchange import header
from server.http.routes import Reply

if TYPE_CHECKING:
    from server.http.queries import OutputQuery
    from server.http.routes import Answer, Call
    from server.operator import OperatorApi, OutputPart
    from server.operator.outputs import Source

DEFAULT_PART = 262_144
OUTPUT_HEADERS = {
    "X-Output-Offset": "Where the bytes begin: later than asked where something was left out.",
    "X-Output-Size": "End of the stream so far.",
    "X-Output-Complete": "true: the attempt has ended, nothing will follow.",
    "X-Output-Generation": "Counts how often the whole text was replaced.",
    "X-Output-Gap": "FROM-TO: bytes that were left out, if any were.",
    "X-Output-Time": "When the first of these bytes came in, in epoch milliseconds.",
    "X-Output-Times": "OFFSET:TIME,...: where later pieces begin, and when they came in.",
    "X-Output-Stream": "stdout, stderr or console.",
    "X-Output-Attempt": "The attempt's number.",
    "Content-Range": "With 206.",
}

BEYOND = 2**62
"""Past any end: the last 0 bytes cannot be given."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class ByteRange(NamedTuple):
    """What a Range header asks for: ``first`` below 0 counts from the end."""

    first: int
    last: int | None


async def answer_output(api: OperatorApi, call: Call) -> Answer:
    """A part of the output, or where a text stands in it."""
    query: OutputQuery = call.query
    job = call.params["job"]
    if query.search is not None:
        return await api.find_output(
            call.actor,
            job,
            query.search,
            attempt=query.attempt,
            stream=query.stream,
            offset=query.offset,
            backwards=query.direction == "backward",
        )
    if query.direction is not None:
        raise InvalidInput("direction goes with search")
    asked = _range_of(header(call.scope, b"range"))
    source = await api.output_source(call.actor, job, query.attempt, query.stream)
    if asked is None:
        offset = query.offset or 0
        part = await api.output_part(source, offset, query.limit or DEFAULT_PART)
        return Reply(200, _headers(part), part.data)
    if query.offset is not None or query.limit is not None:
        raise InvalidInput("give a Range header, or offset and limit, not both")
    return await _answer_range(api, source, asked)


async def _answer_range(api: OperatorApi, source: Source, asked: ByteRange) -> Reply:
    first = max(0, source.size + asked.first) if asked.first < 0 else asked.first
    if first >= source.size:
        part = await api.output_part(source, source.size, 1)
        headers = [*_headers(part), _content_range(f"*/{part.size}")]
        return Reply(416, headers, b"")
    limit = source.size if asked.last is None else asked.last + 1 - first
    part = await api.output_part(source, first, limit)
    is_left_out = asked.last is not None and part.offset > asked.last
    if is_left_out or not part.data:
        return Reply(416, [*_headers(part), _content_range(f"*/{part.size}")], b"")
    last = part.offset + len(part.data) - 1
    place = _content_range(f"{part.offset}-{last}/{part.size}")
    return Reply(206, [*_headers(part), place], part.data)


def _range_of(text: str | None) -> ByteRange | None:
    """What is asked for. Other units and several ranges are not served: then all is sent."""
    found = _RANGE.fullmatch(text.replace(" ", "")) if text else None
    if found is None:
        return None
    first, last = found[1], found[2]
    if not first:
        return ByteRange(-int(last) or BEYOND, None) if last else None
    if last and int(last) < int(first):
        return None
    return ByteRange(int(first), int(last) if last else None)


def _headers(part: OutputPart) -> list[tuple[bytes, bytes]]:
    facts = {
        "x-output-offset": str(part.offset),
        "x-output-size": str(part.size),
        "x-output-complete": "true" if part.is_complete else "false",
        "x-output-generation": str(part.generation),
        "x-output-stream": part.stream,
        "x-output-attempt": str(part.attempt),
    }
    if part.at:
        facts["x-output-time"] = str(part.at)
    if part.times:
        facts["x-output-times"] = ",".join(f"{offset}:{at}" for offset, at in part.times)
    if part.gap_to > part.gap_from:
        facts["x-output-gap"] = f"{part.gap_from}-{part.gap_to}"
    return [
        (b"content-type", b"application/octet-stream"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        (b"accept-ranges", b"bytes"),
        *((name.encode("ascii"), value.encode("ascii")) for name, value in facts.items()),
    ]


def _content_range(text: str) -> tuple[bytes, bytes]:
    return (b"content-range", f"bytes {text}".encode("ascii"))
