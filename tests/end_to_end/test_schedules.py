"""Schedules of the real program: over kill -9, and with a configuration that changes."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPERATOR = "/api/operator/v1"
DEADLINE_SECONDS = 30
KILLS = 4
EVERY_SECOND = """
[schedules.tick]
cron = "* * * * * *"
type = "noop"
overlap = "queue"
"""


async def asked(service: Service, path: str) -> Any:
    async with service.client("operator") as http:
        answer = await http.get(f"{OPERATOR}{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


async def until(service: Service, path: str, is_so: Callable[[Any], bool], what: str) -> Any:
    """What a call answers, as soon as it is as it should be."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not is_so(answer := await asked(service, path)):  # noqa: ASYNC110  # polled
                await asyncio.sleep(0.05)
            return answer
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


@pytest.mark.timeout(180)
async def test_kill_nine_repeats_no_due_time_and_loses_no_job(tmp_path: Path) -> None:
    service = Service(tmp_path, more_configuration=EVERY_SECOND)
    await service.start()
    try:
        for number in range(1, KILLS + 1):
            wanted = 2 * number
            await until(
                service,
                "/schedules/tick",
                lambda answer, n=wanted: answer["schedule"]["fired"] >= n,  # type: ignore[misc]
                f"{wanted} runs",
            )
            await service.kill()
            await service.start()
        schedule = (await asked(service, "/schedules/tick"))["schedule"]
        events = (await asked(service, "/events?limit=1000"))["events"]
        fired = [event for event in events if event["kind"] == "schedule_fired"]
        by_due = Counter(event["data"]["due"] for event in fired)
        assert len(by_due) >= 2 * KILLS
        assert set(by_due.values()) == {1}
        listed = await asked(service, "/jobs?filter=schedule:tick&limit=1000")
        assert {job["number"] for job in listed["jobs"]} >= {one["number"] for one in fired}
        assert schedule["configured"]
    finally:
        await service.stop()


async def test_a_reload_takes_schedules_over(tmp_path: Path) -> None:
    service = Service(tmp_path, more_configuration=EVERY_SECOND)
    await service.start()
    try:
        await until(service, "/schedules", lambda one: len(one["schedules"]) == 1, "it is there")
        config = service.folder / "config.toml"
        config.write_text(config.read_text().replace('type = "noop"', 'type = "other"'))
        service.signal(signal.SIGHUP)
        changed = await until(
            service,
            "/schedules/tick",
            lambda answer: answer["schedule"]["type"] == "other",
            "it is changed",
        )
        assert changed["schedule"]["cron"] == "* * * * * *"
        config.write_text(config.read_text().split("[schedules.tick]")[0])
        service.signal(signal.SIGHUP)
        await until(service, "/schedules", lambda one: one["schedules"] == [], "it is gone")
    finally:
        await service.stop()
