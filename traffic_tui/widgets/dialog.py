"""The frame of a dialog: a box with its question in the edge, and what can be answered inside.

Keys that were on their way when it opened are not answers: the first 300 ms are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeVar

from textual.binding import Binding, BindingType
from textual.events import Key, Paste
from textual.screen import ModalScreen

from traffic_tui.state.clean_text import cells, clean, crop
from traffic_tui.state.glyphs import DRAWN, GlyphSet, Span
from traffic_tui.widgets.facts import fit_spans
from traffic_tui.widgets.role_styles import RoleWidget, spans_strip
from traffic_tui.widgets.status_line import span_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.geometry import Size
    from textual.strip import Strip

LATE_KEYS_SECONDS = 0.3
MAX_WIDTH = 76
BOX_LINES = 2
"""Of a box around other widgets: its upper and its lower edge."""
_EDGES = 4
"""Cells of a line that the box takes: an edge and a blank on both sides."""

Answer = TypeVar("Answer")


class DialogFrame(RoleWidget):
    """A box drawn around lines of spans."""

    DEFAULT_CSS = """
    DialogFrame { width: auto; height: auto; }
    """
    ALLOW_SELECT = False

    def __init__(self, title: str, lines: Sequence[Sequence[Span]] = ()) -> None:
        super().__init__()
        self._title = clean(title)
        self._lines = [tuple(line) for line in lines]
        self._is_open = False

    def leave_open(self) -> None:
        """Draw no lower edge: what stands below is in the box too, and ends it."""
        self._is_open = True
        self.refresh(layout=True)

    @property
    def text(self) -> str:
        return "\n".join("".join(span.text for span in line) for line in self._lines)

    def show(self, title: str, lines: Sequence[Sequence[Span]]) -> None:
        self._title = clean(title)
        self._lines = [tuple(line) for line in lines]
        self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        widest = max([cells(self._title) + 2, *(span_cells(line) for line in self._lines)])
        return min(widest + _EDGES, MAX_WIDTH, container.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines) + (1 if self._is_open else 2)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        return spans_strip(self._line(y, width), width, self.role_styles())

    def _line(self, y: int, width: int) -> Sequence[Span]:
        glyphs = self.glyphs
        if y == 0:
            title = crop(self._title, width - _EDGES - 2)
            rule = glyphs.rule * (width - cells(title) - 5)
            left = f"{glyphs.corners[0]}{glyphs.rule} "
            return (Span(left), Span(title, "title"), Span(f" {rule}{glyphs.corners[1]}"))
        if y > len(self._lines):
            return (Span(glyphs.corners[2] + glyphs.rule * (width - 2) + glyphs.corners[3]),)
        inner = fit_spans(self._lines[y - 1], width - _EDGES)
        return (Span(f"{glyphs.edge} "), *inner, Span(f" {glyphs.edge}"))


class Choice(NamedTuple, Generic[Answer]):
    """A key, what it does in words, and the answer it gives."""

    key: str
    words: str
    answer: Answer


class DialogScreen(ModalScreen["Answer | None"], Generic[Answer]):
    """A question over the screen. ``enter`` and ``esc`` leave everything as it is: None."""

    DEFAULT_CSS = """
    DialogScreen { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,ctrl+c", "leave", "leave it alone", show=False, id="dialog.leave"),
    ]

    AUTO_FOCUS = ""
    """Nothing: what has the keyboard would get keys that the screen never sees."""

    def __init__(
        self, *, glyphs: GlyphSet = DRAWN, late_keys_seconds: float = LATE_KEYS_SECONDS
    ) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.is_awake = late_keys_seconds <= 0
        """Whether keys count already; before, they were pressed for what lay below."""
        self._late_keys_seconds = late_keys_seconds

    def on_mount(self) -> None:
        for widget in self.query(RoleWidget):
            widget.glyphs = self.glyphs
        if self.is_awake:
            self._wake()
        else:
            self.set_timer(self._late_keys_seconds, self._wake)

    def _wake(self) -> None:
        self.is_awake = True
        if self.focused is None and self.focus_chain:
            self.set_focus(self.focus_chain[0])

    async def on_event(self, event: events.Event) -> None:
        if not self.is_awake and isinstance(event, Key | Paste):
            event.stop()
            return
        await super().on_event(event)

    def action_leave(self) -> None:
        self.dismiss(None)


class ChoiceDialog(DialogScreen[Answer]):
    """A question answered by one key."""

    def __init__(
        self,
        title: str,
        lines: Sequence[Sequence[Span]],
        choices: Sequence[Choice[Answer]],
        *,
        leave: str = "leave it alone",
        glyphs: GlyphSet = DRAWN,
        late_keys_seconds: float = LATE_KEYS_SECONDS,
    ) -> None:
        super().__init__(glyphs=glyphs, late_keys_seconds=late_keys_seconds)
        self._title = title
        self._lines = [tuple(line) for line in lines]
        self._choices = tuple(choices)
        self._leave = leave
        self.frame = DialogFrame(title)

    def compose(self) -> ComposeResult:
        self.frame.glyphs = self.glyphs
        self.frame.show(self._title, self.frame_lines())
        yield self.frame

    def frame_lines(self) -> list[tuple[Span, ...]]:
        """The facts, then one line a choice, then how to leave."""
        answers = [
            (Span(clean(choice.key), "title"), Span(f"  {clean(choice.words)}"))
            for choice in self._choices
        ]
        return [
            *self._lines,
            *answers,
            (Span("enter", "title"), Span(" or "), Span("esc", "title"), Span(f"  {self._leave}")),
        ]

    async def on_key(self, event: events.Key) -> None:
        for choice in self._choices:
            if choice.key in (event.key, event.character):
                event.stop()
                self.dismiss(choice.answer)
                return
