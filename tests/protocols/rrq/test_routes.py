"""Jobs that name no group, with the runner of the rrq package."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from server.runtime import CoordinatorThread
from server.settings import ProtocolSettings, RrqSettings, ServerSettings, Settings
from server.wire.operator import SubmitRequest
from server.wire.schedules import NewScheduleRequest, ScheduleRequest
from tests.protocols.rrq.world import SAM, SECONDS, real_group

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUTED = Settings(
    server=ServerSettings(port=0),
    protocols=ProtocolSettings(
        rrq=RrqSettings(
            {"py": real_group(), "mail": real_group()},
            default_runner="py",
            routes={"letters": "mail"},
        )
    ),
)


@pytest.fixture
def thread(tmp_path: Path) -> Iterator[CoordinatorThread]:
    started = CoordinatorThread(ROUTED, tmp_path / "data", on_crash=lambda error: None)
    started.start()
    yield started
    assert started.stop()


async def test_plain_handlers_go_by_queue_and_else_to_the_default_group(
    thread: CoordinatorThread,
) -> None:
    api = thread.server.operator
    jobs = await thread.call(
        api.submit(
            SAM,
            [
                SubmitRequest(type="noop"),
                SubmitRequest(type="#noop", queue="rrq:queue:letters"),
                SubmitRequest(type="py#noop", queue="letters"),
            ],
        )
    )
    where = []
    async with asyncio.timeout(SECONDS):
        for job in jobs:
            while (found := (await thread.call(api.job(SAM, job.id))).job).state != "completed":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert found.runner is not None
            where.append((found.type, found.runner.name))
    assert where == [("py#noop", "py/0"), ("mail#noop", "mail/0"), ("py#noop", "py/0")]


async def test_jobs_of_schedules_go_where_submitted_ones_would(thread: CoordinatorThread) -> None:
    api = thread.server.operator
    wanted = NewScheduleRequest(name="n", cron="0 2 * * *", type="report")
    made = await thread.call(api.create_schedule(SAM, wanted))
    assert made.schedule.type == "py#report"
    moved = ScheduleRequest(cron="0 2 * * *", type="report", queue="letters")
    changed = await thread.call(api.change_schedule(SAM, "n", moved))
    assert changed.schedule.type == "mail#report"
