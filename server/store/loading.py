# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Filling the writer's memory from an open database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.model import JobClass, Queue, Session
from server.store.base import StoredKey
from server.store.codes import ATTEMPT_COLUMNS, JOB_COLUMNS, attempt_of, job_of, map_of
from server.store.sqlite_prune import ACTIVITY_MINUTES
from server.store.sqlite_ranges import load_ranges
from server.store.sqlite_registry import SELECT_RUNNERS, SELECT_SESSIONS, runner_of
from server.store.sqlite_schedules import SELECT_SCHEDULES, schedule_of

if TYPE_CHECKING:
    import sqlite3

    from server.store.memory import Memory


def load(db: sqlite3.Connection, memory: Memory, now: int) -> None:
    """Read all that is kept in memory: names, counters, live attempts, the highest ids."""
    _load_names(db, memory)
    _load_registry(db, memory)
    _load_counters(db, memory, now)
    _load_live(db, memory)
    load_ranges(db, memory)
    _load_high_marks(db, memory)
    memory.settle()


def _load_names(db: sqlite3.Connection, memory: Memory) -> None:
    _drop_unused_classes(db)
    for number, queue, type_, requires, pin in db.execute(
        "SELECT id, queue, type, requires, pin FROM classes"
    ):
        memory.class_ids[queue, type_, requires, pin] = number
        memory.classes[number] = JobClass(number, queue, type_, map_of(requires), pin)
    for number, *key in db.execute("SELECT id, owner, origin, namespace FROM submitters"):
        memory.submitter_ids[key[0], key[1], key[2]] = number
        memory.submitters[number] = (key[0], key[1], key[2])
    for number, cls, submitter in db.execute("SELECT id, cls, submitter FROM facets"):
        memory.put_facet(cls, submitter, number)
    memory.event_kinds.update(db.execute("SELECT name, id FROM event_kinds"))


def _drop_unused_classes(db: sqlite3.Connection) -> None:
    """Classes without jobs go when nobody can hold their numbers: before anyone is told them.
    While the store is open, :mod:`server.store.sqlite_unused` is more careful."""
    unused = (
        "SELECT id FROM classes WHERE id NOT IN (SELECT cls FROM counts WHERE n > 0)"
        " AND id NOT IN (SELECT j.target FROM attempts a JOIN jobs j ON j.id = a.job"
        " WHERE a.is_live = 1)"
    )
    db.execute("BEGIN IMMEDIATE")
    db.execute(f"DELETE FROM facets WHERE cls IN ({unused})")
    db.execute(f"DELETE FROM activity WHERE kind < 2 AND key IN ({unused})")
    db.execute(f"DELETE FROM classes WHERE id IN ({unused})")
    db.execute("DELETE FROM submitters WHERE id NOT IN (SELECT submitter FROM facets)")
    db.execute("DELETE FROM counts WHERE n = 0")
    db.execute("COMMIT")


def _load_registry(db: sqlite3.Connection, memory: Memory) -> None:
    for name, slots, *rest in db.execute(
        "SELECT name, slots, stall_after_ms, paused_at, paused_by, pause_reason FROM queues"
    ):
        memory.queues[name] = Queue(name, slots, *rest)
    for row in db.execute(SELECT_RUNNERS):
        memory.put_runner(runner_of(row))
    for row in db.execute(SELECT_SESSIONS + "WHERE ended_at = 0"):
        memory.put_session(Session(*row))
    for row in db.execute(
        "SELECT name, role, digest, created_at, expires_at, revoked_at FROM keys"
    ):
        memory.keys[row[0]] = StoredKey(*row)
    for row in db.execute(SELECT_SCHEDULES):
        schedule = schedule_of(row)
        memory.schedules[schedule.name] = schedule


def _load_counters(db: sqlite3.Connection, memory: Memory, now: int) -> None:
    for cls, state, number in db.execute("SELECT cls, state, n FROM counts"):
        if cls in memory.classes:
            memory.bump(cls, state, number)
    oldest = now // 60_000 - ACTIVITY_MINUTES
    for minute, kind, key, number in db.execute(
        "SELECT minute, kind, key, n FROM activity WHERE minute >= ?", (oldest,)
    ):
        memory.activity[minute, kind, key] = number


def _load_live(db: sqlite3.Connection, memory: Memory) -> None:
    for row in db.execute(f"SELECT {ATTEMPT_COLUMNS} FROM attempts WHERE is_live = 1 ORDER BY id"):
        memory.add_live([attempt_of(row)])
    for row in db.execute(
        f"SELECT {JOB_COLUMNS} FROM jobs WHERE id IN (SELECT job FROM attempts WHERE is_live = 1)"
    ):
        memory.note_jobs([job_of(row)])


def _load_high_marks(db: sqlite3.Connection, memory: Memory) -> None:
    marks = dict(db.execute("SELECT name, value FROM marks"))
    for kind, table, column in (
        ("job", "jobs", "id"),
        ("attempt", "attempts", "id"),
        ("event", "events", "seq"),
    ):
        newest = db.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()[0]
        memory.high[kind] = max(newest, marks.get(kind, 0))
    memory.last_attempt_at_opening = memory.high["attempt"]
