"""A dialog that only tells: why a job waits, what is known about a runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from traffic_tui.state.clean_text import cells, clean
from traffic_tui.state.folding import fold_words
from traffic_tui.state.glyphs import DRAWN, GlyphSet, Span
from traffic_tui.widgets.dialog import DialogScreen
from traffic_tui.widgets.facts import FactsBlock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

MAX_LINES = 2_000
LEAST_WIDTH = 30
AROUND = 6
"""Cells that edges, blanks and the scroll bar take."""
HANG = 2
"""Cells by which what is left of a long line is indented."""


def box_width(widest: int, screen: int) -> int:
    """Cells of the whole box: as wide as its lines want, where the screen is."""
    return max(LEAST_WIDTH, min(widest + AROUND, screen * 96 // 100))


class TextDialog(DialogScreen[None]):
    """Lines to read; any of the leaving keys closes it."""

    DEFAULT_CSS = """
    TextDialog .dialog { width: auto; max-height: 90%; }
    TextDialog VerticalScroll { height: auto; max-height: 16; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "close", show=False),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
        Binding("ctrl+d,pagedown", "scroll(10)", "page down", show=False),
        Binding("ctrl+u,pageup", "scroll(-10)", "page up", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[str], *, glyphs: GlyphSet = DRAWN) -> None:
        super().__init__(glyphs=glyphs)
        self._title = clean(title)
        self._lines = [clean(line) for line in lines[:MAX_LINES]]
        self._head, self._body = FactsBlock(), FactsBlock()

    @property
    def lines(self) -> Sequence[str]:
        return self._lines

    def compose(self) -> ComposeResult:
        foot = FactsBlock()
        foot.show([[], [Span("esc", "title"), Span(" closes")]])
        with Vertical(classes="dialog boxed"):
            yield self._head
            yield VerticalScroll(self._body, can_focus=False)
            yield foot
        self._fold(self.app.size.width)

    def on_resize(self, event: events.Resize) -> None:
        """The text takes what the screen has left after head, foot and edge."""
        self.query_one(".dialog").styles.width = self._fold(event.size.width)
        self.query_one(VerticalScroll).styles.max_height = max(3, event.size.height - 10)

    def _fold(self, screen: int) -> int:
        """Bring the text into the width of a box on this screen, which is answered."""
        widest = max(cells(line) for line in (self._title, *self._lines))
        width = box_width(widest, screen)
        title = fold_words(self._title, width - AROUND)
        self._head.show([*([Span(row, "title")] for row in title), []])
        rows = (fold_words(line, width - AROUND, hang=HANG) for line in self._lines)
        self._body.show([[Span(row)] for line in rows for row in line])
        return width

    def action_scroll(self, lines: int) -> None:
        """Move by lines, without animation."""
        scroll: Any = self.query_one(VerticalScroll)
        scroll.scroll_relative(y=lines, animate=False)
