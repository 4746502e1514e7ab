"""What the Job screen and the lists say of where a job came from."""

from __future__ import annotations

from server.wire.operator import JobRefView, LineageView
from tests.console.screens.seeing import console, lab
from tests.console.screens.world import listed
from traffic_tui.cli.job_tables import JOB_COLUMNS
from traffic_tui.cli.tables import Look


async def test_a_job_is_by_the_schedule_that_made_it() -> None:
    world = lab()
    world.all_jobs[52131].owner = "configuration"
    world.all_jobs[52131].schedule = "nightly-[red]"
    async with console(world, (160, 50)) as seat:
        await seat.sees("schedule nightly-[red]", "ci-main")
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


def test_the_command_line_says_it_as_the_console_does() -> None:
    one = lab().all_jobs[52131]
    one.owner, one.schedule = "configuration", "nightly"
    [by] = [column for column in JOB_COLUMNS if column.title == "BY"]
    assert by.show(listed(one), Look()).text == "schedule nightly"


async def test_a_job_that_waits_for_its_next_try_has_not_ended() -> None:
    world = lab()
    world.all_jobs[52131].times.ended = world.clock.now_ms() - 60_000
    async with console(world) as seat:
        await seat.press("enter")
        await seat.sees("pending for 12m40")
