"""How a Treadmill job ends: its words to our outcomes, and our outcomes to its exit statuses. Pure.

The original calls a workload that ends without a word "canceled", and forgets errors. Here the
first is ``workload_finished_unknown``, and an error ends its job with the status that fits it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from server.model import FINAL_STATES, Outcome
from server.payloads import payload_value

if TYPE_CHECKING:
    from server.model import Job, Wanted
    from server.wire.treadmill import ReportedError, UserExitStatus

DROPPED = "supervisor_dropped_job"
START_FAILED = "supervisor_host_start_failure"
INTERNAL = "internal_supervisor_error"
CANCELED = "job_canceled"
TIMED_OUT = "job_timeout"
QUEUE_TIMEOUT = "queue_timeout"
MATCH_ERROR = "supervisor_match_error"
WORKLOAD = "workload_finished_"
EXIT_STATUSES = frozenset(
    {
        MATCH_ERROR,
        QUEUE_TIMEOUT,
        INTERNAL,
        START_FAILED,
        DROPPED,
        CANCELED,
        TIMED_OUT,
        f"{WORKLOAD}success",
        f"{WORKLOAD}error",
        f"{WORKLOAD}unknown",
    }
)
WITH_HOST_OUTPUT = frozenset({INTERNAL, START_FAILED}) | {
    status for status in EXIT_STATUSES if status.startswith(WORKLOAD)
}
"""The others never carry host output on that wire."""
LIVES_ON = frozenset({"AlreadyRunning", "AlreadyStopping"})
"""Errors that say that the job is there."""
BEFORE_READY = frozenset(
    {
        "ImageNotFound",
        "ImageInvalid",
        "ImageNotCompatible",
        "CannotResume",
        "MaxConcurrentJobs",
        "JobAlreadyExists",
    }
)
HOPELESS = frozenset({"ImageNotFound", "ImageInvalid", "ImageNotCompatible", "CannotResume"})
"""Trying the same again cannot help."""
MAX_MESSAGE = 300
MAX_HOST_OUTPUT = 64 * 1024
"""Characters of a host's last words that are kept; the console is for more."""


class Declared(NamedTuple):
    """What a workload said of how it went."""

    status: UserExitStatus
    host_output: str | None = None


class ExitResult(msgspec.Struct, omit_defaults=True):
    """What is kept as the job's result."""

    exit_status: str
    host_output: str | None = None


def of_end(declared: Declared | None, *, wanted: Wanted, is_stopping: bool) -> Outcome:
    """A job has terminated.

    That somebody stopped it outweighs what it declared; that it ran too long, or is to go on
    elsewhere, does not.
    """
    if wanted == "stop":
        return Outcome("cancelled", "stopped", type=CANCELED, result=_result(CANCELED, declared))
    if declared is not None:
        return of_declaration(declared)
    if is_stopping:
        return Outcome("cancelled", "", type=TIMED_OUT if wanted == "run" else "")
    unknown = f"{WORKLOAD}unknown"
    return Outcome("success", type=unknown, result=_result(unknown, None))


def of_declaration(declared: Declared) -> Outcome:
    status = f"{WORKLOAD}{declared.status}"
    result = _result(status, declared)
    if declared.status == "success":
        return Outcome("success", type=status, result=result)
    words = _first_line(declared.host_output) or f"the workload declared: {declared.status}"
    return Outcome("error", words, type=status, result=result)


def of_error(error: ReportedError, *, was_ready: bool) -> Outcome:
    """An error as the last word of a job; only for kinds that end it."""
    if error.kind == "JobNotFound":
        return dropped("the supervisor does not know the job")
    status = START_FAILED if error.kind in BEFORE_READY and not was_ready else INTERNAL
    words = _first_line(error.description)
    result = _result(status, Declared("error", kept_output(error.description) or None))
    return Outcome(
        "error",
        f"{error.kind}: {words}" if words else error.kind,
        type=status,
        code=error.kind,
        result=result,
        is_retryable=error.kind not in HOPELESS,
    )


def kept_output(text: str) -> str:
    """What a host said at the end, as far as it is kept."""
    return text if len(text) <= MAX_HOST_OUTPUT else f"{text[:MAX_HOST_OUTPUT]} [cut]"


def dropped(words: str) -> Outcome:
    """The supervisor no longer has the job and never said how it ended."""
    return Outcome("lost", words, type=DROPPED)


def exit_status(job: Job, outcome: Outcome | None) -> str | None:
    """How a job that has ended did so, in Treadmill's words; None: it has not."""
    if job.state not in FINAL_STATES:
        return None
    if job.state == "expired":
        return QUEUE_TIMEOUT
    if job.state == "stopped":
        return CANCELED
    if outcome is None:
        return INTERNAL
    if outcome.kind == "timeout":
        return TIMED_OUT
    if outcome.kind == "lost":
        return DROPPED
    if outcome.type in EXIT_STATUSES:
        return outcome.type
    return f"{WORKLOAD}success" if outcome.kind == "success" else f"{WORKLOAD}error"


def host_output(job: Job, outcome: Outcome | None) -> str | None:
    """What the host said at the end, where its exit status may carry it."""
    if outcome is None or exit_status(job, outcome) not in WITH_HOST_OUTPUT:
        return None
    text = _kept(outcome).get("host_output")
    return text if isinstance(text, str) else None


def _kept(outcome: Outcome) -> dict[str, object]:
    value = payload_value(outcome.result)
    return value if isinstance(value, dict) else {}


def _result(status: str, declared: Declared | None) -> bytes:
    output = declared.host_output if declared else None
    return msgspec.json.encode(ExitResult(status, output))


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[0][:MAX_MESSAGE] if lines else ""
