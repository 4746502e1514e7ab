"""Runners that do not take what they are brought: each in its own way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from server.protocols.native_v1 import deliveries
from server.protocols.native_v1.health import Refusal
from server.protocols.native_v1.webhooks import Webhooks
from tests.protocols.native_v1.runner import Runner, a_runner, silence, status
from tests.protocols.native_v1.world import SAM, a_world, settings_of, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.protocols.native_v1.runner import Answer
    from tests.protocols.native_v1.world import World


async def cut(job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Hang up without a word."""
    writer.transport.abort()


async def noise(job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Something that is no HTTP."""
    writer.write(b"\x00\xffSSH-2.0-nonsense\r\n\r\n")
    await writer.drain()
    writer.close()


async def dripping_head(job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """An answer whose headers never end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        writer.write(f"X-{number}: {'y' * 100}\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.001)


UNWILLING: dict[str, Answer] = {
    "an error": status(500),
    "not found": status(404),
    "not modified": status(304),
    "full": status(503),
    "hang up": cut,
    "no HTTP": noise,
    "silence": silence,
    "endless headers": dripping_head,
}


@pytest.mark.parametrize("answer", UNWILLING.values(), ids=UNWILLING)
async def test_what_one_does_not_take_goes_to_the_next_and_it_is_marked(
    tmp_path: Path, answer: Answer
) -> None:
    settings = settings_of(webhook_timeout_ms=500)
    async with a_world(tmp_path, settings) as world, a_runner(world) as bad:
        bad.answer = answer
        [job] = await world.submit((7, 8))
        refused = await bad.job()
        await until(lambda: is_in_state(world, bad, "faulty"), "it is marked")
        async with a_runner(world, nonce="good") as good:
            taken = await good.job()
            assert taken["job_id"] != refused["job_id"] == job.uuid
            assert (taken["cursor_from"], taken["cursor_to"]) == ("7", "8")
            await good.say("completed", taken)
            done = await world.becomes(job, "completed")
        assert done.runner is not None and done.runner.identity == good.identity
        assert (done.job.tries, done.job.losses) == (1, 0)  # what was not taken was not tried
        assert "runner_faulty" in await world.event_kinds()


async def is_in_state(world: World, runner: Runner, state: str) -> bool:
    return world.runner_state(runner.identity) == state


async def test_a_marked_runner_is_explained_and_tried_again(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        runner.answer = status(500)
        [job] = await world.submit()
        await until(lambda: is_in_state(world, runner, "faulty"), "it is marked")
        await world.becomes(job, "pending")  # taken back, by the commit after that
        explained = await world.coordinator.explain(job.id)
        assert [found.kind for found in explained.verdicts] == ["faulty"]
        assert "answered 500; tried again in 1s" in explained.verdicts[0].detail
        assert explained.suggestion.startswith(f"repair {runner.identity}")
        runner.answer = status(204)
        await runner.say("completed", await runner.job(1))
        await world.becomes(job, "completed")
        await until(lambda: is_in_state(world, runner, "ok"), "it is well again")
        assert "runner_recovered" in await world.event_kinds()


async def test_pauses_grow_and_failures_of_one_moment_count_as_one(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=5) as runner:
        runner.answer = status(500)
        await world.submit(*[(number, number) for number in range(5)])
        await runner.job(4)
        await until(lambda: is_in_state(world, runner, "faulty"), "it is marked")
        await runner.job(9)  # all five again, a second later
        kinds = await world.event_kinds()
        assert kinds.count("runner_faulty") <= 3


@pytest.mark.parametrize("code", [200, 201, 202, 204])
async def test_any_yes_is_a_yes(tmp_path: Path, code: int) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        runner.answer = status(code)
        [job] = await world.submit()
        await world.becomes(job, "in_progress")


async def test_a_redirect_to_another_host_is_not_followed(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        async with a_runner(world, says_hello=False) as other:
            runner.answer = status(307, f"Location: http://{other.identity}/x\r\n")
            await world.submit()
            await until(lambda: is_in_state(world, runner, "faulty"), "it is marked")
            assert world.coordinator.fault(1) == "answered 307"
            assert other.jobs == []


async def test_an_endless_answer_is_left_alone_once_its_status_is_known(tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def endless(job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1000\r\n" + b"z" * 0x1000 + b"\r\n")
                await writer.drain()
        except OSError:
            closed.set()
            raise

    async with a_world(tmp_path) as world, a_runner(world) as runner:
        runner.answer = endless
        [job] = await world.submit()
        await world.becomes(job, "in_progress")
        async with asyncio.timeout(10):
            await closed.wait()


async def test_a_yes_after_the_time_is_no_second_run(tmp_path: Path) -> None:
    settings = settings_of(webhook_timeout_ms=300)
    async with a_world(tmp_path, settings) as world, a_runner(world, nonce="slow") as slow:
        may_answer = asyncio.Event()

        async def late(job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
            await may_answer.wait()
            await status(200)(job, writer)

        slow.answer = late
        [job] = await world.submit()
        withdrawn = await slow.job()
        async with a_runner(world, nonce="quick") as quick:
            taken = await quick.job()
            may_answer.set()
            await slow.say("running", withdrawn)
            await slow.say("completed", withdrawn)
            assert await world.late_writes() == [("success", ""), ("running", "")]
            assert await world.state(job) == "in_progress"
            await quick.say("completed", taken)
            done = await world.becomes(job, "completed")
        assert done.runner is not None and done.runner.identity == quick.identity


async def test_no_answer_is_waited_for_beyond_the_time_of_an_offer(tmp_path: Path) -> None:
    patient = settings_of(webhook_timeout_ms=60_000)
    settings = replace(patient, leases=replace(patient.leases, offer_timeout_ms=400))
    async with a_world(tmp_path, settings) as world, a_runner(world) as runner:
        runner.answer = silence
        await world.submit()
        await until(lambda: is_in_state(world, runner, "faulty"), "it is marked")
        assert world.coordinator.fault(1) == "no answer within 0.4s"


async def test_a_job_that_was_taken_back_while_its_webhook_waited_is_not_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MAX_AT_ONCE", 1)
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        runner.answer = silence
        await world.submit()
        await runner.job()
        [waiting] = await world.submit((6, 9))
        await world.becomes(waiting, "claimed")
        await world.coordinator.stop_job(SAM, waiting.id)

        async def is_over() -> bool:
            return [one.state for one in await world.attempts(waiting)] == ["ended"]

        await until(is_over, "its slot is free")
        assert waiting.uuid not in [job["job_id"] for job in runner.jobs]
        assert await world.state(waiting) == "stopped"


async def test_a_runner_of_a_network_no_longer_admitted_is_not_called(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.post("runner/hello", {"nonce": "a", "port": 4000}, source="127.0.0.2")
        assert answer.json() == {"ok": True}
    settings = settings_of(allow=(ip_network("127.0.0.1/32"),))
    async with a_world(tmp_path, settings) as world:
        [job] = await world.submit()
        await until(lambda: is_so(world, "127.0.0.2:4000", "faulty"), "it is marked")
        explained = await world.coordinator.explain(job.id)
        assert "protocols.native-v1.allow" in explained.verdicts[0].detail


async def is_so(world: World, identity: str, state: str) -> bool:
    return world.runner_state(identity) == state


async def test_a_webhook_of_its_own_is_called_and_known_after_a_restart(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        runner = Runner(world, nonce="a", style="code")
        await runner.listen()
        try:
            url = f"http://{runner.identity}/internal/traffic-light/job/create"
            answer = await world.post("runner/hello", {"nonce": "a", "callback_url": url})
            assert answer.json() == {"ok": True}
            [first] = await world.submit()
            brought = await runner.job()
            await world.server.stop()
            async with a_world(tmp_path) as again:
                runner.world = again
                [second] = await again.submit()
                assert (await runner.job(1))["job_id"] == second.uuid
                assert await again.state(first) == "in_progress"
                await runner.say("completed", brought)
                await again.becomes(first, "completed")
        finally:
            await runner.die()


async def test_what_we_have_no_file_for_is_no_fault_of_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Webhooks.call
    shortages = [Refusal("the coordinator can open no connection", False, is_ours=True)] * 2

    async def short_of_files(*args: Any, **more: Any) -> Refusal | None:
        return shortages.pop() if shortages else await call(*args, **more)

    monkeypatch.setattr(Webhooks, "call", short_of_files)
    monkeypatch.setattr(deliveries, "SHORTAGE_SECONDS", 0.05)
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        [job] = await world.submit()
        await runner.say("completed", await runner.job())
        await world.becomes(job, "completed")
        assert "runner_faulty" not in await world.event_kinds()
        assert len(await world.attempts(job)) == 1


async def test_a_shortage_that_lasts_is_waited_for_only_as_long_as_the_job_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def short_of_files(*args: Any, **more: Any) -> Refusal:
        return Refusal("the coordinator can open no connection", False, is_ours=True)

    def deliveries_under_way() -> list[str]:
        names = (task.get_name() for task in asyncio.all_tasks())
        return [name for name in names if name.startswith("native-v1 webhook of")]

    async def is_over() -> bool:
        return not deliveries_under_way()

    monkeypatch.setattr(Webhooks, "call", short_of_files)
    monkeypatch.setattr(deliveries, "SHORTAGE_SECONDS", 0.05)
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        [job] = await world.submit()
        await world.becomes(job, "claimed")
        await world.coordinator.stop_job(SAM, job.id)
        await world.becomes(job, "stopped")
        await until(is_over, "the call is given up")
        assert await is_in_state(world, runner, "ok")


async def test_a_job_that_nothing_would_end_is_explained(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=2) as runner:
        [endless] = await world.submit()
        [bounded] = await world.submit(timeout_ms=60_000)
        for number, job in enumerate((endless, bounded)):
            await runner.job(number)
            await world.becomes(job, "in_progress")
        advice = (await world.coordinator.explain(endless.id)).suggestion
        assert advice.startswith("should it hang, stop it: nobody else will")
        assert not (await world.coordinator.explain(bounded.id)).suggestion
