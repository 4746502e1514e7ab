"""What an RRQ runner answers, as the reference runtimes word it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Raw

from server.wire import rrq
from server.wire.rrq_frames import MAX_FRAME_BYTES, FrameTooLarge, frame_bytes
from traffic_tui.runner.connectors.rrq_handlers import TIMED_OUT, json_bytes
from traffic_tui.runner.outcome import TIME_IS_OVER, WAS_CANCELLED
from traffic_tui.runner.words import fitting, plain

if TYPE_CHECKING:
    from server.wire.rrq import ErrorBody, Response, Status
    from traffic_tui.runner.errors import JobError
    from traffic_tui.runner.outcome import ExecutionError, ExecutionOutcome, ExecutionStatus

TOO_LATE = "Job deadline exceeded"
CANCELLED = "Job cancelled"
UNEXPECTED = "unexpected response message"
NO_REASON = "no reason was given"
RESULT_TOO_LARGE = "result_too_large"
MAX_RESULT_BYTES = MAX_FRAME_BYTES - 64 * 1024
"""What is around a result needs room in the frame too."""
MAX_NAME_SHOWN = 200

STATUSES: dict[ExecutionStatus, Status] = {
    "success": "success",
    "retry": "retry",
    "timeout": "timeout",
    "cancelled": "error",
    "error": "error",
}
WORDINGS = ((TIME_IS_OVER, TIMED_OUT), (WAS_CANCELLED, CANCELLED))
"""Our words for what the runner itself decides, and RRQ's."""


def answer(job_id: str, request_id: str, outcome: ExecutionOutcome, result: bytes) -> Response:
    """The answer to a request that was executed; ``result`` is JSON, or empty."""
    status = STATUSES.get(outcome.status, "error")
    return rrq.Response(
        job_id,
        request_id,
        status,
        Raw(result) if result else rrq.NULL,
        None if status == "success" else _error_of(outcome),
        _seconds(outcome.retry_after_seconds),
    )


def failure(job_id: str, request_id: str, message: str, kind: str | None = None) -> Response:
    """An error of the runner's own."""
    return rrq.Response(job_id, request_id, "error", error=rrq.ErrorBody(message, kind))


def unsupported_version(job_id: str, request_id: str) -> Response:
    return failure(job_id, request_id, rrq.UNSUPPORTED_VERSION)


def busy(job_id: str, request_id: str) -> Response:
    return failure(job_id, request_id, rrq.BUSY)


def too_late(job_id: str, request_id: str) -> Response:
    """The deadline was over before anything was begun."""
    error = rrq.ErrorBody(TOO_LATE, rrq.TIMEOUT)
    return rrq.Response(job_id, request_id, "timeout", error=error)


def refused(job_id: str, request_id: str, function_name: str, error: JobError) -> Response:
    """The supervisor did not start it."""
    if error.kind == "image_not_found":
        name = plain(function_name, MAX_NAME_SHOWN)
        words = f"No handler registered for function '{name}'"
        return failure(job_id, request_id, words, rrq.HANDLER_NOT_FOUND)
    if error.kind == "maximum_concurrent_jobs":
        return busy(job_id, request_id)
    return failure(job_id, request_id, error.description, error.kind)


def unexpected() -> Response:
    """An orchestrator sent what only runners send; nobody knows to which request that belongs."""
    return rrq.Response("unknown", None, "error", error=rrq.ErrorBody(UNEXPECTED))


def frame_of(response: Response, room: int) -> bytes | None:
    """The answer as it goes on the wire; one that nobody would read says so instead.

    Args:
        room: how many bytes the connection can still keep for an orchestrator that reads slowly.

    Returns:
        None: the ids of the request alone fill a frame, so there is no answer to it.
    """
    try:
        frame = _frame(response)
        if len(frame) <= max(room, MAX_SMALL_FRAME):
            return frame
        words = f"the answer of {len(frame)} bytes was dropped: the orchestrator does not read"
    except FrameTooLarge as error:
        words = f"the answer is too large: {error}"
    short = rrq.Response(
        response.job_id,
        response.request_id,
        "error",
        error=rrq.ErrorBody(words, RESULT_TOO_LARGE),
    )
    try:
        return _frame(short)
    except FrameTooLarge:
        return None


MAX_SMALL_FRAME = 64 * 1024
"""There is always room for so much: requests are no longer read meanwhile, so it stays little."""


def _frame(response: Response) -> bytes:
    return frame_bytes(rrq.message_bytes(rrq.ResponseMessage(response)))


def _error_of(outcome: ExecutionOutcome) -> ErrorBody:
    error = outcome.error
    if error is None:
        return rrq.ErrorBody(NO_REASON, _kind(outcome, None), details=_details(outcome, None))
    kind = _kind(outcome, error.type)
    return rrq.ErrorBody(_worded(error), kind, error.code, _details(outcome, error.details))


def _kind(outcome: ExecutionOutcome, given: str | None) -> str | None:
    """Timeouts and cancellations are known by reserved types."""
    reserved = {"timeout": rrq.TIMEOUT, "cancelled": rrq.CANCELLED}
    return reserved.get(outcome.status, given)


def _worded(error: ExecutionError) -> str:
    for ours, theirs in WORDINGS:
        if error.message.startswith(ours):
            return theirs + error.message.removeprefix(ours)
    return error.message


def _details(outcome: ExecutionOutcome, details: object) -> Raw:
    """The handler's own; else how its process ended, for which there is no other place."""
    if details is None:
        ended = {"exit_code": outcome.exit_code, "signal": outcome.signal}
        details = {name: value for name, value in ended.items() if value is not None} or None
    try:
        return Raw(json_bytes(details))
    except ValueError:
        return Raw(json_bytes(fitting(repr(details), MAX_NAME_SHOWN)))


def _seconds(value: object) -> float | None:
    """When to try again; what is no number of seconds from now leaves it to the orchestrator."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return max(0.0, float(value))
