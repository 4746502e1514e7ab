"""A job over a cursor range, on the Job screen and in the list. ``UPDATE_GOLDENS=1`` writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server.wire.operator import CoverageView, JobRefView, ProgressView, SegmentView, VerdictView
from tests.console.screens.seeing import console
from tests.console.screens.world import World, job, queue, runner
from traffic_tui.screens.job import PIECES_SECONDS, JobScreen

if TYPE_CHECKING:
    from server.model import JobState
    from server.ranges import SegmentState
    from server.wire.operator import JobFullView
    from tests.console.screens.seeing import Seat

GOLDENS = Path(__file__).parent / "goldens"
SIZES = ((80, 24), (160, 50))
HOUR = 3_600_000_000
BEGIN = 1_704_067_200_000_000
"""New year 2024, in microseconds."""
PARTS: tuple[tuple[SegmentState, int], ...] = (
    ("too_old", 24),
    ("covered", 200),
    ("missing", 1),
    ("covered", 120),
    ("missing", 30),
    ("covered", 100),
    ("elsewhere", 48),
    ("running", 4),
    ("waiting", 217),
)
"""State, and hours of it."""


def coverage(**changes: Any) -> CoverageView:
    """One month with a bit of everything."""
    low = BEGIN
    segments: list[SegmentView] = []
    units: dict[str, int] = {}
    for state, hours in PARTS:
        segments.append(SegmentView(from_=low, to=low + hours * HOUR - 1, state=state))
        units[state] = units.get(state, 0) + hours * HOUR
        low += hours * HOUR
    fields: dict[str, Any] = {
        **units,
        "total": sum(units.values()) - units["elsewhere"] - units["too_old"],
        "running_pieces": 4,
        "waiting_pieces": 17,
        "pieces_to_cut": 200,
        "spent_pieces": 31,
        "segments": segments,
        "is_coarse": False,
    }
    return CoverageView(**(fields | changes))


def range_job(number: int = 52140, **changes: Any) -> JobFullView:
    shown = coverage()
    fields: dict[str, Any] = {
        "type": "range",
        "queue": "posts",
        "runner": None,
        "attempt": None,
        "attempts": 0,
        "tries": 0,
        "max_attempts": 5,
        "quiet_since": 0,
        "lease": "",
        "lease_seconds": None,
        "can": "",
        "progress": ProgressView(current=shown.covered, total=shown.total),
        "params": {"table": "posts"},
        "range": (BEGIN, BEGIN + 744 * HOUR - 1),
        "coverage": shown,
    }
    return job(number, **(fields | changes))


def piece_job(number: int = 52141) -> JobFullView:
    return job(
        number,
        type="range",
        queue="posts",
        params={"table": "posts", "cursor_from": BEGIN, "cursor_to": BEGIN + HOUR - 1},
        parent=JobRefView(id="0192a7c4-0000-7000-8000-000000052140", number=52140),
        range=(BEGIN, BEGIN + HOUR - 1),
    )


def posts() -> World:
    world = World()
    world.add_runners(runner("crawl-1"))
    world.add_queues(queue("posts"))
    world.add(range_job(), piece_job())
    world.all_events = []
    world.happen("submitted", 52140)
    world.happen("range_planned", 52140, actor="ci-main")
    world.happen("piece_spent", 52140, actor="coordinator", reason="piece 52141 of 1 to 2: failed")
    world.summary = "63% covered; 4 pieces running; 17 waiting for a runner"
    world.verdicts = [
        VerdictView(runner=runner("crawl-1"), verdict="slot", detail="all 4 slots are taken")  # type: ignore[arg-type]
    ]
    return world


async def at_range(seat: Seat) -> None:
    await seat.press(":")
    await seat.type("52140")
    await seat.press("enter")
    await seat.sees("Jobs / 52140 range", "p lists them")


async def at_piece(seat: Seat) -> None:
    await seat.press(":")
    await seat.type("52141")
    await seat.press("enter")
    await seat.sees("Jobs / 52141 range", "of job 52140 (p)")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_job_screen_of_a_range_looks_as_it_should(size: tuple[int, int]) -> None:
    path = GOLDENS / f"range-{size[0]}x{size[1]}.txt"
    async with console(posts(), size) as seat:
        await at_range(seat)
        await seat.settle()
        text = seat.text
    if os.environ.get("UPDATE_GOLDENS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_coverage_is_read_without_colour_and_in_ascii(size: tuple[int, int]) -> None:
    async with console(posts(), size, ascii_only=True) as seat:
        await at_range(seat)
        assert seat.text.isascii()
        bar = next(line for line in seat.text.splitlines() if line.startswith(" done "))
        assert all(sign in bar for sign in "#X%>.-")
        await seat.sees("# 62% covered, 17d12 of 28d00", "> 4 running", "17 waiting, 200 to cut")
        await seat.sees("X% 1d07 missing (31 spent)", "- 2d00 by other jobs", "1d00 too old")


async def test_p_lists_the_pieces_of_a_range() -> None:
    async with console(posts()) as seat:
        await at_range(seat)
        await seat.press("p")
        await seat.sees("Jobs  parent:52140")
        await seat.until(
            lambda: "parent:52140" in [call[1] for call in seat.world.asked("jobs")],
            "the pieces were never asked for",
        )


async def test_p_goes_from_a_piece_to_its_range() -> None:
    async with console(posts()) as seat:
        await at_piece(seat)
        await seat.sees("2024-01-01 00:00:00 to 2024-01-01 00:59:59 (1h00)")
        await seat.press("p")
        await seat.sees("Jobs / 52140 range")


async def test_p_says_that_a_job_is_not_done_in_pieces() -> None:
    world = posts()
    world.add(job(52150))
    async with console(world) as seat:
        await seat.press(":")
        await seat.type("52150")
        await seat.press("enter")
        await seat.sees("Jobs / 52150", "done ")
        await seat.press("p")
        await seat.sees("this job is not done in pieces")


async def test_e_says_what_a_range_waits_for() -> None:
    async with console(posts()) as seat:
        await at_range(seat)
        await seat.press("e")
        await seat.dialog("4 pieces running", "17 waiting for a runner", "crawl-1")
        assert "lease" not in seat.text.split("Why")[-1]


async def test_stopping_a_range_says_what_becomes_of_its_pieces() -> None:
    async with console(posts()) as seat:
        await at_range(seat)
        await seat.press("s")
        await seat.dialog("Stop job 52140", "stop what waits, ask what runs")
        await seat.press("y")
        await seat.asks("stop")


@pytest.mark.parametrize(
    ("state", "words"),
    [("failed", "do what is missing"), ("completed", "do all of it again")],
)
async def test_resubmitting_a_range_says_what_will_be_done(state: JobState, words: str) -> None:
    world = posts()
    world.add(range_job(52180, state=state))
    async with console(world) as seat:
        await seat.press(":")
        await seat.type("52180")
        await seat.press("enter")
        await seat.sees("Jobs / 52180 range", "p lists them")
        await seat.press("r")
        await seat.dialog("Resubmit job 52180", words)


async def test_the_list_shows_how_far_a_range_is() -> None:
    async with console(posts(), (120, 30)) as seat:
        await seat.sees("52140 range")
        line = next(line for line in seat.text.splitlines() if "52140" in line)
        assert "62%" in line


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_failed_range_names_its_gaps(size: tuple[int, int]) -> None:
    world = posts()
    failed = range_job(52160, state="failed")
    assert failed.error is not None
    failed.error.message = "not covered: 1 to 2"
    world.add(failed)
    async with console(world, size) as seat:
        await seat.press(":")
        await seat.type("52160")
        await seat.press("enter")
        await seat.sees("not covered: 1 to 2", "✗ failed")


async def test_pieces_taken_by_runners_show_although_no_event_is_about_the_range() -> None:
    world = posts()
    async with console(world) as seat:
        await at_range(seat)
        await seat.settle()
        world.all_jobs[52140].coverage = coverage(running_pieces=9)
        world.clock.advance(PIECES_SECONDS + 1)
        await seat.sees("▸ 9 running")


async def test_a_range_that_has_ended_is_not_asked_for_again() -> None:
    world = posts()
    world.add(range_job(52170, state="completed"))
    async with console(world) as seat:
        await seat.press(":")
        await seat.type("52170")
        await seat.press("enter")
        await seat.sees("Jobs / 52170 range", "p lists them")
        await seat.settle()
        calls = len(world.asked("job"))
        world.clock.advance(PIECES_SECONDS + 1)
        assert isinstance(seat.app.screen, JobScreen)
        seat.app.screen.tick()
        await seat.settle()
        assert len(world.asked("job")) == calls
