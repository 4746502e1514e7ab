"""What the Job screen and the lists say of where a job came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.wire.operator import (
    EventView,
    JobDetailView,
    JobFullView,
    JobRefView,
    LineageView,
    RunnerRef,
)
from tests.console.screens.seeing import console, lab
from tests.console.screens.world import NOW, attempt, event, job, listed
from traffic_tui.cli.job_tables import JOB_COLUMNS
from traffic_tui.cli.tables import Look
from traffic_tui.client.base import KeepAlive
from traffic_tui.screens.job_facts import event_line, job_facts
from traffic_tui.state.estimate import UsualRunTimes
from traffic_tui.state.glyphs import DRAWN
from traffic_tui.state.row_context import RowContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import AttemptView


async def test_a_job_is_by_the_schedule_that_made_it() -> None:
    world = lab()
    world.all_jobs[52131].owner = "configuration"
    world.all_jobs[52131].schedule = "nightly-[red]"
    async with console(world, (160, 50)) as seat:
        await seat.sees("schedule nightly-[red]", "ci-main")
        await seat.press("enter")
        await seat.sees("by schedule nightly-[red]")
        assert "configuration" not in seat.text


async def test_a_lease_that_is_not_renewed_runs_down_although_no_event_tells() -> None:
    world = lab()
    async with console(world) as seat:
        await seat.press("j", "j", "enter")
        await seat.sees("lease ok, 41s left")
        await seat.settle()
        before = len(world.asked("job"))
        world.all_jobs[52118] = job(52118, lease_seconds=9.0)
        world.clock.advance(2)
        await seat.settle()
        assert len(world.asked("job")) == before, "not every second"
        for _ in range(3):  # in steps, or the coordinator would seem silent
            world.clock.advance(3)
            world.send(KeepAlive())
            await seat.settle()
        await seat.sees("lease ok, 9s left")


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


def test_an_event_is_by_whoever_did_it_and_on_the_runner_it_is_about() -> None:
    context = RowContext(now=NOW, glyphs=DRAWN, zone="utc")
    ref = RunnerRef(id="id-lab-07", name="lab-07")
    lost = event(1, "released", runner=ref, actor="coordinator", reason="the runner was lost")
    taken = event(2, "claimed", runner=ref, actor="lab-07", reason="")
    asked = event(3, "stop_requested", runner=ref, actor="sam", reason="")
    told = ["".join(span.text for span in event_line(one, context)) for one in (lost, taken, asked)]
    assert told[0].endswith(" on lab-07: the runner was lost")
    assert told[1].endswith("claimed by lab-07")
    assert told[2].endswith(" by sam on lab-07")


def test_a_try_is_not_waited_for_while_the_job_is_put_off_or_another_one_runs() -> None:
    one = job(7)
    fell_due = event(2, "queued", at=one.times.started - 5_000)
    assert waited(one, fell_due) == "waited 5s"
    assert waited(one) == "waited 17m20"
    one.state = "pending"
    assert waited(one) == "e says runner by runner why it waits"


def waited(one: JobFullView, *events: EventView) -> str:
    """What stands under ``why`` where nothing else explains the job's state."""
    return fact_of("why", one, events=events)


def fact_of(
    label: str,
    one: JobFullView,
    *,
    attempts: Sequence[AttemptView] = (),
    events: Sequence[EventView] = (),
) -> str:
    """What the Job screen says of a job in one of its lines."""
    detail = JobDetailView(
        job=one,
        attempts=list(attempts),
        events=list(events),
        lineage=LineageView(resubmitted_from=None, resubmitted_as=[]),
    )
    facts = job_facts(detail, RowContext(NOW), UsualRunTimes(), 80)
    [found] = [fact for fact in facts if fact.label == label]
    return "".join(span.text for span in found.spans)


def test_a_job_that_waits_again_is_nowhere_but_who_had_it_before_is_told() -> None:
    again = job(7, "scheduled", attempts=1, tries=1)
    assert fact_of("runner", again, attempts=[attempt(1, job(7))]) == (
        "none now, lab-07 (native-v2) before"
    )
    assert fact_of("done", again, attempts=[attempt(1, job(7))]) == "-"
    assert fact_of("runner", job(8, "pending", requires={"gpu": "a100"})) == (
        "none yet, wants gpu=a100"
    )
