"""A Treadmill job's parameters: as it stands in the store, and as start_job carries it.

Jobs of type ``image`` have params ``{image_id | resume_job, ssh_keys, parameters}``, whether they
came over Treadmill's own REST, the operator API or the command line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from server.errors import InvalidInput
from server.secret_parameters import reveal
from server.wire.treadmill import (
    ImageSpec,
    ParameterValue,
    RestartPolicy,
    ResumeSpec,
    StartJob,
    Undecodable,
    canonical_id,
)
from server.wire.unreadable import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import JobDetails

JOB_TYPE: Final = "image"
MAX_RESTARTS = 1_000
MAX_KEYS = 1_000
_IMAGE_ID = re.compile(r"[0-9a-fA-F]{64}")


class Parameter(msgspec.Struct):
    """``value`` is null where a secret was taken out."""

    value: str | None = None
    secret: bool = False


class ImageJob(msgspec.Struct, omit_defaults=True):
    """What a job of type ``image`` asks for: an image, or to go on where another job ended."""

    image_id: str = ""
    resume_job: str = ""
    ssh_keys: list[str] = msgspec.field(default_factory=list)
    parameters: dict[str, Parameter | str] = msgspec.field(default_factory=dict)


_decoder = msgspec.json.Decoder(ImageJob)


def image_id(text: str) -> str:
    """An image's id as it is sent: 64 hexadecimal digits, in lower case."""
    if not _IMAGE_ID.fullmatch(text):
        raise InvalidInput("image_id: 64 hexadecimal digits are wanted, the manifest's SHA-256")
    return text.lower()


def read_image_job(params: bytes) -> ImageJob:
    """A job's params, checked.

    Raises:
        InvalidInput: they ask for nothing that a supervisor could start.
    """
    try:
        job = _decoder.decode(params)
    except UNREADABLE:
        raise InvalidInput(
            "params of an image job: image_id or resume_job, ssh_keys (a list of texts) and "
            'parameters ({NAME: {"value": TEXT, "secret": false}}) are wanted'
        ) from None
    if bool(job.image_id) == bool(job.resume_job):
        raise InvalidInput("params of an image job: exactly one of image_id and resume_job")
    if job.image_id:
        job.image_id = image_id(job.image_id)
    else:
        job.resume_job = job_id(job.resume_job)
    if len(job.ssh_keys) > MAX_KEYS:
        raise InvalidInput(f"ssh_keys: at most {MAX_KEYS} are accepted")
    return job


def job_id(text: str) -> str:
    """A job's id in the form we write it."""
    try:
        return canonical_id(text)
    except Undecodable:
        raise InvalidInput(f"{text[:60]!r} is no job's id: a UUID is wanted") from None


def start_message(wire_id: str, details: JobDetails, resumed: str | None) -> StartJob:
    """What a supervisor is sent.

    Args:
        wire_id: the attempt's id, which that wire calls the job's.
        resumed: the wire's id of the job to resume; None: its own record is used.

    Raises:
        InvalidInput: the params ask for nothing that can be started.
    """
    job = read_image_job(reveal(details.params, details.extra))
    spec: ImageSpec | ResumeSpec
    if job.resume_job:
        spec = ResumeSpec(resumed or job.resume_job)
    else:
        spec = ImageSpec(job.image_id)
    return StartJob(
        job_id=wire_id,
        image_spec=spec,
        ssh_keys=job.ssh_keys,
        restart_policy=RestartPolicy(details.retry.restarts),
        parameters=_parameters(job.parameters),
    )


def _parameters(parameters: Mapping[str, Parameter | str]) -> dict[str, ParameterValue]:
    """A plain text is a parameter that is no secret."""
    values: dict[str, ParameterValue] = {}
    for name, entry in parameters.items():
        parameter = Parameter(entry) if isinstance(entry, str) else entry
        values[name] = ParameterValue(parameter.value or "", parameter.secret)
    return values


def resumed_job(params: bytes) -> str:
    """The id of the job that is to be resumed; empty: none is.

    Raises:
        InvalidInput: the params ask for nothing that can be started.
    """
    return read_image_job(params).resume_job
