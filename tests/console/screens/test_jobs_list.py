"""The Jobs list as it begins, is filtered, ordered and left, and what it tells meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from server.wire.operator import ExplainView, JobDetailView, RunnerRef, VerdictView
from tests.console.screens.seeing import console, lab
from tests.console.screens.test_ranges import piece_job, posts
from tests.console.screens.world import World, job, runner
from traffic_tui.client.resting_filter import NO_PIECES
from traffic_tui.config import ConsoleConfig
from traffic_tui.screens.job_pages import MAX_KEPT
from traffic_tui.screens.waiting_words import waiting_words


def refusals(*kinds: str) -> list[VerdictView]:
    return [
        VerdictView(RunnerRef(id=kind, name=kind), kind, "")  # type: ignore[arg-type]
        for kind in kinds
    ]


def crowd(number: int) -> World:
    world = World()
    world.add_runners(runner("lab-07"))
    world.add(*(job(1_000 + one, "completed") for one in range(number)))
    return world


# pieces of ranges ------------------------------------------------------------------------------


async def test_a_list_with_a_filter_is_no_first_run_although_no_runner_is_there() -> None:
    world = lab()
    world.all_runners.clear()
    async with console(world) as seat:
        seat.app.navigation.show_queues()
        await seat.sees("cpu")
        await seat.press("enter")
        await seat.sees("No jobs match queue:cpu. esc goes back.")
        await seat.settle()
        await seat.press("-")
        await seat.sees("by QUEUE")


async def test_pieces_are_left_out_and_the_crumb_says_so() -> None:
    async with console(posts(), (160, 50)) as seat:
        await seat.sees("Jobs  parent:0   without pieces of ranges", "52140 range")
        assert "52141 range" not in seat.text
        await seat.press("escape")
        await seat.sees("52141 range", "2 jobs")
        assert "parent:0" not in seat.text


async def test_who_asked_for_everything_keeps_it_until_the_list_is_asked_for_anew() -> None:
    async with console(posts(), (160, 50)) as seat:
        await seat.sees("parent:0")
        await seat.press("1")
        await seat.sees("52141 range")
        await seat.press("4")
        await seat.sees("state:failed")
        await seat.press("escape")
        await seat.sees("52141 range")
        await seat.press(":")
        await seat.type("jobs")
        await seat.press("enter")
        await seat.sees("parent:0")


async def test_a_range_that_begins_while_one_looks_on_brings_the_filter() -> None:
    world = lab()
    async with console(world) as seat:
        assert NO_PIECES not in seat.text
        world.add(piece_job())
        world.happen("range_planned", 52140)
        await seat.sees("parent:0")


async def test_without_pieces_nobody_learns_of_them() -> None:
    async with console(lab(), (160, 50)) as seat:
        assert "parent" not in seat.text
        assert "pieces" not in seat.text


async def test_p_lists_the_pieces_of_the_range_under_the_cursor() -> None:
    async with console(posts()) as seat:
        await seat.sees("parent:0", "52140 range")
        await seat.press("p")
        await seat.sees("Jobs  parent:52140")
        await seat.sees("52141 range")
        await seat.press("escape")
        await seat.sees("Jobs  parent:0")


# rows that come --------------------------------------------------------------------------------


async def test_rows_that_come_in_above_are_told_until_they_were_seen() -> None:
    world = crowd(60)
    async with console(world) as seat:
        await seat.press("G")
        assert "new above" not in seat.text
        world.add(job(2_001, "completed"), job(2_002, "completed"))
        world.happen("submitted", 2_001, 2_002)
        world.clock.advance(1)
        await seat.sees("2 new above")
        await seat.press("g")
        await seat.sees("2002 resize-images")
        assert "new above" not in seat.text


async def test_at_the_head_nothing_is_told_for_it_is_seen() -> None:
    world = crowd(60)
    async with console(world) as seat:
        world.add(job(2_001, "completed"))
        world.happen("submitted", 2_001)
        world.clock.advance(1)
        await seat.sees("2001 resize-images")
        assert "new above" not in seat.text


async def test_another_filter_has_nothing_new() -> None:
    world = crowd(60)
    async with console(world) as seat:
        await seat.press("G")
        world.add(job(2_001, "completed"))
        world.happen("submitted", 2_001)
        world.clock.advance(1)
        await seat.sees("1 new above")
        await seat.press("3")
        await seat.sees("No jobs match")
        await seat.press("escape")
        await seat.sees("61 jobs")
        assert "new above" not in seat.text


# the cursor ------------------------------------------------------------------------------------


def cursor(seat: Any) -> object:
    return seat.app.screen.table.cursor_key


async def test_the_cursor_stays_on_its_row_where_the_filter_leaves_it() -> None:
    async with console(lab()) as seat:
        await seat.press("j", "j", "j", "j", "j")
        assert cursor(seat) == 52090
        await seat.press("4")
        await seat.sees("1 of 7")
        assert cursor(seat) == 52090
        await seat.press("escape")
        await seat.sees("7 jobs")
        assert cursor(seat) == 52090


async def test_a_list_without_the_cursor_s_row_begins_at_its_beginning() -> None:
    world = crowd(60)
    world.add(*(job(500 + one, "failed") for one in range(30)))
    async with console(world) as seat:
        await seat.press("ctrl+d", "ctrl+d", "ctrl+d")
        await seat.press("4")
        await seat.sees("30 of 90")
        await seat.until(lambda: cursor(seat) == 529, "the cursor is not on the first row")


# orders ----------------------------------------------------------------------------------------


async def test_an_order_among_the_newest_says_so() -> None:
    async with console(crowd(MAX_KEPT + 5), (160, 50)) as seat:
        await seat.press(":")
        await seat.type("sort type")
        await seat.press("enter")
        await seat.sees("1,005 jobs", "by TYPE ↑ among the newest 1,000")


# what stands where no output is ----------------------------------------------------------------


async def test_the_preview_says_why_there_is_no_output() -> None:
    world = lab()
    world.verdicts = refusals("slot", "slot", "type")
    async with console(world, (160, 50)) as seat:
        await seat.sees("No output yet, it waits: no free slot (2 runners).")
        await seat.press("j", "j", "j", "j")
        await seat.sees("No output yet: due at 22:14:20, in 1m00.")
        await seat.press("j")
        await seat.sees("No output: nothing came of try 1.")


async def test_the_job_screen_says_why_there_is_no_output() -> None:
    world = lab()
    world.verdicts = refusals("type", "type")
    async with console(world) as seat:
        await seat.press("enter")
        await seat.sees("output of 52131", "it waits: no runner does train-nightly.")
        assert "following" not in seat.text


@pytest.mark.parametrize(("can", "words"), [("solr", "No output yet."), ("s...", "sends none.")])
async def test_a_silent_job_says_whether_output_may_come(can: str, words: str) -> None:
    world = lab()
    world.all_jobs[52118].can = can
    async with console(world) as seat:
        await seat.press("j", "j", "enter")
        await seat.sees(words)


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ((), "there is no runner"),
        (("type", "type"), "no runner does fetch"),
        (("slot", "slot", "draining", "type"), "no free slot (2 runners), draining (1 runner)"),
        (("pause", "pause"), "the queue is paused"),
        (("eligible", "slot"), "about to start"),
    ],
)
def test_what_a_job_waits_for_in_few_words(kinds: tuple[str, ...], words: str) -> None:
    explained = ExplainView("pending", "about to start", refusals(*kinds), "")
    assert waiting_words("fetch", explained) == words


# notes -----------------------------------------------------------------------------------------


async def test_why_it_waited_is_not_said_of_a_job_that_runs() -> None:
    world = lab()
    world.verdicts = refusals("slot", "slot", "type")
    async with console(world, (160, 30)) as seat:
        await seat.sees("no free slot (2 runners)")
        running = msgspec.structs.replace(
            world.all_jobs[52131], state="in_progress", runner=RunnerRef(id="r", name="lab-07")
        )
        world.add(running)
        world.happen("started", 52131, runner=RunnerRef(id="r", name="lab-07"))
        await seat.until(lambda: "no free slot" not in seat.text, "the note stays")


# leaving ---------------------------------------------------------------------------------------


async def test_a_list_that_was_opened_with_a_filter_is_left_with_it() -> None:
    async with console(lab()) as seat:
        await seat.press(":")
        await seat.type("queues")
        await seat.press("enter")
        await seat.sees("by QUEUE")
        await seat.press("enter")
        await seat.sees("queue:cpu")
        await seat.press("4")
        await seat.sees("state:failed")
        await seat.press("escape")
        await seat.sees("queue:cpu")
        await seat.press("escape")
        await seat.sees("by QUEUE")


async def test_q_says_where_it_leads() -> None:
    async with console(lab(), (160, 50)) as seat:
        await seat.sees("q quit")
        await seat.press("enter")
        await seat.sees("q back")


async def test_q_of_the_first_run_leaves_the_console_and_says_so() -> None:
    async with console(World()) as seat:
        await seat.sees("First run", "q quit")
        await seat.press("q")
        await seat.dialog("Leave the console?")


async def test_a_key_that_was_given_away_does_nothing_any_more() -> None:
    world = lab()
    world.set_output(52118, b"one\ntwo\n")
    config = ConsoleConfig(zone="utc", glyphs="unicode", keys={"mark_line": ("M",)})
    async with console(world, config=config) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("two")
        await seat.press("g", "m")
        assert "> one" not in seat.text
        await seat.press("M")
        await seat.sees("> one")


async def test_v_marks_a_range() -> None:
    async with console(lab()) as seat:
        await seat.press("j", "v")
        await seat.sees("v marks from here")
        await seat.press("j", "j", "v")
        await seat.sees("3 marked")
        assert "".join(line[0] for line in seat.text.splitlines()[3:9]) == " ***  "


@pytest.mark.parametrize("command", ["jobs state:foo", "jobs @wrong"])
async def test_a_command_with_a_wrong_filter_is_refused_with_the_reason(command: str) -> None:
    """Not taken: the list would stay as it is, under words that say otherwise."""
    config = ConsoleConfig(zone="utc", glyphs="unicode", filters={"wrong": "state:foo"})
    async with console(lab(), config=config) as seat:
        await seat.press(":")
        await seat.type(command)
        await seat.press("enter")
        await seat.sees("there is no state foo")
        assert seat.app.screen.crumb().filter == ""  # type: ignore[attr-defined]


async def test_a_job_that_is_found_late_does_not_come_between_a_question_and_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = lab()
    found, answer = asyncio.Event(), world.job

    async def late(job: str) -> JobDetailView:
        await found.wait()
        return await answer(job)

    async with console(world) as seat:
        monkeypatch.setattr(world, "job", late)
        await seat.press(":")
        await seat.type("52099")
        await seat.press("enter", "s")
        await seat.dialog("Stop job")
        found.set()
        await seat.settle()
        await seat.dialog("Stop job")
        assert len(seat.app.navigation.screens) == 1
