"""A real coordinator, and each form of client in turn on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.runtime import CoordinatorThread
from server.settings import Settings
from tests.client.worlds import LocalRunner, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
def thread(tmp_path: Path) -> Iterator[CoordinatorThread]:
    """A coordinator in a thread of this process, on a free port."""
    defaults = Settings()
    settings = replace(
        defaults,
        server=replace(defaults.server, port=0),
        storage=replace(defaults.storage, min_free=0),
    )
    crashes: list[BaseException] = []
    started = CoordinatorThread(settings, tmp_path / "data", on_crash=crashes.append)
    started.start()
    yield started
    assert started.stop()
    assert crashes == []


@pytest.fixture(params=["http", "embedded"])
async def world(request: pytest.FixtureRequest, thread: CoordinatorThread) -> AsyncIterator[World]:
    """The coordinator seen through one form of client, with another that may only look."""
    world = World(thread, is_embedded=request.param == "embedded")
    try:
        yield world
    finally:
        await world.close()


@pytest.fixture
async def runner(world: World) -> AsyncIterator[LocalRunner]:
    """A runner that does what a test tells it to."""
    connected = LocalRunner(world.url, world.key("runner"), name="lab-01")
    await connected.hello()
    try:
        yield connected
    finally:
        await connected.close()
