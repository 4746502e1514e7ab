"""Runners that die, reboot, fall silent, or only seem to be gone."""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING

import pytest

from server.clock import SystemClock
from tests.protocols.native_v1.runner import Runner, a_runner, status
from tests.protocols.native_v1.world import a_world, settings_of, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.protocols.native_v1.world import World

LEASE_MS = 600
SOON = settings_of(lease_ms=LEASE_MS)
"""Six looks at silent runners within this time."""


class SetClock(SystemClock):
    """The machine's clock, set by somebody."""

    offset_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.offset_ms


async def is_lost(world: World, runner: Runner) -> bool:
    return world.runner_state(runner.identity) == "lost"


async def was_knocked_at(runner: Runner, times: int) -> bool:
    return runner.connections >= times


async def times_found_gone(world: World) -> int:
    return (await world.event_kinds()).count("runner_faulty")


async def test_one_that_dies_is_given_up_and_its_work_goes_on_elsewhere(tmp_path: Path) -> None:
    async with a_world(tmp_path, SOON) as world, a_runner(world) as runner:
        [job] = await world.submit((7, 9))
        brought = await runner.job()
        await world.becomes(job, "in_progress")
        await runner.die()
        await until(lambda: is_lost(world, runner), "it is lost")
        assert "runner_lost" in await world.event_kinds()
        async with a_runner(world, nonce="other") as other:
            again = await other.job()
            assert (again["cursor_from"], again["cursor_to"]) == ("7", "9")
            assert again["job_id"] != brought["job_id"]
            await runner.say("completed", brought)  # it was only its webhook that was gone
            assert (await world.late_writes())[0][0] == "success"
            await other.say("completed", again)
            done = await world.becomes(job, "completed")
        assert done.job.losses == 1


async def test_one_that_dies_is_given_up_after_the_clock_was_set_back(tmp_path: Path) -> None:
    clock = SetClock()
    async with a_world(tmp_path, SOON, clock=clock) as world, a_runner(world) as runner:
        [job] = await world.submit()
        await world.becomes(job, "in_progress")
        clock.offset_ms = -3_600_000
        await runner.die()
        await until(lambda: is_lost(world, runner), "it is lost")


@pytest.mark.parametrize("hours", [1, -1])
async def test_one_that_listens_keeps_its_work_whichever_way_the_clock_is_set(
    tmp_path: Path, hours: int
) -> None:
    clock = SetClock()
    async with a_world(tmp_path, SOON, clock=clock) as world, a_runner(world) as runner:
        [job] = await world.submit()
        await world.becomes(job, "in_progress")
        clock.offset_ms = hours * 3_600_000
        knocks = runner.connections
        await until(lambda: was_knocked_at(runner, knocks + 8), "it is looked after")
        assert await world.state(job) == "in_progress"
        assert world.runner_state(runner.identity) == "ok"


async def test_one_that_listens_but_says_nothing_keeps_its_work(tmp_path: Path) -> None:
    async with a_world(tmp_path, SOON) as world, a_runner(world) as runner:
        [job] = await world.submit()
        await world.becomes(job, "in_progress")
        over_at, knocks = time.monotonic() + LEASE_MS / 1000, runner.connections

        async def is_looked_after() -> bool:
            return time.monotonic() > over_at and await was_knocked_at(runner, knocks + 6)

        await until(is_looked_after, "for longer than a lease without a word")
        assert await world.state(job) == "in_progress"
        assert world.runner_state(runner.identity) == "ok"
        await runner.say("completed", await runner.job())
        await world.becomes(job, "completed")


async def test_one_that_the_coordinator_has_no_file_to_call_with_keeps_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    async def open_connection(*place: object) -> None:
        nonlocal tried
        tried += 1
        raise OSError(errno.EMFILE, "Too many open files")

    async def was_tried(times: int) -> bool:
        return tried >= times

    async with a_world(tmp_path, SOON) as world, a_runner(world) as runner:
        [job] = await world.submit()
        await world.becomes(job, "in_progress")
        monkeypatch.setattr(asyncio, "open_connection", open_connection)
        await until(lambda: was_tried(10), "it is looked for, for longer than a lease")
        monkeypatch.undo()
        assert await world.state(job) == "in_progress"
        assert world.runner_state(runner.identity) == "ok"
        assert await times_found_gone(world) == 0
        await runner.say("completed", await runner.job())
        await world.becomes(job, "completed")


async def test_one_that_cannot_be_called_but_speaks_keeps_its_work(tmp_path: Path) -> None:
    async with a_world(tmp_path, SOON) as world, a_runner(world) as runner:
        [job] = await world.submit()
        brought = await runner.job()
        await world.becomes(job, "in_progress")
        await runner.die()
        began = time.monotonic()
        while time.monotonic() - began < 3 * LEASE_MS / 1000:
            found_gone = await times_found_gone(world)

            async def is_found_gone_again(before: int = found_gone) -> bool:
                return await times_found_gone(world) > before

            await until(is_found_gone_again, "nobody was there")
            await runner.say("running", brought)
        assert await world.state(job) == "in_progress"
        assert world.runner_state(runner.identity) == "faulty"
        await runner.say("completed", brought)
        await world.becomes(job, "completed")


async def test_a_reboot_in_the_middle_gives_the_job_back_under_another_id(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        [job] = await world.submit((1, 2))
        brought = await runner.job()
        await world.becomes(job, "in_progress")
        await runner.die()
        async with a_runner(world, nonce="boot-2", port=runner.port) as reborn:
            again = await reborn.job()
            assert again["job_id"] != brought["job_id"] == job.uuid
            await runner.say("completed", brought)  # a word of the old life, underway so long
            assert await world.state(job) == "in_progress"
            await reborn.say("completed", brought)  # the new life knows nothing of the old id
            assert await world.state(job) == "in_progress"
            await reborn.say("completed", again)
            await world.becomes(job, "completed")
            kinds = [kind for kind, _ in await world.late_writes()]
            assert kinds == ["success", "success"]


async def test_one_that_lies_about_its_nonce_changes_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        [job] = await world.submit()
        brought = await runner.job()
        await world.becomes(job, "in_progress")
        runner.nonce = "somebody else"
        await runner.say("completed", brought)
        runner.nonce = "boot-1"
        body = {"job_id": brought["job_id"], "status": "error", "nonce": "boot-1"}
        assert (await world.post("job/update", body, source="127.0.0.2")).json() == {"ok": True}
        assert await world.state(job) == "in_progress"
        details = [detail for _, detail in await world.late_writes()]
        assert details == [
            "from 127.0.0.2, with a nonce not of this attempt",
            "from 127.0.0.1, with a nonce not of this attempt",
        ]
        unknown = {"job_id": "12", "status": "running", "nonce": "boot-1"}
        assert (await world.post("job/update", unknown)).json() == {"ok": True}


async def test_words_without_effect_do_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_world(tmp_path) as world, a_runner(world):
        caplog.set_level("INFO")
        for number in range(10):
            body = {"job_id": str(number), "status": "running", "nonce": "boot-1"}
            assert (await world.post("job/update", body)).json() == {"ok": True}
            stale = {"capacity": number, "nonce": "nobody's"}
            assert (await world.post("runner/capacity/update", stale)).json() == {"ok": True}
        told = [record for record in caplog.records if "no effect" in record.message]
        assert len(told) == 2


async def test_one_that_only_seemed_gone_gets_work_again_without_a_hello(tmp_path: Path) -> None:
    async with a_world(tmp_path, SOON) as world, a_runner(world) as runner:
        await runner.die()
        await until(lambda: is_lost(world, runner), "it is lost")
        [job] = await world.submit()
        assert await world.state(job) == "pending"
        await runner.listen()
        await runner.say("completed", await runner.job())
        await world.becomes(job, "completed")


async def test_one_that_speaks_again_is_there_again(tmp_path: Path) -> None:
    async with a_world(tmp_path, SOON) as world, a_runner(world) as runner:
        await runner.die()
        await until(lambda: is_lost(world, runner), "it is lost")
        await runner.listen()
        await world.post("runner/update", {"nonce": runner.nonce, "capacity": 2})
        assert not await is_lost(world, runner)
        [known] = world.coordinator.runners()
        assert known.capacity == 2


async def test_jobs_go_past_a_dead_runner_at_once(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=9) as dead:
        await dead.die()
        async with a_runner(world, nonce="alive", capacity=9) as alive:
            jobs = await world.submit(*[(number, number) for number in range(6)])
            for number in range(6):
                await alive.say("completed", await alive.job(number))
            for job in jobs:
                await world.becomes(job, "completed")
        assert dead.jobs == []


async def test_a_restart_of_the_coordinator_in_the_middle(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=1) as runner:
        first, second = await world.submit((0, 1), (2, 3))
        brought = await runner.job()
        await world.becomes(first, "in_progress")
        await world.server.stop()
        async with a_world(tmp_path) as again:
            runner.world = again
            assert again.coordinator.busy(1) == 1
            await runner.say("completed", brought)
            await again.becomes(first, "completed")
            await runner.say("completed", await runner.job(1))  # without a new hello
            await again.becomes(second, "completed")


async def test_what_runs_when_the_protocol_is_switched_off_waits_for_somebody_else(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        [job] = await world.submit()
        await runner.job()
        await world.becomes(job, "in_progress")
        await world.server.stop()
        async with a_world(tmp_path, settings_of(enabled=False)) as again:
            await again.becomes(job, "pending")
            assert again.runner_state(runner.identity) == "lost"


async def test_a_restart_while_a_webhook_is_under_way(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=1) as runner:
        runner.answer = never
        [job] = await world.submit()
        brought = await runner.job()
        await world.server.stop()
        async with a_world(tmp_path) as again:
            runner.world, runner.answer = again, status(200)
            assert await again.state(job) == "claimed"  # perhaps it has it, perhaps not
            await runner.say("running", brought)
            assert await again.state(job) == "in_progress"
            await runner.say("completed", brought)
            await again.becomes(job, "completed")
        assert len(runner.jobs) == 1


async def never(job: object, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()
