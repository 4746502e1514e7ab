"""RRQ: what an orchestrator and its runners say to each other, protocols "1" and "2".

Shared by the side that drives runners and the side that is one. Reading is lenient where the
original runtimes are (unknown fields are passed over, the version may be missing), writing says
every field, with explicit nulls. How messages are put on a connection is in
:mod:`server.wire.rrq_frames`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct, field

PROTOCOL_VERSION = "2"
OLD_PROTOCOL_VERSION = "1"
"""Up to RRQ 0.9.9: ``args`` and ``kwargs`` where the later one has ``params``."""
ENV_RUNNER_TCP_SOCKET = "RRQ_RUNNER_TCP_SOCKET"
"""How old runners are told where to listen; later ones only take ``--tcp-socket``."""
MAX_IN_FLIGHT = 64
"""Requests that a runner takes on one connection at once."""

QUEUE_PREFIX = "rrq:queue:"
"""Before the name of a queue, on the wire."""

Version: TypeAlias = Literal["1", "2"]
Status: TypeAlias = Literal["success", "retry", "timeout", "error"]

HANDLER_NOT_FOUND = "handler_not_found"
CANCELLED = "cancelled"
TIMEOUT = "timeout"
"""Reserved types of errors."""

UNSUPPORTED_VERSION = "Unsupported protocol version"
BUSY = "Runner busy: too many in-flight requests"
"""Messages by which runners refuse a request that was not even begun."""

NULL = Raw(b"null")


class Context(Struct):
    """What surrounds a request. Times without a zone are UTC."""

    job_id: str
    attempt: int
    enqueue_time: datetime
    queue_name: str
    deadline: datetime | None = None
    trace_context: dict[str, str] | None = None
    correlation_context: dict[str, str] | None = None
    worker_id: str | None = None


class Request(Struct):
    """Work for a runner, as protocol "2" writes it."""

    request_id: str
    job_id: str
    function_name: str
    params: Raw
    """A JSON object."""
    context: Context
    protocol_version: str = PROTOCOL_VERSION


class OldRequest(Struct):
    """Work for a runner, as protocol "1" writes it."""

    request_id: str
    job_id: str
    function_name: str
    args: Raw
    """A JSON array."""
    kwargs: Raw
    """A JSON object."""
    context: Context
    protocol_version: str = OLD_PROTOCOL_VERSION


class ReceivedRequest(Struct):
    """A request as a runner reads it, whichever protocol it is of."""

    request_id: str
    job_id: str
    function_name: str
    context: Context
    protocol_version: str = PROTOCOL_VERSION
    params: dict[str, Any] = field(default_factory=dict)
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)


class ErrorBody(Struct):
    message: str
    type: str | None = None
    code: str | None = None
    details: Raw = NULL
    """Any JSON."""


class Response(Struct):
    """How a request ended."""

    job_id: str | None
    request_id: str | None
    status: str
    result: Raw = NULL
    """Any JSON."""
    error: ErrorBody | None = None
    retry_after_seconds: float | None = None


class ReceivedResponse(Response):
    """An answer as the orchestrator reads it: ids may be missing."""

    job_id: str | None = None
    request_id: str | None = None
    status: str = ""


class Cancel(Struct):
    """A request is to end early; without an id, all requests of its job."""

    job_id: str
    request_id: str | None = None
    hard_kill: bool = False
    protocol_version: str = PROTOCOL_VERSION


class RequestMessage(Struct, tag="request", tag_field="type"):
    payload: Request


class OldRequestMessage(Struct, tag="request", tag_field="type"):
    payload: OldRequest


class ResponseMessage(Struct, tag="response", tag_field="type"):
    payload: Response


class CancelMessage(Struct, tag="cancel", tag_field="type"):
    payload: Cancel


class ReceivedRequestMessage(Struct, tag="request", tag_field="type"):
    payload: ReceivedRequest


class ReceivedResponseMessage(Struct, tag="response", tag_field="type"):
    payload: ReceivedResponse


class UnreadMessage(Struct, tag_field="type", tag="request"):
    """A frame whose direction is wrong: what it says does not matter."""


class UnreadCancel(Struct, tag_field="type", tag="cancel"):
    """As :class:`UnreadMessage`."""


class UnreadResponse(Struct, tag_field="type", tag="response"):
    """As :class:`UnreadMessage`."""


Message: TypeAlias = RequestMessage | OldRequestMessage | ResponseMessage | CancelMessage
ToRunner: TypeAlias = ReceivedRequestMessage | CancelMessage | UnreadResponse
ToOrchestrator: TypeAlias = ReceivedResponseMessage | UnreadMessage | UnreadCancel

_encoder = msgspec.json.Encoder()
_to_runner: msgspec.json.Decoder[ToRunner] = msgspec.json.Decoder(ToRunner)
_to_orchestrator: msgspec.json.Decoder[ToOrchestrator] = msgspec.json.Decoder(ToOrchestrator)


def message_bytes(message: Message) -> bytes:
    """A message as JSON, every field of it, absent ones as null."""
    return _encoder.encode(message)


def read_for_runner(body: bytes) -> ToRunner:
    """What an orchestrator sent. Raises one of :data:`server.wire.unreadable.UNREADABLE`."""
    return _to_runner.decode(body)


def read_for_orchestrator(body: bytes) -> ToOrchestrator:
    """What a runner sent. Raises one of :data:`server.wire.unreadable.UNREADABLE`."""
    return _to_orchestrator.decode(body)
