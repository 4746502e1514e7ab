"""Events are found by job, runner, kind and actor, over many pages of numbers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from server.clock import ManualClock
from server.store import migrations, schema
from server.store.base import EventQuery
from server.store.event_pages import PAGE
from server.store.sqlite import SqliteStore
from tests.server.store.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from server.events import Event
    from server.store.base import Tx

MANY = 3 * PAGE


def tell(tx: Tx, number: int, first: int = 0) -> None:
    """Events of which every seventh is somebody's, every fifth a claim, every 300th rare."""
    for place in range(first, first + number):
        tx.append(
            "claimed" if place % 5 == 0 else "submitted",
            at=place,
            job=1 + place % 3 * 1_000,
            runner=9 if place % 300 == 0 else 1,
            actor="sam" if place % 7 == 0 else "ci",
            members=[(70, 1), (7_000, 2)] if place == 400 else (),
        )


def fits(event: Event, query: EventQuery) -> bool:
    return (
        (query.job is None or query.job in event.jobs())
        and (query.runner is None or event.runner == query.runner)
        and (query.actor is None or event.actor == query.actor)
        and (not query.kinds or event.kind in query.kinds)
        and (query.after is None or event.seq > query.after)
        and (query.before is None or event.seq < query.before)
    )


@pytest.mark.parametrize("limit", [3, 10_000])
@pytest.mark.parametrize(
    "query",
    [
        EventQuery(runner=9),
        EventQuery(runner=8),
        EventQuery(actor="sam"),
        EventQuery(actor="nobody"),
        EventQuery(kinds=("claimed",)),
        EventQuery(kinds=("claimed", "submitted")),
        EventQuery(kinds=("late_write",)),
        EventQuery(job=1),
        EventQuery(job=2_001),
        EventQuery(job=7_000),
        EventQuery(job=700),
        EventQuery(job=1, actor="sam", kinds=("claimed",)),
        EventQuery(runner=9, actor="sam"),
        EventQuery(runner=9, before=PAGE + 50),
        EventQuery(actor="sam", after=PAGE - 1),
        EventQuery(actor="sam", after=PAGE - 1, before=2 * PAGE + 1),
        EventQuery(job=1, after=MANY - 5),
    ],
    ids=str,
)
async def test_what_is_found_is_what_fits(world: World, query: EventQuery, limit: int) -> None:
    for first in range(0, MANY, 200):
        await world.run(lambda tx, first=first: tell(tx, 200, first))  # type: ignore[misc]
    everything = await world.store.reads.events(EventQuery(after=0, limit=100_000))
    wanted = [event for event in everything if fits(event, query)]
    if query.after is None:
        wanted.reverse()
    found = await world.store.reads.events(
        EventQuery(
            after=query.after,
            before=query.before,
            job=query.job,
            runner=query.runner,
            actor=query.actor,
            kinds=query.kinds,
            limit=limit,
        )
    )
    assert found == wanted[:limit]


async def test_pages_go_with_their_events(world: World) -> None:
    await world.run(lambda tx: tell(tx, MANY))
    old: dict[str, int] = {"jobs_before": 0, "output_before": 0, "now": world.now}
    gone = 1
    while gone:
        gone = await world.run(lambda tx: tx.prune(**old, events_before=300, limit=100))
    assert await world.store.reads.first_seq() == 301
    left = await world.store.reads.events(EventQuery(runner=9))
    every_300th = [seq for seq in range(MANY, 300, -1) if seq % 300 == 1]
    assert [event.seq for event in left] == every_300th
    store = world.store
    assert isinstance(store, SqliteStore)
    assert store._db is not None
    [(first_page,)] = store._db.execute("SELECT min(page) FROM event_pages")
    assert first_page == 301 // PAGE


async def test_events_of_narrower_pages_are_found(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    steps = schema.MIGRATIONS[: schema.MIGRATIONS.index(schema.WIDER_PAGES)]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrations.migrate(db, None, steps)
        db.execute("BEGIN")  # a commit for each row takes a minute on a busy disk
        db.execute("INSERT INTO event_kinds VALUES (1, 'claimed')")
        for seq in range(1, MANY):
            row = (seq, seq, seq % 7)
            db.execute(
                "INSERT INTO events (seq, at, kind, job, attempt, runner, queue, actor, reason)"
                " VALUES (?,?,1,0,0,?,'','x','')",
                row,
            )
            db.execute("INSERT OR IGNORE INTO event_pages VALUES (1,?,?)", (seq % 7, seq // 256))
        db.execute("COMMIT")
    store = SqliteStore(path, clock=ManualClock())
    await store.open()
    try:
        found = await store.reads.events(EventQuery(runner=3, limit=MANY))
        assert [event.seq for event in found] == [
            seq for seq in range(MANY - 1, 0, -1) if seq % 7 == 3
        ]
    finally:
        await store.close()


async def test_events_told_before_there_were_pages_are_found(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    steps = schema.MIGRATIONS[: schema.MIGRATIONS.index(schema.EVENT_PAGES)]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrations.migrate(db, None, steps)
        db.execute("BEGIN")  # a commit for each row takes a minute on a busy disk
        db.execute("INSERT INTO event_kinds VALUES (1, 'claimed')")
        for seq in range(1, MANY):
            row = (seq, seq, 100 if seq % 2 else 5_000, seq % 3, f"key-{seq % 4}")
            db.execute(
                "INSERT INTO events (seq, at, kind, job, attempt, runner, queue, actor, reason)"
                " VALUES (?,?,1,?,0,?,'',?,'')",
                row,
            )
            db.execute("INSERT INTO event_blocks VALUES (?,?)", (row[2] // 64, seq))
        db.execute("COMMIT")
    clock = ManualClock()
    world = World(SqliteStore(path, clock=clock), clock)
    await world.store.open()
    for query in (
        EventQuery(job=100, limit=10_000),
        EventQuery(runner=2, limit=10_000),
        EventQuery(actor="key-3", limit=10_000),
        EventQuery(kinds=("claimed",), limit=10_000),
    ):
        everything = await world.store.reads.events(EventQuery(limit=10_000))
        assert len(everything) == MANY - 1
        wanted = [event for event in everything if fits(event, query)]
        assert wanted
        assert await world.store.reads.events(query) == wanted
    await world.store.close()
