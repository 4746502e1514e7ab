"""What every screen works with, handed to it by the application.

Screens know neither the application nor each other: they ask the navigator for another screen,
by what is to be seen there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from traffic_tui import actions
from traffic_tui.client.base import ClientError
from traffic_tui.keymap import DEFAULT_KEYMAP, Keymap
from traffic_tui.state.clean_text import clean

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from server.clock import Clock
    from server.wire.operator import QueueView, RunnerView
    from traffic_tui.actions import Action, Scope
    from traffic_tui.client.base import Client
    from traffic_tui.config import ConsoleConfig
    from traffic_tui.link import Link
    from traffic_tui.state.row_context import RowContext


class Navigator(Protocol):
    """The ways from one screen to another."""

    def show_jobs(self, filter_text: str) -> None: ...

    def show_job(self, number: int) -> None: ...

    def show_output(self, number: int, attempt: int) -> None: ...

    def show_runners(self) -> None: ...

    def show_queues(self) -> None: ...

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
    runners: dict[str, RunnerView] = field(default_factory=dict)
    """By id, as last loaded."""
    queues: dict[str, QueueView] = field(default_factory=dict)
    """By name, as last loaded."""

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
        if self.link.state == "lost":
            return f"{action.words}: held back, there is no connection ({self.link.problem})"
        if self.link.is_stale:
            silent = round(self.link.silent_seconds())
            return f"{action.words}: held back, nothing was heard for {silent}s"
        return ""


async def words_of_failure(call: Awaitable[object]) -> str:
    """Wait for a call; what went wrong, in words, or nothing."""
    try:
        await call
    except ClientError as error:
        return clean(error.message)
    return ""
