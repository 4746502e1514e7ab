"""The runner of the rrq package as it comes, started by its own command."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from server.model import RetryPolicy
from server.protocols.rrq.ladder import Pace
from server.runtime import CoordinatorThread
from server.settings import ServerSettings
from server.wire.operator import SubmitRequest
from tests.protocols.rrq.world import (
    SAM,
    a_world,
    eventually,
    is_alive,
    real_group,
    settings_with,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.protocols.rrq.world import World

AT_ONCE = RetryPolicy(base_delay_ms=1, jitter=0)


def runner_pids(world: World, name: str) -> list[int]:
    """The processes that a runner was, oldest first."""
    return [
        int(line.split("started as process ")[1].split()[0])
        for line in world.log(name)
        if line.startswith("started as process ")
    ]


async def test_a_job_is_done_with_its_context(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        job = await world.one("py#echo", params={"a": [1, None]}, queue="mail")
        told = await world.result(job)
        assert told["params"] == {"a": [1, None]}
        assert told["context"]["queue_name"] == "rrq:queue:mail"
        found = await world.look(job)
        assert found.job.tries == 1
        assert found.runner is not None
        assert (found.runner.name, found.runner.labels["group"]) == ("py/0", "py")


async def test_a_job_without_a_result_is_a_plain_success(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        assert await world.result(await world.one("py#noop")) is None


@pytest.mark.parametrize(
    ("handler", "state", "kind", "message"),
    [
        ("boom", "failed", "error", "it went wrong"),
        ("too_long", "failed", "timeout", "enough"),
        ("nobody", "failed", "error", "No handler registered for function 'nobody'"),
    ],
)
async def test_how_jobs_fail(
    tmp_path: Path, handler: str, state: str, kind: str, message: str
) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        found = await world.ended(await world.one(f"py#{handler}"))
        assert found.outcome is not None
        assert (found.job.state, found.outcome.kind) == (state, kind)
        assert found.outcome.message == message


async def test_what_is_tried_again_and_what_is_not(tmp_path: Path) -> None:
    """Errors until the attempts are spent; timeouts and missing handlers never."""
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        types = ("py#boom", "py#too_long", "py#nobody")
        jobs = await world.submit(*types, max_attempts=3, retry=AT_ONCE)
        assert [(await world.ended(job)).job.tries for job in jobs] == [3, 1, 1]


async def test_type_code_and_details_of_an_error_are_kept(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        outcome = await world.outcome(await world.one("py#picky"))
        assert (outcome.message, outcome.type, outcome.code) == ("no", "bad_order", "E7")
        assert outcome.details == b'{"line": 3}'


async def test_a_runner_may_ask_for_another_try(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        soon, backed_off = [
            await world.one("py#again", params=params, max_attempts=3, retry=AT_ONCE)
            for params in ({"after": 0.05}, {})
        ]
        assert await world.result(soon) == "attempt 3"
        assert await world.result(backed_off) == "attempt 3"
        spent = await world.one("py#again", params={"after": 0.01}, max_attempts=2)
        found = await world.ended(spent)
        assert (found.job.state, found.job.tries) == ("failed", 2)
        assert found.outcome is not None
        assert found.outcome.kind == "retry"


async def test_a_running_job_is_stopped(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group()), pace=Pace()) as world:
        job = await world.one("py#sleep", params={"seconds": 60})
        await world.running(job)
        await world.coordinator.stop_job(SAM, job.id)
        found = await world.ended(job)
        assert found.outcome is not None
        assert (found.job.state, found.outcome.kind) == ("stopped", "cancelled")
        assert len(runner_pids(world, "py/0")) == 1


async def test_a_deadline_is_kept_by_the_runner(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        job = await world.one("py#sleep", params={"seconds": 60}, timeout_ms=300, max_attempts=3)
        found = await world.ended(job)
        assert found.outcome is not None
        assert (found.job.state, found.outcome.kind, found.job.tries) == ("failed", "timeout", 1)


async def test_a_blocked_process_is_ended_and_started_anew(tmp_path: Path) -> None:
    """It reads nothing, not even the cancel: nothing but its end helps."""
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        job = await world.one("py#block", params={"seconds": 50}, timeout_ms=200)
        found = await world.ended(job)
        assert found.outcome is not None
        assert (found.job.state, found.outcome.kind) == ("failed", "timeout")
        assert await world.result(await world.one("py#echo"))
        old, new = runner_pids(world, "py/0")
        assert not is_alive(old)
        assert is_alive(new)


async def test_a_stubborn_job_is_given_up_while_others_go_on(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        other = await world.one("py#sleep", params={"seconds": 2})
        stubborn = await world.one("py#stubborn", params={"seconds": 50})
        await world.running(stubborn)
        await world.coordinator.stop_job(SAM, stubborn.id, kill=True)
        assert (await world.ended(stubborn)).job.state == "stopped"
        assert await world.result(other) == "slept"
        await eventually(
            lambda: len(runner_pids(world, "py/0")) == 2, "with nothing else to do it is ended"
        )
        found = await world.until(
            stubborn, lambda it: it.attempt is not None and it.attempt.state == "ended"
        )
        assert found.job.state == "stopped"


async def test_a_huge_result_fails_its_own_job_only(tmp_path: Path) -> None:
    """The runner checks nothing when it writes: 17 MiB come, and are passed over."""
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        other = await world.one("py#sleep", params={"seconds": 1.5})
        await world.running(other)
        outcome = await world.outcome(await world.one("py#huge"))
        assert outcome.type == "result_too_large"
        assert await world.result(other) == "slept"
        assert len(runner_pids(world, "py/0")) == 1


async def test_a_crash_is_charged_to_the_only_job_there(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        job = await world.one("py#crash", max_attempts=2, retry=AT_ONCE)
        found = await world.ended(job)
        assert (found.job.state, found.job.tries, found.job.losses) == ("failed", 2, 0)
        assert found.outcome is not None
        assert (found.outcome.type, found.outcome.exit_code) == ("runner_crashed", 3)


async def test_a_crash_charges_no_innocents(tmp_path: Path) -> None:
    """Five jobs are in flight with the one that takes the process along. Only that one pays."""
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        innocents = await world.submit(*["py#sleep"] * 5, params={"seconds": 0.5})
        culprit = await world.one("py#crash", params={"seconds": 0.2})
        for job in innocents:
            found = await world.ended(job)
            assert (found.job.state, found.job.tries, found.job.losses) == ("completed", 1, 0)
        found = await world.ended(culprit)
        assert (found.job.state, found.job.tries, found.job.losses) == ("failed", 1, 0)


async def test_who_was_killed_from_outside_is_not_to_blame(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        job = await world.one("py#sleep", params={"seconds": 2})
        await world.running(job)
        os.kill(runner_pids(world, "py/0")[0], signal.SIGKILL)
        found = await world.ended(job)
        assert (found.job.state, found.job.tries, found.job.losses) == ("completed", 1, 1)


async def test_a_child_that_holds_the_connection_does_not_hide_that_its_runner_is_gone(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        job = await world.one("py#fork", retry=RetryPolicy(max_losses=0))
        await world.running(job)
        leader = psutil.Process(runner_pids(world, "py/0")[0])
        await eventually(lambda: bool(leader.children()), "it has forked")
        os.kill(leader.pid, signal.SIGKILL)
        found = await world.ended(job)
        assert (found.job.state, found.job.losses) == ("failed", 1)
        assert found.outcome is not None and "SIGKILL" in found.outcome.message
        assert await world.result(await world.one("py#pid")) == runner_pids(world, "py/0")[1]


async def test_who_kills_its_runner_again_and_again_fails_in_the_end(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        job = await world.one("py#killed", retry=RetryPolicy(max_losses=1))
        found = await world.ended(job)
        assert (found.job.state, found.job.losses) == ("failed", 2)


async def test_a_crash_while_idle_charges_nobody(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        await world.connected("py/0")
        os.kill(runner_pids(world, "py/0")[0], signal.SIGKILL)
        found = await world.ended(await world.one("py#noop"))
        assert (found.job.state, found.job.tries) == ("completed", 1)
        told = await world.events("runner_lost")
        assert [event.reason for event in told] == ["the runner's process ended by SIGKILL"]


async def test_a_pool_shares_out_long_jobs(tmp_path: Path) -> None:
    settings = settings_with(py=real_group(pool_size=2, max_in_flight=8))
    async with a_world(tmp_path, settings) as world:
        await world.connected("py/0", "py/1")
        jobs = await world.submit(*["py#sleep"] * 8, params={"seconds": 2})
        names = []
        for job in jobs:
            found = await world.ended(job)
            assert found.runner is not None
            names.append(found.runner.name)
        assert 3 <= names.count("py/0") <= 5  # one process had room for all of them


async def test_output_belongs_to_a_job_that_was_alone(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        job = await world.one("py#say", params={"out": "hello", "err": "oh"})
        found = await world.ended(job)
        assert found.attempt is not None
        assert await world.output(found.attempt, "stdout") == b"hello\n"
        assert await world.output(found.attempt, "stderr") == b"oh"
        assert "hello" in world.log("py/0")


async def test_output_that_there_is_no_space_for_is_handed_in_later(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        world.coordinator.set_output_room(0)
        job = await world.one("py#say", params={"out": "hello"})
        found = await world.ended(job)
        assert (found.job.state, found.attempt is not None) == ("completed", True)
        assert found.attempt is not None
        assert await world.output(found.attempt, "stdout") == b""
        world.coordinator.set_output_room(1_000_000)
        await world.ended(await world.one("py#noop"))
        assert await world.output(found.attempt, "stdout") == b"hello\n"


async def test_output_of_several_is_the_runners_alone(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        long = await world.one("py#sleep", params={"seconds": 3})
        await world.running(long)
        job = await world.one("py#say", params={"out": "whose is it"})
        found = await world.ended(job)
        assert found.attempt is not None
        assert await world.output(found.attempt, "stdout") == b""
        await eventually(lambda: "whose is it" in world.log("py/0"), "the runner's log has it")


async def test_children_of_a_runner_end_with_it(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        child = await world.result(await world.one("py#child"))
        assert is_alive(child)
        os.kill(runner_pids(world, "py/0")[0], signal.SIGKILL)
        await eventually(lambda: not is_alive(child), "the group is ended with its leader")
        other = await world.result(await world.one("py#child"))
    await eventually(lambda: not is_alive(other), "it is ended with the coordinator")


async def test_nothing_is_left_when_the_coordinator_stops(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group(pool_size=2))) as world:
        await world.connected("py/0", "py/1")
        job = await world.one("py#sleep", params={"seconds": 60})
        await world.running(job)
        pids = runner_pids(world, "py/0") + runner_pids(world, "py/1")
        await world.service.stop()
        await world.service.stop()
        assert not any(is_alive(pid) for pid in pids)
        found = await world.look(job)
        assert (found.job.state, found.job.tries, found.job.losses) == ("pending", 0, 0)


async def test_a_short_job_may_finish_while_the_coordinator_stops(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=real_group())) as world:
        job = await world.one("py#sleep", params={"seconds": 0.2})
        await world.until(job, lambda it: it.job.state in ("in_progress", "completed"))
        await world.service.stop()
        assert (await world.look(job)).job.state == "completed"


async def test_draining_keeps_new_jobs_away(tmp_path: Path) -> None:
    settings = settings_with(py=real_group(pool_size=2))
    async with a_world(tmp_path, settings) as world:
        await world.connected("py/0", "py/1")
        drained = world.runner("py/0")
        assert drained is not None
        await world.coordinator.drain(SAM, drained.id, deadline_ms=None, move=False, reason="")
        for job in await world.submit(*["py#noop"] * 20):
            found = await world.ended(job)
            assert found.runner is not None
            assert found.runner.name == "py/1"
        await world.coordinator.resume_runner(SAM, drained.id)


async def test_a_job_is_reassigned_to_the_other_process(tmp_path: Path) -> None:
    settings = settings_with(py=real_group(pool_size=2))
    async with a_world(tmp_path, settings, pace=Pace()) as world:
        await world.connected("py/0", "py/1")
        job = await world.one("py#sleep", params={"seconds": 2})
        found = await world.running(job)
        assert found.runner is not None
        to = "py/1" if found.runner.name == "py/0" else "py/0"
        target = world.runner(to)
        assert target is not None
        await world.coordinator.reassign(SAM, job.id, runner=target.id)
        found = await world.ended(job)
        assert found.runner is not None
        assert (found.job.state, found.runner.name, found.job.losses) == ("completed", to, 0)


async def test_no_descriptor_and_no_task_is_left(tmp_path: Path) -> None:
    settings = settings_with(py=real_group(pool_size=2))
    descriptors, tasks = psutil.Process().num_fds(), len(asyncio.all_tasks())
    async with a_world(tmp_path, settings) as world:
        await world.connected("py/0", "py/1")
        os.kill(runner_pids(world, "py/0")[0], signal.SIGKILL)
        await world.result(await world.one("py#noop"))
    assert len(asyncio.all_tasks()) == tasks
    await eventually(
        lambda: psutil.Process().num_fds() <= descriptors + 1, "all is closed again"
    )  # one may be a thread's of the store's readers


async def test_runners_work_for_a_coordinator_on_a_thread_of_its_own(tmp_path: Path) -> None:
    """As it lives beside a console."""
    settings = replace(settings_with(py=real_group()), server=ServerSettings(port=0))
    thread = CoordinatorThread(settings, tmp_path / "data", on_crash=lambda error: None)
    thread.start()
    try:
        api = thread.server.operator
        [job] = await thread.call(api.submit(SAM, [SubmitRequest(type="py#noop")]))
        async with asyncio.timeout(20):
            while (await thread.call(api.job(SAM, job.id))).job.state != "completed":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        view = await thread.call(api.runner(SAM, "py/0"))
        assert view.log[0].text.startswith("started as process ")
        pid = int(view.log[0].text.split()[3])
    finally:
        assert thread.stop()
    assert not is_alive(pid)
