# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Where to look for events: which pages of event numbers hold some about a job, a runner, a kind.

An index entry for each event, job, runner and actor cost more than the events themselves, and
spread every commit over dozens of places of the file. A busy runner has events on every page of
a thousand numbers, so one row a page tells as much; whoever looks reads the page and sorts out the
rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from server.events import Event
    from server.store.base import EventQuery

PAGE: Final = 1_024
"""Event numbers of one page."""
JOB_BLOCK: Final = 64
"""Jobs that are looked up as one: a batch of neighbours is few rows."""

JOBS: Final = 0
RUNNER: Final = 1
KIND: Final = 2
ACTOR: Final = 3

Subject: TypeAlias = "tuple[int, int | str]"
"""What an event is about: one of the four above, and which of them."""
PageRow: TypeAlias = "tuple[int, int | str, int]"

INSERT_PAGE: Final = "INSERT OR IGNORE INTO event_pages (about, key, page) VALUES (?,?,?)"
DELETE_PAGES: Final = "DELETE FROM event_pages WHERE page < ?"


class PageBook:
    """What the newest page is known to hold, so that each subject of it is written once."""

    def __init__(self) -> None:
        self._page = -1
        self._subjects: set[Subject] = set()

    def note(self, event: Event, kind: int) -> list[PageRow]:
        """Rows to write for an event; ``kind`` is the number of its kind."""
        page = event.seq // PAGE
        if page != self._page:
            self._page = page
            self._subjects.clear()
        known, subjects = self._subjects, _subjects(event, kind)
        if known.issuperset(subjects):  # as of most, once a page has begun
            return []
        fresh = [one for one in subjects if one not in known]
        known.update(fresh)
        return [(about, key, page) for about, key in fresh]

    def forget(self) -> None:
        """What was noted may not have been written; noting it again does no harm."""
        self._page = -1


def _subjects(event: Event, kind: int) -> list[Subject]:
    """What an event is about."""
    found: list[Subject] = [(KIND, kind), (ACTOR, event.actor)]
    if event.runner:
        found.append((RUNNER, event.runner))
    if event.members:
        found += [(JOBS, block) for block in {member // JOB_BLOCK for member, _ in event.members}]
    elif event.job:
        found.append((JOBS, event.job // JOB_BLOCK))
    return found


def pages(
    db: sqlite3.Connection, query: EventQuery, first: int, last: int, order: Literal["ASC", "DESC"]
) -> Iterator[int]:
    """Pages with events that may be what is asked for; all criteria have to be on a page."""
    parts: list[str] = []
    values: list[int | str] = []
    for about, keys in _criteria(db, query):
        marks = ",".join("?" * len(keys))
        parts.append(
            f"SELECT page FROM event_pages WHERE about = {about} AND key IN ({marks})"
            " AND page BETWEEN ? AND ?"
        )
        values += [*keys, first // PAGE, last // PAGE]
    sql = f"SELECT DISTINCT page FROM ({' INTERSECT '.join(parts)}) ORDER BY page {order}"
    for (page,) in db.execute(sql, values):
        yield page


def _criteria(db: sqlite3.Connection, query: EventQuery) -> list[tuple[int, Sequence[int | str]]]:
    found: list[tuple[int, Sequence[int | str]]] = []
    if query.job is not None:
        found.append((JOBS, [query.job // JOB_BLOCK]))
    if query.runner is not None:
        found.append((RUNNER, [query.runner]))
    if query.actor is not None:
        found.append((ACTOR, [query.actor]))
    if query.kinds:
        marks = ",".join("?" * len(query.kinds))
        rows = db.execute(f"SELECT id FROM event_kinds WHERE name IN ({marks})", query.kinds)
        found.append((KIND, [row[0] for row in rows]))
    return found
