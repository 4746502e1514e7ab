"""Calls about schedules."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from server.carriers import check_correlation
from server.cron import read_cron
from server.errors import InvalidInput
from server.operator.parts import OperatorParts
from server.payloads import check_payload, payload_value
from server.rrq_routing import routed_type
from server.schedules import ScheduledTask, ScheduleWish
from server.secret_parameters import hide
from server.submission import MAX_REQUIRES, milliseconds
from server.wire.schedules import (
    DueTimesView,
    OneScheduleView,
    ScheduledJobView,
    SchedulesView,
    ScheduleView,
)

if TYPE_CHECKING:
    from server.model import Actor, Job
    from server.schedules import Schedule
    from server.settings import Settings
    from server.wire.operator import ReasonRequest
    from server.wire.schedules import NewScheduleRequest, ScheduleRequest


class ScheduleCalls(OperatorParts):
    """Look at, make, change, pause and delete schedules."""

    async def schedules(self, actor: Actor) -> SchedulesView:
        """All schedules, by name."""
        found = await self.coordinator.schedules()
        return SchedulesView(schedules=[schedule_view(*one) for one in found])

    async def schedule(self, actor: Actor, name: str) -> OneScheduleView:
        return OneScheduleView(schedule=schedule_view(*await self.coordinator.schedule(name)))

    async def create_schedule(self, actor: Actor, request: NewScheduleRequest) -> OneScheduleView:
        """Make a schedule."""
        wish = _wish(request.name, request, self.coordinator.settings)
        await self.coordinator.put_schedule(actor, wish, is_new=True, reason=request.reason)
        return await self.schedule(actor, request.name)

    async def change_schedule(
        self, actor: Actor, name: str, request: ScheduleRequest
    ) -> OneScheduleView:
        """Make a schedule all that the request says; its past stays."""
        wish = _wish(name, request, self.coordinator.settings)
        await self.coordinator.put_schedule(actor, wish, is_new=False, reason=request.reason)
        return await self.schedule(actor, name)

    async def delete_schedule(self, actor: Actor, name: str, request: ReasonRequest) -> None:
        """Take it away; the jobs that it made stay."""
        await self.coordinator.delete_schedule(actor, name, reason=request.reason)

    async def pause_schedule(
        self, actor: Actor, name: str, request: ReasonRequest
    ) -> OneScheduleView:
        """Let it make no more jobs; those that it made go on."""
        await self.coordinator.pause_schedule(actor, name, reason=request.reason)
        return await self.schedule(actor, name)

    async def resume_schedule(
        self, actor: Actor, name: str, request: ReasonRequest
    ) -> OneScheduleView:
        """Let it make jobs again; what was due meanwhile is not made up for."""
        await self.coordinator.resume_schedule(actor, name, reason=request.reason)
        return await self.schedule(actor, name)

    async def schedule_due(self, actor: Actor, name: str, count: int) -> DueTimesView:
        """When a schedule is due next; of a paused one, when it would be."""
        schedule, _ = await self.coordinator.schedule(name)
        return self._due(schedule.cron, schedule.time_zone, count)

    async def cron_due(
        self, actor: Actor, expression: str, time_zone: str, count: int
    ) -> DueTimesView:
        """When an expression would be due, for whoever is still writing it."""
        return self._due(expression, time_zone, count)

    def _due(self, expression: str, time_zone: str, count: int) -> DueTimesView:
        times = read_cron(expression, time_zone).all_after(self.coordinator.clock.now_ms())
        return DueTimesView(due=list(islice(times, count)))


def _wish(name: str, request: ScheduleRequest, settings: Settings) -> ScheduleWish:
    params = bytes(request.params)
    check_payload(params, "params")
    if len(request.requires) > MAX_REQUIRES:
        raise InvalidInput(f"requires names more than {MAX_REQUIRES} labels")
    if request.correlation:
        check_correlation(request.correlation, "correlation")
    return ScheduleWish(
        name=name,
        cron=request.cron,
        time_zone=request.time_zone,
        overlap=request.overlap,
        catch_up_ms=milliseconds(request.catch_up_seconds),
        task=ScheduledTask(
            type=routed_type(settings.protocols.rrq, request.type, request.queue),
            queue=request.queue,
            priority=request.priority,
            requires=request.requires,
            timeout_ms=milliseconds(request.timeout_seconds),
            max_attempts=request.max_attempts,
            correlation=request.correlation or None,
        ),
        params=params,
        is_paused=request.paused,
    )


def schedule_view(schedule: Schedule, last_job: Job | None) -> ScheduleView:
    """A schedule; ``last_job`` None: it made none yet, or that one is gone."""
    task = schedule.task
    shown, _ = hide(schedule.params)
    return ScheduleView(
        name=schedule.name,
        cron=schedule.cron,
        time_zone=schedule.time_zone,
        type=task.type,
        params=payload_value(shown),
        queue=task.queue,
        priority=task.priority,
        requires=dict(task.requires),
        timeout_seconds=task.timeout_ms / 1000,
        max_attempts=task.max_attempts,
        correlation=dict(task.correlation or {}),
        overlap=schedule.overlap,
        catch_up_seconds=schedule.catch_up_ms / 1000,
        owner=schedule.owner,
        configured=schedule.is_configured,
        created_at=schedule.created_at,
        changed_at=schedule.changed_at,
        paused_at=schedule.paused_at,
        paused_by=schedule.paused_by,
        pause_reason=schedule.pause_reason,
        next_at=schedule.next_at,
        last_at=schedule.last_at,
        last_job=None if last_job is None else _job_view(last_job),
        fired=schedule.fired,
        skipped=schedule.skipped,
    )


def _job_view(job: Job) -> ScheduledJobView:
    return ScheduledJobView(id=job.uuid, number=job.id, state=job.state)
