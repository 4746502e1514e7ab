"""Schedules of a coordinator over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.wire.operator import ReasonRequest
from server.wire.schedules import DueTimesView, OneScheduleView, SchedulesView
from traffic_tui.client.transport import path_part

if TYPE_CHECKING:
    from server.wire.operator import Request
    from server.wire.schedules import NewScheduleRequest, ScheduleRequest, ScheduleView
    from traffic_tui.client.transport import Transport


class HttpSchedules:
    """The part of the client over HTTP that is about schedules."""

    _transport: Transport

    async def schedules(self) -> SchedulesView:
        return await self._transport.call("GET", "/schedules", SchedulesView)

    async def schedule(self, name: str) -> ScheduleView:
        return await self._one("GET", _path(name))

    async def create_schedule(self, request: NewScheduleRequest) -> ScheduleView:
        return await self._one("POST", "/schedules", request)

    async def change_schedule(self, name: str, request: ScheduleRequest) -> ScheduleView:
        return await self._one("PUT", _path(name), request)

    async def delete_schedule(self, name: str, *, reason: str = "") -> None:
        await self._transport.send("DELETE", _path(name), params={"reason": reason or None})

    async def pause_schedule(self, name: str, *, reason: str = "") -> ScheduleView:
        return await self._one("POST", f"{_path(name)}/pause", ReasonRequest(reason=reason))

    async def resume_schedule(self, name: str, *, reason: str = "") -> ScheduleView:
        return await self._one("POST", f"{_path(name)}/resume", ReasonRequest(reason=reason))

    async def schedule_due(self, name: str, *, count: int = 5) -> DueTimesView:
        params = {"count": count}
        return await self._transport.call("GET", f"{_path(name)}/due", DueTimesView, params=params)

    async def cron_due(
        self, expression: str, *, time_zone: str = "UTC", count: int = 5
    ) -> DueTimesView:
        params: dict[str, str | int] = {
            "expression": expression,
            "time_zone": time_zone,
            "count": count,
        }
        return await self._transport.call("GET", "/cron", DueTimesView, params=params)

    async def _one(self, method: str, path: str, body: Request | None = None) -> ScheduleView:
        answer = await self._transport.call(method, path, OneScheduleView, body=body)
        return answer.schedule


def _path(name: str) -> str:
    return f"/schedules/{path_part(name)}"
