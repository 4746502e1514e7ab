"""The part of the operator API's route table that is about schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from server.cron import MAX_EXPRESSION
from server.http.queries import Query, ReasonQuery
from server.http.routes import Route, reason_of
from server.wire.operator import MAX_SUBMIT_BODY, ReasonRequest
from server.wire.schedules import (
    DueTimesView,
    NewScheduleRequest,
    OneScheduleView,
    ScheduleRequest,
    SchedulesView,
    ZoneText,
)

if TYPE_CHECKING:
    from server.http.routes import Answer, Call
    from server.operator import OperatorApi

Count = Annotated[int, Meta(ge=1, le=100, description="How many.")]


class DueQuery(Query):
    count: Count = 5


class CronQuery(Query):
    expression: Annotated[str, Meta(max_length=MAX_EXPRESSION)] = ""
    time_zone: ZoneText = "UTC"
    count: Count = 5


async def _delete(api: OperatorApi, call: Call) -> Answer:
    await api.delete_schedule(call.actor, call.params["schedule"], reason_of(call))
    return None


async def _cron(api: OperatorApi, call: Call) -> Answer:
    query: CronQuery = call.query
    return await api.cron_due(call.actor, query.expression, query.time_zone, query.count)


SCHEDULE_ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/schedules",
        "read",
        "All schedules.",
        lambda api, call: api.schedules(call.actor),
        answer=SchedulesView,
    ),
    Route(
        "POST",
        "/schedules",
        "operate",
        "Make a schedule: it makes a job whenever it is due.",
        lambda api, call: api.create_schedule(call.actor, call.body),
        answer=OneScheduleView,
        status=201,
        body=NewScheduleRequest,
        max_body=MAX_SUBMIT_BODY,
    ),
    Route(
        "GET",
        "/schedules/{schedule}",
        "read",
        "One schedule.",
        lambda api, call: api.schedule(call.actor, call.params["schedule"]),
        answer=OneScheduleView,
    ),
    Route(
        "PUT",
        "/schedules/{schedule}",
        "operate",
        "Change a schedule to what the body says; what is left out is the default again.",
        lambda api, call: api.change_schedule(call.actor, call.params["schedule"], call.body),
        answer=OneScheduleView,
        body=ScheduleRequest,
        max_body=MAX_SUBMIT_BODY,
    ),
    Route(
        "DELETE",
        "/schedules/{schedule}",
        "operate",
        "Take a schedule away; the jobs that it made stay.",
        _delete,
        status=204,
        query=ReasonQuery,
        body=ReasonRequest,
    ),
    Route(
        "POST",
        "/schedules/{schedule}/pause",
        "operate",
        "Let a schedule make no more jobs.",
        lambda api, call: api.pause_schedule(call.actor, call.params["schedule"], call.body),
        answer=OneScheduleView,
        body=ReasonRequest,
    ),
    Route(
        "POST",
        "/schedules/{schedule}/resume",
        "operate",
        "Let a schedule make jobs again; what was due meanwhile is not made up for.",
        lambda api, call: api.resume_schedule(call.actor, call.params["schedule"], call.body),
        answer=OneScheduleView,
        body=ReasonRequest,
    ),
    Route(
        "GET",
        "/schedules/{schedule}/due",
        "read",
        "When a schedule is due next; of a paused one, when it would be.",
        lambda api, call: api.schedule_due(call.actor, call.params["schedule"], call.query.count),
        answer=DueTimesView,
        query=DueQuery,
    ),
    Route(
        "GET",
        "/cron",
        "read",
        "When a cron expression would be due.",
        _cron,
        answer=DueTimesView,
        query=CronQuery,
    ),
)
