"""Facts on one thing: a label, then what is known, line by line, in one or more columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from textual.geometry import Region
from textual.strip import Strip

from traffic_tui.state.clean_text import cells, crop
from traffic_tui.state.glyphs import Span
from traffic_tui.widgets.role_styles import RoleWidget, spans_strip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Size


class Fact(NamedTuple):
    """One line. Text has to be clean."""

    label: str
    spans: tuple[Span, ...]


def fact_line(fact: Fact, label_width: int, width: int) -> list[Span]:
    """A fact in exactly ``width`` cells, its value beginning after the label's column."""
    label = Span(f" {crop(fact.label, label_width):<{label_width}} ", "muted")
    return fit_spans([label, *fact.spans], width)


def fit_spans(spans: Sequence[Span], width: int) -> list[Span]:
    """Spans cropped or padded to exactly ``width`` cells."""
    kept: list[Span] = []
    room = width
    for text, role in spans:
        shown = crop(text, room)
        if shown:
            kept.append(Span(shown, role))
            room -= cells(shown)
    if room > 0:
        kept.append(Span(" " * room))
    return kept


def beside(
    blocks: Sequence[Sequence[Sequence[Span]]], widths: Sequence[int], edge: str = "│"
) -> list[list[Span]]:
    """Blocks of lines side by side, each in its width, with an edge between them."""
    height = max((len(block) for block in blocks), default=0)
    lines: list[list[Span]] = []
    for y in range(height):
        line: list[Span] = []
        for position, (block, width) in enumerate(zip(blocks, widths, strict=True)):
            if position:
                line.append(Span(f"{edge} ", "muted"))
            line += fit_spans(block[y] if y < len(block) else (), width)
        lines.append(line)
    return lines


class FactsBlock(RoleWidget):
    """Draws lines of spans; only lines that changed are painted again."""

    DEFAULT_CSS = """
    FactsBlock { width: 1fr; height: auto; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[tuple[Span, ...]] = []

    def show(self, lines: Sequence[Sequence[Span]]) -> None:
        """Take new lines; another number of them lays the screen out again."""
        old, self._lines = self._lines, [tuple(line) for line in lines]
        if len(old) != len(self._lines):
            self.refresh(layout=True)
            return
        for y, (before, after) in enumerate(zip(old, self._lines, strict=True)):
            if before != after:
                self.refresh(Region(0, y, self.size.width, 1))

    @property
    def text(self) -> str:
        """What is shown, for copying."""
        return "\n".join("".join(span.text for span in line).rstrip() for line in self._lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        styles = self.role_styles()
        if y >= len(self._lines):
            return Strip.blank(self.size.width, styles.base)
        return spans_strip(self._lines[y], self.size.width, styles)
