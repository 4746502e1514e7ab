"""The reconciliation table, row by row: as a function, and over real connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.protocols.treadmill.alignment import Move, Recorded, align
from server.wire.treadmill import Idle, JobState, Ongoing
from tests.protocols.treadmill.double import IDLE, Double, ongoing
from tests.protocols.treadmill.world import FIRST, SECOND, World, a_world, settings, supervisor

if TYPE_CHECKING:
    from pathlib import Path

J, K = FIRST, SECOND


def recorded(**facts: Any) -> Recorded:
    known = {"is_seen": True, "is_given_up": False, "was_missed": False, **facts}
    return Recorded(J, **known)


def at(job_id: str) -> Ongoing:
    return Ongoing(job_id, JobState("ready"))


@pytest.mark.parametrize(
    ("jobs", "reported", "moves"),
    [
        ([], Idle(), []),
        ([], at(K), [Move("stop", K)]),
        ([recorded(is_seen=False)], Idle(), [Move("start", J)]),
        ([recorded(is_seen=False)], at(J), [Move("adopt", J)]),
        ([recorded(is_seen=False)], at(K), [Move("drop", J), Move("stop", K)]),
        ([recorded()], at(J), [Move("adopt", J)]),
        ([recorded()], Idle(), [Move("miss", J)]),
        ([recorded(was_missed=True)], Idle(), [Move("drop", J)]),
        ([recorded()], at(K), [Move("miss", J), Move("stop", K)]),
        ([recorded(was_missed=True)], at(K), [Move("drop", J), Move("stop", K)]),
        ([recorded(is_given_up=True)], Idle(), [Move("free", J)]),
        ([recorded(is_given_up=True)], at(J), [Move("stop", J)]),
        ([recorded(is_given_up=True)], at(K), [Move("free", J), Move("stop", K)]),
    ],
)
def test_the_table(jobs: list[Recorded], reported: Idle | Ongoing, moves: list[Move]) -> None:
    assert align(jobs, reported, is_doubtful=False) == moves


@pytest.mark.parametrize("was_missed", [False, True])
def test_idle_right_after_an_error_proves_nothing(was_missed: bool) -> None:
    job = recorded(was_missed=was_missed)
    assert align([job], Idle(), is_doubtful=True) == [Move("trust", J)]
    assert align([job], at(J), is_doubtful=True) == [Move("adopt", J)]


async def running(world: World, double: Double, **wishes: Any) -> str:
    """A job that the supervisor has brought to ready."""
    await double.answer_next(IDLE)
    job_id = await world.enqueue(**wishes)
    assert (await double.takes())["job_id"] == job_id
    await double.run_to_ready(job_id)
    await world.becomes(job_id, "ready")
    return job_id


async def test_nothing_recorded_and_idle(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor() as double:
        job_id = await world.enqueue()
        question = await double.next("status_request")  # asked before anything is given out
        assert (await world.state(job_id))["type"] == "queued"
        await double.answer(question, IDLE)
        assert (await double.takes())["job_id"] == job_id


async def test_nothing_recorded_and_a_zombie(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor() as double:
        job_id = await world.enqueue()
        await double.answer_next(ongoing(SECOND, "ready"))
        assert await double.next("stop_job") == {"job_id": SECOND}
        assert (await world.state(job_id))["type"] == "queued"
        await double.state(SECOND, "terminating")
        await double.state(SECOND, "terminated")
        assert (await double.takes())["job_id"] == job_id


async def test_a_zombie_that_is_not_known_when_it_is_to_be_stopped(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor() as double:
        job_id = await world.enqueue()
        await double.answer_next(ongoing(SECOND, "ready"))
        await double.next("stop_job")
        await double.error(SECOND, "JobNotFound")
        assert (await double.takes())["job_id"] == job_id


async def test_sent_but_nothing_seen_and_idle(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor(status=IDLE) as double:
            job_id = await world.enqueue()
            first = await double.takes()
        async with world.supervisor() as double:
            await double.answer_next(IDLE)
            assert await double.takes() == first
            await double.error(job_id, "AlreadyRunning")
            await double.run_to_ready(job_id)
            await world.becomes(job_id, "ready")


async def test_sent_but_nothing_seen_and_it_runs(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor(status=IDLE) as double:
            job_id = await world.enqueue()
            await double.takes()
        async with world.supervisor() as double:
            await double.answer_next(ongoing(job_id, "initializing", "booting"))
            await world.becomes(job_id, "initializing", "booting")
            assert double.messages.empty()


async def test_the_job_goes_on_after_a_broken_connection(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor() as double:
            job_id = await running(world, double)
        async with world.supervisor() as double:
            await double.answer_next(ongoing(job_id, "terminating"))
            await world.becomes(job_id, "terminating")
            await double.state(job_id, "terminated")
            assert await world.exit_status(job_id) == "workload_finished_unknown"


async def test_the_job_terminated_while_it_was_away(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor() as double:
            job_id = await running(world, double)
        async with world.supervisor() as double:
            await double.answer_next(ongoing(job_id, "terminated"))
            assert await world.exit_status(job_id) == "workload_finished_unknown"


async def test_a_dropped_job_is_finished_and_made_anew_where_its_policy_allows(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor() as double:
            job_id = await running(world, double, restarts=1)
        async with world.supervisor() as double:
            await double.answer_next(IDLE)
            assert await world.exit_status(job_id) == "supervisor_dropped_job"
            again = await double.takes()
            assert again["job_id"] != job_id
            assert again["restart_policy"] == {"remaining_restart_count": 0}
            assert again["image_spec"]["type"] == "image"
            await double.run_to_ready(again["job_id"])
            jobs = (await world.rest("GET", "/jobs")).json()["jobs"]
            assert set(jobs) == {job_id, again["job_id"]}
            lineage = (await world.operator("GET", f"/jobs/{again['job_id']}")).json()["lineage"]
            assert lineage["resubmitted_from"]["id"] == job_id
        async with world.supervisor(status=IDLE) as double:
            assert await world.exit_status(again["job_id"]) == "supervisor_dropped_job"
            jobs = (await world.rest("GET", "/jobs")).json()["jobs"]
            assert len(jobs) == 2


async def test_an_end_that_was_on_its_way_is_no_drop(tmp_path: Path) -> None:
    """The original falls idle at once, and flushes what it had to say in any order with that."""
    async with a_world(tmp_path) as world:
        async with world.supervisor() as double:
            job_id = await running(world, double, restarts=3)
        async with world.supervisor() as double:
            await double.answer_next(IDLE)
            await double.declare(job_id, "success", "late but true")
            await double.state(job_id, "terminating")
            await double.state(job_id, "terminated")
            assert await world.exit_status(job_id) == "workload_finished_success"
            assert len((await world.rest("GET", "/jobs")).json()["jobs"]) == 1


async def test_another_job_runs_in_its_place(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor() as double:
            job_id = await running(world, double)
        async with world.supervisor() as double:
            await double.answer_next(ongoing(SECOND, "ready"))
            assert (await double.next("stop_job"))["job_id"] == SECOND
            assert await world.exit_status(job_id) == "supervisor_dropped_job"


async def given_up(world: World, double: Double) -> str:
    job_id = await running(world, double)
    await world.operator("POST", f"/jobs/{job_id}/stop", {"abandon": True})
    assert await world.exit_status(job_id) == "job_canceled"
    assert (await double.next("stop_job"))["job_id"] == job_id
    return job_id


async def test_given_up_and_idle_frees_the_supervisor(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor() as double:
            await given_up(world, double)
        async with world.supervisor() as double:
            following = await world.enqueue()
            await double.answer_next(IDLE)
            assert (await double.takes())["job_id"] == following


async def test_given_up_but_still_there_is_stopped_and_kept(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor() as double:
            job_id = await given_up(world, double)
        async with world.supervisor() as double:
            following = await world.enqueue()
            await double.answer_next(ongoing(job_id, "ready"))
            assert (await double.next("stop_job"))["job_id"] == job_id
            assert (await world.state(following))["type"] == "queued"
            await double.state(job_id, "terminated")
            assert (await double.takes())["job_id"] == following


async def test_given_up_and_another_runs(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor() as double:
            await given_up(world, double)
        async with world.supervisor() as double:
            following = await world.enqueue()
            await double.answer_next(ongoing(SECOND, "ready"))
            assert (await double.next("stop_job"))["job_id"] == SECOND
            await double.state(SECOND, "terminated")
            assert (await double.takes())["job_id"] == following


async def test_idle_right_after_an_error_drops_no_job(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor() as double:
        job_id = await running(world, double)
        await double.error(job_id, "AlreadyRunning")
        await double.state(SECOND, "ready")  # a stranger's event: it is asked what it is at
        # that was a change of state, so say the error once more
        await double.error(job_id, "AlreadyRunning")
        await double.answer_next(IDLE)
        await double.console(job_id, b"still here")
        assert (await world.state(job_id))["type"] == "ready"
        await double.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "workload_finished_unknown"


async def test_late_events_only_go_forward(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.supervisor() as double:
            await double.answer_next(IDLE)
            job_id = await world.enqueue()
            await double.takes()
            await double.state(job_id, "initializing", "starting")
            await world.becomes(job_id, "initializing", "starting")
        async with world.supervisor() as double:
            await double.answer_next(ongoing(job_id, "ready"))
            await world.becomes(job_id, "ready")
            for stage in ("allocating", "booting"):
                await double.state(job_id, "initializing", stage)
            await double.console(job_id, b"after them")
            assert (await world.state(job_id))["type"] == "ready"
            await double.state(job_id, "terminated")
            assert await world.exit_status(job_id) == "workload_finished_unknown"


async def test_it_takes_no_jobs_it_has_no_tags_for(tmp_path: Path) -> None:
    two = settings(supervisor(FIRST, "arm", "pi"), supervisor(SECOND, "arm", "fpga"))
    async with (
        a_world(tmp_path, two) as world,
        world.supervisor(FIRST, status=IDLE) as first,
        world.supervisor(SECOND, status=IDLE) as second,
    ):
        on_second = await world.enqueue(tag_config="fpga;;arm")
        assert (await second.takes())["job_id"] == on_second
        also_second = await world.enqueue(tag_config="fpga")
        on_first = await world.enqueue()
        assert (await first.takes())["job_id"] == on_first
        assert (await world.state(also_second))["type"] == "queued"
