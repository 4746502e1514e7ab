"""Slots, starts, stops, deadlines and outcomes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runner.recording import RecordingConnector, order, until
from traffic_tui.runner import (
    ExecutionOutcome,
    ExecutionRequest,
    JobError,
    Registry,
    Supervisor,
    execution,
)


@pytest.fixture
def connector() -> RecordingConnector:
    return RecordingConnector()


@pytest.fixture
def registry() -> Registry:
    registry = Registry()

    @registry.handler("value")
    async def value(request: ExecutionRequest) -> Any:
        return request.params["value"]

    @registry.handler("forever")
    async def forever(request: ExecutionRequest) -> None:
        await asyncio.Event().wait()

    @registry.handler("raise")
    async def fail(request: ExecutionRequest) -> None:
        raise LookupError(request.params["text"])

    return registry


def kind(error: pytest.ExceptionInfo[JobError]) -> str:
    return error.value.kind


async def test_a_plain_value_is_a_success(
    connector: RecordingConnector, registry: Registry
) -> None:
    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("value", {"value": {"n": [1, "ä"]}}))
        outcome = await connector.ended()
    assert outcome.status == "success"
    assert connector.updates[-1][1].result == '{"n":[1,"ä"]}'.encode()
    assert [update.state for _, update in connector.updates] == ["ready", "terminated"]
    assert supervisor.running == []


async def test_what_is_raised_is_a_failure(
    connector: RecordingConnector, registry: Registry
) -> None:
    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("raise", {"text": "no such file"}))
        outcome = await connector.ended()
    assert outcome.status == "error"
    assert outcome.error is not None
    assert (outcome.error.message, outcome.error.type) == ("no such file", "LookupError")


async def test_an_outcome_always_names_its_own_execution(connector: RecordingConnector) -> None:
    registry = Registry()

    @registry.handler("other")
    async def other(request: ExecutionRequest) -> ExecutionOutcome:
        return ExecutionOutcome.retry_after("x", "y", "later", 3.5)

    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("other"))
        outcome = await connector.ended()
    assert (outcome.job_id, outcome.request_id) == ("job-1", "attempt-1")
    assert (outcome.status, outcome.retry_after_seconds) == ("retry", 3.5)


@pytest.mark.parametrize(
    "value",
    [{1, 2}, b"bytes", float("nan"), object(), "\ud800", [[[]]] * 2 + [eval("[" * 90 + "]" * 90)]],
)
async def test_a_result_that_is_no_json_is_a_failure_in_words(
    value: object, connector: RecordingConnector, registry: Registry
) -> None:
    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("value", {"value": value}))
        outcome = await connector.ended()
    assert outcome.status == "error"
    assert outcome.error is not None
    assert outcome.error.message.startswith("the result is no JSON")


async def test_a_result_that_is_too_big_is_a_failure(
    connector: RecordingConnector, registry: Registry
) -> None:
    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("value", {"value": "x" * 100_001}))
        outcome = await connector.ended()
    assert outcome.error is not None
    assert outcome.error.type == "result_too_large"


async def test_stopping_reaches_the_handler_as_cancellation(
    connector: RecordingConnector, registry: Registry
) -> None:
    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("forever"))
        await asyncio.sleep(0)
        supervisor.stop("attempt-1")
        with pytest.raises(JobError) as error:
            supervisor.stop("attempt-1")
        assert kind(error) == "already_stopping"
        outcome = await connector.ended()
    assert outcome.status == "cancelled"
    assert [update.state for _, update in connector.updates] == [
        "ready",
        "terminating",
        "terminated",
    ]


async def test_a_handler_can_be_stopped_before_it_ran(
    connector: RecordingConnector, registry: Registry
) -> None:
    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("forever"))
        supervisor.stop("attempt-1", kill=True)
        assert (await connector.ended()).status == "cancelled"


async def test_the_deadline_ends_a_handler(
    connector: RecordingConnector, registry: Registry
) -> None:
    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("forever", timeout_seconds=0.02))
        assert (await connector.ended()).status == "timeout"


async def test_a_success_stays_one_even_when_stopped(connector: RecordingConnector) -> None:
    registry = Registry()

    @registry.handler("tidy")
    async def tidy(request: ExecutionRequest) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done anyway"
        return "never"

    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("tidy"))
        await asyncio.sleep(0)
        supervisor.stop("attempt-1")
        assert (await connector.ended()).status == "success"


async def test_a_stubborn_handler_keeps_its_slot_and_blocks_nobody(
    connector: RecordingConnector, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "LAST_WAIT_SECONDS", 0.05)
    release = asyncio.Event()

    @registry.handler("stubborn")
    async def stubborn(request: ExecutionRequest) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with Supervisor(registry, connector, slots=2) as supervisor:
        supervisor.start(order("stubborn"))
        await asyncio.sleep(0)
        supervisor.stop("attempt-1", grace_seconds=0.02)
        outcome = await connector.ended()
        assert outcome.status == "cancelled"
        assert outcome.error is not None and "may run on" in outcome.error.message
        assert supervisor.stuck == ["attempt-1"]
        assert supervisor.free == 1
        supervisor.start(order("value", {"value": 1}, request_id="attempt-2"))
        assert (await connector.ended("attempt-2")).status == "success"
        release.set()
        await until(lambda: supervisor.free == 2)
    assert len([1 for key, update in connector.updates if update.outcome]) == 2


async def test_kill_follows_when_the_grace_is_over(connector: RecordingConnector) -> None:
    registry = Registry()
    asked: list[bool] = []

    @registry.handler("slow")
    async def slow(request: ExecutionRequest) -> None:
        while not request.stopping.is_kill:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked.append(request.stopping.is_kill)

    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("slow"))
        await asyncio.sleep(0)
        supervisor.stop("attempt-1", grace_seconds=0.02)
        assert (await connector.ended()).status == "success"
    assert asked == [False, True]


async def test_starts_that_cannot_be(connector: RecordingConnector, registry: Registry) -> None:
    def picky(params: object) -> None:
        raise ValueError("not on a Tuesday")

    registry.register("picky", registry.entries["value"].handler, check=picky)
    async with Supervisor(registry, connector, slots=1) as supervisor:
        with pytest.raises(JobError, match="it has: forever, picky, raise, value") as error:
            supervisor.start(order("nothing"))
        assert kind(error) == "image_not_found"
        with pytest.raises(JobError, match="not on a Tuesday") as error:
            supervisor.start(order("picky"))
        assert kind(error) == "invalid"
        supervisor.start(order("value", {"value": 1}))
        with pytest.raises(JobError) as error:
            supervisor.start(order("value", {"value": 1}))
        assert kind(error) == "already_running"
        with pytest.raises(JobError) as error:
            supervisor.start(order("forever", request_id="attempt-2"))
        assert kind(error) == "maximum_concurrent_jobs"
        await connector.ended()
        with pytest.raises(JobError) as error:
            supervisor.start(order("value", {"value": 1}))
        assert kind(error) == "job_already_exists"
        supervisor.drain()
        with pytest.raises(JobError, match="draining"):
            supervisor.start(order("forever", request_id="attempt-3"))


async def test_stop_and_resume_of_what_is_not_there(
    connector: RecordingConnector, registry: Registry
) -> None:
    async with Supervisor(registry, connector, slots=1) as supervisor:
        with pytest.raises(JobError) as error:
            supervisor.stop("nobody")
        assert kind(error) == "job_not_found"
        with pytest.raises(JobError) as error:
            supervisor.resume("nobody")
        assert kind(error) == "cannot_resume"
        supervisor.start(order("forever"))
        with pytest.raises(JobError) as error:
            supervisor.resume("attempt-1")
        assert kind(error) == "already_running"
        status = supervisor.status("attempt-1")
        assert status is not None and status.state == "ready"
        assert supervisor.status("nobody") is None


async def test_printing_and_progress(connector: RecordingConnector) -> None:
    registry = Registry()

    @registry.handler("talk")
    async def talk(request: ExecutionRequest) -> None:
        request.print("one", 2)
        request.progress(1, 2, "half")
        await request.write(b"raw \xff", "stderr")
        request.print("three", end="")

    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("talk"))
        await connector.ended()
    assert connector.text() == "one 2\nthree"
    assert connector.console["attempt-1", "stderr"] == b"raw \xff"
    told = [update.progress for _, update in connector.updates if update.progress]
    assert told[0] == (1, 2, "half")


async def test_writing_waits_for_room_and_printing_counts_what_was_dropped() -> None:
    connector = RecordingConnector(room=10)
    registry = Registry()

    @registry.handler("flood")
    async def flood(request: ExecutionRequest) -> None:
        request.print("x" * 14, end="")
        await request.write(b"y" * 20)

    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("flood"))
        await until(lambda: connector.console["attempt-1", "console"])
        assert connector.outcome() is None
        connector.make_room(1000)
        await connector.ended()
    assert connector.text("stdout") == "y" * 20
    assert connector.text().startswith("x" * 10 + "\n[4 bytes or more")


async def test_closing_ends_everything_in_bounded_time(
    connector: RecordingConnector, registry: Registry
) -> None:
    supervisor = Supervisor(registry, connector, slots=3)
    for number in range(3):
        supervisor.start(order("forever", request_id=f"attempt-{number}"))
    async with asyncio.timeout(5):
        await supervisor.close()
        await supervisor.close()
    assert supervisor.running == []
    tasks = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    assert not [task for task in tasks if task.get_name().startswith("job ")]


async def test_sys_exit_in_a_handler_ends_only_its_job(connector: RecordingConnector) -> None:
    registry = Registry()

    @registry.handler("exit")
    async def leave(request: ExecutionRequest) -> None:
        raise SystemExit(4)

    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("exit"))
        outcome = await connector.ended()
    assert outcome.error is not None and "sys.exit(4)" in outcome.error.message
