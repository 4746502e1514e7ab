"""Whose work a start_job is: that of an image's handler, or of whatever goes on with old jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.wire.treadmill import ResumeSpec, Undecodable, canonical_id
from traffic_tui.runner.connectors.treadmill_jobs import image_params, resume_params
from traffic_tui.runner.errors import JobError
from traffic_tui.runner.images import image_type
from traffic_tui.runner.seam import StartOrder
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from server.wire.treadmill import StartJob
    from traffic_tui.runner.registry import Registry
    from traffic_tui.runner.supervisor import Supervisor

IMAGE = "image"
"""The handler of all images that have none of their own."""
RESUME = "resume"
"""The handler that can go on with a job that ended here, where there is one."""
_IMAGE_ID = re.compile(r"[0-9a-fA-F]{64}")


def order_of(job: StartJob, supervisor: Supervisor) -> StartOrder:
    """A start_job as an order. Raises JobError where nobody here can do it."""
    if isinstance(job.image_spec, ResumeSpec):
        old_job_id = _resumed(job.image_spec.job_id, supervisor)
        return StartOrder(job.job_id, job.job_id, RESUME, resume_params(old_job_id, job))
    image_id = job.image_spec.image_id
    name = _handler_of(image_id, supervisor.registry)
    return StartOrder(job.job_id, job.job_id, name, image_params(image_id.lower(), job))


def _handler_of(image_id: str, registry: Registry) -> str:
    if not _IMAGE_ID.fullmatch(image_id):
        raise JobError("image_not_found", f"{plain(image_id, 80)!r} is no image's id")
    own = image_type(image_id)
    if own in registry:
        return own
    if IMAGE in registry:
        return IMAGE
    raise JobError(
        "image_not_found",
        f"agent.images of this supervisor does not name the image {image_id}, and there is no "
        f"handler for {IMAGE!r}",
    )


def _resumed(job_id: str, supervisor: Supervisor) -> str:
    """The old job, where somebody here can go on with it."""
    try:
        old_job_id = canonical_id(job_id)
    except Undecodable:
        raise JobError("cannot_resume", f"{plain(job_id, 80)!r} is no job's id") from None
    if old_job_id in supervisor.running:
        raise JobError("cannot_resume", f"job {old_job_id} has not ended yet")
    if RESUME not in supervisor.registry:
        try:
            supervisor.resume(old_job_id)
        except JobError as error:
            raise JobError("cannot_resume", error.description) from None
    return old_job_id
