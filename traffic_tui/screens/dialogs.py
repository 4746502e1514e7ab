"""The dialogs in which acts are confirmed, and reasons given.

Focus is on leaving: escape and enter do nothing, an act needs a key of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from textual.containers import Vertical

from traffic_tui.screens.typing_ahead import type_late
from traffic_tui.state.clean_text import clean
from traffic_tui.state.folding import fold_words
from traffic_tui.state.glyphs import DRAWN, GlyphSet, Span
from traffic_tui.widgets.dialog import Choice, ChoiceDialog, DialogFrame, DialogScreen
from traffic_tui.widgets.line_input import LineInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.widgets import Input

    from traffic_tui.screens.wording import Question

MAX_REASON = 500
FACT_WIDTH = 70
"""Cells that a line of a dialog has for words on a terminal of 80."""
END_OF_BOX = "end-of-box"
"""Class of an input below a frame that is left open: it has the lower edge."""


class Answer(NamedTuple):
    """What the operator chose, and why."""

    value: str
    reason: str = ""
    words: str = ""
    """The choice as it was shown."""


def fact_lines(facts: Sequence[str]) -> list[tuple[Span, ...]]:
    """Facts as lines of a frame, long ones in as many as they take."""
    return [(Span(row),) for fact in facts for row in fold_words(clean(fact), FACT_WIDTH)]


class QuestionDialog(ChoiceDialog[Answer]):
    """A question of :mod:`~traffic_tui.screens.wording`; ``tab`` adds a reason."""

    DEFAULT_CSS = """
    QuestionDialog Input { display: none; }
    QuestionDialog Input.-open { display: block; }
    """

    def __init__(
        self, question: Question, *, with_reason: bool = True, glyphs: GlyphSet = DRAWN
    ) -> None:
        choices = [Choice(c.key, c.words, Answer(c.value, words=c.words)) for c in question.choices]
        facts = fact_lines(question.facts)
        super().__init__(question.title, facts, choices, leave=question.leave, glyphs=glyphs)
        self._with_reason = with_reason
        self._reason = LineInput(
            placeholder="reason", max_length=MAX_REASON, id="reason", classes=END_OF_BOX
        )

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield from super().compose()
            yield self._reason

    def frame_lines(self) -> list[tuple[Span, ...]]:
        *lines, last = super().frame_lines()
        if self._with_reason:
            last = (Span("tab", "title"), Span("  add a reason     "), *last)
        return [*lines, last]

    async def on_key(self, event: events.Key) -> None:
        """Answers here carry the reason, so the base class must not answer too."""
        event.prevent_default()
        if self.focused is self._reason:
            await type_late(self._reason, event)
            return
        if event.key == "tab" and self._with_reason:
            event.stop()
            self._reason.add_class("-open")
            self.frame.leave_open()
            self.set_focus(self._reason)  # at once: what is typed next is no answer
            return
        for choice in self._choices:
            if choice.key in (event.key, event.character):
                event.stop()
                self.dismiss(choice.answer._replace(reason=self._reason.value.strip()))
                return

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The reason is written; the keys choose again."""
        event.stop()
        self._reason.value = event.value  # without what was typed after enter
        self.set_focus(None)

    def _wake(self) -> None:
        """The reason takes the keyboard only when asked for."""
        self.is_awake = True


class TypedDialog(DialogScreen[bool]):
    """Many jobs at once: their number has to be typed."""

    def __init__(
        self, what: str, facts: Sequence[str], number: int, *, glyphs: GlyphSet = DRAWN
    ) -> None:
        super().__init__(glyphs=glyphs)
        self._what = what
        self._facts = facts
        self._number = number

    def compose(self) -> ComposeResult:
        lines = [
            *fact_lines(self._facts),
            (Span("type "), Span(str(self._number), "title"), Span(" and enter to go on")),
            (Span("esc", "title"), Span("  do nothing")),
        ]
        frame = DialogFrame(f"Really {self._what}?", lines)
        frame.glyphs = self.glyphs
        frame.leave_open()
        with Vertical(classes="dialog"):
            yield frame
            yield LineInput(
                placeholder=str(self._number), type="integer", max_length=12, classes=END_OF_BOX
            )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == str(self._number):
            self.dismiss(True)
        else:
            self.notify(f"that is not {self._number}", severity="warning", markup=False)


class InputDialog(DialogScreen[str]):
    """One line of text."""

    def __init__(
        self, title: str, facts: Sequence[str], value: str = "", *, glyphs: GlyphSet = DRAWN
    ) -> None:
        super().__init__(glyphs=glyphs)
        self._title = title
        self._facts = facts
        self._value = value

    def compose(self) -> ComposeResult:
        leave = (Span("enter", "title"), Span(" goes on  "), Span("esc", "title"), Span(" leaves"))
        frame = DialogFrame(self._title, [*fact_lines(self._facts), leave])
        frame.glyphs = self.glyphs
        frame.leave_open()
        with Vertical(classes="dialog"):
            yield frame
            yield LineInput(self._value, max_length=MAX_REASON, classes=END_OF_BOX)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip())
