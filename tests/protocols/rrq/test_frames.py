"""Messages and frames, cut and put together however they arrive."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from server.wire.rrq import (
    Cancel,
    CancelMessage,
    Context,
    ErrorBody,
    ReceivedRequestMessage,
    ReceivedResponseMessage,
    Request,
    RequestMessage,
    Response,
    ResponseMessage,
    UnreadCancel,
    UnreadMessage,
    UnreadResponse,
    message_bytes,
    read_for_orchestrator,
    read_for_runner,
)
from server.wire.rrq_frames import (
    KEPT_BYTES,
    MAX_FRAME_BYTES,
    FrameCutter,
    FrameTooLarge,
    FramingError,
    Oversized,
    frame_bytes,
)
from server.wire.unreadable import UNREADABLE

NOW = datetime(2026, 1, 2, 3, 4, 5, 123_456, UTC)


def request() -> RequestMessage:
    context = Context("j-9", 1, NOW, "rrq:queue:default")
    return RequestMessage(Request("r-17", "j-9", "send_mail", Raw(b'{"to":"ann"}'), context))


def announced(body: bytes) -> bytes:
    """A frame of any size, as nobody of sound mind sends it."""
    return struct.pack(">I", len(body)) + body


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.data())
def test_frames_come_out_as_they_went_in(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame_bytes(body) for body in bodies)
    cutter = FrameCutter(skips_oversized=True)
    frames: list[object] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        frames += cutter.feed(stream[:cut])
        stream = stream[cut:]
    assert frames == bodies
    assert cutter.is_between_frames


def test_sixteen_mebibytes_are_allowed_and_no_more_is_sent() -> None:
    body = b"x" * MAX_FRAME_BYTES
    assert FrameCutter(skips_oversized=False).feed(frame_bytes(body)) == [body]
    with pytest.raises(FrameTooLarge, match="at most 16777216"):
        frame_bytes(body + b"x")


@pytest.mark.parametrize("piece", [1_000_003, 65_536, 1 << 30])
def test_what_is_too_long_is_passed_over(piece: int) -> None:
    body = b"h" * KEPT_BYTES + b"x" * MAX_FRAME_BYTES + b"t" * KEPT_BYTES
    stream = frame_bytes(b"before") + announced(body) + frame_bytes(b"after")
    cutter = FrameCutter(skips_oversized=True)
    frames = [
        frame
        for start in range(0, len(stream), piece)
        for frame in cutter.feed(stream[start : start + piece])
    ]
    assert frames == [
        b"before",
        Oversized(len(body), b"h" * KEPT_BYTES, b"t" * KEPT_BYTES),
        b"after",
    ]
    assert cutter.is_between_frames


def test_in_the_middle_of_a_frame_is_not_between_frames() -> None:
    cutter = FrameCutter(skips_oversized=True)
    assert cutter.feed(announced(b"abc")[:-1]) == []
    assert not cutter.is_between_frames
    assert cutter.feed(b"c" + struct.pack(">I", MAX_FRAME_BYTES + 1)) == [b"abc"]
    assert not cutter.is_between_frames


@pytest.mark.parametrize(
    ("header", "skips"),
    [
        (struct.pack(">I", 0), True),
        (struct.pack(">I", 0), False),
        (struct.pack(">I", MAX_FRAME_BYTES + 1), False),
        (b"HTTP", True),
        (b"SSH-", True),
        (b"\xff\xff\xff\xff", True),
    ],
)
def test_what_is_no_length_ends_the_connection(header: bytes, skips: bool) -> None:
    with pytest.raises(FramingError):
        FrameCutter(skips_oversized=skips).feed(header)


def test_a_request_says_every_field() -> None:
    assert msgspec.json.decode(message_bytes(request())) == {
        "type": "request",
        "payload": {
            "protocol_version": "2",
            "request_id": "r-17",
            "job_id": "j-9",
            "function_name": "send_mail",
            "params": {"to": "ann"},
            "context": {
                "job_id": "j-9",
                "attempt": 1,
                "enqueue_time": "2026-01-02T03:04:05.123456Z",
                "queue_name": "rrq:queue:default",
                "deadline": None,
                "trace_context": None,
                "correlation_context": None,
                "worker_id": None,
            },
        },
    }


def test_messages_are_read_as_they_were_written() -> None:
    received = read_for_runner(message_bytes(request()))
    assert isinstance(received, ReceivedRequestMessage)
    assert received.payload.params == {"to": "ann"}
    assert received.payload.context.enqueue_time == NOW
    cancel = CancelMessage(Cancel("j-9", "r-17"))
    assert read_for_runner(message_bytes(cancel)) == cancel
    error = ErrorBody("no", "bad", "E7", Raw(b'{"line":3}'))
    answer = ResponseMessage(Response("j-9", "r-17", "error", error=error))
    read = read_for_orchestrator(message_bytes(answer))
    assert isinstance(read, ReceivedResponseMessage)
    assert (read.payload.status, read.payload.error) == ("error", error)


def test_what_may_be_missing_and_what_may_be_more() -> None:
    """A request without a version is "2", unknown fields are passed over, zones may differ."""
    read = read_for_runner(
        b'{"type":"request","payload":{"request_id":"r","job_id":"j","function_name":"f","new":1,'
        b'"context":{"job_id":"j","attempt":2,"enqueue_time":"2026-01-02T03:04:05.123456789+02:00",'
        b'"queue_name":"q","deadline":"2026-01-02T03:04:05"}}}'
    )
    assert isinstance(read, ReceivedRequestMessage)
    assert (read.payload.protocol_version, read.payload.params) == ("2", {})
    assert read.payload.context.deadline == datetime(2026, 1, 2, 3, 4, 5)
    answer = read_for_orchestrator(b'{"payload":{"status":"success","x":[]},"type":"response"}')
    assert isinstance(answer, ReceivedResponseMessage)
    assert (answer.payload.request_id, bytes(answer.payload.result)) == (None, b"null")


def test_frames_of_the_wrong_direction_are_told_apart() -> None:
    assert isinstance(read_for_orchestrator(message_bytes(request())), UnreadMessage)
    cancel = message_bytes(CancelMessage(Cancel("j")))
    assert isinstance(read_for_orchestrator(cancel), UnreadCancel)
    answer = message_bytes(ResponseMessage(Response("j", "r", "success")))
    assert isinstance(read_for_runner(answer), UnreadResponse)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"type":"hello","payload":{}}',
        b'{"payload":{}}',
        b'{"type":"response","payload":{"status":1}}',
        b'{"type":"response","payload":{"status":"success","error":"text"}}',
        b'{"type":"response","payload":{"status":"retry","retry_after_seconds":"soon"}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(UNREADABLE):
        read_for_orchestrator(body)
