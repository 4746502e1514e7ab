"""A console on a made-up coordinator: start it, press keys, read the screen."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from textual import events

from server.wire.schedules import ScheduledJobView
from tests.console.screens.world import NOW, World, job, queue, runner, schedule
from traffic_tui.app import TrafficApp
from traffic_tui.config import ConsoleConfig
from traffic_tui.screens.jobs import JobsScreen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.pilot import Pilot

DEADLINE_SECONDS = 15.0


def screen_text(app: TrafficApp) -> str:
    """The screen as lines of text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


class Seat:
    """Where a test sits: the console, its keys, and the coordinator behind it."""

    def __init__(self, app: TrafficApp, world: World, pilot: Pilot[Any]) -> None:
        self.app = app
        self.world = world
        self.pilot = pilot

    @property
    def text(self) -> str:
        return screen_text(self.app)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def burst(self, text: str, *, then: str = "") -> None:
        """Keys that come in all at once, as over a slow line; a line break is enter. ``then``: one
        more that is no letter."""
        names = {"\n": "enter", "\t": "tab"}
        for letter in text:
            self.app.post_message(events.Key(names.get(letter, letter), letter))
        if then:
            self.app.post_message(events.Key(then, None))
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*("space" if letter == " " else letter for letter in text))

    async def until(self, condition: Callable[[], object], why: str = "") -> None:
        """Wait for a condition; at the deadline the screen is told."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not condition():
                    await self.pilot.pause(0.02)
        except TimeoutError:
            raise AssertionError(f"{why or 'never came'}; the screen says:\n{self.text}") from None

    async def settle(self) -> None:
        """Wait until nothing is loaded or painted any more."""
        calls, text = -1, ""
        while calls != len(self.world.calls) or text != self.text:
            calls, text = len(self.world.calls), self.text
            await self.pilot.pause(0.35)

    async def sees(self, *words: str) -> None:
        """Wait until all these words are on the screen."""
        await self.until(lambda: all(word in self.text for word in words), f"not seen: {words}")

    async def asks(self, name: str, count: int = 1) -> list[tuple[Any, ...]]:
        """Wait until the coordinator was asked for something."""
        await self.until(lambda: len(self.world.asked(name)) >= count, f"{name} never asked")
        return self.world.asked(name)

    async def dialog(self, *words: str) -> None:
        """Wait for a dialog that listens."""
        await self.until(lambda: getattr(self.app.screen, "is_awake", False), "no dialog")
        await self.sees(*words)


@contextlib.asynccontextmanager
async def console(
    world: World,
    size: tuple[int, int] = (80, 24),
    config: ConsoleConfig | None = None,
    **options: Any,
) -> AsyncIterator[Seat]:
    """A running console that has loaded its first list."""
    config = config or ConsoleConfig(zone="utc", glyphs="unicode")
    app = TrafficApp(world.client, config, clock=world.clock, **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        seat = Seat(app, world, pilot)
        first = app.navigation.screens[0]
        assert isinstance(first, JobsScreen)
        await seat.until(lambda: first.pages.is_loaded, "the list was never loaded")
        await pilot.pause()
        yield seat
        assert app.unforeseen == []


def lab() -> World:
    """A world with a bit of everything."""
    world = World()
    world.add_runners(
        runner("lab-07"),
        runner(
            "lab-03",
            state="quiet",
            busy=4,
            quiet_since=NOW - 41 * 60_000,
            busy_minutes=[4.0] * 15,
        ),
        runner("lab-19", state="draining", busy=1, draining_since=NOW, drained_by="sam"),
        runner(
            "lab-31",
            state="lost",
            busy=3,
            last_seen_at=NOW - 240_000,
            busy_minutes=[3.0] * 11 + [None] * 4,
        ),
    )
    world.add_schedules(
        schedule("nightly"),
        schedule(
            "every-minute",
            cron="*/10 * * * * *",
            time_zone="UTC",
            type="fetch-tiles",
            queue="gpu",
            next_at=NOW + 9_000,
            last_job=ScheduledJobView(id="job-52090", number=52090, state="failed"),
            fired=120_400,
        ),
        schedule(
            "first-of-month",
            cron="0 9 1 * *",
            next_at=0,
            last_job=None,
            fired=0,
            skipped=0,
            paused_at=NOW - 90 * 60_000,
            paused_by="sam",
            pause_reason="audit [red]",
        ),
    )
    world.add_queues(queue("gpu"), queue("cpu", waiting=0, oldest_pending_at=0, active=0))
    world.add(
        job(52131, "pending", type="train-nightly"),
        job(52127, "claimed", progress=None),
        job(52118),
        job(52102, "stopping", type="train-nightly"),
        job(52099, "scheduled", type="fetch-tiles"),
        job(52090, "failed", type="train-nightly"),
        job(52081, "completed"),
    )
    return world
