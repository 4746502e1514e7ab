"""How a job ends: the exit statuses, errors as last words, stops, and time that runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.clock import ManualClock
from server.protocols.treadmill.outcomes import MAX_HOST_OUTPUT
from tests.protocols.treadmill.double import IDLE, Double, ongoing
from tests.protocols.treadmill.world import SAM, World, a_world, settings, while_time_passes

if TYPE_CHECKING:
    from pathlib import Path


async def started(world: World, double: Double, **wishes: object) -> str:
    """A job that was given out; nothing was said of it yet."""
    job_id = await world.enqueue(**wishes)
    assert (await double.takes())["job_id"] == job_id
    return job_id


@pytest.mark.parametrize(
    ("declared", "exit_status", "state"),
    [
        (None, "workload_finished_unknown", "completed"),
        ("success", "workload_finished_success", "completed"),
        ("error", "workload_finished_error", "failed"),
        ("unknown", "workload_finished_unknown", "failed"),
    ],
)
async def test_what_a_workload_declares(
    tmp_path: Path, declared: str | None, exit_status: str, state: str
) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double)
        await double.state(job_id, "initializing", "starting")
        if declared is not None:
            await double.declare(job_id, "unknown", "at first")
            await double.declare(job_id, declared, "in the end")
        await double.state(job_id, "terminated")  # neither ready nor terminating was said
        assert await world.exit_status(job_id) == exit_status
        ended = await world.state(job_id)
        assert ended["result"]["host_output"] == ("in the end" if declared else None)
        detail = (await world.operator("GET", f"/jobs/{job_id}")).json()
        assert detail["job"]["state"] == state
        assert detail["job"]["result"]["exit_status"] == exit_status
        told = [event for event in detail["events"] if event["kind"] == "exit_declared"]
        reasons = [event["reason"] for event in told]
        final = f"{declared}: in the end"
        assert reasons == ([final, "unknown: at first"] if declared else [])


@pytest.mark.parametrize(
    ("kind", "before_ready", "after_ready"),
    [
        ("ImageNotFound", "supervisor_host_start_failure", "internal_supervisor_error"),
        ("ImageInvalid", "supervisor_host_start_failure", "internal_supervisor_error"),
        ("ImageNotCompatible", "supervisor_host_start_failure", "internal_supervisor_error"),
        ("CannotResume", "supervisor_host_start_failure", "internal_supervisor_error"),
        ("MaxConcurrentJobs", "supervisor_host_start_failure", "internal_supervisor_error"),
        ("JobAlreadyExists", "supervisor_host_start_failure", "internal_supervisor_error"),
        ("InternalError", "internal_supervisor_error", "internal_supervisor_error"),
        ("BrandNewError", "internal_supervisor_error", "internal_supervisor_error"),
        ("JobNotFound", "supervisor_dropped_job", "supervisor_dropped_job"),
    ],
)
async def test_an_error_can_be_the_last_word(
    tmp_path: Path, kind: str, before_ready: str, after_ready: str
) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        first = await started(world, double)
        await double.state(first, "initializing", "starting")
        await double.error(first, kind, "no\nfloppy")
        assert await world.exit_status(first) == before_ready
        second = await started(world, double)
        await double.run_to_ready(second)
        await double.error(second, kind)
        await double.state(second, "terminated")  # an error because its process ended has this
        assert await world.exit_status(second) == after_ready
        await started(world, double)
        assert await world.events("late_write") == []


@pytest.mark.parametrize("kind", ["AlreadyRunning", "AlreadyStopping"])
async def test_an_error_that_says_that_the_job_is_there(tmp_path: Path, kind: str) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double)
        await double.run_to_ready(job_id)
        await double.error(job_id, kind)
        await double.console(job_id, b"going on")
        await double.declare(job_id, "success")
        await double.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "workload_finished_success"


async def test_what_was_declared_outweighs_a_later_error(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double)
        await double.run_to_ready(job_id)
        await double.declare(job_id, "success", "all fine")
        await double.error(job_id, "InternalError", "qemu exited with 1")
        assert await world.exit_status(job_id) == "workload_finished_success"


@pytest.mark.parametrize("is_declared", [True, False])
async def test_of_what_a_host_says_at_the_end_so_much_is_kept(
    tmp_path: Path, is_declared: bool
) -> None:
    words = "x" * 1_000_000
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double)
        await double.run_to_ready(job_id)
        if is_declared:
            await double.declare(job_id, "error", words)
            await double.state(job_id, "terminated")
        else:
            await double.error(job_id, "InternalError", words)
        state = await world.becomes(job_id, "terminated")
        assert state["result"]["host_output"] == words[:MAX_HOST_OUTPUT] + " [cut]"


async def test_a_waiting_job_is_canceled_at_once(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        job_id = await world.enqueue()
        assert (await world.rest("DELETE", f"/jobs/{job_id}")).json() == {"type": "ok"}
        assert await world.exit_status(job_id) == "job_canceled"
        again = await world.rest("DELETE", f"/jobs/{job_id}")
        assert (again.status_code, again.json()) == (200, {"type": "ok"})


async def test_a_running_job_is_stopped_whatever_it_declares(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double)
        await double.run_to_ready(job_id)
        await double.declare(job_id, "success")
        await world.rest("DELETE", f"/jobs/{job_id}")
        assert await double.next("stop_job") == {"job_id": job_id}
        await double.state(job_id, "terminating")
        await double.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "job_canceled"
        assert (await world.state(job_id))["result"]["host_output"] is None


async def test_a_stop_that_finds_no_job_is_done(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double)
        await world.rest("DELETE", f"/jobs/{job_id}")
        assert (await double.next("stop_job"))["job_id"] == job_id
        await double.error(job_id, "JobNotFound")
        assert await world.exit_status(job_id) == "job_canceled"
        await started(world, double)


async def test_a_stop_without_an_end_is_said_again_and_asked_about(tmp_path: Path) -> None:
    clock = ManualClock()
    async with a_world(tmp_path, clock=clock) as world, world.supervisor() as double:
        await double.answer_next(IDLE)
        job_id = await started(world, double)
        await double.run_to_ready(job_id)
        await world.becomes(job_id, "ready")
        await world.rest("DELETE", f"/jobs/{job_id}")
        assert (await double.next("stop_job"))["job_id"] == job_id
        clock.advance(11)  # its grace is over
        assert (await double.next("stop_job"))["job_id"] == job_id
        await double.answer_next(ongoing(job_id, "terminating"))
        await world.becomes(job_id, "terminating")
        clock.advance(15)
        assert (await double.next("stop_job"))["job_id"] == job_id
        await double.answer_next(IDLE)
        await while_time_passes(clock, world.becomes(job_id, "terminated"))
        assert await world.exit_status(job_id) == "job_canceled"
        assert await world.events("kill_requested") != []


async def test_a_start_without_an_event_is_asked_about(tmp_path: Path) -> None:
    clock = ManualClock()
    async with a_world(tmp_path, clock=clock) as world, world.supervisor() as double:
        await double.answer_next(IDLE)
        job_id = await started(world, double)
        assert double.asked == 1
        clock.advance(15)
        await double.answer_next(IDLE)
        assert (await double.takes())["job_id"] == job_id
        clock.advance(15)
        await double.answer_next(ongoing(job_id, "initializing", "booting"))
        await world.becomes(job_id, "initializing", "booting")


async def test_a_supervisor_that_takes_no_notice_of_a_job_does_not_keep_it(tmp_path: Path) -> None:
    clock = ManualClock()
    async with a_world(tmp_path, clock=clock) as world, world.supervisor() as double:
        await double.answer_next(IDLE)
        job_id = await started(world, double)
        for _ in range(2):
            clock.advance(15)
            await double.answer_next(IDLE)
            assert (await double.takes())["job_id"] == job_id
        clock.advance(15)
        await double.answer_next(IDLE)
        await world.becomes(job_id, "queued")
        detail = (await world.operator("GET", f"/jobs/{job_id}")).json()
        assert detail["job"]["tries"] == 0
        clock.advance(61)
        again = await double.takes()
        assert again["job_id"] != job_id  # another attempt has another id on that wire
        await double.run_to_ready(again["job_id"])
        await world.becomes(job_id, "ready")


async def test_a_supervisor_that_says_nothing_when_asked_is_cut_off(tmp_path: Path) -> None:
    clock = ManualClock()
    async with a_world(tmp_path, clock=clock) as world, world.supervisor() as double:
        await double.next("status_request")
        clock.advance(10)
        await double.is_closed()


async def test_a_job_that_runs_too_long_is_timed_out(tmp_path: Path) -> None:
    clock = ManualClock()
    async with a_world(tmp_path, clock=clock) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double, override_timeout="1m 40s")
        await double.run_to_ready(job_id)
        await world.becomes(job_id, "ready")
        clock.advance(106)
        assert (await double.next("stop_job"))["job_id"] == job_id
        await double.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "job_timeout"


async def test_what_a_job_declared_before_it_timed_out_counts(tmp_path: Path) -> None:
    clock = ManualClock()
    async with a_world(tmp_path, clock=clock) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double, override_timeout="100")
        await double.run_to_ready(job_id)
        await double.declare(job_id, "success", "done, but hanging")
        await world.becomes(job_id, "ready")
        clock.advance(106)
        assert (await double.next("stop_job"))["job_id"] == job_id
        await double.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "workload_finished_success"


async def test_a_job_that_waits_too_long_expires(tmp_path: Path) -> None:
    clock = ManualClock()
    using = settings(queue_timeout_ms=60_000)
    async with a_world(tmp_path, using, clock=clock) as world:
        job_id = await world.enqueue()
        clock.advance(61)
        assert await world.exit_status(job_id) == "queue_timeout"


async def test_a_vanished_supervisor_keeps_its_job_for_a_lease(tmp_path: Path) -> None:
    using = settings(lease_seconds=3.0)
    async with a_world(tmp_path, using) as world:
        async with world.supervisor(status=IDLE) as double:
            job_id = await started(world, double, restarts=1)
            await double.run_to_ready(job_id)
            await world.becomes(job_id, "ready")
        await world.runner_becomes("suspect")
        status = (await world.rest("GET", "/supervisors")).json()["supervisors"]
        [only] = status.values()
        assert only == {
            "status": "busy_disconnected",
            "job_id": job_id,
            "job_state": {"state": "ready"},
        }
        assert await world.exit_status(job_id) == "supervisor_dropped_job"
        jobs = (await world.rest("GET", "/jobs")).json()["jobs"]
        assert len(jobs) == 2
        # It comes back, and still has what was taken from it.
        async with world.supervisor() as double:
            await double.answer_next(ongoing(job_id, "ready"))
            assert (await double.next("stop_job"))["job_id"] == job_id
            await double.state(job_id, "terminated")
            assert (await double.takes())["job_id"] in jobs


async def test_a_job_deleted_while_it_runs_is_stopped(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double)
        await double.run_to_ready(job_id)
        await world.becomes(job_id, "ready")
        job = await world.coordinator.job(job_id)
        assert job is not None
        await world.coordinator.delete(SAM, [job.id])
        assert (await double.next("stop_job"))["job_id"] == job_id
        await double.state(job_id, "terminated")
        await started(world, double)


async def delete_it_first(world: World, monkeypatch: pytest.MonkeyPatch, job_id: str) -> None:
    """Somebody deletes the job just before what its supervisor says of it is noted."""
    job = await world.coordinator.job(job_id)
    assert job is not None
    note_phase = world.coordinator.note_phase

    async def deleted_just_before(uuid: str, phase: str) -> bool:
        monkeypatch.setattr(world.coordinator, "note_phase", note_phase)
        await world.coordinator.delete(SAM, [job.id])
        return await note_phase(uuid, phase)

    monkeypatch.setattr(world.coordinator, "note_phase", deleted_just_before)


async def test_a_job_deleted_as_an_event_of_it_comes_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await started(world, double)
        await delete_it_first(world, monkeypatch, job_id)
        await double.state(job_id, "ready")
        assert (await double.next("stop_job"))["job_id"] == job_id
        await double.state(job_id, "terminated")
        await started(world, double)


async def test_a_job_deleted_as_its_supervisor_says_that_it_has_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor(status=IDLE) as double:
            job_id = await started(world, double)
            await double.run_to_ready(job_id)
            await world.becomes(job_id, "ready")
        async with world.supervisor() as double:
            question = await double.next("status_request")
            await delete_it_first(world, monkeypatch, job_id)
            await double.answer(question, ongoing(job_id, "ready"))
            assert (await double.next("stop_job"))["job_id"] == job_id
