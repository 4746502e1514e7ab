"""The command line: ``:`` and a word, with what it could become shown beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from traffic_tui.widgets.line_input import LineInput
from traffic_tui.widgets.suggestion_line import SuggestionLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

MAX_COMMAND = 500
_MAX_HISTORY = 100


class CommandBar(Vertical):
    """An input for commands. ``suggest`` answers what a text could become, best first."""

    DEFAULT_CSS = """
    CommandBar { height: auto; display: none; }
    CommandBar.-open { display: block; }
    CommandBar Input { height: 1; border: none; padding: 0 1; }
    CommandBar Input:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", show=False, id="command.leave"),
        Binding("tab", "complete(1)", "complete", show=False, priority=True),
        Binding("shift+tab", "complete(-1)", "complete back", show=False, priority=True),
        Binding("up", "recall(-1)", "earlier", show=False),
        Binding("down", "recall(1)", "later", show=False),
    ]

    class Entered(Message):
        """The operator wants this command done; empty: nothing was typed."""

        def __init__(self, bar: CommandBar, text: str) -> None:
            super().__init__()
            self.bar = bar
            self.text = text

        @property
        def control(self) -> CommandBar:
            return self.bar

    class Closed(Message):
        """The operator left the line without a command."""

    def __init__(self, suggest: Callable[[str], Sequence[str]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._suggest = suggest
        self._suggestions: tuple[str, ...] = ()
        self._chosen = -1
        self._history: list[str] = []
        self._recalled = 0

    def compose(self) -> ComposeResult:
        yield LineInput(placeholder="command", max_length=MAX_COMMAND, select_on_focus=False)
        yield SuggestionLine()

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def suggestions(self) -> tuple[str, ...]:
        return self._suggestions

    def open(self, text: str = "") -> None:
        """Show the line and take the keyboard."""
        self.add_class("-open")
        self._recalled = len(self._history)
        self._put(text)
        self._offer(text)
        self.screen.set_focus(self.query_one(Input))  # at once: more keys may be on their way

    def close(self) -> None:
        self.remove_class("-open")
        self._put("")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_open:
            self._offer(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text and (not self._history or self._history[-1] != text):
            self._history = [*self._history, text][-_MAX_HISTORY:]
        self.close()
        self.post_message(self.Entered(self, text))

    def action_leave(self) -> None:
        self.close()
        self.post_message(self.Closed())

    def action_complete(self, step: int) -> None:
        """Take the next suggestion into the line."""
        if not self._suggestions:
            return
        start = self._chosen if self._chosen >= 0 or step > 0 else 0
        self._chosen = (start + step) % len(self._suggestions)
        self._put(self._suggestions[self._chosen])
        self.query_one(SuggestionLine).show(self._suggestions, self._chosen)

    def action_recall(self, step: int) -> None:
        """Bring back an earlier command."""
        self._recalled = max(0, min(self._recalled + step, len(self._history)))
        at_end = self._recalled == len(self._history)
        text = "" if at_end else self._history[self._recalled]
        self._put(text)
        self._offer(text)

    def _put(self, text: str) -> None:
        field = self.query_one(Input)
        with field.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)

    def _offer(self, text: str) -> None:
        self._suggestions, self._chosen = tuple(self._suggest(text)), -1
        self.query_one(SuggestionLine).show(self._suggestions, self._chosen)
