"""The operator API's messages about schedules. Times are epoch milliseconds, 0: there is none."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, field

from server.cron import MAX_EXPRESSION
from server.model import MAX_NAME, JobState
from server.schedules import MAX_CATCH_UP_MS, Overlap
from server.wire.operator import (
    Correlation,
    Name,
    Priority,
    Reason,
    Request,
    Seconds,
    View,
    no_params,
)

CronText = Annotated[str, Meta(min_length=1, max_length=MAX_EXPRESSION)]
ZoneText = Annotated[str, Meta(min_length=1, max_length=100)]
CatchUp = Annotated[float, Meta(ge=0, le=MAX_CATCH_UP_MS / 1000)]


class ScheduleRequest(Request, kw_only=True):
    """A schedule as it is to be. What is left out is the default, but for ``paused``."""

    cron: CronText
    """5 fields, or 6 with the second in front."""
    type: Name
    """What follows is as in a submit: each job is made so."""
    time_zone: ZoneText = "UTC"
    params: msgspec.Raw = field(default_factory=no_params)
    queue: Name = "default"
    priority: Priority = 0
    requires: dict[Name, Annotated[str, Meta(max_length=MAX_NAME)]] = field(default_factory=dict)
    timeout_seconds: Seconds = 0
    max_attempts: Annotated[int, Meta(ge=1, le=1000)] | None = None
    correlation: Correlation | None = None
    overlap: Overlap = "skip"
    """What happens when it is due and its last job has not ended."""
    catch_up_seconds: CatchUp = 0
    """How late the last run that was missed is still made up for."""
    paused: bool | None = None
    """Left out: as it is."""
    reason: Reason = ""


class NewScheduleRequest(ScheduleRequest, kw_only=True):
    name: Name


class ScheduledJobView(View):
    """The job that a schedule made last."""

    id: str
    number: int
    state: JobState


class ScheduleView(View):
    name: str
    cron: str
    time_zone: str
    type: str
    params: Any
    queue: str
    priority: int
    requires: dict[str, str]
    timeout_seconds: float
    max_attempts: int | None
    correlation: dict[str, str]
    overlap: Overlap
    catch_up_seconds: float
    owner: str
    """Who made it; its jobs are this one's."""
    configured: bool
    """It stands in the configuration: it is paused here, and changed only there."""
    created_at: int
    changed_at: int
    paused_at: int
    paused_by: str
    pause_reason: str
    next_at: int
    """When it is due next; 0 while it is paused."""
    last_at: int
    """The last due time that was dealt with, by a job or by leaving it out."""
    last_job: ScheduledJobView | None
    fired: int
    """How many jobs it made."""
    skipped: int
    """How many runs were left out."""


class SchedulesView(View):
    schedules: list[ScheduleView]


class OneScheduleView(View):
    schedule: ScheduleView


class DueTimesView(View):
    """When a cron expression is due, in order."""

    due: list[int]
