"""The ways between screens: a stack to go back through, and one step to the last view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from traffic_tui.actions import key_words
from traffic_tui.screens.base import Place, TrafficScreen
from traffic_tui.screens.compare import CompareScreen
from traffic_tui.screens.groups import GroupsScreen
from traffic_tui.screens.happenings import EventsScreen, LateWritesScreen
from traffic_tui.screens.job import JobScreen
from traffic_tui.screens.jobs import JobsScreen
from traffic_tui.screens.key_help import HelpScreen
from traffic_tui.screens.output import OutputScreen
from traffic_tui.screens.pick_dialog import PickDialog
from traffic_tui.screens.queues import QueuesScreen
from traffic_tui.screens.runners import RunnersScreen
from traffic_tui.screens.schedules import SchedulesScreen
from traffic_tui.screens.welcome import WelcomeScreen
from traffic_tui.screens.wording import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import Screen

    from traffic_tui.actions import Action, Scope
    from traffic_tui.screens.desk import Desk
    from traffic_tui.screens.dialogs import Answer


ASKED_FOR = "asked for"
"""The first run, asked for: it stays although there are jobs."""


class ScreenStack(Protocol):
    """What navigation needs of the application."""

    @property
    def screen_stack(self) -> list[Screen[object]]: ...

    def show_screen(self, screen: TrafficScreen) -> None: ...

    def drop_screen(self) -> None: ...

    def leave_console(self) -> None: ...

    def use_theme(self, name: str) -> None: ...

    def swap_zone(self) -> None: ...

    def repaint(self) -> None: ...


class Navigation:
    """The :class:`~traffic_tui.screens.desk.Navigator` of the console."""

    def __init__(self, stack: ScreenStack) -> None:
        self._stack = stack
        self._last: Place | None = None
        self.desk: Desk | None = None
        """Set once the desk is there: it holds this navigation in turn."""

    # the stack --------------------------------------------------------------------------------

    @property
    def screens(self) -> list[TrafficScreen]:
        """The console's own screens, without dialogs, the uppermost last."""
        return [one for one in self._stack.screen_stack if isinstance(one, TrafficScreen)]

    @property
    def top(self) -> TrafficScreen | None:
        """The uppermost screen. None while they are taken down: what runs by the clock may still
        come round then, keys cannot."""
        screens = self.screens
        return screens[-1] if screens else None

    def go(self, place: Place) -> None:
        """Go back to a screen that is open, else open it on top."""
        here = self.screens[-1]
        if here.place == place:
            return
        self._last = here.place
        if any(one.place == place for one in self.screens):
            while self.screens[-1].place != place:
                self._stack.drop_screen()
        else:
            self._stack.show_screen(self._made(place))

    def _made(self, place: Place) -> TrafficScreen:
        assert self.desk is not None
        return make_screen(self.desk, place)

    # the navigator ----------------------------------------------------------------------------

    def show_jobs(self, filter_text: str) -> None:
        here = self.screens[-1]
        if isinstance(here, JobsScreen) and filter_text:
            here.set_filter(filter_text)
        elif isinstance(here, JobsScreen) and here.place == Place("jobs"):
            here.show_home()
        else:
            self.go(Place("jobs", filter_text))

    def show_groups(self, filter_text: str) -> None:
        self.go(Place("groups", filter_text))

    def show_job(self, number: int) -> None:
        self.go(Place("job", str(number)))

    def show_tries(self, number: int) -> None:
        self.go(Place("compare", str(number)))

    def show_output(self, number: int, attempt: int) -> None:
        self.go(Place("output", f"{number}/{attempt}"))

    def show_runners(self) -> None:
        self.go(Place("runners"))

    def show_queues(self) -> None:
        self.go(Place("queues"))

    def show_schedules(self) -> None:
        self.go(Place("schedules"))

    def show_events(self, job: int) -> None:
        self.go(Place("events", str(job) if job else ""))

    def show_late_writes(self) -> None:
        self.go(Place("late_writes"))

    def show_welcome(self) -> None:
        self.go(Place("welcome", ASKED_FOR))

    def show_help(self, scope: Scope) -> None:
        self.go(Place("help", scope))

    def show_last_view(self) -> None:
        if self._last is None:
            self.screens[-1].say("this is the first view")
        else:
            self.go(self._last)

    def first_list_loaded(self, job_count: int) -> None:
        assert self.desk is not None
        stats = self.desk.link.stats
        if job_count == 0 and stats is not None and not any(stats.runners.values()):
            self.go(Place("welcome"))

    def has_screen_below(self) -> bool:
        return len(self.screens) > 1

    def back(self) -> None:
        if len(self.screens) > 1:
            self.leave()
        else:
            self.screens[-1].say("this is the first screen; q leaves the console")

    def leave(self) -> None:
        if len(self.screens) > 1:
            self._last = self.screens[-1].place
            self._stack.drop_screen()
        else:
            self._stack.leave_console()

    def quit(self) -> None:
        self._stack.leave_console()

    def use_theme(self, name: str) -> None:
        self._stack.use_theme(name)

    def swap_zone(self) -> None:
        self._stack.swap_zone()

    def repaint(self) -> None:
        self._stack.repaint()

    # the palette ------------------------------------------------------------------------------

    def show_palette(self, scope: Scope) -> None:
        screen = self.screens[-1]
        screen.act(self._palette(screen, scope))

    async def _palette(self, screen: TrafficScreen, scope: Scope) -> None:
        assert self.desk is not None
        particular = sorted(self.desk.actions(scope), key=lambda action: len(action.scope))
        found = {action.id: action for action in particular if not action.takes}
        rows = [Target(action.id, self._name(action), action.help) for action in found.values()]
        dialog = PickDialog("Do what?", (), rows, verb="does it", glyphs=self.desk.context.glyphs)
        answer: Answer | None = await screen.ask(dialog)
        if answer is not None:
            screen.perform(found[answer.value])

    def _name(self, action: Action) -> str:
        assert self.desk is not None
        keys = self.desk.keymap.keys_of(action)
        return f"{key_words(keys[0]) if keys else '':<8}{action.words}"


def make_screen(desk: Desk, place: Place) -> TrafficScreen:
    """The screen for a place."""
    about = place.about
    makers: dict[Scope, Callable[[], TrafficScreen]] = {
        "jobs": lambda: JobsScreen(desk, about),
        "groups": lambda: GroupsScreen(desk, about),
        "job": lambda: JobScreen(desk, int(about)),
        "compare": lambda: CompareScreen(desk, int(about)),
        "output": lambda: OutputScreen(desk, *map(int, about.split("/"))),
        "runners": lambda: RunnersScreen(desk),
        "queues": lambda: QueuesScreen(desk),
        "schedules": lambda: SchedulesScreen(desk),
        "events": lambda: EventsScreen(desk, about),
        "late_writes": lambda: LateWritesScreen(desk),
        "welcome": lambda: WelcomeScreen(desk, about),
        "help": lambda: HelpScreen(desk, about),
    }
    return makers[place.kind]()
