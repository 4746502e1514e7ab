"""Too little space: new jobs are refused, while what runs still tells how it ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.wire.operator import StopRequest, SubmitRequest
from traffic_tui.client.base import ClientError

if TYPE_CHECKING:
    from server.runtime import CoordinatorThread
    from tests.client.worlds import LocalRunner, World


async def set_min_free(thread: CoordinatorThread, min_free: int) -> None:
    async def reload() -> None:
        server = thread.server
        storage = replace(server.settings.storage, min_free=min_free)
        await server.reload(replace(server.settings, storage=storage))

    await thread.call(reload())


async def test_submits_are_refused_and_outcomes_still_commit(
    world: World, runner: LocalRunner
) -> None:
    [running, waiting] = await world.client.submit([SubmitRequest(type="work")] * 2)
    attempt = await runner.take()
    await set_min_free(world.thread, 2**59)
    with pytest.raises(ClientError) as caught:
        await world.client.submit([SubmitRequest(type="work")])
    assert (caught.value.status, caught.value.code) == (507, "disk_full")
    assert "storage.min_free" in caught.value.message
    await runner.finish(attempt, result=1)
    assert (await world.client.job(running.id)).job.state == "completed"
    assert (await world.client.stop(waiting.id, StopRequest())).job.state == "stopped"
    await set_min_free(world.thread, 0)
    assert await world.client.submit([SubmitRequest(type="work")])
