"""When nothing may be changed, or nothing is known: read-only, stale, refused, lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.wire.operator import NoticeView
from tests.console.screens.seeing import console, lab
from tests.console.screens.world import World, job, runner
from traffic_tui.actions import ACTIONS
from traffic_tui.attention import Attention
from traffic_tui.client.base import KeepAlive, Resync
from traffic_tui.config import ConsoleConfig
from traffic_tui.screens.jobs import JobsScreen

if TYPE_CHECKING:
    from tests.console.screens.seeing import Seat

HOSTILE = (
    "x[/nope]",
    "[red]boo[/red]",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "a\tb\nc\rd\x00e",
    "wide 漢字漢字漢字漢字漢字漢字漢字漢字 end",
    "e" + "\u0301" * 500,
    "\u202eevil\u202c",
    "y" * 100_000,
)


async def test_read_only_has_no_key_that_changes_anything() -> None:
    async with console(lab(), read_only=True) as seat:
        await seat.sees("read-only")
        for key in ("s", "a", "r", "R", "+"):
            await seat.press(key)
        await seat.pilot.pause(0.1)
        assert len(seat.app.screen_stack) == 1
        await seat.press(":", *"stop", "enter")
        await seat.sees(":stop changes something, and this console is read-only")
        names = {action.id for action in ACTIONS if action.is_mutation}
        assert not names & {call[0] for call in seat.world.calls}
        assert "s stop" not in seat.text


async def test_silence_is_told_and_holds_actions_back() -> None:
    async with console(lab()) as seat:
        await seat.sees("● live")
        seat.world.is_reachable = False
        seat.world.clock.advance(14)
        await seat.sees("○ stale 14s", "12m?")
        await seat.press("s")
        await seat.sees("stop: nothing heard from the coordinator for 14s")
        assert len(seat.app.screen_stack) == 1
        seat.world.is_reachable = True
        seat.world.send(KeepAlive())
        await seat.sees("● live")
        await seat.press("s")
        await seat.dialog("Stop job")


async def test_silence_makes_what_a_job_does_doubtful() -> None:
    async with console(lab()) as seat:
        await seat.press("j", "j", "enter")
        await seat.sees("running for 12m40\n", "quiet 4s\n")
        seat.world.is_reachable = False
        seat.world.clock.advance(14)
        await seat.sees("running for 12m54?", "quiet 18s?")


async def test_a_lost_coordinator_is_told_and_taken_up_again() -> None:
    async with console(lab()) as seat:
        seat.world.cut()
        await seat.sees("○ stale")
        await seat.press("s")
        await seat.sees("not connected: ")
        seat.world.is_reachable = True
        seat.world.add(job(60_500, "pending"))
        seat.world.clock.advance(1)
        await seat.sees("● live", "60500")


async def test_a_coordinator_that_was_never_there_is_named() -> None:
    world = World()
    world.is_reachable = False
    app_world = world
    from traffic_tui.app import TrafficApp

    app = TrafficApp(app_world.client, ConsoleConfig(), clock=app_world.clock)
    async with app.run_test(size=(100, 24)) as pilot:
        from tests.console.screens.seeing import Seat

        seat = Seat(app, app_world, pilot)
        await seat.sees("Not connected to http://127.0.0.1:8700, next try in", "s: nobody answers")
        app_world.is_reachable = True
        await seat.sees("Nothing is connected to it yet")


async def test_a_list_that_nobody_can_load_now_keeps_nobody_looking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[bool] = []
    pause = Attention.pause

    async def noted(attention: Attention, *, is_busy: bool, most_a_second: int) -> None:
        waits.append(is_busy)
        await pause(attention, is_busy=is_busy, most_a_second=most_a_second)

    monkeypatch.setattr(Attention, "pause", noted)
    async with console(lab()) as seat:
        seat.world.cut()
        await seat.sees("○ stale")
        top = seat.app.navigation.top
        assert isinstance(top, JobsScreen)
        top._catch_up.is_outdated = True
        waits.clear()
        await seat.until(lambda: len(waits) > 3)
        assert top.is_behind
        assert not any(waits)


async def test_new_jobs_and_changes_appear_by_themselves() -> None:
    world = lab()
    async with console(world) as seat:
        world.add(job(52140, "pending", type="fresh-one"))
        world.happen("submitted", 52140)
        world.clock.advance(1)
        await seat.sees("52140", "fresh-one", "8 jobs")
        world.all_jobs[52118].progress = None
        world.all_jobs[52118].phase = "booting"
        world.send(NoticeView(kind="progress", number=52118, attempt=1))
        await seat.until(lambda: "61%" not in row(seat, "52118"))


async def test_only_what_is_in_view_is_loaded_again() -> None:
    world = lab()
    world.add(*(job(number, "completed") for number in range(1, 300)))
    async with console(world) as seat:
        before = len(world.asked("jobs"))
        for number in (1, 2, 3):
            world.send(NoticeView(kind="progress", number=number, attempt=1))
        world.send(NoticeView(kind="progress", number=52118, attempt=1))
        await seat.until(lambda: len(world.asked("jobs")) > before)
        await seat.settle()
        asked = [call[5] for call in world.asked("jobs")[before:]]
        assert [numbers for numbers in asked if numbers] == [(52118,)]


async def test_something_missed_loads_the_list_anew() -> None:
    world = lab()
    async with console(world) as seat:
        world.add(job(52150, "pending"))
        world.clock.advance(1)
        world.send(Resync())
        await seat.sees("52150")


async def test_the_cursor_stays_on_its_row_when_others_come() -> None:
    world = lab()
    async with console(world) as seat:
        await seat.press("j", "j")
        world.add(job(52141, "pending"), job(52142, "pending"))
        world.happen("submitted", 52141, 52142)
        world.clock.advance(1)
        await seat.sees("9 jobs")
        assert seat.app.navigation.screens[0].table.cursor_key == 52118  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_text_does_no_harm_anywhere(text: str, size: tuple[int, int]) -> None:
    world = World()
    world.add_runners(runner(text, labels={text: text}, types=[text], address=text))
    bad = job(1, "failed", type=text, queue=text, owner=text, params={text: text})
    assert bad.error is not None
    bad.error.message = text
    world.add(bad)
    world.set_output(1, (text + "\n").encode("utf-8", "replace") * 3)
    world.happen("failed", 1, actor=text, reason=text)
    world.summary = text
    async with console(world, size) as seat:
        await seat.press("s", "e")
        await seat.dialog()
        await seat.press("escape", "r")
        await seat.dialog()
        await seat.press("escape", "enter")
        await seat.sees("Jobs / 1")
        await seat.press("l", "q", "E")
        await seat.sees("Events")
        await seat.press(":", *"runners", "enter")
        await seat.sees("Runners")
        await seat.press("e")
        await seat.dialog()
        check(seat)
        await seat.press("escape", "enter")
        await seat.until(lambda: seat.app.navigation.screens[-1].scope == "jobs")
        check(seat)


def check(seat: Seat) -> None:
    """Nothing that moves the cursor, and no line that is wider than the screen."""
    for line in seat.text.splitlines():
        assert line.isprintable(), line
        assert "\u202e" not in line


def row(seat: Seat, number: str) -> str:
    return next((line for line in seat.text.splitlines() if number in line), "")


async def test_a_small_terminal_gets_a_note() -> None:
    async with console(lab(), (80, 24)) as seat:
        await seat.pilot.resize_terminal(50, 12)
        await seat.sees("50x12 is too small")
        assert "52118" not in seat.text
        await seat.pilot.resize_terminal(80, 24)
        await seat.sees("52118")


async def test_a_theme_that_is_not_known_is_answered_with_those_that_are_ours() -> None:
    async with console(lab()) as seat:
        await seat.burst(":theme nope\n")
        await seat.sees("themes: ansi, dark, deuteranopia, high-contrast, light, mono, tritanopia")
        await seat.burst(":theme light\n")
        await seat.until(lambda: seat.app.theme == "light")


async def test_pasted_text_is_no_keys() -> None:
    from textual.events import Paste

    async with console(lab()) as seat:
        seat.app.post_message(Paste("s y q\n"))
        await seat.pilot.pause(0.1)
        assert len(seat.app.screen_stack) == 1
        assert seat.world.asked("stop") == []


async def test_an_operators_keys_and_problems_with_them() -> None:
    config = ConsoleConfig(
        zone="utc", glyphs="unicode", keys={"stop": ("x",), "edit": ("r",), "nonsense": ("n",)}
    )
    async with console(lab(), (100, 30), config) as seat:
        await seat.sees("x stop", "there is no such action", "already means resubmit")
        await seat.press("x")
        await seat.dialog("Stop job")


async def test_leaving_an_attached_console_asks_nothing() -> None:
    world = lab()
    world.is_embedded = False
    async with console(world) as seat:
        await seat.press("q")
        await seat.until(lambda: seat.app.return_value is not None)
        assert seat.app.return_value == "detach"


@pytest.mark.parametrize(("key", "value"), [("s", "stop"), ("k", "keep")])
async def test_leaving_with_a_coordinator_inside_asks_first(key: str, value: str) -> None:
    async with console(lab()) as seat:
        await seat.press("escape")
        await seat.sees("q leaves the console")
        await seat.press("q")
        await seat.dialog("runs in this window", "3 jobs running, 2 waiting")
        await seat.press("escape")
        await seat.pilot.pause()
        assert seat.app.return_value is None
        await seat.press("ctrl+q")
        await seat.dialog("Leave the console?")
        await seat.press(key)
        await seat.until(lambda: seat.app.return_value is not None)
        assert seat.app.return_value == value
