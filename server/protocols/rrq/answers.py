"""What a runner answers, as the outcome of an attempt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from server.errors import InvalidInput
from server.model import PLAIN_SUCCESS, Outcome
from server.payloads import check_payload
from server.wire.rrq import BUSY, HANDLER_NOT_FOUND, NULL

if TYPE_CHECKING:
    from msgspec import Raw

    from server.wire.rrq import ErrorBody, ReceivedResponse

MAX_MESSAGE = 10_000
"""Longest text of an error that is kept, in characters."""
MAX_NAME = 200
MAX_RETRY_AFTER_SECONDS = 365 * 86_400.0
_NULL = bytes(NULL)


def outcome_of(answer: ReceivedResponse) -> Outcome:
    """The outcome that an answer stands for."""
    if answer.status == "success":
        return _success(answer.result)
    error = answer.error
    if answer.status == "retry":
        return _with_error(error, "Job requested retry")._replace(
            kind="retry", retry_after_ms=_retry_after_ms(answer.retry_after_seconds)
        )
    if answer.status == "timeout":
        return _with_error(error, "Job execution timed out")._replace(
            kind="timeout", is_retryable=False
        )
    if answer.status == "error":
        return _error(error)
    return broken_answer(f"the runner answered with the unknown status {answer.status[:60]!r}")


def broken_answer(message: str) -> Outcome:
    """An answer that cannot be used, charged to the request it is for."""
    return Outcome("error", message, type="invalid_answer")


def oversized_answer(size: int) -> Outcome:
    """An answer longer than any may be; a further try would give the same."""
    return Outcome(
        "error",
        f"the runner's answer has {size} bytes, more than the 16 MiB that a message may have",
        type="result_too_large",
        is_retryable=False,
    )


def _success(result: Raw) -> Outcome:
    payload = bytes(result)
    if payload == _NULL:
        return PLAIN_SUCCESS
    try:
        check_payload(payload, "result")
    except InvalidInput as error:
        return broken_answer(f"the runner's result cannot be kept: {error.message}")
    return Outcome("success", result=payload)


def _error(error: ErrorBody | None) -> Outcome:
    outcome = _with_error(error, "the runner told of no reason")
    if outcome.type == HANDLER_NOT_FOUND:
        return outcome._replace(is_retryable=False)
    if outcome.message == BUSY:  # not begun, so not tried
        return outcome._replace(kind="refused")
    return outcome


def _with_error(error: ErrorBody | None, message: str) -> Outcome:
    if error is None:
        return Outcome("error", message)
    return Outcome(
        "error",
        (error.message or message)[:MAX_MESSAGE],
        type=(error.type or "")[:MAX_NAME],
        code=(error.code or "")[:MAX_NAME],
        details=_details(bytes(error.details)),
    )


def _details(details: bytes) -> bytes:
    """Details that cannot be kept are left out: the message stands without them."""
    if details == _NULL:
        return b""
    try:
        check_payload(details, "details")
    except InvalidInput:
        return b""
    return details


def _retry_after_ms(seconds: float | None) -> int | None:
    if seconds is None or math.isnan(seconds):
        return None
    return round(min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) * 1000)
