"""Schedules in words: columns and sheets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from traffic_tui.cli.fleet_tables import labels_text
from traffic_tui.cli.job_tables import json_text
from traffic_tui.cli.tables import Column, Fact, Look, span
from traffic_tui.state.formats import age, count, day_and_time, duration
from traffic_tui.state.glyphs import JOB_MARKS, SCHEDULE_MARKS, Span

if TYPE_CHECKING:
    from datetime import tzinfo

    from server.wire.schedules import ScheduleView

OVERLAP_WORDS = {
    "skip": "leave the run out",
    "queue": "make the next job all the same",
    "replace": "stop it for the next",
}


class DueTime(NamedTuple):
    """One due time, and whose clock it goes by."""

    at: int
    time_zone: str


def _local(milliseconds: int, look: Look) -> str:
    return day_and_time(milliseconds, "local", now=look.now_ms)


def _state(schedule: ScheduleView, look: Look) -> Span:
    return look.mark(SCHEDULE_MARKS["paused" if schedule.paused_at else "on"])


def _until(milliseconds: int, look: Look) -> Span:
    return span(age(max(0, milliseconds - look.now_ms)) if milliseconds else "")


def _last_job(schedule: ScheduleView, look: Look) -> Span:
    job = schedule.last_job
    if job is None:
        return span("")
    mark = JOB_MARKS[job.state]
    return Span(f"{job.number} {mark.word}", mark.role)


def _pause_words(schedule: ScheduleView) -> str:
    by = f"by {schedule.paused_by}" if schedule.paused_by else ""
    return ", ".join(part for part in (by, schedule.pause_reason) if part)


SCHEDULE_COLUMNS: tuple[Column[ScheduleView], ...] = (
    Column("SCHEDULE", lambda schedule, _: span(schedule.name)),
    Column("STATE", _state),
    Column("CRON", lambda schedule, _: span(schedule.cron)),
    Column("ZONE", lambda schedule, _: span(schedule.time_zone)),
    Column("IN", lambda schedule, look: _until(schedule.next_at, look), is_right=True),
    Column("NEXT", lambda schedule, look: span(_local(schedule.next_at, look))),
    Column("LAST JOB", _last_job),
    Column("TYPE", lambda schedule, _: span(schedule.type), is_flexible=True),
    Column("QUEUE", lambda schedule, _: span(schedule.queue), is_wide=True),
    Column("MADE", lambda schedule, _: span(count(schedule.fired)), is_right=True, is_wide=True),
    Column("LEFT OUT", lambda schedule, _: span(count(schedule.skipped)), is_right=True,
           is_wide=True),
    Column("OVERLAP", lambda schedule, _: span(schedule.overlap), is_wide=True),
    Column("OWNER", lambda schedule, _: span(schedule.owner), is_wide=True),
    Column("PAUSED", lambda schedule, _: span(_pause_words(schedule)), is_wide=True),
)  # fmt: skip

DUE_COLUMNS: tuple[Column[DueTime], ...] = (
    Column("DUE", lambda due, look: span(_local(due.at, look))),
    Column("IN", lambda due, look: _until(due.at, look), is_right=True),
    Column("THERE", lambda due, look: span(_there(due, look))),
)


def _there(due: DueTime, look: Look) -> str:
    """As a clock of the schedule's own zone shows it, where this box knows that zone."""
    try:
        zone: tzinfo = ZoneInfo(due.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ""
    return day_and_time(due.at, "local", now=look.now_ms, local=zone)


def schedule_facts(schedule: ScheduleView, look: Look) -> list[Fact]:
    """One schedule, a line a fact; what is empty is left out."""
    facts = [
        Fact("schedule", span(schedule.name)),
        Fact("state", _state(schedule, look)),
        Fact("paused", span(_pause_words(schedule))),
        Fact("cron", span(f"{schedule.cron}  {schedule.time_zone}")),
        Fact("next", span(_local(schedule.next_at, look))),
        Fact("last due", span(_local(schedule.last_at, look))),
        Fact("last job", _last_job(schedule, look)),
        Fact("made", span(f"{count(schedule.fired)} jobs, {count(schedule.skipped)} left out")),
        Fact("overlap", span(OVERLAP_WORDS[schedule.overlap])),
        Fact("catch up", span(_catch_up_words(schedule))),
        Fact("type", span(schedule.type)),
        Fact("queue", span(f"{schedule.queue}, priority {schedule.priority}")),
        Fact("params", span(json_text(schedule.params))),
        Fact("needs", span(labels_text(schedule.requires))),
        Fact("carries", span(labels_text(schedule.correlation))),
        Fact("limits", span(_limit_words(schedule))),
        Fact("from", span(_origin_words(schedule, look))),
    ]
    return [fact for fact in facts if fact.value.text != "-"]


def _catch_up_words(schedule: ScheduleView) -> str:
    if not schedule.catch_up_seconds:
        return ""
    return f"the last missed run, up to {duration(round(schedule.catch_up_seconds * 1000))} late"


def _limit_words(schedule: ScheduleView) -> str:
    seconds, tries = schedule.timeout_seconds, schedule.max_attempts
    parts = [
        f"{duration(round(seconds * 1000))} a try" if seconds else "",
        f"{tries} tries" if tries else "",
    ]
    return ", ".join(part for part in parts if part)


def _origin_words(schedule: ScheduleView, look: Look) -> str:
    if schedule.configured:
        return "the configuration"
    return f"{schedule.owner}, {_local(schedule.created_at, look)}"
