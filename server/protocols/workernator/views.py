"""Jobs as the two contracts show them."""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING, Any

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from server.errors import Refused
from server.protocols.workernator.xids import xid_of
from server.wire.workernator import draft_pb2, final_pb2

if TYPE_CHECKING:
    from server.coordinator.results import JobSnapshot
    from server.model import Outcome

COMMAND = "command"
MAX_ERROR = 1_000
"""Characters of a job's error text."""

_STATUS = {
    "scheduled": "Unknown",
    "pending": "Unknown",
    "claimed": "Running",
    "in_progress": "Running",
    "stopping": "Running",
    "completed": "Finished",
    "failed": "Failed",
    "stopped": "Stopped",
    "expired": "Failed",
}
_DRAFT_TYPES = {
    "noop": draft_pb2.Noop,
    "fib": draft_pb2.Fibonacci,
    "eval": draft_pb2.ExpressionEval,
    "wait": draft_pb2.WaitSend,
}


def final_job(found: JobSnapshot) -> final_pb2.Job:
    """A job as the final contract shows it."""
    command, args = _words(found)
    started_at, ended_at = _times(found)
    return final_pb2.Job(
        id=xid_of(found.job.id, found.job.created_at),
        status=final_pb2.JobStatus.Value(_status(found)),
        command=command,
        args=args,
        error_msg=_error(found),
        started_at=started_at,
        ended_at=ended_at,
    )


def draft_job(found: JobSnapshot) -> draft_pb2.Job:
    """A job as the typed draft shows it.

    Raises:
        Refused: that contract has no such type of job.
    """
    job_type = _DRAFT_TYPES.get(found.job_class.type)
    if job_type is None:
        raise Refused(f"a job of type {found.job_class.type[:40]} cannot be told in this contract")
    started_at, ended_at = _times(found)
    return draft_pb2.Job(
        id=xid_of(found.job.id, found.job.created_at),
        status=draft_pb2.JobStatus.Value(_status(found)),
        args=_draft_arguments(found.job_class.type, msgspec.json.decode(found.details.params)),
        type=job_type,
        started_at=started_at,
        ended_at=ended_at,
    )


def command_params(command: str, arguments: list[str]) -> bytes:
    return msgspec.json.encode({"argv": [command, *arguments]})


def timestamp(at_ms: int) -> Timestamp | None:
    """None where there is no time yet."""
    if not at_ms:
        return None
    return Timestamp(seconds=at_ms // 1000, nanos=at_ms % 1000 * 1_000_000)


def _status(found: JobSnapshot) -> str:
    """A process that was ended by a signal counts as stopped, whoever sent it."""
    if found.job.state == "failed" and found.outcome is not None and found.outcome.signal:
        return "Stopped"
    return _STATUS[found.job.state]


def _error(found: JobSnapshot) -> str:
    outcome = found.outcome
    if outcome is None or found.job.state not in ("failed", "stopped"):
        return ""
    return _exit_words(outcome) or outcome.message[:MAX_ERROR]


def _exit_words(outcome: Outcome) -> str:
    """As programs of that system put it: ``exit status 3``, ``signal: killed``."""
    if outcome.signal:
        words = signal.strsignal(outcome.signal) if outcome.signal < signal.NSIG else None
        return f"signal: {(words or str(outcome.signal)).lower()}"
    return f"exit status {outcome.exit_code}" if outcome.exit_code else ""


def _times(found: JobSnapshot) -> tuple[Timestamp | None, Timestamp | None]:
    attempt = found.attempt
    started_at = attempt.started_at if attempt else 0
    is_over = found.job.state in ("completed", "failed", "stopped", "expired")
    return timestamp(started_at), timestamp(found.job.since) if is_over else None


def _words(found: JobSnapshot) -> tuple[str, list[str]]:
    """Command and arguments; of other types of jobs, the type and its parameters' values."""
    params: Any = msgspec.json.decode(found.details.params)
    if found.job_class.type == COMMAND and isinstance(params, dict) and params.get("argv"):
        command, *args = params["argv"]
        return command, args
    values = params.values() if isinstance(params, dict) else [params]
    return found.job_class.type, [_text(value) for value in values]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8")


def _draft_arguments(job_type: str, params: dict[str, Any]) -> draft_pb2.Arguments:
    match job_type:
        case "fib":
            return draft_pb2.Arguments(fib=draft_pb2.FibonacciArgs(number=int(params["n"])))
        case "eval":
            values = params.get("args") or {}
            expression = draft_pb2.ExpressionEvalArgs(expression=params["expression"], args=values)
            return draft_pb2.Arguments(expr=expression)
        case "wait":
            wait = draft_pb2.WaitThenPostHTTPArgs(
                url_to_post=params.get("url") or "", wait_seconds=math.ceil(params["seconds"])
            )
            return draft_pb2.Arguments(wait=wait)
        case _:
            return draft_pb2.Arguments(noop=draft_pb2.NoopArgs())
