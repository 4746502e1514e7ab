"""The tries of a job side by side."""

from __future__ import annotations

from tests.console.screens.seeing import console
from tests.console.screens.test_goldens import set_lines, tried_twice
from tests.console.screens.world import World, job
from traffic_tui.screens.compare import CompareScreen


async def test_brackets_go_from_pair_to_pair() -> None:
    async with console(tried_twice()) as seat:
        await seat.press("enter")
        await seat.sees("exit 137")
        await seat.press("c")
        await seat.sees("tries 2 and 3", "differs from line 14")
        await seat.press("]")
        await seat.sees("there is no newer try")
        await seat.press("[")
        await seat.sees("tries 1 and 2", "differs from line 8", "decode tile 0007")
        await seat.press("[")
        await seat.sees("there is no older try")
        await seat.press("l")
        await seat.sees("output of 52118, try 2")
        await seat.press("q", "q")
        await seat.sees("Jobs / 52118 resize-images  ")


async def test_the_cursor_is_where_they_begin_to_differ_and_y_copies_the_line() -> None:
    async with console(tried_twice()) as seat:
        seat.app.navigation.show_tries(52118)
        await seat.sees("differs from line 14")
        assert "no space left" in seat.text.splitlines()[-2]
        await seat.press("right")
        await seat.until(lambda: "OSError: no" in seat.text.splitlines()[-2])
        await seat.press("y")
        await seat.sees("copied the line")


async def test_a_try_that_still_runs_is_compared_as_far_as_it_is() -> None:
    world = tried_twice()
    world.all_jobs[52118].state = "in_progress"
    newest = world.attempts[52118][0]
    newest.state, newest.outcome, newest.error, newest.ended_at = "running", None, None, 0
    set_lines(world, 3, [f"04:40:{number:02} decode tile {number:04}" for number in range(5)])
    async with console(world) as seat:
        seat.app.navigation.show_tries(52118)
        await seat.sees("all 5 lines are the same so far, but for numbers")
        read = len(seat.world.asked("output"))
        longer = [f"04:40:{number:02} decode tile {number:04}" for number in range(6)]
        set_lines(world, 3, [*longer, "something else"])
        newest.state, newest.ended_at = "ended", newest.started_at + 1_000
        world.clock.advance(5)
        world.happen("completed", 52118)
        await seat.sees("differs from line 7 on", "something else")
        assert seat.world.asked("output")[read][4] > 0, "it was read from its beginning again"


async def test_output_that_is_replaced_is_compared_anew() -> None:
    world = tried_twice()
    newest = world.attempts[52118][0]
    newest.state, newest.ended_at = "running", 0
    set_lines(world, 3, ["03:12:00 decode tile 0000"])
    async with console(world) as seat:
        seat.app.navigation.show_tries(52118)
        await seat.sees("the one line is the same so far")
        set_lines(world, 3, ["another text"])
        world.generation = 1
        for _ in range(2):
            world.clock.advance(5)
            world.happen("stop_requested", 52118)
            await seat.settle()
        await seat.sees("differs from line 1 on", "another text")


async def test_each_stream_is_compared_by_itself() -> None:
    world = tried_twice()
    for number in (2, 3):
        world.set_output(52118, b"warn: low memory\n", try_=number, stream="stderr")
    async with console(world) as seat:
        seat.app.navigation.show_tries(52118)
        await seat.sees("stdout: differs")
        await seat.press("tab")
        await seat.sees("stderr: the one line is the same", "They do not differ in any line.")


async def test_with_one_try_there_is_nothing_to_compare() -> None:
    world = World()
    world.add(job(7, "completed"))
    async with console(world) as seat:
        await seat.press("enter")
        await seat.sees("7 resize-images")
        await seat.press("c")
        await seat.sees("a second try is needed")
        seat.app.navigation.show_tries(7)
        await seat.sees("One try was made")
        screen = seat.app.screen
        assert isinstance(screen, CompareScreen)
        await seat.press("[", "]", "tab", "l", "y")


async def test_what_outputs_say_does_no_harm() -> None:
    world = tried_twice()
    set_lines(world, 3, ["\x1b[31m[bold]red[/nope]\x1b]0;title\x07", "\x00" * 50, "x" * 100_000])
    async with console(world, (160, 50)) as seat:
        seat.app.navigation.show_tries(52118)
        await seat.sees("differs from line 1 on", "[bold]red[/nope]")


async def test_tries_that_do_not_differ_are_named_all_the_same() -> None:
    world = tried_twice()
    for number in (2, 3):
        world.set_output(52118, b"the same\n", try_=number)
    async with console(world, (160, 50)) as seat:
        seat.app.navigation.show_tries(52118)
        await seat.sees("They do not differ in any line.", "LINE TRY 2", "LINE TRY 3")
