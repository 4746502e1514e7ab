"""A job handed out, as the frame that brings it to a runner."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from server.model import Outcome
from server.protocols.rrq.names import handler_of, queue_key
from server.wire.rrq import (
    OLD_PROTOCOL_VERSION,
    Cancel,
    CancelMessage,
    Context,
    OldRequest,
    OldRequestMessage,
    Request,
    RequestMessage,
    message_bytes,
)
from server.wire.rrq_frames import FrameTooLarge, frame_bytes

if TYPE_CHECKING:
    from server.coordinator.results import Assigned
    from server.wire.rrq import Message, Version

NO_ARGS, NO_KWARGS = Raw(b"[]"), Raw(b"{}")


class OldParams(Struct, forbid_unknown_fields=True):
    """Parameters of ours that say outright what is positional and what is named."""

    args: Raw = NO_ARGS
    kwargs: Raw = NO_KWARGS


class Unsendable(Exception):
    """A job that no runner of this protocol can be given; ``outcome`` says why."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.outcome = Outcome("error", message, type=kind, is_retryable=False)


def request_frame(
    assigned: Assigned, *, deadline_ms: int, worker_id: str, version: Version
) -> bytes:
    """The frame that asks a runner to do a job. The request's id is that of the attempt.

    Raises:
        Unsendable: it has no handler, parameters of another shape, or is too large.
    """
    handler = handler_of(assigned.type)
    if not handler:
        raise Unsendable("handler_missing", f"Handler name is missing in type {assigned.type}")
    make = _old_request if version == OLD_PROTOCOL_VERSION else _request
    message = make(assigned, handler, _context(assigned, deadline_ms, worker_id))
    try:
        return frame_bytes(message_bytes(message))
    except FrameTooLarge as error:
        raise Unsendable("request_too_large", f"the job cannot be sent: {error}") from None


def cancel_frame(job_id: str, request_id: str, version: Version) -> bytes:
    """The frame that asks a runner to end a request early."""
    cancel = Cancel(job_id=job_id, request_id=request_id, protocol_version=version)
    return frame_bytes(message_bytes(CancelMessage(cancel)))


def _context(assigned: Assigned, deadline_ms: int, worker_id: str) -> Context:
    job, task = assigned.job, assigned.task
    return Context(
        job_id=job.uuid,
        attempt=assigned.attempt.number,
        enqueue_time=_time(job.created_at),
        queue_name=queue_key(assigned.queue),
        deadline=_time(deadline_ms),
        trace_context=dict(task.trace_context) if task.trace_context else None,
        correlation_context=dict(task.correlation) if task.correlation else None,
        worker_id=worker_id,
    )


def _request(assigned: Assigned, handler: str, context: Context) -> Message:
    params = assigned.task.params.strip() or b"{}"
    if not params.startswith(b"{"):
        raise Unsendable("invalid_params", "RRQ's runners take parameters as an object only")
    return RequestMessage(
        Request(
            request_id=assigned.attempt.uuid,
            job_id=assigned.job.uuid,
            function_name=handler,
            params=Raw(params),
            context=context,
        )
    )


def _old_request(assigned: Assigned, handler: str, context: Context) -> Message:
    args, kwargs = _old_params(assigned.task.params.strip() or b"{}")
    context.correlation_context = None
    return OldRequestMessage(
        OldRequest(
            request_id=assigned.attempt.uuid,
            job_id=assigned.job.uuid,
            function_name=handler,
            args=args,
            kwargs=kwargs,
            context=context,
        )
    )


def _old_params(params: bytes) -> tuple[Raw, Raw]:
    """A list is positional, an object named, one of nothing but ``args`` and ``kwargs`` both."""
    if params.startswith(b"["):
        return Raw(params), NO_KWARGS
    if not params.startswith(b"{"):
        raise Unsendable("invalid_params", "RRQ's runners take parameters as a list or an object")
    try:
        both = msgspec.json.decode(params, type=OldParams)
    except msgspec.ValidationError:
        return NO_ARGS, Raw(params)
    is_both = bytes(both.args).startswith(b"[") and bytes(both.kwargs).startswith(b"{")
    return (both.args, both.kwargs) if is_both else (NO_ARGS, Raw(params))


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
