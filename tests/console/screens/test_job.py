"""What the Job screen says of where a job came from."""

from __future__ import annotations

from server.wire.operator import JobRefView, LineageView
from tests.console.screens.seeing import console, lab


async def test_a_job_is_by_the_schedule_that_made_it() -> None:
    world = lab()
    world.all_jobs[52131].owner = "configuration"
    world.lineages[52131] = LineageView(None, [], schedule="nightly-[red]")
    async with console(world) as seat:
        await seat.press("enter")
        await seat.sees("by schedule nightly-[red]")
        assert "configuration" not in seat.text


async def test_one_made_from_a_job_of_a_schedule_is_by_whoever_did_that() -> None:
    world = lab()
    world.all_jobs[52131].owner = "sam"
    world.lineages[52131] = LineageView(JobRefView("u", 52001), [], schedule="nightly")
    async with console(world, (160, 50)) as seat:
        await seat.press("enter")
        await seat.sees("by sam", "resubmitted from 52001")
