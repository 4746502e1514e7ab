"""Schedules in words: for the message line, and for the dialog that says all that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.state.clean_text import clean
from traffic_tui.state.formats import age, count, day_and_time, duration
from traffic_tui.state.glyphs import JOB_MARKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.schedules import ScheduleView
    from traffic_tui.state.row_context import RowContext

OVERLAP_WORDS = {
    "skip": "the run is left out",
    "queue": "the next job is made all the same",
    "replace": "it is stopped for the next",
}


def schedule_note(schedule: ScheduleView, context: RowContext) -> str:
    """One line on a schedule."""
    name = clean(schedule.name)
    if schedule.paused_at:
        since = duration(context.now - schedule.paused_at)
        reason = f': "{clean(schedule.pause_reason)}"' if schedule.pause_reason else ""
        return f"{name}: paused by {clean(schedule.paused_by)} {since} ago{reason}"
    facts = [f"{clean(schedule.cron)} {clean(schedule.time_zone)}"]
    jobs = "job" if schedule.fired == 1 else "jobs"
    facts.append(f"{count(schedule.fired)} {jobs} made, {count(schedule.skipped)} left out")
    if schedule.last_job is not None:
        facts.append(f"last {schedule.last_job.number} {JOB_MARKS[schedule.last_job.state].word}")
    return f"{name}: {', '.join(facts)}"


def schedule_words(schedule: ScheduleView, due: Sequence[int], context: RowContext) -> list[str]:
    """What is known about a schedule, and when it is due next."""
    catch_up = duration(round(schedule.catch_up_seconds * 1000))
    labels = " ".join(f"{key}={value}" for key, value in schedule.requires.items())
    job = f"{clean(schedule.type)} in {clean(schedule.queue)}, priority {schedule.priority}"
    lines = [
        schedule_note(schedule, context),
        "",
        f"job       {job}",
        f"needs     {clean(labels)}" if labels else "",
        f"overlap   where its last job has not ended, {OVERLAP_WORDS[schedule.overlap]}",
        f"missed    the last run, up to {catch_up} late" if schedule.catch_up_seconds else "",
        f"from      {'the configuration' if schedule.configured else clean(schedule.owner)}",
        "",
        "would be due" if schedule.paused_at else "is due",
    ]
    times = [
        f"{day_and_time(at, context.zone, now=context.now)}  in {age(at - context.now)}"
        for at in due
    ]
    return [line for number, line in enumerate(lines) if line or number in (1, 7)] + times
