"""The console's composition root: one client, one line to it, one clock for the screens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from textual import events
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.worker import Worker, WorkerState

from server import traits
from server.clock import SystemClock
from server.garbage import collect_seldom
from server.model import ACTIVE_STATES, WAITING_STATES
from traffic_tui.attention import Attention
from traffic_tui.client.base import ClientError
from traffic_tui.config import DEFAULT_CONFIG, ConsoleConfig, theme_folder
from traffic_tui.keymap import build_keymap
from traffic_tui.link import Link
from traffic_tui.navigation import Navigation
from traffic_tui.screens.desk import Desk
from traffic_tui.screens.dialogs import QuestionDialog
from traffic_tui.screens.jobs import JobsScreen
from traffic_tui.screens.wording import demo_quit_question, quit_question
from traffic_tui.state.clean_text import clean
from traffic_tui.state.freshness import FramePace
from traffic_tui.state.glyphs import choose_glyphs
from traffic_tui.state.row_context import RowContext
from traffic_tui.themes import FALLBACK_VARIABLES, ThemeShelf, choose_theme, native_colours
from traffic_tui.themes import register as register_themes
from traffic_tui.timed_terminal import TimedFile, TimedLinuxDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import PurePath

    from rich.console import RenderableType
    from textual.driver import Driver
    from textual.screen import Screen
    from textual.worker import WorkType

    from server.clock import Clock
    from server.wire.operator import RunnerView
    from traffic_tui.client.base import Client
    from traffic_tui.config import Place
    from traffic_tui.hang_up import HangUp
    from traffic_tui.screens.base import TrafficScreen
    from traffic_tui.screens.wording import Question

ASK_SECONDS = 0.5
"""How long a question waits for what it could say more."""
SETTLED_SECONDS = 1.0
"""After so long the first screen stands, and what the console consists of is there to stay."""
STATS_EVERY_SECONDS = 1.0
LONGEST_STATS_PAUSE_SECONDS = 10.0

Leaving: TypeAlias = Literal["detach", "stop", "keep", "hangup"]
"""How the console was left: from a coordinator elsewhere; stopping its own; keeping its own
running; because the terminal went away."""


class ConsoleCrashed(Exception):
    """The console ended without anybody leaving it; the message says what it stumbled over."""


class TrafficApp(App[Leaving], inherit_bindings=False):
    """See the module's words."""

    TITLE = "traffic-tui"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH: ClassVar[str | PurePath | list[str | PurePath] | None] = ["styles/screens.tcss"]

    def __init__(
        self,
        client: Client,
        config: ConsoleConfig = DEFAULT_CONFIG,
        *,
        clock: Clock,
        read_only: bool = False,
        server_name: str = "local",
        server_place: Place = "none",
        ascii_only: bool = False,
        data_folder: str = "",
        agent_arguments: Sequence[str] = (),
        hang_up: HangUp | None = None,
        is_demo: bool = False,
    ) -> None:
        keymap, self._key_problems = build_keymap(config.keys)
        glyphs = choose_glyphs(
            os.environ if config.glyphs != "unicode" else {"LANG": "C.UTF-8"},
            force_ascii=ascii_only or config.glyphs == "ascii",
        )
        self.navigation = Navigation(self)
        self.desk = Desk(
            client=client,
            clock=clock,
            config=config,
            link=Link(client, clock, on_news=self._stir),
            context=RowContext(now=clock.now_ms(), glyphs=glyphs, zone=config.zone),
            navigator=self.navigation,
            keymap=keymap,
            read_only=read_only or client.is_read_only,
            server_name=server_name,
            server_place=server_place,
            data_folder=data_folder,
            agent_arguments=tuple(agent_arguments),
        )
        self.navigation.desk = self.desk
        self.desk.context.quiet_limit = self.desk.gaps.limit
        self.desk.context.late_limit = config.late_limit
        self._attention: Attention | None = None
        """Set with the event loop."""
        self._pace = FramePace()
        self.unforeseen: list[BaseException | None] = []
        """Errors of the console itself."""
        self.terminal: TimedFile | None = None
        """Set by the driver, where there is a terminal to be measured."""
        self._themes = ThemeShelf()
        self._stats_due = False
        self._stats_at = clock.monotonic()
        self._clocks: list[Callable[[], object]] = []
        """What stops them."""
        self._hang_up = hang_up
        self._is_demo = is_demo
        super().__init__(ansi_color=native_colours(os.environ))
        self.animation_level = "none"

    def get_default_screen(self) -> Screen[None]:
        return JobsScreen(self.desk)

    def get_driver_class(self) -> type[Driver]:
        driver = super().get_driver_class()
        return TimedLinuxDriver if driver is LinuxDriver else driver

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(FALLBACK_VARIABLES)

    def on_mount(self) -> None:
        self._themes = register_themes(self, theme_folder())
        self.theme = choose_theme(self.desk.config.theme, os.environ, self._themes.themes)
        for error in self._themes.problems:
            self.notify(clean(str(error)), title="theme", severity="warning", markup=False)
        self.set_class(self.desk.context.glyphs.is_ascii, "-ascii")
        self._own_signals()
        self.app_resume_signal.subscribe(self, lambda _: self.repaint())
        self._attention = Attention()
        self.run_worker(self.desk.link.run(), group="link", exit_on_error=True)
        self._clocks = [
            self.run_worker(self._look(self._attention), group="look", exit_on_error=True).cancel,
            self.set_interval(1, self._tick).stop,
        ]
        if not self.is_headless:
            self.set_timer(SETTLED_SECONDS, collect_seldom)
        for problem in self._key_problems:
            self.notify(clean(problem), title="console.toml", severity="warning", markup=False)

    async def on_unmount(self) -> None:
        if self.desk.local_runner is not None:
            await self.desk.local_runner.stop()

    def exit(
        self,
        result: Leaving | None = None,
        return_code: int = 0,
        message: RenderableType | None = None,
    ) -> None:
        """The clocks stop first: screens go one by one, and there is nothing left to paint."""
        for stop in self._clocks:
            stop()
        super().exit(result, return_code, message)

    def _own_signals(self) -> None:
        """The terminal going away, and being told to end, are ways of leaving."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.exit, "stop")
        if self._hang_up is not None:
            self._hang_up.listen(lambda: self._leave_terminal(loop))

    def _leave_terminal(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: it was left before
            loop.call_soon_threadsafe(self.exit, "hangup")

    # the two clocks ---------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent):
            self._stir()
        await super().on_event(event)

    def _stir(self) -> None:
        if self._attention is not None:
            self._attention.stir()

    async def _look(self, attention: Attention) -> None:
        while True:
            top = self.navigation.top
            await attention.pause(
                is_busy=top is not None and top.is_behind and self.desk.link.state == "live",
                most_a_second=self._pace.frames_per_second,
            )
            self._drain()

    def _drain(self) -> None:
        """What was heard goes to the screens, less often on a slow line."""
        self._measure_pace()
        heard = self.desk.link.take()
        if heard:
            self._stats_due = True
        for screen in self.navigation.screens:
            screen.heard(heard)
        self._load_stats_when_due()

    def _measure_pace(self) -> None:
        if self.terminal is not None:
            self._pace.wrote(self.terminal.take(), self.desk.clock.monotonic())
            self.desk.pace = self._pace.words

    def _tick(self) -> None:
        """Once a second: ages, the clock, whether anything is heard at all, changed themes."""
        context, link, top = self.desk.context, self.desk.link, self.navigation.top
        if top is None:
            return
        context.now = self.desk.clock.now_ms() + self.desk.clock_offset_ms
        context.is_stale = link.is_stale
        top.tick()
        self._themes.take_up_changes(self)

    def _load_stats_when_due(self) -> None:
        waited = self.desk.clock.monotonic() - self._stats_at
        limit = STATS_EVERY_SECONDS if self._stats_due else LONGEST_STATS_PAUSE_SECONDS
        if waited >= limit and self.desk.link.state == "live":
            self._stats_due, self._stats_at = False, self.desk.clock.monotonic()
            work: WorkType[None] = self._load_stats
            self.run_worker(work, group="stats", exclusive=True, exit_on_error=False)

    async def _load_stats(self) -> None:
        try:
            stats = await self.desk.link.load_stats()
        except ClientError:
            return  # the line to the coordinator finds out by itself, and says so
        self.desk.clock_offset_ms = stats.now - self.desk.clock.now_ms()
        if (top := self.navigation.top) is not None:
            top.show_lines()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """The boundary for what nobody foresaw: told, and kept for whoever looks into it."""
        if event.state == WorkerState.ERROR:
            error = event.worker.error
            self.unforeseen.append(error)
            self.notify(
                f"this is a bug of the console: {error!r}"[:400],
                severity="error",
                timeout=30,
                markup=False,
            )

    def why_it_ended(self) -> str:
        """What the console stumbled over last, in one line."""
        error = self._exception or (self.unforeseen[-1] if self.unforeseen else None)
        return f"{type(error).__name__}: {error}" if error is not None else "it was ended"

    # what navigation asks for -----------------------------------------------------------------

    def show_screen(self, screen: TrafficScreen) -> None:
        self.push_screen(screen)

    def drop_screen(self) -> None:
        self.pop_screen()

    def swap_zone(self) -> None:
        context = self.desk.context
        context.zone = "utc" if context.zone == "local" else "local"
        for screen in self.navigation.screens:
            screen.zone_changed()

    def repaint(self) -> None:
        self.refresh(layout=True, repaint=True)
        self.screen.refresh(layout=True, repaint=True)

    def use_theme(self, name: str) -> None:
        if name not in self.available_themes:
            known = ", ".join(self._themes.themes)  # Textual's own can be named, too
            self.navigation.screens[-1].say(f"themes: {known}", "warn")
            return
        self.theme = name

    def leave_console(self) -> None:
        work: WorkType[None] = self._leave  # made when it begins: the end may come before
        self.run_worker(work, group="leave", exclusive=True, exit_on_error=False)

    async def _leave(self) -> None:
        """Ask first, if the coordinator would end with the console."""
        if not self.desk.client.is_embedded:
            self.exit("detach")
            return
        question = demo_quit_question() if self._is_demo else await self._quit_question()
        dialog = QuestionDialog(question, with_reason=False, glyphs=self.desk.context.glyphs)
        answer = await self.push_screen_wait(dialog)
        if answer is not None:
            self.exit("keep" if answer.value == "keep" else "stop")

    async def _quit_question(self) -> Question:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                runners = (await self.desk.client.runners()).runners
        except (ClientError, TimeoutError):  # leaving is possible whatever the coordinator says
            runners = []
        ending = sum(one.busy for one in runners if not _keeps_jobs(one))
        counts = self.desk.link.stats.counts if self.desk.link.stats else {}
        active = sum(counts.get(state, 0) for state in ACTIVE_STATES)
        waiting = sum(counts.get(state, 0) for state in WAITING_STATES)
        return quit_question(active, waiting, ending, self.desk.client.url)


def _keeps_jobs(runner: RunnerView) -> bool:
    """Whether its jobs run on while the coordinator is away."""
    known = traits.ALL.get(runner.protocol)
    return known is None or known.keeps_jobs


def run_console(
    client: Client,
    config: ConsoleConfig = DEFAULT_CONFIG,
    *,
    read_only: bool = False,
    ascii_only: bool = False,
    server_name: str = "local",
    server_place: Place = "none",
    data_folder: str = "",
    agent_arguments: Sequence[str] = (),
    hang_up: HangUp | None = None,
    is_demo: bool = False,
) -> Leaving:
    """Run the console in this terminal to its end; the caller closes the client.

    ``hang_up`` hears of the terminal going away; of a demo nothing can be kept.
    """
    app = TrafficApp(
        client,
        config,
        clock=SystemClock(),
        read_only=read_only,
        ascii_only=ascii_only,
        server_name=server_name,
        server_place=server_place,
        data_folder=data_folder,
        agent_arguments=agent_arguments,
        hang_up=hang_up,
        is_demo=is_demo,
    )
    leaving = app.run()
    if leaving is None:
        raise ConsoleCrashed(app.why_it_ended())
    return leaving
