"""What can be wrong with starting, stopping or resuming a job, in the ten kinds there are."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

JobErrorKind: TypeAlias = Literal[
    "already_running",
    "already_stopping",
    "job_already_exists",
    "cannot_resume",
    "job_not_found",
    "maximum_concurrent_jobs",
    "image_not_found",
    "invalid",
    "not_compatible",
    "internal",
]
JOB_ERROR_KINDS: tuple[JobErrorKind, ...] = get_args(JobErrorKind)


class JobError(Exception):
    """A supervisor's refusal: its kind for machines, its words for people."""

    def __init__(self, kind: JobErrorKind, description: str) -> None:
        super().__init__(description)
        self.kind = kind
        self.description = description


class RunnerError(Exception):
    """The runner cannot go on, or not begin; its text is shown and the process ends."""

    exit_code = 1


class WrongOptions(RunnerError):
    """What the runner was told makes no sense."""

    exit_code = 2


class NeverReached(RunnerError):
    """The coordinator was not reached even once."""

    exit_code = 3
