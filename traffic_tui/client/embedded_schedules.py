"""Schedules of the coordinator of this very process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

from server.wire.operator import ReasonRequest
from traffic_tui.client.wire_bounds import check_due_count, checked_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.model import Actor
    from server.operator import OperatorApi
    from server.roles import Power
    from server.wire.schedules import (
        DueTimesView,
        NewScheduleRequest,
        ScheduleRequest,
        SchedulesView,
        ScheduleView,
    )

T = TypeVar("T")


class EmbeddedSchedules(ABC):
    """The part of the embedded client that is about schedules."""

    _actor: Actor

    @abstractmethod
    async def _call(self, power: Power, call: Callable[[OperatorApi], Awaitable[T]]) -> T:
        """One call on the coordinator's loop, with its errors as ours."""

    async def schedules(self) -> SchedulesView:
        return await self._call("read", lambda api: api.schedules(self._actor))

    async def schedule(self, name: str) -> ScheduleView:
        return (await self._call("read", lambda api: api.schedule(self._actor, name))).schedule

    async def create_schedule(self, request: NewScheduleRequest) -> ScheduleView:
        body = checked_request(request)
        return (
            await self._call("operate", lambda api: api.create_schedule(self._actor, body))
        ).schedule

    async def change_schedule(self, name: str, request: ScheduleRequest) -> ScheduleView:
        body = checked_request(request)
        return (
            await self._call("operate", lambda api: api.change_schedule(self._actor, name, body))
        ).schedule

    async def delete_schedule(self, name: str, *, reason: str = "") -> None:
        body = checked_request(ReasonRequest(reason=reason))
        await self._call("operate", lambda api: api.delete_schedule(self._actor, name, body))

    async def pause_schedule(self, name: str, *, reason: str = "") -> ScheduleView:
        body = checked_request(ReasonRequest(reason=reason))
        return (
            await self._call("operate", lambda api: api.pause_schedule(self._actor, name, body))
        ).schedule

    async def resume_schedule(self, name: str, *, reason: str = "") -> ScheduleView:
        body = checked_request(ReasonRequest(reason=reason))
        return (
            await self._call("operate", lambda api: api.resume_schedule(self._actor, name, body))
        ).schedule

    async def schedule_due(self, name: str, *, count: int = 5) -> DueTimesView:
        check_due_count(count)
        return await self._call("read", lambda api: api.schedule_due(self._actor, name, count))

    async def cron_due(
        self, expression: str, *, time_zone: str = "UTC", count: int = 5
    ) -> DueTimesView:
        check_due_count(count)
        return await self._call(
            "read", lambda api: api.cron_due(self._actor, expression, time_zone, count)
        )
