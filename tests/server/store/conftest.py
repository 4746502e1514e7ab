"""Every store passes the same tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.clock import ManualClock
from server.store.sqlite import SqliteStore
from tests.server.store.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=["disk", "memory"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    clock = ManualClock()
    path = tmp_path / "jobs.db" if request.param == "disk" else None
    store = SqliteStore(path, clock=clock)
    await store.open()
    made = World(store, clock)
    store.on_commit(made.commits.append)
    try:
        yield made
    finally:
        await store.close()
