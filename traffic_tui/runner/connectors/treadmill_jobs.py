"""Treadmill's jobs as this library knows them, and its ends and errors as Treadmill does. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from server.wire import treadmill as wire
from server.wire.treadmill import DeclareExitStatus, ReportedError
from traffic_tui.runner.words import fitting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import Progress
    from server.wire.treadmill import ParameterValue, StartJob, UserExitStatus
    from traffic_tui.runner.errors import JobError, JobErrorKind
    from traffic_tui.runner.outcome import ExecutionOutcome

ERROR_KINDS: dict[JobErrorKind, str] = {
    "already_running": "AlreadyRunning",
    "already_stopping": "AlreadyStopping",
    "job_already_exists": "JobAlreadyExists",
    "cannot_resume": "CannotResume",
    "job_not_found": "JobNotFound",
    "maximum_concurrent_jobs": "MaxConcurrentJobs",
    "image_not_found": "ImageNotFound",
    "invalid": "ImageInvalid",
    "not_compatible": "ImageNotCompatible",
    "internal": "InternalError",
}
MAX_DESCRIPTION = 9_000
MAX_PROGRESS = 500
MASK = "***"


class SecretText(str):
    """The value of a secret parameter: a text like any other, that does not show itself in logs
    and tracebacks of what holds it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


def image_params(image_id: str, job: StartJob) -> dict[str, Any]:
    """What the handler of an image is given."""
    return {"image_id": image_id, **_carried(job)}


def resume_params(old_job_id: str, job: StartJob) -> dict[str, Any]:
    """What the handler of resumed jobs is given."""
    return {"resume_job": old_job_id, **_carried(job)}


def _carried(job: StartJob) -> dict[str, Any]:
    return {"parameters": _parameters(job.parameters), "ssh_keys": list(job.ssh_keys)}


def _parameters(parameters: Mapping[str, ParameterValue]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "value": SecretText(told.value) if told.secret else told.value,
            "secret": told.secret,
        }
        for name, told in parameters.items()
    }


def reported(error: JobError) -> wire.JobError:
    words = fitting(error.description, MAX_DESCRIPTION)
    return wire.JobError(ReportedError(ERROR_KINDS[error.kind], words))


def declaration(outcome: ExecutionOutcome, result: bytes) -> DeclareExitStatus:
    """How a job went, in the words that its workload has for it.

    A result that is a text is told as it stands, any other as JSON; of what went wrong the reason.
    """
    if outcome.status == "success":
        return DeclareExitStatus("success", _host_output(result))
    words = None if outcome.error is None else outcome.error.message
    return DeclareExitStatus(exit_status(outcome), words)


def exit_status(outcome: ExecutionOutcome) -> UserExitStatus:
    """Unknown: what was killed, or stopped by nobody who asked the switchboard, said nothing."""
    if outcome.status == "success":
        return "success"
    if outcome.status == "cancelled" or outcome.signal is not None:
        return "unknown"
    return "error"


def _host_output(result: bytes) -> str | None:
    if not result:
        return None
    if result[:1] == b'"':
        return str(json.loads(result))
    return result.decode("utf-8")


def progress_words(progress: Progress) -> str:
    """Progress on one line: that wire has a text for it, and nothing else."""
    parts = []
    if progress.current is not None:
        of = "" if progress.total is None else f"/{progress.total:g}"
        parts.append(f"{progress.current:g}{of}")
    if progress.text:
        parts.append(progress.text)
    return fitting(" ".join(parts), MAX_PROGRESS)
