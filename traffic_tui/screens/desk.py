"""What every screen works with, handed to it by the application.

Screens know neither the application nor each other: they ask the navigator for another screen,
by what is to be seen there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from traffic_tui import actions
from traffic_tui.keymap import DEFAULT_KEYMAP, Keymap
from traffic_tui.state.clean_text import clean
from traffic_tui.state.estimate import UsualGaps, UsualRunTimes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.clock import Clock
    from server.wire.operator import JobView, RunnerView
    from traffic_tui.actions import Action, Scope
    from traffic_tui.client.base import Client
    from traffic_tui.config import ConsoleConfig, Place
    from traffic_tui.link import Link
    from traffic_tui.local_runner import LocalRunner
    from traffic_tui.state.row_context import RowContext


class Navigator(Protocol):
    """The ways from one screen to another."""

    def show_jobs(self, filter_text: str) -> None: ...

    def show_groups(self, filter_text: str) -> None:
        """The jobs of a filter by what went wrong."""
        ...

    def show_job(self, number: int) -> None: ...

    def show_tries(self, number: int) -> None:
        """The tries of a job side by side."""
        ...

    def show_output(self, number: int, attempt: int) -> None: ...

    def show_runners(self) -> None: ...

    def show_queues(self) -> None: ...

    def show_schedules(self) -> None: ...

    def show_events(self, job: int) -> None:
        """0: the events of all jobs."""
        ...

    def show_late_writes(self) -> None: ...

    def show_welcome(self) -> None: ...

    def show_help(self, scope: Scope) -> None: ...

    def show_palette(self, scope: Scope) -> None: ...

    def show_last_view(self) -> None: ...

    def use_theme(self, name: str) -> None: ...

    def swap_zone(self) -> None: ...

    def repaint(self) -> None: ...

    def first_list_loaded(self, job_count: int) -> None:
        """The first look at the jobs is done: is there anything at all?"""
        ...

    def has_screen_below(self) -> bool:
        """Whether there is a screen to go back to."""
        ...

    def back(self) -> None:
        """One screen back, if there is one."""
        ...

    def leave(self) -> None:
        """One screen back; on the first one, out of the console."""
        ...

    def quit(self) -> None: ...


@dataclass(slots=True)
class Desk:
    """The services of one console."""

    client: Client
    clock: Clock
    config: ConsoleConfig
    link: Link
    context: RowContext
    navigator: Navigator
    keymap: Keymap = DEFAULT_KEYMAP
    read_only: bool = False
    server_name: str = "local"
    server_place: Place = "none"
    """Colours the name: production is not to be taken for a test."""
    data_folder: str = ""
    """Where the coordinator keeps its data, if that is on this machine."""
    agent_arguments: tuple[str, ...] = ()
    """What a runner on this box needs on its command line to find the coordinator."""
    local_runner: LocalRunner | None = None
    """A runner that was started from this console and ends with it."""
    pace: str = ""
    """Frames a second, where a slow line holds them down."""
    clock_offset_ms: int = 0
    """How far the coordinator's clock is ahead of this machine's."""
    gaps: UsualGaps = field(default_factory=UsualGaps)
    run_times: UsualRunTimes = field(default_factory=UsualRunTimes)
    runners: dict[str, RunnerView] = field(default_factory=dict)
    """By id, as last loaded."""

    def see(self, jobs: Iterable[JobView]) -> None:
        """Learn from rows what is usual for their types."""
        for job in jobs:
            self.gaps.see(job)
            self.run_times.see(job)

    def problem_count(self) -> int:
        """How many jobs need somebody: those that key 5 lists."""
        stats = self.link.stats
        if stats is None:
            return 0
        return sum(stats.counts.get(state, 0) for state in ("failed", "expired"))

    def emptiness(
        self, what: str, filter_text: str, *, is_loaded: bool, first_filter: str = ""
    ) -> str:
        """What an empty list says in its middle; its first filter stays as long as it does."""
        link = self.link
        if link.state == "lost" and not is_loaded:
            return (
                f"Not connected to {clean(self.client.url)}, "
                f"next try in {link.seconds_to_next_try()}s: {clean(link.problem)}."
            )
        if not is_loaded:
            return "Loading."
        if filter_text:
            esc = "goes back" if filter_text == first_filter else "clears the filter"
            return f"No {what} match {clean(filter_text, 200)}. esc {esc}."
        if what == "jobs" and not self.read_only:
            return "No jobs yet. + starts one."
        if what == "runners":
            return "No runners yet. :welcome says how to add one."
        return f"No {what} yet."

    def actions(self, scope: Scope) -> list[Action]:
        """What can be done on a screen."""
        return actions.available(scope, read_only=self.read_only)

    def action_for_key(self, scope: Scope, key: str, character: str | None) -> Action | None:
        """What a key does on a screen."""
        for action in self.actions(scope):
            keys = self.keymap.keys_of(action)
            if key in keys or (character and character in keys):
                return action
        return None

    def held_back(self, action: Action) -> str:
        """Why an action cannot be done now, in words; empty: it can."""
        if not action.is_mutation:
            return ""
        if self.read_only:
            return f"{action.words}: this console is read-only"
        reason = self.link.reason_to_hold_back()
        return f"{action.words}: {reason}" if reason else ""
