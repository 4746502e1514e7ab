"""Schedules as people and the configuration want them: made, changed, paused, deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server.cron import read_cron
from server.errors import InvalidInput, NotFound, Refused
from server.model import MAX_NAME, Actor
from server.schedules import (
    MAX_CATCH_UP_MS,
    MAX_SCHEDULES,
    NEVER,
    Schedule,
    ScheduledTask,
    ScheduleWish,
    planned,
)
from server.secret_parameters import handed_back

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.events import EventKind
    from server.settings import ScheduleSettings
    from server.store.base import Tx

CONFIGURATION: Final = Actor("configuration", "admin", "configuration")


# making and changing --------------------------------------------------------------------------


def put(
    tx: Tx, memory: Memory, actor: Actor, wish: ScheduleWish, reason: str, now: int, *, is_new: bool
) -> Schedule:
    """Make a schedule, or change one that there is.

    Raises:
        InvalidInput: it makes no sense.
        NotFound, Refused: it is not there, or is there already, or is the configuration's.
    """
    _check(tx, wish, is_new=is_new)
    known = tx.schedule(wish.name)
    if is_new and known is not None and not known.deleted_at:
        raise Refused(f"there is a schedule {wish.name} already; change it, or choose another name")
    if not is_new:
        known = _changeable(tx, wish.name)
        wish = replace(wish, params=handed_back(wish.params, known.params))
    return _put(tx, memory, actor, known, wish, reason, now, is_configured=False)


def _put(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    known: Schedule | None,
    wish: ScheduleWish,
    reason: str,
    now: int,
    *,
    is_configured: bool,
) -> Schedule:
    """Write a schedule down. What it is due for stays as it was where its times stay the same."""
    times = read_cron(wish.cron, wish.time_zone)
    is_there = known is not None and not known.deleted_at
    before = known if known is not None and is_there else _blank(actor, wish.name, known, now)
    fresh = replace(
        before,
        cron=times.expression,
        time_zone=wish.time_zone,
        overlap=wish.overlap,
        catch_up_ms=wish.catch_up_ms,
        task=wish.task,
        params=wish.params,
        is_configured=is_configured,
        changed_at=now,
    )
    if wish.is_paused is not None and wish.is_paused != fresh.is_paused:
        fresh = _paused(fresh, actor, reason, now) if wish.is_paused else _resumed(fresh, now)
    elif (before.cron, before.time_zone) != (fresh.cron, fresh.time_zone):
        fresh = planned(fresh, now)
    kind: EventKind = "schedule_changed" if is_there else "schedule_created"
    return _keep(tx, memory, actor, fresh, kind, reason, now, cron=fresh.cron)


def _check(tx: Tx, wish: ScheduleWish, *, is_new: bool) -> None:
    if not wish.name or len(wish.name) > MAX_NAME or not wish.name.isprintable():
        raise InvalidInput(f"the name has to have 1 to {MAX_NAME} printable characters")
    if not 0 <= wish.catch_up_ms <= MAX_CATCH_UP_MS:
        days = MAX_CATCH_UP_MS // 86_400_000
        raise InvalidInput(f"missed runs are made up for up to {days} days")
    if is_new and len(tx.schedules()) >= MAX_SCHEDULES:
        raise Refused(f"there are {MAX_SCHEDULES} schedules, and more are not kept")


def _blank(actor: Actor, name: str, deleted: Schedule | None, now: int) -> Schedule:
    """One that has never done anything; it has the number of a deleted one of that name, so that
    jobs of either are found by it."""
    return Schedule(
        id=deleted.id if deleted is not None else 0,
        name=name,
        cron="",
        time_zone="",
        overlap="skip",
        catch_up_ms=0,
        task=ScheduledTask(""),
        params=b"",
        owner=actor.name,
        origin=actor.via,
        is_configured=False,
        created_at=now,
        changed_at=now,
    )


def pause(tx: Tx, memory: Memory, actor: Actor, name: str, reason: str, now: int) -> Schedule:
    """Make no more jobs; what was made goes on."""
    schedule = known_schedule(tx, name)
    if schedule.is_paused:
        raise Refused(f"schedule {name} is paused already, by {schedule.paused_by}")
    paused = _paused(schedule, actor, reason, now)
    return _keep(tx, memory, actor, paused, "schedule_paused", reason, now)


def resume(tx: Tx, memory: Memory, actor: Actor, name: str, reason: str, now: int) -> Schedule:
    """Make jobs again; what would have been due meanwhile is not made up for."""
    schedule = known_schedule(tx, name)
    if not schedule.is_paused:
        raise Refused(f"schedule {name} is not paused")
    resumed = _resumed(schedule, now)
    return _keep(tx, memory, actor, resumed, "schedule_resumed", reason, now, next=resumed.next_at)


def delete(tx: Tx, memory: Memory, actor: Actor, name: str, reason: str, now: int) -> None:
    """Take a schedule away; the jobs that it made stay."""
    _delete(tx, memory, actor, _changeable(tx, name), reason, now)


def _delete(
    tx: Tx, memory: Memory, actor: Actor, schedule: Schedule, reason: str, now: int
) -> None:
    gone = replace(schedule, deleted_at=now, next_at=0)
    _keep(tx, memory, actor, gone, "schedule_deleted", reason, now)


def _paused(schedule: Schedule, actor: Actor, reason: str, now: int) -> Schedule:
    return replace(schedule, paused_at=now, paused_by=actor.name, pause_reason=reason, next_at=0)


def _resumed(schedule: Schedule, now: int) -> Schedule:
    return planned(replace(schedule, paused_at=0, paused_by="", pause_reason=""), now)


def known_schedule(tx: Tx, name: str) -> Schedule:
    """A schedule by name, or NotFound."""
    schedule = tx.schedule(name)
    if schedule is None or schedule.deleted_at:
        raise NotFound(f"there is no schedule {name[:60]}")
    return schedule


def _changeable(tx: Tx, name: str) -> Schedule:
    schedule = known_schedule(tx, name)
    if schedule.is_configured:
        raise Refused(
            f"schedule {name} stands in the configuration; change it there, or pause it",
            code="configured",
        )
    return schedule


def _keep(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    schedule: Schedule,
    kind: EventKind,
    reason: str,
    now: int,
    **facts: Any,
) -> Schedule:
    """Write a schedule down, tell of it, and know when to look next."""
    kept = tx.put_schedule(schedule)
    data = msgspec.json.encode({"schedule": kept.name, **facts})
    tx.append(kind, at=now, actor=actor.name, reason=reason, data=data)
    note_next(tx, memory)
    return kept


def note_next(tx: Tx, memory: Memory) -> None:
    """Remember, once this is committed, when the first schedule is due."""
    next_at = min((one.next_at for one in tx.schedules() if one.next_at), default=NEVER)

    def committed() -> None:
        memory.next_schedule_at = next_at

    tx.after_commit(committed)


# what the configuration says --------------------------------------------------------------------


def follow_configuration(tx: Tx, memory: Memory, now: int) -> None:
    """Bring schedules in line with the configuration: it makes, changes and deletes its own.

    Somebody's pause stays; a pause of the configuration goes with the line that says it.
    """
    wanted = memory.settings.schedules
    for schedule in tx.schedules():
        if schedule.is_configured and schedule.name not in wanted:
            reason = "it is not in the configuration any more"
            _delete(tx, memory, CONFIGURATION, schedule, reason, now)
    for name, settings in wanted.items():
        known = tx.schedule(name)
        wish = _configured_wish(name, settings)
        if known is not None and not known.deleted_at:
            is_paused_by_somebody = known.is_paused and known.paused_by != CONFIGURATION.name
            wish = replace(wish, is_paused=wish.is_paused or is_paused_by_somebody)
            if known.is_configured and _is_as_wished(known, wish):
                continue
        _put(tx, memory, CONFIGURATION, known, wish, "", now, is_configured=True)
    note_next(tx, memory)


def _configured_wish(name: str, settings: ScheduleSettings) -> ScheduleWish:
    return ScheduleWish(
        name=name,
        cron=" ".join(settings.cron.split()),
        time_zone=settings.time_zone,
        overlap=settings.overlap,
        catch_up_ms=settings.catch_up_ms,
        task=ScheduledTask(
            type=settings.type,
            queue=settings.queue,
            priority=settings.priority,
            requires=settings.requires,
            timeout_ms=settings.timeout_ms,
            max_attempts=settings.max_attempts or None,
            correlation=settings.correlation or None,
        ),
        params=settings.params,
        is_paused=settings.paused,
    )


def _is_as_wished(schedule: Schedule, wish: ScheduleWish) -> bool:
    return wish == ScheduleWish(
        name=schedule.name,
        cron=schedule.cron,
        time_zone=schedule.time_zone,
        overlap=schedule.overlap,
        catch_up_ms=schedule.catch_up_ms,
        task=schedule.task,
        params=schedule.params,
        is_paused=schedule.is_paused,
    )
