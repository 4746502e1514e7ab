"""From hello to the end of a job, by runners of both kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.model import JobSpec
from tests.protocols.native_v1.runner import a_runner, status
from tests.protocols.native_v1.world import SAM, a_world, settings_of

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path
    from typing import Any


async def test_a_runner_written_to_the_code(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=2) as runner:
        [job] = await world.submit((1_700_000_000_000_000, 1_700_000_099_999_999))
        brought = await runner.job()
        assert brought == {
            "job_id": job.uuid,
            "cursor_from": "1700000000000000",
            "cursor_to": "1700000099999999",
        }
        assert b"content-type: application/json" in runner.heads[0].lower()
        assert b"x-traffic-light-nonce: boot-1" in runner.heads[0].lower()
        await world.becomes(job, "in_progress")  # the yes is the start
        await runner.say("running", brought)
        await runner.say("completed", brought)
        done = await world.becomes(job, "completed")
        assert done.runner is not None and done.runner.name == runner.identity
        assert await world.late_writes() == []


async def test_a_runner_written_to_the_readme(tmp_path: Path) -> None:
    settings = settings_of(webhook_values="numbers")
    async with a_world(tmp_path, settings) as world:
        async with a_runner(world, nonce=42, style="readme", capacity="1") as runner:
            [job] = await world.submit((5, 9))
            brought = await runner.job()
            assert brought == {"job_id": job.uuid, "cursor_from": 5, "cursor_to": 9}
            await runner.say("Running", brought)
            await runner.say(" COMPLETED ", brought)
            await world.becomes(job, "completed")


@pytest.mark.parametrize(
    ("word", "state", "message"),
    [("error", "failed", "the runner reported an error"), ("ERROR", "failed", "disk full")],
)
async def test_an_error_fails_the_job(tmp_path: Path, word: str, state: str, message: str) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        [job] = await world.submit()
        fields = {} if message.startswith("the runner") else {"message": message}
        await runner.say(word, await runner.job(), **fields)
        ended = await world.becomes(job, state)
        assert ended.outcome is not None and ended.outcome.message == message


async def test_what_a_runner_stopped_by_itself_is_run_again_under_another_id(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        [job] = await world.submit((3, 4))
        first = await runner.job(0)
        await runner.say("stopped", first)
        second = await runner.job(1)
        assert second["job_id"] != first["job_id"] == job.uuid
        assert (second["cursor_from"], second["cursor_to"]) == ("3", "4")
        await runner.say("completed", second)
        await world.becomes(job, "completed")
        assert [attempt.number for attempt in await world.attempts(job)] == [1, 2]


async def test_a_status_that_comes_before_the_webhook_is_answered_counts(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:

        async def done_at_once(brought: dict[str, Any], writer: asyncio.StreamWriter) -> None:
            await runner.say("running", brought)
            await runner.say("completed", brought)
            await status(202)(brought, writer)

        runner.answer = done_at_once
        [job] = await world.submit()
        await world.becomes(job, "completed")
        assert world.coordinator.busy(1) == 0
        assert len(await world.attempts(job)) == 1
        assert await world.late_writes() == []


async def test_slots_are_those_stated_and_free_as_jobs_end(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=2) as runner:
        jobs = await world.submit((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
        for number, job in enumerate(jobs):
            brought = await runner.job(number)
            assert brought["job_id"] == job.uuid
            assert world.coordinator.busy(1) <= 2
            await runner.say("completed", brought)
        for job in jobs:
            await world.becomes(job, "completed")


async def test_stopping_gives_up_and_later_words_are_kept_apart(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=1) as runner:
        first, second = await world.submit((0, 1), (2, 3))
        brought = await runner.job()
        await world.becomes(first, "in_progress")
        acted = await world.coordinator.stop_job(SAM, first.id)
        assert acted.job.state == "stopped"
        assert "cannot be stopped" in acted.warning
        assert world.coordinator.busy(1) == 1  # it may be busy with it still
        await runner.say("completed", brought)
        assert (await world.late_writes())[0][0] == "success"
        assert await world.state(first) == "stopped"
        await runner.say("completed", await runner.job(1))  # the slot went to the next
        await world.becomes(second, "completed")


async def test_a_job_without_cursors_cannot_be_said_and_fails_in_words(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        [one] = await world.coordinator.submit(SAM, [JobSpec("range", params=b'{"cursor_from":1}')])
        ended = await world.becomes(one.job, "failed")
        assert ended.outcome is not None
        assert "whole numbers cursor_from and cursor_to" in ended.outcome.message
        assert runner.jobs == []
