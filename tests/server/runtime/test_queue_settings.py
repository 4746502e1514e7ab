"""Queues follow the configuration, without taking back what an operator set meanwhile."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.errors import DiskFull
from server.model import Actor
from server.runtime import CoordinatorServer
from server.settings import QueueSettings, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.model import Queue

ALICE = Actor("alice", "operator", "operator-api")


def settings(**queues: QueueSettings) -> Settings:
    defaults = Settings()
    return replace(defaults, server=replace(defaults.server, port=0), queues=queues)


@asynccontextmanager
async def serving(folder: Path, **queues: QueueSettings) -> AsyncIterator[CoordinatorServer]:
    server = CoordinatorServer(settings(**queues), folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def queue(server: CoordinatorServer, name: str) -> Queue | None:
    return await server.coordinator.store.apply(lambda tx: tx.queue(name))


async def test_a_reload_takes_over_what_the_configuration_says_now(tmp_path: Path) -> None:
    async with serving(tmp_path, gpu=QueueSettings(limit=2)) as server:
        await server.reload(settings(gpu=QueueSettings(limit=3, stall_after_ms=5_000)))
        gpu = await queue(server, "gpu")
        assert gpu is not None
        assert (gpu.limit, gpu.stall_after_ms) == (3, 5_000)


async def test_a_reload_that_cannot_be_stored_is_no_reload_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(operation: object) -> None:
        raise DiskFull("The disk is full: nothing was stored.")

    async with serving(tmp_path, gpu=QueueSettings(limit=2)) as server:
        wanted = settings(gpu=QueueSettings(limit=3))
        monkeypatch.setattr(server.coordinator.store, "apply", fails)
        with pytest.raises(DiskFull):
            await server.reload(wanted)
        monkeypatch.undo()
        assert server.settings.queues == server.coordinator.settings.queues
        applied, _ = await server.reload(wanted)
        assert applied
        gpu = await queue(server, "gpu")
        assert gpu is not None
        assert gpu.limit == 3


async def test_an_operators_limit_stays_where_the_configuration_says_nothing_else(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, gpu=QueueSettings(limit=2)) as server:
        await server.coordinator.limit_queue(ALICE, "gpu", 9, reason="a quiet night")
        await server.reload(settings(gpu=QueueSettings(limit=2, stall_after_ms=1_000)))
        gpu = await queue(server, "gpu")
        assert gpu is not None
        assert (gpu.limit, gpu.stall_after_ms) == (9, 1_000)
    async with serving(tmp_path, gpu=QueueSettings(limit=2, stall_after_ms=2_000)) as server:
        gpu = await queue(server, "gpu")
        assert gpu is not None
        assert (gpu.limit, gpu.stall_after_ms) == (9, 2_000)
