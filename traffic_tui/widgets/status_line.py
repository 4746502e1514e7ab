"""A fixed line of the screen that is painted again only when it says something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.state.clean_text import cells, crop
from traffic_tui.state.glyphs import Span
from traffic_tui.widgets.role_styles import RoleWidget, spans_strip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip


class StatusLine(RoleWidget):
    """One line of spans; a subclass says which, for a given width."""

    DEFAULT_CSS = """
    StatusLine { width: 1fr; height: 1; }
    """
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._painted: tuple[Span, ...] = ()

    def spans(self, width: int) -> Sequence[Span]:
        """What the line says in ``width`` cells. All text is clean."""
        raise NotImplementedError

    def update_line(self) -> None:
        """Paint again, if what is to be said has changed."""
        if self.is_mounted and tuple(self.spans(self.size.width)) != self._painted:
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        self._painted = tuple(self.spans(width))
        return spans_strip(self._painted, width, self.role_styles())


def span_cells(spans: Sequence[Span]) -> int:
    """Width of spans in cells."""
    return sum(cells(span.text) for span in spans)


def two_sided(left: Sequence[Span], right: Sequence[Span], width: int) -> list[Span]:
    """``left`` at the left edge, ``right`` at the right one; the left gives way."""
    room = width - span_cells(right)
    if room <= 0:
        return list(right)
    kept: list[Span] = []
    for text, role in left:
        shown = crop(text, room - 1)
        if not shown:
            break
        kept.append(Span(shown, role))
        room -= cells(shown)
    return [*kept, Span(" " * max(0, room)), *right]
