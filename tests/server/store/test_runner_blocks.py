"""Jobs of a runner are found block by block of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.clock import ManualClock
from server.filters import parse_filter
from server.store import filter_sql, migrations, schema
from server.store.base import JobQuery
from server.store.sqlite import SqliteStore
from tests.server.store.world import World

if TYPE_CHECKING:
    from pathlib import Path

MANY = 2_500
RUNNERS = ("lab-0", "lab-1", "lab-2", "lab-3")
NEVER_RAN = 4
"""Each fourth job."""


async def fill(world: World) -> None:
    for name in RUNNERS[1:]:
        await world.runner(name)
    jobs = await world.submit(MANY)
    for runner in range(1, NEVER_RAN):
        await world.claim([job for job in jobs if job.id % NEVER_RAN == runner], runner)


async def numbers(world: World, text: str) -> list[int]:
    query = JobQuery(parse_filter(text), limit=10_000, order="number")
    page = await world.store.reads.job_page(query)
    assert page.count == len(page.rows)
    return [row.job.id for row in page.rows]


@pytest.mark.parametrize("most_probed", [filter_sql.MOST_PROBED, 0])
async def test_jobs_of_runners_are_found_in_all_blocks(
    monkeypatch: pytest.MonkeyPatch, most_probed: int
) -> None:
    monkeypatch.setattr(filter_sql, "MOST_PROBED", most_probed)
    clock = ManualClock()
    world = World(SqliteStore(None, clock=clock), clock)
    await world.store.open()
    assert await numbers(world, "runner:lab-1") == []
    await fill(world)
    jobs = range(1, MANY + 1)
    assert await numbers(world, "runner:lab-2") == [one for one in jobs if one % 4 == 2]
    assert await numbers(world, "runner:lab-1,lab-3") == [one for one in jobs if one % 2]
    assert await numbers(world, "runner:lab-*") == [one for one in jobs if one % 4]
    assert await numbers(world, "!runner:lab-*") == [one for one in jobs if not one % 4]
    await world.store.close()


async def test_jobs_of_an_older_file_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    steps = schema.MIGRATIONS[: schema.MIGRATIONS.index(schema.RUNNERS_BY_BLOCKS)]
    with monkeypatch.context() as older:
        older.setattr(migrations.migrate, "__defaults__", (steps,))
        world = World(SqliteStore(tmp_path / "jobs.db", clock=clock), clock)
        await world.store.open()
        await fill(world)
        await world.store.close()
    world = World(SqliteStore(tmp_path / "jobs.db", clock=clock), clock)
    await world.store.open()
    assert await numbers(world, "runner:lab-3") == list(range(3, MANY + 1, 4))
    await world.store.close()
