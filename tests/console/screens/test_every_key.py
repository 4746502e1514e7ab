"""Every key of the registry on every screen: with nothing to act on, one thing, and many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import pytest
from textual import events

from server.wire.operator import LateWriteView
from tests.console.screens.seeing import console
from tests.console.screens.world import NOW, World, job, queue, runner, schedule
from traffic_tui import actions
from traffic_tui.navigation import make_screen
from traffic_tui.screens.base import Place, TrafficScreen
from traffic_tui.screens.list_screen import ListScreen
from traffic_tui.widgets.dialog import ChoiceDialog, DialogScreen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.console.screens.seeing import Seat
    from traffic_tui.actions import Action, Scope

NUMBER = 52118
PLACES: dict[Scope, Place] = {
    "jobs": Place("jobs"),
    "groups": Place("groups"),
    "job": Place("job", str(NUMBER)),
    "compare": Place("compare", str(NUMBER)),
    "output": Place("output", f"{NUMBER}/0"),
    "runners": Place("runners"),
    "queues": Place("queues"),
    "schedules": Place("schedules"),
    "events": Place("events"),
    "late_writes": Place("late_writes"),
    "welcome": Place("welcome", "asked for"),
    "help": Place("help", "jobs"),
}
MUTATIONS = frozenset(
    {
        "stop",
        "resubmit",
        "reassign",
        "set_priority",
        "submit",
        "drain",
        "resume_runner",
        "forget",
        "pause_queue",
        "resume_queue",
        "limit_queue",
        "pause_schedule",
        "resume_schedule",
    }
)
"""Calls that change something at the coordinator."""
MOST_ESCAPES = 6
SECONDS = 20.0
"""How long a key may take until something is to be seen of it."""


class Case(NamedTuple):
    """A screen, and how much there is of everything."""

    scope: Scope
    amount: int

    def __str__(self) -> str:
        return f"{self.scope}-{self.amount}"


CASES = [
    Case(scope, amount)
    for scope in actions.SCOPES
    for amount in ((0,) if scope in ("welcome", "help") else (0, 1, 120))
]


def world_of(scope: Scope, amount: int) -> World:
    """A coordinator with so much of everything; a screen about a job has a job in any case."""
    world = World()
    is_about_a_job = PLACES[scope].about == str(NUMBER) or scope == "output"
    for number in range(amount):
        world.add(job(NUMBER - number, "failed" if number % 2 else "in_progress"))
        world.add_queues(queue(f"queue-{number}"))
        world.add_schedules(schedule(f"schedule-{number}"))
        world.happen("claimed", NUMBER)
        world.late.append(late_write(amount - number))
    if is_about_a_job and not amount:
        world.add(job(NUMBER, "pending"))
    if amount:
        world.set_output(NUMBER, b"".join(b"line %d\n" % n for n in range(amount)))
    runners = (
        amount if scope == "runners" else max(1, amount)
    )  # without any, the first run comes up
    for number in range(runners):
        world.add_runners(runner(f"lab-{number:02}"))
    return world


def late_write(number: int) -> LateWriteView:
    return LateWriteView(
        id=number,
        at=NOW - number,
        job="u",
        number=NUMBER,
        attempt=1,
        runner=None,
        kind="report",
        detail="try 2 has begun",
    )


@pytest.fixture(autouse=True)
def dialogs_listen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for made in (DialogScreen, ChoiceDialog):
        defaults = made.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "late_keys_seconds", 0.0)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_every_key(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # S saves there
    scope = case.scope
    world = world_of(*case)
    faults: list[str] = []
    async with console(world) as seat:
        for action in actions.available(scope):
            if is_tried(scope, action):
                screen = await at(seat, scope)
                found = await try_key(seat, screen, action)
                faults += [f"{action.keys[0]} ({action.id}): {fault}" for fault in found]
    may_change = {"pause_queue", "resume_queue", "pause_schedule", "resume_schedule"}
    assert {call[0] for call in world.calls} & MUTATIONS <= may_change
    assert not faults, "\n".join(faults)


def is_tried(scope: Scope, action: Action) -> bool:
    """Not what leaves the console, nor what starts a runner on this machine."""
    return bool(action.keys) and (scope, action.id) not in {(scope, "quit"), ("welcome", "open")}


async def at(seat: Seat, scope: Scope) -> TrafficScreen:
    """The screen, new unless it is the one that is up."""
    navigation, place = seat.app.navigation, PLACES[scope]
    screen = navigation.screens[-1]
    if seat.app.screen is screen and screen.place == place:
        return screen
    while len(seat.app.screen_stack) > 1:
        seat.app.pop_screen()
    if place != navigation.screens[0].place:
        seat.app.show_screen(make_screen(seat.app.desk, place))
    screen = navigation.screens[-1]
    await seat.until(lambda: seat.app.screen is screen and has_loaded(seat))
    return screen


def has_loaded(seat: Seat) -> bool:
    return not any(word in seat.text for word in ("Loading.", "Reading."))


async def try_key(seat: Seat, screen: TrafficScreen, action: Action) -> list[str]:
    """Press it and come back; what was wrong with that, in words."""
    faults = []
    screen._message.hush()  # what the key before said could be said again
    if isinstance(screen, ListScreen):
        screen.table.clear_marks()
    before = what_is_seen(seat)
    await tap(seat, action.keys[0])
    if is_lit(screen, action):
        try:
            async with asyncio.timeout(SECONDS):
                while what_is_seen(seat) == before:
                    await seat.pilot.pause(0.02)
        except TimeoutError:
            faults.append("is in the footer, and does nothing")
    if seat.app.unforeseen:
        faults.append(repr(seat.app.unforeseen.pop()))
    if not await comes_back(seat, screen):
        faults.append(f"esc does not lead back from {seat.app.screen}")
    return faults


async def tap(seat: Seat, key: str) -> None:
    """Press a key, and wait no longer than it takes to hear of it."""
    seat.app.post_message(events.Key(key, key if len(key) == 1 else None))
    await seat.pilot.pause(0.01)


def what_is_seen(seat: Seat) -> tuple[object, ...]:
    return (*seat.app.screen_stack, seat.text)


async def comes_back(seat: Seat, screen: TrafficScreen) -> bool:
    """Whether esc leads to the screen again, or below it."""
    for _ in range(MOST_ESCAPES):
        if screen not in seat.app.screen_stack:
            return True
        if seat.app.screen is screen and seat.app.focused is screen.main_widget():
            return True
        await tap(seat, "escape")
    return False


def is_lit(screen: TrafficScreen, action: Action) -> bool:
    """Whether the footer shows the key as one that does something."""
    key = actions.key_words(action.keys[0])
    return any(hint.is_enabled and key in hint.key.split() for hint in screen._footer.hints)
