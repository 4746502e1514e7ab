"""A job as Treadmill's REST asks for it, made into one of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from server.errors import InvalidInput
from server.model import JobSpec, RetryPolicy
from server.payloads import payload_value
from server.protocols.treadmill.durations import milliseconds
from server.protocols.treadmill.jobs import JOB_TYPE, MAX_RESTARTS, ImageJob, image_id, job_id
from server.protocols.treadmill.registry import permit_label, tags_of

if TYPE_CHECKING:
    from server.coordinator import JobSnapshot
    from server.protocols.treadmill.permissions import Holder
    from server.settings import TreadmillSettings

Count = Annotated[int, Meta(ge=0, le=MAX_RESTARTS)]


class Init(Struct, tag_field="type"):
    """What a job begins with."""


class ImageInit(Init, tag="image"):
    image_id: str


class ResumeInit(Init, tag="resume_job"):
    job_id: str


class RestartInit(Init, tag="restart_job"):
    job_id: str


class Restarts(Struct):
    remaining_restart_count: Count = 0


class SentParameter(Struct):
    value: str
    secret: bool = False


class NewJob(Struct):
    """The body of ``POST /jobs/new``; what may be left out here is more than in the original."""

    init_spec: ImageInit | ResumeInit | RestartInit
    ssh_keys: list[str] = msgspec.field(default_factory=list)
    restart_policy: Restarts = msgspec.field(default_factory=Restarts)
    parameters: dict[str, SentParameter] = msgspec.field(default_factory=dict)
    tag_config: str = ""
    override_timeout: str | None = None


def predecessor(job: NewJob) -> str:
    """The id of the job that this one goes on from; empty: none."""
    spec = job.init_spec
    return "" if isinstance(spec, ImageInit) else job_id(spec.job_id)


def job_spec(
    job: NewJob,
    older: JobSnapshot | None,
    holder: Holder,
    settings: TreadmillSettings,
    now_ms: int,
) -> JobSpec:
    """The job to take in.

    Args:
        older: the job it goes on from, where it names one.

    Raises:
        InvalidInput: it makes no sense.
    """
    is_resumed = isinstance(job.init_spec, ResumeInit)
    params = msgspec.to_builtins(_image_job(job, older))
    params["parameters"] = msgspec.to_builtins(job.parameters)
    requires = dict.fromkeys(tags_of(job.tag_config), "*")
    if not holder.is_admin:
        requires[permit_label(holder.name)] = "*"
    restarts = 0 if is_resumed else job.restart_policy.remaining_restart_count
    return JobSpec(
        type=JOB_TYPE,
        params=msgspec.json.encode(params),
        requires=requires,
        pin=_pin(older) if is_resumed else 0,
        timeout_ms=_timeout(job, settings),
        deadline=now_ms + settings.queue_timeout_ms,
        max_attempts=1,
        retry=RetryPolicy(max_losses=0, restarts=restarts),
        resubmit_of=older.job.id if older else 0,
    )


def _image_job(job: NewJob, older: JobSnapshot | None) -> ImageJob:
    image = ImageJob(ssh_keys=job.ssh_keys)
    if isinstance(job.init_spec, ImageInit):
        image.image_id = image_id(job.init_spec.image_id)
    elif older is not None and isinstance(job.init_spec, ResumeInit):
        image.resume_job = older.job.uuid
    elif older is not None:
        image.image_id = _image_of(older)
    return image


def _pin(older: JobSnapshot | None) -> int:
    """What a job left lies on its own supervisor and nowhere else."""
    return older.attempt.runner if older and older.attempt else 0


def _timeout(job: NewJob, settings: TreadmillSettings) -> int:
    if job.override_timeout is None:
        return settings.job_timeout_ms
    return milliseconds(job.override_timeout)


def _image_of(older: JobSnapshot) -> str:
    params: Any = payload_value(older.details.params)
    found = params.get("image_id") if isinstance(params, dict) else None
    if not isinstance(found, str) or not found:
        raise InvalidInput("that job did not begin with an image, so it cannot be restarted")
    return image_id(found)
