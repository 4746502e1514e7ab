"""Below the Runners list: the jobs of the runner under the cursor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from server.wire.operator import RunnerRef
from tests.console.screens.seeing import console, lab
from tests.console.screens.world import job
from traffic_tui.client.base import ClientError
from traffic_tui.config import ConsoleConfig
from traffic_tui.screens.catch_up import FAILURE_PAUSE_SECONDS
from traffic_tui.screens.held_jobs import LINES

if TYPE_CHECKING:
    import pytest

    from server.wire.operator import JobsView
    from tests.console.screens.seeing import Seat


async def at_runners(seat: Seat) -> None:
    await seat.press(":")
    await seat.type("runners")
    await seat.press("enter")
    await seat.sees("by problem", "lab-07")


async def test_they_follow_the_cursor() -> None:
    async with console(lab(), (160, 50)) as seat:
        await at_runners(seat)
        await seat.sees("jobs of lab-31", "It holds no jobs.")
        await seat.press("G")
        await seat.sees("jobs of lab-07", "resize-images", "52118", "52102", "52127")
        heading = next(line for line in seat.text.splitlines() if "PROGRESS" in line)
        assert "RUNNER" not in heading
        assert "52090" not in seat.text, "it has ended"


async def test_they_are_asked_for_again_when_something_happens_and_not_before() -> None:
    world = lab()
    async with console(world, (160, 50)) as seat:
        await at_runners(seat)
        await seat.press("G")
        await seat.sees("jobs of lab-07", "52118")
        before = len(world.asked("jobs"))
        await seat.settle()
        await seat.pilot.pause(1.2)
        assert len(world.asked("jobs")) == before
        del world.all_jobs[52118]
        world.happen("completed", 52118)
        await seat.until(lambda: "52118" not in seat.text, "it is still listed")


async def test_what_could_not_be_loaded_is_asked_for_again_after_a_pause() -> None:
    world = lab()
    async with console(world, (160, 50)) as seat:
        await at_runners(seat)
        await seat.sees("jobs of lab-31", "It holds no jobs.")
        world.trouble["jobs"] = ClientError("too many calls at once", code="too_fast", status=429)
        await seat.press("G")
        await seat.sees("jobs of lab-07", "too many calls at once")
        asked = len(world.asked("jobs"))
        await seat.pilot.pause(1.2)
        assert len(world.asked("jobs")) == asked
        assert "52118" not in seat.text
        world.clock.advance(FAILURE_PAUSE_SECONDS)
        await seat.sees("52118", "52102", "52127")


async def test_they_come_also_where_news_come_faster_than_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = lab()
    answer = world.jobs

    async def slow(**asked: Any) -> JobsView:
        page = await answer(**asked)
        if "runner:" in asked["filter"]:
            world.happen("submitted", 52131)
            await asyncio.sleep(1.5)
        return page

    monkeypatch.setattr(world, "jobs", slow)
    async with console(world, (160, 50)) as seat:
        await at_runners(seat)
        await seat.press("G")
        await seat.sees("jobs of lab-07", "52118")


async def test_what_was_asked_for_one_runner_is_not_shown_as_anothers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the line broke, so that nothing is asked for the other one."""
    world = lab()
    may_answer, answer = asyncio.Event(), world.jobs

    async def slow(**asked: Any) -> JobsView:
        page = await answer(**asked)
        if "runner:id-lab-07" in asked["filter"]:
            await may_answer.wait()
        return page

    monkeypatch.setattr(world, "jobs", slow)
    async with console(world, (160, 50)) as seat:
        await at_runners(seat)
        await seat.press("G")
        await seat.until(lambda: "runner:id-lab-07" in str(world.asked("jobs")))
        monkeypatch.setattr(seat.app.desk.link, "state", "lost")
        await seat.press("g")
        await seat.sees("jobs of lab-31")
        may_answer.set()
        await seat.settle()
        assert "52118" not in seat.text


async def test_more_than_there_is_room_for_are_counted() -> None:
    world = lab()
    here = RunnerRef(id="id-lab-07", name="lab-07")
    world.add(*(job(52200 + number, runner=here) for number in range(20)))
    async with console(world, (160, 50)) as seat:
        await at_runners(seat)
        await seat.press("G")
        await seat.sees(f"jobs of lab-07, {LINES - 2} of 23; enter lists all")


async def test_low_screens_and_whoever_hides_them_keep_the_lines() -> None:
    async with console(lab(), (160, 24)) as seat:
        await at_runners(seat)
        assert "jobs of" not in seat.text
        await seat.press("P")
        await seat.sees("enter lists them")
    config = ConsoleConfig(zone="utc", glyphs="unicode", preview=False)
    async with console(lab(), (160, 50), config) as seat:
        await at_runners(seat)
        assert "jobs of" not in seat.text
        await seat.press("P")
        await seat.sees("jobs of lab-31")
