"""Calls about jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.coordinator.ranges import units_of_a_piece
from server.coordinator.results import LeaseView
from server.errors import InvalidInput, NotFound
from server.filters import parse_filter
from server.operator.coverage_views import coverage_view
from server.operator.group_views import groups_view
from server.operator.job_views import attempt_view, job_full_view, job_view, lineage_view
from server.operator.line_views import event_view, explain_view
from server.operator.parts import OperatorParts, exactly_one
from server.payloads import check_payload
from server.roles import sees_only_own
from server.store.base import GroupQuery, JobQuery
from server.submission import job_specs, milliseconds, submitted_views
from server.wire.operator import JobDetailView, JobsView, OneJobView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator.results import Acted
    from server.model import Actor
    from server.store.base import Grouping, JobDetail, JobOrder
    from server.wire.operator import (
        ExplainView,
        GroupsView,
        PriorityRequest,
        ReassignRequest,
        ResubmitRequest,
        StopRequest,
        SubmitRequest,
        SubmittedView,
    )

MAX_PAGE = 1_000
"""Jobs in one page."""


class JobCalls(OperatorParts):
    """Submit, list, look at and change jobs."""

    async def submit(
        self, actor: Actor, requests: Sequence[SubmitRequest], *, idempotency_key: str = ""
    ) -> list[SubmittedView]:
        """Take jobs in, all or none; the answer is in their order."""
        specs = job_specs(requests, self.coordinator.settings)
        if not specs:
            return []
        submitted = await self.coordinator.submit(actor, specs, idempotency_key=idempotency_key)
        return submitted_views(submitted)

    async def jobs(
        self,
        actor: Actor,
        *,
        filter: str = "",
        limit: int = 100,
        after: str | None = None,
        order: JobOrder = "-number",
        numbers: Sequence[int] | None = None,
    ) -> JobsView:
        """A page of jobs, or those with the given numbers."""
        if numbers is not None and len(numbers) > MAX_PAGE:
            raise InvalidInput(f"at most {MAX_PAGE} numbers can be asked for at once")
        query = JobQuery(
            filter=parse_filter(filter) if filter.strip() else None,
            ids=None if numbers is None else tuple(numbers),
            owner=actor.name if sees_only_own(actor.role) else None,
            limit=limit,
            after=after or "",
            order=order,
        )
        page = await self.reads.job_page(query)
        return JobsView(
            jobs=[job_view(row) for row in page.rows],
            next=page.next or None,
            count=page.count,
            count_is_exact=page.count_is_exact,
        )

    async def job_groups(
        self, actor: Actor, *, by: Grouping = "error", filter: str = "", limit: int = 100
    ) -> GroupsView:
        """Jobs that are alike, counted: by what went wrong, by type, runner or queue."""
        query = GroupQuery(
            by=by,
            filter=parse_filter(filter) if filter.strip() else None,
            owner=actor.name if sees_only_own(actor.role) else None,
            limit=limit,
        )
        return groups_view(await self.reads.job_groups(query), by, filter)

    async def job(self, actor: Actor, job: str) -> JobDetailView:
        """Everything about one job but its console."""
        found = await self.find_job(actor, job)
        detail = await self.reads.job_detail(found.id)
        if detail is None:
            raise NotFound(f"there is no job {job[:60]}")
        self.names.learn(detail.row.job, [row.attempt for row in detail.attempts])
        names = await self.names.of_events(detail.events)
        return JobDetailView(
            job=job_full_view(detail, self._lease(detail), coverage_view(detail, self._width)),
            attempts=[attempt_view(row, detail.row.job.uuid) for row in detail.attempts],
            events=[event_view(event, names) for event in detail.events],
            lineage=lineage_view(detail),
        )

    async def explain(self, actor: Actor, job: str) -> ExplainView:
        """Why a job is not running, runner by runner."""
        found = await self.find_job(actor, job)
        return explain_view(await self.coordinator.explain(found.id))

    async def stop(self, actor: Actor, job: str, request: StopRequest) -> OneJobView:
        """Ask its runner to end it; ``now`` kills, ``abandon`` gives it up at once."""
        found = await self.find_job(actor, job)
        acted = await self.coordinator.stop_job(
            actor,
            found.id,
            grace_ms=0 if request.now else milliseconds(request.grace_seconds),
            kill=request.now,
            abandon=request.abandon,
            reason=request.reason,
        )
        return await self._after(acted)

    async def resubmit(self, actor: Actor, job: str, request: ResubmitRequest) -> OneJobView:
        """Make a new job from one that has ended; the answer is the new one."""
        found = await self.find_job(actor, job)
        params = None if isinstance(request.params, msgspec.UnsetType) else bytes(request.params)
        if params is not None:
            check_payload(params, "params")
        acted = await self.coordinator.resubmit(
            actor, found.id, params=params, reason=request.reason
        )
        return await self._after(acted)

    async def reassign(self, actor: Actor, job: str, request: ReassignRequest) -> OneJobView:
        """Move a job to another queue or runner."""
        exactly_one(queue=request.queue, runner=request.runner)
        found = await self.find_job(actor, job)
        runner = None if request.runner is None else self.find_runner(request.runner).id
        acted = await self.coordinator.reassign(
            actor,
            found.id,
            queue=request.queue,
            runner=runner,
            grace_ms=milliseconds(request.grace_seconds),
            reason=request.reason,
        )
        return await self._after(acted)

    async def set_priority(self, actor: Actor, job: str, request: PriorityRequest) -> OneJobView:
        """Let a job go earlier (higher) or later."""
        found = await self.find_job(actor, job)
        acted = await self.coordinator.set_priority(
            actor, found.id, request.priority, reason=request.reason
        )
        return await self._after(acted)

    async def _after(self, acted: Acted) -> OneJobView:
        """A job as it is after an act."""
        page = await self.reads.job_page(JobQuery(ids=(acted.job.id,), limit=1))
        if not page.rows:
            raise NotFound(f"job {acted.job.id} was deleted in the meantime")
        return OneJobView(job=job_view(page.rows[0]), warning=acted.warning)

    @property
    def _width(self) -> int:
        """Units of a piece as they are cut now."""
        return units_of_a_piece(self.coordinator.settings)

    def _lease(self, detail: JobDetail) -> LeaseView:
        if not detail.attempts:
            return LeaseView("", None)
        return self.coordinator.lease(detail.attempts[0].attempt)
