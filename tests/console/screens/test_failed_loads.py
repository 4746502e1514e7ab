"""What could not be loaded is loaded again after a pause, though no news come meanwhile."""

from __future__ import annotations

import pytest

from tests.console.screens.seeing import Seat, console
from tests.console.screens.world import World, job
from traffic_tui.client.base import ClientError, Unreachable
from traffic_tui.screens.catch_up import FAILURE_PAUSE_SECONDS

NUMBER = 52118
TROUBLE = (
    ClientError("too many calls at once", code="too_fast", status=429),
    ClientError("too busy", code="busy", status=503),
    Unreachable("the connection broke"),
)


def with_one() -> World:
    world = World()
    world.add(job(NUMBER))
    return world


async def fails(seat: Seat, call: str, error: ClientError) -> int:
    """The call that follows is answered with an error, and how often it was made before its pause
    was over."""
    await seat.until(lambda: not seat.world.trouble, "it was not asked for")
    await seat.sees(error.message)
    await seat.settle()
    return len(seat.world.asked(call))


@pytest.mark.parametrize("error", TROUBLE, ids=lambda error: error.code)
async def test_a_job_is_loaded_again(error: ClientError) -> None:
    async with console(with_one()) as seat:
        await seat.press("enter")
        await seat.sees("running for")
        await seat.settle()
        asked = len(seat.world.asked("job"))
        seat.world.trouble["job"] = error
        seat.world.add(job(NUMBER, "completed"))
        seat.world.happen("completed", NUMBER)
        assert await fails(seat, "job", error) == asked + 1
        assert "✓ completed" not in seat.text
        seat.world.clock.advance(FAILURE_PAUSE_SECONDS)
        await seat.sees("✓ completed")


async def test_what_is_refused_is_not_asked_for_again() -> None:
    async with console(with_one()) as seat:
        await seat.press("enter")
        await seat.sees("running for")
        await seat.settle()
        gone = ClientError("there is no job 52118", code="not_found", status=404)
        seat.world.trouble["job"] = gone
        seat.world.happen("priority_changed", NUMBER)
        asked = await fails(seat, "job", gone)
        seat.world.clock.advance(FAILURE_PAUSE_SECONDS)
        await seat.settle()
        assert len(seat.world.asked("job")) == asked


@pytest.mark.parametrize("error", TROUBLE, ids=lambda error: error.code)
async def test_a_list_is_loaded_again(error: ClientError) -> None:
    async with console(with_one()) as seat:
        await seat.settle()
        seat.world.clock.advance(FAILURE_PAUSE_SECONDS)
        asked = len(seat.world.asked("jobs"))
        seat.world.trouble["jobs"] = error
        seat.world.add(job(NUMBER + 1, "pending"))
        seat.world.happen("submitted", NUMBER + 1)
        assert await fails(seat, "jobs", error) == asked + 1
        assert str(NUMBER + 1) not in seat.text
        seat.world.clock.advance(FAILURE_PAUSE_SECONDS)
        await seat.sees(str(NUMBER + 1))


async def test_rows_of_a_list_are_loaded_again() -> None:
    error = TROUBLE[0]
    async with console(with_one()) as seat:
        await seat.settle()
        asked = len(seat.world.asked("jobs"))
        seat.world.trouble["jobs"] = error
        seat.world.add(job(NUMBER, type="another-type"))
        seat.world.happen("reassigned", NUMBER)
        assert await fails(seat, "jobs", error) == asked + 1
        assert "another-type" not in seat.text
        seat.world.clock.advance(FAILURE_PAUSE_SECONDS)
        await seat.sees("another-type")
