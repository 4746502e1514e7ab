"""What all screens share: four fixed lines, one way from a key to an act, one boundary for errors.

A key goes to the registry (:mod:`traffic_tui.actions`) and from there to the method ``do_<id>``
of the screen. Nothing else binds keys, so help, footer and read-only mode cannot be wrong.

Textual calls the ``on_...`` methods of every class of a screen, the most particular first, so
none of them calls its base class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from textual.screen import Screen
from textual.widgets import Input, Static, TextArea

from traffic_tui import actions
from traffic_tui.client.base import ClientError
from traffic_tui.screens import commands
from traffic_tui.screens.filters import job_filter_problem
from traffic_tui.screens.header import header_state
from traffic_tui.screens.typing_ahead import type_late
from traffic_tui.state.clean_text import clean
from traffic_tui.widgets.command_bar import CommandBar
from traffic_tui.widgets.crumb import CrumbLine, CrumbState
from traffic_tui.widgets.footer import FooterLine, KeyHint
from traffic_tui.widgets.header import HeaderLine
from traffic_tui.widgets.message_line import MessageLine
from traffic_tui.widgets.role_styles import RoleWidget

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget
    from textual.worker import WorkType

    from traffic_tui.actions import Action, Scope
    from traffic_tui.link import Heard
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role
    from traffic_tui.widgets.dialog import DialogScreen

T = TypeVar("T")

MESSAGE_SECONDS = 8.0
SMALLEST = (60, 15)
"""Below this nothing useful fits."""
TOO_SMALL = "-too-small"
"""Class of a screen below it."""


class Place(NamedTuple):
    """Where the operator is: a kind of screen, and what it is about."""

    kind: Scope
    about: str = ""


class TrafficScreen(Screen[None], inherit_bindings=False):
    """See the module's words."""

    scope: ClassVar[Scope]
    AUTO_FOCUS = None

    def __init__(self, desk: Desk, about: str = "") -> None:
        super().__init__()
        self.desk = desk
        self.place = Place(self.scope, about)
        self._header = HeaderLine(id="header")
        self._crumb = CrumbLine(id="crumb")
        self._message = MessageLine(id="message")
        self._footer = FooterLine(id="footer")
        self._commands = CommandBar(self._suggest, id="commands")
        self._waiting_work: set[Coroutine[object, object, None]] = set()
        self._told_keys = actions.footer(desk.actions(self.scope), desk.keymap.keys_of)
        for line in (self._header, self._crumb, self._message, self._footer):
            line.glyphs = desk.context.glyphs

    # what a screen says -----------------------------------------------------------------------

    def body(self) -> Iterable[Widget]:
        """What stands between crumb and message."""
        raise NotImplementedError

    def crumb(self) -> CrumbState:
        raise NotImplementedError

    def main_widget(self) -> Widget | None:
        """What has the focus when nothing is typed."""
        return None

    def note(self) -> tuple[str, Role]:
        """What the message line says while nothing happens."""
        return "", "plain"

    @property
    def is_behind(self) -> bool:
        """Whether something is to be loaded, so that it has to be called soon, news or not."""
        return False

    def heard(self, heard: Heard) -> None:
        """News from the coordinator, or none. Called ten times a second while anything goes on."""

    def tick(self) -> None:
        """A second went by."""
        self.show_lines()
        self._message.tick(self.desk.clock.monotonic())

    def zone_changed(self) -> None:
        """Times are to be shown in another zone."""

    # the fixed lines --------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._crumb
        yield from self.body()
        yield self._commands
        yield self._message
        yield self._footer
        yield Static("", id="too-small", markup=False)

    def on_mount(self) -> None:
        for widget in self.query(RoleWidget):
            widget.glyphs = self.desk.context.glyphs
        self.take_keyboard_back()
        self.show_lines()

    def on_screen_resume(self) -> None:
        self.show_lines()

    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        is_small = width < SMALLEST[0] or height < SMALLEST[1]
        self.set_class(is_small, TOO_SMALL)
        note = f"{width}x{height} is too small: {SMALLEST[0]}x{SMALLEST[1]} is needed"
        self.query_one("#too-small", Static).update(note)

    def show_lines(self) -> None:
        """Paint header, crumb, note and footer again where they say something else now."""
        if not self.is_current or not self.is_mounted:
            return
        self._header.show(header_state(self.desk))
        self._crumb.show(self.crumb())
        self._message.show(*self.note())
        self._footer.show(self._hints())

    def _hints(self) -> list[KeyHint]:
        return [
            KeyHint(
                hint.key,
                self._hint_words(hint),
                is_right=hint.action.id == "help",
                is_enabled=not self.why_not(hint.action),
            )
            for hint in self._told_keys
        ]

    def _hint_words(self, hint: actions.Hint) -> str:
        """The same key goes back, and on the first screen out of the console."""
        is_inner = hint.action.id == "leave" and self.desk.navigator.has_screen_below()
        return "back" if is_inner else hint.words

    # telling and asking -----------------------------------------------------------------------

    def say(self, words: str, role: Role = "plain") -> None:
        """On the message line, for a while."""
        if self.is_attached:
            until = self.desk.clock.monotonic() + MESSAGE_SECONDS
            self._message.say(clean(words), role, until=until)

    def warn(self, words: str) -> None:
        """As a toast: something was refused or failed."""
        self.app.notify(clean(words, 600), severity="error", timeout=10, markup=False)

    async def ask(self, dialog: DialogScreen[T]) -> T | None:
        """Show a dialog and wait for its answer; None: it was left.

        Where the operator went on while it was made, or is asked something already, nobody would
        know what it is about: it is left for them.
        """
        if self.app.screen is not self:
            return None
        return await self.app.push_screen_wait(dialog)

    def act(self, work: Coroutine[object, object, None]) -> None:
        """Do something for the operator; it goes on when the screen is left."""
        self.app.run_worker(self._guarding(work), group="acts", exit_on_error=False)

    def load(self, work: Coroutine[object, object, None], group: str = "load") -> None:
        """Load something for this screen; it ends with the screen, or when asked for anew."""
        self.begin(work, group, is_exclusive=True)

    def begin(
        self, work: Coroutine[object, object, None], group: str, *, is_exclusive: bool = False
    ) -> None:
        """Do something beside; it ends with the screen. What the screen's end keeps from even
        beginning is closed, which Python would complain of otherwise."""
        self._waiting_work.add(work)
        guarded = self._guarding(work)
        self.run_worker(guarded, group=group, exclusive=is_exclusive, exit_on_error=False)

    def on_unmount(self) -> None:
        for work in self._waiting_work:
            work.close()
        self._waiting_work.clear()

    def _guarding(self, work: Coroutine[object, object, None]) -> WorkType[None]:
        """The boundary where failed calls become words."""

        async def guarded() -> None:
            self._waiting_work.discard(work)
            try:
                await work
            except ClientError as error:
                self.warn(error.message)

        return guarded

    # from keys to acts ------------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        """Also a key that means nothing ends here: else widgets would take it by keys of their
        own, and one that was given to another action would do both."""
        action = self.desk.action_for_key(self.scope, event.key, event.character)
        if isinstance(self.focused, Input):
            if action is not None and action.id == "quit" and not event.is_printable:
                event.stop()
                self.perform(action)
            else:
                await type_late(self.focused, event)
            return
        if isinstance(self.focused, TextArea):
            return
        event.stop()
        event.prevent_default()
        if event.key == "ctrl+c":
            self.say("q goes back, and leaves on the first screen; ctrl+q leaves at once")
            return
        if action is not None:
            self.perform(action)

    def perform(self, action: Action, argument: str = "") -> None:
        """Do what an action says, unless it is held back now."""
        if action.is_mutation and self.has_class(TOO_SMALL):
            return  # nothing is drawn: nobody sees what it would be done to
        reason = self.why_not(action)
        if reason:
            self.say(reason, "warn")
            return
        method = getattr(self, f"do_{action.id}")
        if action.takes:
            method(argument)
        else:
            method()

    def missing(self) -> str:
        """What there would have to be for keys about a row or a job; empty: it is there."""
        return ""

    def why_not(self, action: Action) -> str:
        """Why an action cannot be done now, in words; empty: it can."""
        if action.on_row and (missing := self.missing()):
            return f"{action.words}: {missing}"
        return self.desk.held_back(action)

    def run_command(self, text: str) -> str:
        """Do what was typed after ``:``; what is wrong with it, or nothing."""
        try:
            command = commands.parse(text, self.scope, read_only=self.desk.read_only)
        except commands.CommandError as error:
            return str(error)
        self.perform(command.action, command.argument)
        return ""

    def _suggest(self, text: str) -> list[str]:
        return commands.suggestions(text, self.scope, read_only=self.desk.read_only)

    def on_command_bar_entered(self, event: CommandBar.Entered) -> None:
        self.take_keyboard_back()
        problem = self.run_command(event.text) if event.text else ""
        if problem:
            self.say(problem, "warn")

    def on_command_bar_closed(self) -> None:
        self.take_keyboard_back()

    def take_keyboard_back(self) -> None:
        """A line of text was left: keys mean actions again."""
        self.set_focus(self.main_widget())

    def copy(self, text: str, what: str) -> None:
        """To the terminal's clipboard."""
        self.app.copy_to_clipboard(clean(text))
        self.say(f"copied {what}")

    # what every screen can do -----------------------------------------------------------------

    def do_go_jobs(self, argument: str) -> None:
        try:
            filter_text = commands.saved_filter(argument, self.desk.config.filters)
        except commands.CommandError as error:
            self.say(str(error), "warn")
            return
        if filter_text and (problem := job_filter_problem(filter_text)):
            self.say(problem.message, "warn")
            return
        self.desk.navigator.show_jobs(filter_text)

    def do_go_job(self, argument: str) -> None:
        self.act(self._go_job(argument))

    async def _go_job(self, text: str) -> None:
        """Where the operator went on meanwhile, or was asked something, that is left alone."""
        detail = await self.desk.client.job(text)
        if self.app.screen is self:
            self.desk.navigator.show_job(detail.job.number)

    def do_go_runners(self) -> None:
        self.desk.navigator.show_runners()

    def do_go_queues(self) -> None:
        self.desk.navigator.show_queues()

    def do_go_schedules(self) -> None:
        self.desk.navigator.show_schedules()

    def do_go_events(self) -> None:
        self.desk.navigator.show_events(0)

    def do_go_late_writes(self) -> None:
        self.desk.navigator.show_late_writes()

    def do_go_welcome(self) -> None:
        self.desk.navigator.show_welcome()

    def do_last_view(self) -> None:
        self.desk.navigator.show_last_view()

    def do_help(self) -> None:
        self.desk.navigator.show_help(self.scope)

    def do_palette(self) -> None:
        self.desk.navigator.show_palette(self.scope)

    def do_command(self) -> None:
        self._commands.open()

    def do_zone(self) -> None:
        self.desk.navigator.swap_zone()

    def do_theme(self, argument: str) -> None:
        self.desk.navigator.use_theme(argument)

    def do_repaint(self) -> None:
        self.desk.navigator.repaint()

    def do_back(self) -> None:
        self.desk.navigator.back()

    def do_leave(self) -> None:
        self.desk.navigator.leave()

    def do_quit(self) -> None:
        self.desk.navigator.quit()
