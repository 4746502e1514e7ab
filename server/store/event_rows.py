# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Events, from rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.events import Event
from server.store.codes import members_of
from server.store.schema import EVENT_BLOCK

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from server.store.base import EventQuery
    from server.store.codes import Row

_COLUMNS: Final = (
    "e.seq, e.at, k.name, e.job, e.attempt, e.runner, e.queue, e.actor, e.reason, e.data, e.members"
)
_FROM: Final = f"SELECT {_COLUMNS} FROM events e JOIN event_kinds k ON k.id = e.kind"
MAX_SEQ: Final = 2**63 - 1


def event_of(row: Row) -> Event:
    """An event from :data:`_COLUMNS`."""
    return Event._make((*row[:9], row[9] or b"", members_of(row[10])))


def events_of_job(
    db: sqlite3.Connection, job_id: int, *, before: int | None, limit: int
) -> list[Event]:
    """A job's events, newest first."""
    rows = db.execute(
        "SELECT seq FROM event_blocks WHERE block = ? AND seq < ? ORDER BY seq DESC",
        (job_id // EVENT_BLOCK, MAX_SEQ if before is None else before),
    )
    return _concerning(db, job_id, (row[0] for row in rows), limit)


def _concerning(
    db: sqlite3.Connection, job_id: int, seqs: Iterable[int], limit: int
) -> list[Event]:
    """Those of the events that concern the job: a block has up to 63 others in it."""
    found: list[Event] = []
    for seq in seqs:
        row = db.execute(_FROM + " WHERE e.seq = ?", (seq,)).fetchone()
        if row is None:
            continue
        event = event_of(row)
        if job_id in event.jobs():
            found.append(event)
            if len(found) >= limit:
                break
    return found


def find_events(db: sqlite3.Connection, query: EventQuery) -> list[Event]:
    """A page of events: oldest first after a number, else newest first."""
    if query.job is not None and query.after is None:
        found = events_of_job(db, query.job, before=query.before, limit=MAX_SEQ)
        return [event for event in found if _fits(event, query)][: query.limit]
    if query.job is not None:
        rows = db.execute(
            "SELECT seq FROM event_blocks WHERE block = ? AND seq > ? AND seq < ? ORDER BY seq",
            (query.job // EVENT_BLOCK, query.after, query.before or MAX_SEQ),
        )
        found = _concerning(db, query.job, (row[0] for row in rows), MAX_SEQ)
        return [event for event in found if _fits(event, query)][: query.limit]
    return _walk(db, query)


def _fits(event: Event, query: EventQuery) -> bool:
    return (
        (query.runner is None or event.runner == query.runner)
        and (query.actor is None or event.actor == query.actor)
        and (not query.kinds or event.kind in query.kinds)
    )


def _walk(db: sqlite3.Connection, query: EventQuery) -> list[Event]:
    conditions: list[str] = []
    values: list[int | str] = []

    def add(condition: str, *bound: int | str) -> None:
        conditions.append(condition)
        values.extend(bound)

    if query.after is not None:
        add("e.seq > ?", query.after)
    if query.before is not None:
        add("e.seq < ?", query.before)
    if query.runner is not None:
        add("e.runner = ? AND e.runner > 0", query.runner)
    if query.actor is not None:
        add("e.actor = ?", query.actor)
    if query.kinds:
        marks = ",".join("?" * len(query.kinds))
        add(
            f"e.kind IN (SELECT id FROM event_kinds WHERE name IN ({marks}))",
            *query.kinds,
        )
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "ASC" if query.after is not None else "DESC"
    sql = f"{_FROM}{where} ORDER BY e.seq {order} LIMIT ?"
    return [event_of(row) for row in db.execute(sql, (*values, query.limit))]
