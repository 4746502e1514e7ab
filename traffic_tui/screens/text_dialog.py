"""A dialog that only tells: why a job waits, what is known about a runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from traffic_tui.state.clean_text import cells, clean
from traffic_tui.state.glyphs import DRAWN, GlyphSet, Span
from traffic_tui.widgets.dialog import DialogScreen
from traffic_tui.widgets.facts import FactsBlock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

MAX_LINES = 2_000


class TextDialog(DialogScreen[None]):
    """Lines to read; any of the leaving keys closes it."""

    DEFAULT_CSS = """
    TextDialog > Vertical {
        width: auto; max-width: 96%; height: auto; max-height: 90%; padding: 0 1;
    }
    TextDialog VerticalScroll { width: auto; max-width: 100%; height: auto; max-height: 100%; }
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

    @property
    def lines(self) -> Sequence[str]:
        return self._lines

    def compose(self) -> ComposeResult:
        widest = max(cells(line) for line in [self._title, *self._lines, "esc closes"])
        block = FactsBlock()
        block.glyphs = self.glyphs
        block.styles.width = widest + 1
        block.show([[Span(line)] for line in self._lines])
        box = Vertical(classes="dialog")
        box.border_title = None
        with box:
            head = FactsBlock()
            head.styles.width = widest + 1
            head.show([[Span(self._title, "title")], []])
            yield head
            with VerticalScroll(can_focus=False):
                yield block
            foot = FactsBlock()
            foot.styles.width = widest + 1
            foot.show([[], [Span("esc", "title"), Span(" closes")]])
            yield foot

    def action_scroll(self, lines: int) -> None:
        """Move by lines, without animation."""
        scroll: Any = self.query_one(VerticalScroll)
        scroll.scroll_relative(y=lines, animate=False)
