"""What clients do: submit a job, ask whether there is one, ask how it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.protocols.runpack import codec, views
from server.protocols.runpack.answers import Answer, answer, rejected
from server.protocols.runpack.consoles import console_text
from server.store.base import JobQuery
from server.traits import RUNPACK

if TYPE_CHECKING:
    from server.coordinator import Coordinator, JobSnapshot
    from server.model import Actor
    from server.settings import RunpackSettings
    from server.store.base import JobRow

NEW = "Job queued successfully"


class ClientCalls:
    """Submits and look-ups. A job is known by its type and parameters: the same is not run twice,
    and a failure stays until somebody deletes it."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    async def submit(self, actor: Actor, body: bytes) -> Answer:
        asked = codec.asked(body, self._settings)
        [submitted] = await self._coordinator.submit(actor, [asked.spec()])
        uuid = submitted.job.uuid
        if not submitted.is_cached:
            return answer(201, job_id=uuid, status="pending", message=NEW)
        fields = await self._known(uuid, _SUBMIT_WORDS)
        if fields is None:
            raise rejected("Job not found", 404)
        return answer(200, **fields)

    async def check(self, body: bytes) -> Answer:
        asked = codec.asked(body, self._settings)
        job = await self._coordinator.cached_job(asked.cache_key)
        fields = None if job is None else await self._known(job.uuid, _CHECK_WORDS)
        if fields is None:
            return answer(200, exists=False, message="Job does not exist")
        return answer(200, exists=True, **fields)

    async def status(self, uuid: str) -> Answer:
        """How a job is. While it runs there is no console in it."""
        snapshot = await own_job(self._coordinator, uuid)
        job = snapshot.job
        status = views.STATUS_OF[job.state]
        fields: dict[str, Any] = {
            "job_id": job.uuid,
            "status": status,
            "job_type": snapshot.job_class.type,
            "created_at": job.created_at,
            "updated_at": views.updated_at(await row_of(self._coordinator, job.id), snapshot),
        }
        fields.update(views.progress_fields(snapshot.progress))
        fields.update(await self._end_fields(snapshot))
        return answer(200, **fields)

    async def _known(self, uuid: str, words: dict[str, str]) -> dict[str, Any] | None:
        """Fields of a job that answers for what was asked."""
        snapshot = await self._coordinator.job_with_attempt(uuid)
        if snapshot is None:
            return None
        status = views.STATUS_OF[snapshot.job.state]
        message = words[status].format(status=status)
        fields: dict[str, Any] = {"job_id": uuid, "status": status, "message": message}
        fields.update(await self._end_fields(snapshot))
        return fields

    async def _end_fields(self, snapshot: JobSnapshot) -> dict[str, Any]:
        """The result of a completed job, the error of a failed one."""
        job, outcome = snapshot.job, snapshot.outcome
        status = views.STATUS_OF[job.state]
        if status == "failed":
            return {"error": views.shown_error(job.state, outcome)}
        if status != "completed":
            return {}
        reads = self._coordinator.store.reads
        console = await console_text(reads, job.attempt, self._settings)
        result = {"output_data": views.output_data(outcome), "console_output": console}
        return {"result": result}

    @property
    def _settings(self) -> RunpackSettings:
        return self._coordinator.settings.protocols.runpack


async def own_job(coordinator: Coordinator, uuid: str) -> JobSnapshot:
    """A job of this surface; those that came in elsewhere are not visible on it.

    Raises:
        Rejection: there is none.
    """
    snapshot = await coordinator.job_with_attempt(uuid)
    if snapshot is None or snapshot.details.origin != RUNPACK.protocol:
        raise rejected("Job not found", 404)
    return snapshot


async def row_of(coordinator: Coordinator, job_id: int) -> JobRow | None:
    """The job's line in lists, which tells when it was last heard of."""
    page = await coordinator.store.reads.job_page(JobQuery(ids=(job_id,), limit=1))
    return page.rows[0] if page.rows else None


_RUNNING = ("pending", "claimed", "in_progress")
_SUBMIT_WORDS = {
    **dict.fromkeys(_RUNNING, "Job is {status}"),
    "completed": "Job already completed (cached result)",
    "failed": "Job previously failed",
    "expired": "Job result has expired",
}
_CHECK_WORDS = {
    **dict.fromkeys(_RUNNING, "Job exists and is {status}"),
    "completed": "Job exists with cached result",
    "failed": "Job exists but previously failed",
    "expired": "Job exists but result has expired",
}
