"""The filter line: it filters while one types, and keeps the last good filter while one errs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from traffic_tui.state.clean_text import clean
from traffic_tui.widgets.line_input import LineInput
from traffic_tui.widgets.message_line import MessageLine
from traffic_tui.widgets.suggestion_line import SuggestionLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

MAX_FILTER = 2_000
_PROMPT_CELLS = 2


class FilterProblem(NamedTuple):
    """Why a filter cannot be understood, and where."""

    message: str
    position: int


class Completion(NamedTuple):
    """Something that could stand in place of the text between ``begin`` and ``end``."""

    begin: int
    end: int
    text: str


Suggest: TypeAlias = "Callable[[str, int], Sequence[tuple[int, int, str]]]"
"""From a text and the place of the cursor to what could stand from where to where."""


class FilterBar(Vertical):
    """An input with, below it, what the word could become, or where and why it makes no sense.

    ``check`` answers what is wrong with a text, or None; ``suggest`` what could stand at the
    cursor, best first.
    """

    DEFAULT_CSS = """
    FilterBar { height: auto; display: none; }
    FilterBar.-open { display: block; }
    FilterBar Input { height: 1; border: none; padding: 0 1; }
    FilterBar Input:focus { border: none; }
    FilterBar MessageLine { display: none; }
    FilterBar.-wrong MessageLine { display: block; }
    FilterBar.-wrong SuggestionLine { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", show=False, id="filter.leave"),
        Binding("tab", "complete(1)", "complete", show=False, priority=True),
        Binding("shift+tab", "complete(-1)", "complete back", show=False, priority=True),
    ]

    class Changed(Message):
        """Another filter that can be understood is in force."""

        def __init__(self, bar: FilterBar, text: str) -> None:
            super().__init__()
            self.bar = bar
            self.text = text

        @property
        def control(self) -> FilterBar:
            return self.bar

    class Closed(Changed):
        """The operator left the line; ``text`` is the filter in force."""

    def __init__(
        self,
        check: Callable[[str], FilterProblem | None],
        suggest: Suggest,
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._check = check
        self._suggest = suggest
        self._offered: tuple[Completion, ...] = ()
        self._chosen = -1
        self._good = ""
        self._before = ""

    def compose(self) -> ComposeResult:
        yield LineInput(placeholder="filter", max_length=MAX_FILTER, select_on_focus=False)
        yield SuggestionLine()
        yield MessageLine()

    @property
    def good_filter(self) -> str:
        """The last text that could be understood."""
        return self._good

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def problem(self) -> str:
        """What is wrong with what stands there; empty: nothing."""
        return self.query_one(MessageLine).text if self.has_class("-wrong") else ""

    def open(self, text: str | None = None) -> None:
        """Show the line and take the keyboard, with the filter in force or another text."""
        self._before = self._good
        self.add_class("-open")
        field = self.query_one(Input)
        self._put((f"{self._good} " if self._good else "") if text is None else text)
        self._judge(field.value)
        self._offer(field)
        self.screen.set_focus(field)  # at once: more keys may be on their way

    def set_filter(self, text: str) -> None:
        """Put a filter in force without opening the line. It has to be a good one."""
        if text != self._good:
            self._good = text
            self.post_message(self.Changed(self, text))

    def close(self) -> None:
        self.remove_class("-open", "-wrong")
        self.post_message(self.Closed(self, self._good))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_open:
            self._judge(event.value)
            self._offer(event.input)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self.has_class("-wrong"):
            self.close()

    def action_leave(self) -> None:
        """What was typed is dropped; the filter of before is in force again."""
        self.set_filter(self._before)
        self.close()

    def action_complete(self, step: int) -> None:
        """Take the next suggestion in place of the word at the cursor."""
        if not self._offered:
            return
        field = self.query_one(Input)
        start = self._chosen if self._chosen >= 0 or step > 0 else 0
        taken_end = field.cursor_position if self._chosen >= 0 else self._offered[0].end
        self._chosen = (start + step) % len(self._offered)
        chosen = self._offered[self._chosen]
        head = field.value[: chosen.begin] + chosen.text
        self._put(head + field.value[taken_end:], len(head))
        self._judge(field.value)
        self._show_offered()

    def _put(self, text: str, cursor: int | None = None) -> None:
        field = self.query_one(Input)
        with field.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text) if cursor is None else cursor

    def _offer(self, field: Input) -> None:
        found = self._suggest(field.value, field.cursor_position)
        self._offered, self._chosen = tuple(Completion(*one) for one in found), -1
        self._show_offered()

    def _show_offered(self) -> None:
        words = [one.text for one in self._offered]
        self.query_one(SuggestionLine).show(words, self._chosen)

    def _judge(self, text: str) -> None:
        stripped = text.strip()
        problem = self._check(stripped) if stripped else None
        self.set_class(problem is not None, "-wrong")
        if problem is None:
            self.set_filter(stripped)
            return
        indent = " " * max(0, min(problem.position, self.size.width - 20))
        self.query_one(MessageLine).show(f"{indent}^ {clean(problem.message, 400)}", "bad")
