# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Events, from rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from server.events import Event
from server.store.base import EventQuery
from server.store.codes import members_of
from server.store.event_pages import PAGE, pages

if TYPE_CHECKING:
    import sqlite3

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
    return find_events(db, EventQuery(job=job_id, before=before, limit=limit))


def find_events(db: sqlite3.Connection, query: EventQuery) -> list[Event]:
    """A page of events: oldest first after a number, else newest first."""
    order: Literal["ASC", "DESC"] = "DESC" if query.after is None else "ASC"
    first = 0 if query.after is None else query.after + 1
    last = MAX_SEQ if query.before is None else query.before - 1
    conditions, values = _conditions(query)
    sql = f"{_FROM} WHERE e.seq BETWEEN ? AND ?{conditions} ORDER BY e.seq {order} LIMIT ?"
    if not conditions:
        return [event_of(row) for row in db.execute(sql, (first, last, query.limit))]
    found: list[Event] = []
    for page in pages(db, query, first, last, order):
        start, end = max(first, page * PAGE), min(last, page * PAGE + PAGE - 1)
        left = query.limit - len(found)
        found += [event_of(row) for row in db.execute(sql, (start, end, *values, left))]
        if len(found) >= query.limit:
            break
    return found


def _conditions(query: EventQuery) -> tuple[str, list[int | str]]:
    """What an event has to be, but for its number."""
    conditions: list[str] = []
    values: list[int | str] = []

    def add(condition: str, *bound: int | str) -> None:
        conditions.append(f" AND {condition}")
        values.extend(bound)

    if query.job is not None:
        # Members are stored as [[job,attempt],...], without a blank.
        concerns = "CASE WHEN e.members IS NULL THEN e.job = ? ELSE instr(e.members, ?) > 0 END"
        add(concerns, query.job, f"[{query.job},")
    if query.runner is not None:
        add("e.runner = ?", query.runner)
    if query.actor is not None:
        add("e.actor = ?", query.actor)
    if query.kinds:
        add(f"k.name IN ({','.join('?' * len(query.kinds))})", *query.kinds)
    return "".join(conditions), values
