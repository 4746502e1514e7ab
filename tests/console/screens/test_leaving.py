"""Ways out of the console, also those nobody wished for; and where the console sits."""

from __future__ import annotations

import gc

import pytest

from tests.console.screens.seeing import console, lab
from tests.console.screens.world import World, runner
from traffic_tui.app import ConsoleCrashed, TrafficApp, run_console
from traffic_tui.screens.header import header_state, measured_buckets
from traffic_tui.screens.runners import RunnersScreen
from traffic_tui.widgets.header import header_spans


async def test_on_the_first_run_the_first_q_leaves() -> None:
    world = World()
    async with console(world) as seat:
        await seat.sees("Start a runner on this box")
        await seat.press("q")
        await seat.dialog("Leave the console?", "Start a runner on this box")
        await seat.press("k")
        await seat.until(lambda: seat.app.return_value == "keep", "it is not left")


async def test_jobs_that_end_with_the_coordinator_are_told() -> None:
    world = lab()
    world.all_runners["r9"] = runner("py/0", protocol="rrq", busy=2)
    async with console(world) as seat:
        await seat.press("q")
        await seat.dialog(
            "Leave the console?", "stop it and 2 jobs, to be run again when it is back"
        )


@pytest.mark.parametrize("line", ["/", ":"])
async def test_ctrl_q_leaves_from_a_line_of_text_as_well(line: str) -> None:
    async with console(lab()) as seat:
        await seat.press(line)
        await seat.type("q")
        await seat.press("ctrl+q")
        await seat.dialog("Leave the console?")


async def test_two_quick_q_leave_without_a_word_of_pythons() -> None:
    """Work that is given up before it began would be complained of when it is collected."""
    world = lab()
    world.is_embedded = False
    async with console(world) as seat:
        await seat.burst("qqqq")
        await seat.until(lambda: seat.app.return_value == "detach")
    gc.collect()


async def test_a_demo_cannot_be_kept() -> None:
    async with console(lab(), is_demo=True) as seat:
        await seat.press("q")
        await seat.dialog("Leave the demo?", "end with it, and leave")
        assert "keep it running" not in seat.text
        await seat.press("k")
        assert seat.app.return_value is None
        await seat.press("y")
        await seat.until(lambda: seat.app.return_value == "stop", "it is not left")


async def test_a_first_run_that_was_asked_for_is_one_screen_of_many() -> None:
    async with console(lab()) as seat:
        await seat.press(":")
        await seat.type("welcome")
        await seat.press("enter")
        await seat.sees("Start a runner on this box")
        await seat.press("q")
        await seat.sees("52118")
        assert seat.app.return_value is None


async def test_the_first_run_counts_the_runners_that_are_there() -> None:
    world = World()
    world.add_runners(
        runner("lab-07"), runner("lab-31", state="lost"), runner("lab-40", state="gone")
    )
    async with console(world) as seat:
        await seat.sees("runners 1/2")
        seat.app.navigation.show_welcome()
        await seat.sees("First run", "1 runner connected.")


async def test_a_clock_that_comes_round_once_more_finds_no_screen_and_does_nothing() -> None:
    async with console(lab()) as seat:
        app = seat.app
    assert app.navigation.top is None
    app._tick()
    app._drain()
    await app._load_stats()


def test_a_crash_is_no_way_of_leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbles(app: TrafficApp) -> None:
        app.unforeseen.append(ValueError("what nobody foresaw"))

    monkeypatch.setattr(TrafficApp, "run", stumbles)
    with pytest.raises(ConsoleCrashed, match="ValueError: what nobody foresaw"):
        run_console(World().client)


async def test_a_place_colours_the_name_of_the_server() -> None:
    async with console(lab(), server_name="prod", server_place="production") as seat:
        first = header_spans(header_state(seat.app.desk), 80, seat.app.desk.context.glyphs)[0]
        assert first == (" prod ", "place_production")


async def test_what_was_over_before_the_start_was_not_measured() -> None:
    stats = await lab().stats()
    minute = 60_000
    begun = stats.now - stats.now % (2 * minute) - 3 * minute
    young = type(stats)(
        **{field: getattr(stats, field) for field in stats.__struct_fields__}
        | {"started_at": begun, "done_buckets": [0] * 13 + [4, 0]}
    )
    assert measured_buckets(young) == (None,) * 13 + (4, 0)


async def test_what_comes_in_for_a_screen_that_is_gone_is_not_painted() -> None:
    async with console(lab(), size=(160, 50)) as seat:
        await seat.press(":")
        await seat.type("runners")
        await seat.press("enter")
        await seat.sees("jobs of ")
        screen = seat.app.navigation.top
        assert isinstance(screen, RunnersScreen)
    screen._held.paint()
