"""How an execution ended, and the one place where a handler's answer becomes that."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from server.model import Usage
from traffic_tui.runner.words import fitting

ExecutionStatus: TypeAlias = Literal["success", "error", "retry", "timeout", "cancelled"]

MAX_MESSAGE = 9_000
"""Longest error text that is passed on, in characters."""
MAX_NAME = 200
TIME_IS_OVER = "the time allowed for the job is over"
WAS_CANCELLED = "the job was cancelled"
MAX_RESULT_DEPTH = 60
"""How deep a result may be nested; coordinators refuse what is much deeper."""


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """What went wrong: words for people, type and code for machines."""

    message: str
    type: str | None = None
    code: str | None = None
    details: Any = None


@dataclass(frozen=True, slots=True)
class ExecutionOutcome:
    """How one execution ended."""

    job_id: str | None
    request_id: str | None
    status: ExecutionStatus
    result: Any = None
    error: ExecutionError | None = None
    retry_after_seconds: float | None = None
    exit_code: int | None = None
    """Of a process, where one was run."""
    signal: int | None = None
    """What killed the process."""
    isolation: str = ""
    """What was around the process, for people; empty: there was no process."""
    usage: Usage = Usage()
    """What it used."""

    @classmethod
    def success(
        cls,
        job_id: str | None,
        request_id: str | None,
        result: Any = None,
        *,
        exit_code: int | None = None,
    ) -> ExecutionOutcome:
        return cls(job_id, request_id, "success", result, exit_code=exit_code)

    @classmethod
    def failure(
        cls,
        job_id: str | None,
        request_id: str | None,
        message: str,
        type: str | None = None,  # the published name
        code: str | None = None,
        details: Any = None,
        *,
        exit_code: int | None = None,
        signal: int | None = None,
    ) -> ExecutionOutcome:
        error = ExecutionError(message, type, code, details)
        return cls(job_id, request_id, "error", error=error, exit_code=exit_code, signal=signal)

    @classmethod
    def retry_after(
        cls, job_id: str | None, request_id: str | None, message: str, seconds: float
    ) -> ExecutionOutcome:
        """Not now: try again in ``seconds``."""
        error = ExecutionError(message)
        return cls(job_id, request_id, "retry", error=error, retry_after_seconds=seconds)

    @classmethod
    def timeout(
        cls,
        job_id: str | None,
        request_id: str | None,
        message: str = TIME_IS_OVER,
    ) -> ExecutionOutcome:
        return cls(job_id, request_id, "timeout", error=ExecutionError(message, "timeout"))

    @classmethod
    def cancelled(
        cls, job_id: str | None, request_id: str | None, message: str = WAS_CANCELLED
    ) -> ExecutionOutcome:
        return cls(job_id, request_id, "cancelled", error=ExecutionError(message, "cancelled"))


def outcome_of(value: object, job_id: str, request_id: str) -> ExecutionOutcome:
    """What a handler returned, as an outcome that names its own execution."""
    if isinstance(value, ExecutionOutcome):
        if value.job_id == job_id and value.request_id == request_id:
            return value
        return replace(value, job_id=job_id, request_id=request_id)
    return ExecutionOutcome(job_id, request_id, "success", value)


def outcome_of_error(error: BaseException, job_id: str, request_id: str) -> ExecutionOutcome:
    """What a handler raised, as a failure."""
    kind = type(error).__name__
    message = str(error) or f"the handler raised {kind} without a text"
    if isinstance(error, SystemExit):
        message = f"the handler called sys.exit({error.code!r})"
    return ExecutionOutcome.failure(job_id, request_id, message, kind)


def settle(outcome: ExecutionOutcome, max_result_bytes: int) -> tuple[ExecutionOutcome, bytes]:
    """The outcome with texts that can be sent, and its result as JSON (empty: none).

    A result that is no JSON, or too big, turns a success into a failure that says so: a job
    whose result is lost did not succeed for whoever waits for it.
    """
    if outcome.error is not None:
        outcome = replace(outcome, error=_sendable(outcome.error))
    if outcome.result is None:
        return outcome, b""
    try:
        encoded = encode(outcome.result)
    except ValueError as error:
        return _unfit(outcome, f"the result is no JSON: {error}", "invalid_result"), b""
    if len(encoded) > max_result_bytes:
        words = f"the result has {len(encoded)} bytes of JSON, at most {max_result_bytes} are kept"
        return _unfit(outcome, words, "result_too_large"), b""
    return outcome, encoded


def encode(value: object) -> bytes:
    """Strict JSON. Raises ValueError in words."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        encoded = text.encode("utf-8")
    except TypeError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if encoded.count(b"[") + encoded.count(b"{") > MAX_RESULT_DEPTH and _depth(value) > (
        MAX_RESULT_DEPTH
    ):
        raise ValueError(f"it is nested deeper than {MAX_RESULT_DEPTH} levels")
    return encoded


def _depth(value: object) -> int:
    deepest = 0
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        deepest = max(deepest, depth)
        if isinstance(item, dict):
            waiting.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list | tuple):
            waiting.extend((inner, depth + 1) for inner in item)
    return deepest


def _sendable(error: ExecutionError) -> ExecutionError:
    details = error.details
    if details is not None:
        try:
            encode(details)
        except ValueError:
            details = fitting(repr(details), MAX_MESSAGE)
    return ExecutionError(
        fitting(str(error.message), MAX_MESSAGE) or "no reason was given",
        None if error.type is None else fitting(str(error.type), MAX_NAME),
        None if error.code is None else fitting(str(error.code), MAX_NAME),
        details,
    )


def _unfit(outcome: ExecutionOutcome, message: str, kind: str) -> ExecutionOutcome:
    if outcome.status != "success":
        return replace(outcome, result=None)
    failed = ExecutionOutcome.failure(outcome.job_id, outcome.request_id, message, kind)
    return with_process_of(outcome, failed)


def with_process_of(source: ExecutionOutcome, outcome: ExecutionOutcome) -> ExecutionOutcome:
    """Another outcome of the same execution, with what is known of its process."""
    return replace(
        outcome,
        exit_code=source.exit_code,
        signal=source.signal,
        isolation=source.isolation,
        usage=source.usage,
    )
