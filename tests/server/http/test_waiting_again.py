"""A job that waits again is told of as it is: what its last try did stands with that try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.clock import ManualClock
from server.coordinator import AttemptReport, OutputPiece, Said
from server.model import Outcome, Progress
from tests.server.http.world import FakeRunner, World, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from server.coordinator import Assigned

RETRY: dict[str, Any] = {"max_attempts": 3, "retry": {"base_delay": 5.0, "jitter": 0.0}}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served(clock=ManualClock()) as world:
        yield world


async def begun(world: World, runner: FakeRunner, number: int) -> Assigned:
    """The job's first try, half way through."""
    [assigned] = await runner.take()
    progress = AttemptReport(assigned.attempt.uuid, progress=Progress(5.0, 10.0, "half way"))
    output = OutputPiece(assigned.attempt.uuid, "stdout", 0, b"said")
    said = Said(held=runner.held, reports=[progress], output=[output])
    await runner.coordinator.exchange(runner.session.id, said)
    await runner.coordinator.note_phase(assigned.attempt.uuid, "rendering")
    job = (await world.good("GET", f"/jobs/{number}"))["job"]
    assert (job["state"], job["runner"]["name"], job["phase"]) == (
        "in_progress",
        "lab-1",
        "rendering",
    )
    assert job["progress"] == {"current": 5.0, "total": 10.0, "text": "half way"}
    assert job["quiet_since"] and job["times"]["started"] and not job["times"]["ended"]
    return assigned


async def fails(world: World, runner: FakeRunner, assigned: Assigned) -> None:
    await runner.finish(assigned, Outcome("error", "no space"))


async def asks_for_another_try(world: World, runner: FakeRunner, assigned: Assigned) -> None:
    await runner.finish(assigned, Outcome("retry", "busy", retry_after_ms=60_000))


async def reboots(world: World, runner: FakeRunner, assigned: Assigned) -> None:
    """Its next life holds nothing: the job is lost."""
    await runner.leave()


async def gives_it_up(world: World, runner: FakeRunner, assigned: Assigned) -> None:
    """It is moved to another queue, and ends there."""
    await world.good("POST", f"/jobs/{assigned.job.id}/reassign", {"queue": "gpu"})
    await runner.finish(assigned, Outcome("cancelled"))


@pytest.mark.parametrize("ends", [fails, asks_for_another_try, reboots, gives_it_up])
async def test_a_job_that_waits_again_has_nothing_of_the_try_that_is_over(
    world: World, ends: Callable[[World, FakeRunner, Assigned], Awaitable[None]]
) -> None:
    runner = await world.runner()
    number = await world.submit(**RETRY)
    assigned = await begun(world, runner, number)
    await ends(world, runner, assigned)

    detail = await world.good("GET", f"/jobs/{number}")
    [listed] = (await world.good("GET", "/jobs"))["jobs"]
    changed = await world.good("POST", f"/jobs/{number}/priority", {"priority": 3})
    for job in (detail["job"], listed, changed["job"]):
        assert job["state"] in ("pending", "scheduled")
        assert nothing_of_a_try(job), job
        assert job["attempt"]["number"] == job["attempts"] == 1

    [tried] = detail["attempts"]
    assert (tried["state"], tried["runner"]["name"]) == ("ended", "lab-1")
    assert tried["progress"] == {"current": 5.0, "total": 10.0, "text": "half way"}
    assert tried["started_at"] and tried["ended_at"]


def nothing_of_a_try(job: dict[str, Any]) -> bool:
    return (
        job["runner"] is None
        and job["progress"] is None
        and job["phase"] == ""
        and job["quiet_since"] == 0
        and job["times"]["started"] == 0
        and job["times"]["ended"] == 0
    )


async def test_who_had_a_job_that_waits_again_still_finds_it(world: World) -> None:
    """``runner:`` goes by the newest try, whether it is over or not; ``state:`` narrows it."""
    runner = await world.runner()
    number = await world.submit(**RETRY)
    await fails(world, runner, await begun(world, runner, number))

    async def found(text: str) -> list[int]:
        page = await world.good("GET", "/jobs", params={"filter": text})
        return [job["number"] for job in page["jobs"]]

    assert await found("runner:lab-1") == [number]
    assert await found("runner:lab-1 state:active") == []


async def test_a_job_that_is_over_still_tells_where_and_how_far(world: World) -> None:
    runner = await world.runner()
    number = await world.submit()
    await fails(world, runner, await begun(world, runner, number))
    job = (await world.good("GET", f"/jobs/{number}"))["job"]
    assert (job["state"], job["runner"]["name"]) == ("failed", "lab-1")
    assert job["progress"]["current"] == 5.0
    assert job["times"]["started"] and job["times"]["ended"]


async def test_a_range_has_no_try_and_tells_how_far_it_is(world: World) -> None:
    number = await world.submit("range", range=[0, 9])
    job = (await world.good("GET", f"/jobs/{number}"))["job"]
    assert (job["runner"], job["attempts"], job["state"]) == (None, 0, "in_progress")
    assert job["progress"]["total"] == 10
    assert job["times"]["started"]
