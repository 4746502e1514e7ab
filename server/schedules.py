"""Schedules: what makes a job again and again, and what follows from the time it is.

Pure. A due time is dealt with once: what is kept of a schedule says up to when that was done, so
neither a restart nor a clock that is set brings one twice.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 (msgspec reads annotations)
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, TypeAlias

from server.cron import MAX_LOOK_BACK_MS, Cron
from server.model import JobSpec

Overlap: TypeAlias = Literal["skip", "queue", "replace"]

ON_TIME_MS: Final = 30_000
"""A run that is no later than this counts as on time: a restart takes less."""
MAX_CATCH_UP_MS: Final = MAX_LOOK_BACK_MS
CLOCK_WRONG_MS: Final = 3_600_000
"""A run that was made so far in the future was made by a wrong clock."""
MAX_SCHEDULES: Final = 1_000
NEVER: Final = 2**62
"""Later than anything is due."""


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """What each job of a schedule is, but for its parameters."""

    type: str
    queue: str = "default"
    priority: int = 0
    requires: Mapping[str, str] = field(default_factory=dict)
    timeout_ms: int = 0
    max_attempts: int | None = None
    correlation: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule, and how far it has come. Times are epoch milliseconds, 0 where there is none."""

    id: int
    name: str
    cron: str
    time_zone: str
    overlap: Overlap
    """What happens when a run is due and the job of the last one has not ended."""
    catch_up_ms: int
    """How late the last run that was missed may still be made up for."""
    task: ScheduledTask
    params: bytes
    owner: str
    origin: str
    is_configured: bool
    """Whether it comes from the configuration and is changed only there."""
    created_at: int
    changed_at: int
    deleted_at: int = 0
    paused_at: int = 0
    paused_by: str = ""
    pause_reason: str = ""
    next_at: int = 0
    """When it is due next; 0 while it is paused."""
    last_at: int = 0
    """The last due time that was dealt with."""
    last_job: int = 0
    """Row id of the job it made last."""
    fired: int = 0
    skipped: int = 0

    @property
    def is_paused(self) -> bool:
        return self.paused_at > 0

    @property
    def due_times(self) -> Cron:
        return Cron(self.cron, self.time_zone)

    def job_spec(self) -> JobSpec:
        """The job it makes."""
        task = self.task
        return JobSpec(
            type=task.type,
            params=self.params,
            queue=task.queue,
            priority=task.priority,
            requires=task.requires,
            timeout_ms=task.timeout_ms,
            max_attempts=task.max_attempts,
            correlation=task.correlation,
            schedule=self.id,
        )


@dataclass(frozen=True, slots=True)
class ScheduleWish:
    """A schedule as somebody wants it to be."""

    name: str
    cron: str
    time_zone: str
    overlap: Overlap
    catch_up_ms: int
    task: ScheduledTask
    params: bytes
    is_paused: bool | None = None
    """None: as it is."""


class Due(NamedTuple):
    """A due time that has come."""

    at: int
    is_missed: bool
    """Whether it is too late for it."""
    next_at: int


def due(schedule: Schedule, now: int) -> Due | None:
    """The due time to deal with now. Where several went by, it is the last: one stands for all."""
    if schedule.is_paused or not 0 < schedule.next_at <= now:
        return None
    times = schedule.due_times
    at = times.last(schedule.next_at - 1, now) or schedule.next_at
    is_missed = now - at > max(ON_TIME_MS, schedule.catch_up_ms)
    return Due(at, is_missed, times.after(now))


def planned(schedule: Schedule, now: int) -> Schedule:
    """The schedule with its next due time after now, and after all that were dealt with."""
    if schedule.is_paused:
        return replace(schedule, next_at=0)
    is_clock_wrong = schedule.last_at - now > CLOCK_WRONG_MS
    begin = now if is_clock_wrong else max(now, schedule.last_at)
    return replace(schedule, next_at=schedule.due_times.after(begin))


def replanned(schedule: Schedule, now: int) -> Schedule:
    """The schedule after the clock was set, perhaps. A due time that is past stays to be dealt
    with; one that a wrong clock put far into the future comes nearer."""
    if schedule.is_paused:
        return schedule
    fresh = planned(schedule, now)
    return fresh if not schedule.next_at or 0 < fresh.next_at < schedule.next_at else schedule
