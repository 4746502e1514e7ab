"""What ``/metrics`` tells of webhooks and knocks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from server.settings import KeySettings, SecretSource
from tests.protocols.native_v1.runner import a_runner, status
from tests.protocols.native_v1.world import ENVIRONMENT, a_world, settings_of, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.protocols.native_v1.world import World

SETTINGS = replace(
    settings_of(lease_ms=600), keys=KeySettings(admin=SecretSource(env="TRAFFIC_ADMIN_KEY"))
)


async def figures(world: World) -> dict[tuple[str, ...], float]:
    """Samples of calls, by name and the labels' values."""
    key = {"authorization": f"Bearer {ENVIRONMENT['TRAFFIC_ADMIN_KEY']}"}
    text = (await world.http.get("/metrics", headers=key)).text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "runner_call" in sample.name
    }


async def test_webhooks_and_knocks_are_counted_by_what_came_of_them(tmp_path: Path) -> None:
    async with a_world(tmp_path, SETTINGS) as world, a_runner(world) as runner:
        assert await figures(world) == {}
        [job] = await world.submit()
        await world.becomes(job, "in_progress")
        told = await figures(world)
        assert told["traffic_runner_calls_total", "webhook", "ok"] == 1
        assert told["traffic_runner_call_seconds_count", "webhook"] == 1
        assert told["traffic_runner_call_seconds_bucket", "webhook", "+Inf"] == 1
        assert 0 < told["traffic_runner_call_seconds_sum", "webhook"] < 10

        runner.answer = status(500)
        await world.submit()

        async def is_told(call: str, result: str) -> bool:
            return ("traffic_runner_calls_total", call, result) in await figures(world)

        await until(lambda: is_told("webhook", "refused"), "a webhook was refused")
        await until(lambda: is_told("knock", "ok"), "a knock was heard")
        await runner.die()
        await until(lambda: is_told("knock", "unreachable"), "nobody is there")
