"""A view on many lines that paints single lines: the ground of the table and of the output view.

It scrolls by itself instead of through Textual's virtual size, because changing that size lays the
whole screen out again. A line that comes or goes out of sight costs one cell of the scroll bar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip

from traffic_tui.widgets.role_styles import RoleStyles, RoleWidget

if TYPE_CHECKING:
    from textual import events

WHEEL_LINES = 3


class LineView(RoleWidget, can_focus=True):
    """Lines ``top`` to ``top + body_height`` of :meth:`line_count`, below a few fixed ones."""

    DEFAULT_CSS = """
    LineView { width: 1fr; height: 1fr; }
    """
    HEADER_LINES: ClassVar[int] = 0

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.top = 0
        """Index of the first line in view."""
        self._bar_state = (0, 0)
        self._is_dragging = False

    # what a subclass says ---------------------------------------------------------------------

    def line_count(self) -> int:
        """How many lines there are to scroll through."""
        raise NotImplementedError

    def body_strip(self, index: int, width: int, styles: RoleStyles) -> Strip | None:
        """The line at ``index``, exactly ``width`` cells wide; None: blank."""
        raise NotImplementedError

    def header_strip(self, y: int, width: int, styles: RoleStyles) -> Strip:
        raise NotImplementedError

    def scrolled_by_operator(self) -> None:
        """The operator scrolled with the wheel or the bar, not with a key of the subclass."""

    def drop_strips(self) -> None:
        """Styles or width changed: nothing that was drawn holds any more."""

    # geometry ---------------------------------------------------------------------------------

    @property
    def body_height(self) -> int:
        return max(0, self.size.height - self.HEADER_LINES)

    @property
    def max_top(self) -> int:
        return max(0, self.line_count() - self.body_height)

    @property
    def has_bar(self) -> bool:
        return self.line_count() > self.body_height > 0

    @property
    def body_width(self) -> int:
        return max(0, self.size.width - 1)
        # one cell is always kept for the bar, so that columns do not jump when it comes

    def visible_range(self) -> range:
        """Indices of the lines in view."""
        return range(self.top, min(self.line_count(), self.top + self.body_height))

    def scroll_to_line(self, top: int) -> bool:
        """Make ``top`` the first line in view, as far as there are lines; whether it moved."""
        top = max(0, min(top, self.max_top))
        if top == self.top:
            self.refresh_bar()
            return False
        self.top = top
        self.refresh()
        return True

    # painting ---------------------------------------------------------------------------------

    def refresh_index(self, index: int, x: int = 0, width: int | None = None) -> None:
        """Paint a line again, or some cells of it, if it is in view."""
        y = index - self.top
        if 0 <= y < self.body_height:
            wide = self.size.width if width is None else width
            self._refresh_cells(x, y + self.HEADER_LINES, wide)

    def refresh_header(self) -> None:
        for y in range(self.HEADER_LINES):
            self._refresh_cells(0, y, self.size.width)

    def refresh_bar(self) -> None:
        """Paint the scroll bar again, if its thumb has another size or place now."""
        if self.is_mounted and self._thumb() != self._bar_state:
            self._bar_state = self._thumb()
            self.refresh(Region(self.size.width - 1, self.HEADER_LINES, 1, self.body_height))

    def _refresh_cells(self, x: int, y: int, width: int) -> None:
        if self.is_mounted:
            self.refresh(Region(x, y, width, 1))

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.drop_strips()

    def styles_now(self) -> RoleStyles:
        if not self._style_cache.is_current:
            self.drop_strips()
        return self.role_styles()

    def render_line(self, y: int) -> Strip:
        styles = self.styles_now()
        width = self.body_width
        if y < self.HEADER_LINES:
            return self.header_strip(y, self.size.width, styles)
        line = y - self.HEADER_LINES
        strip = self.body_strip(self.top + line, width, styles)
        if strip is None:
            strip = Strip.blank(width, styles.base)
        return _joined(strip, self._bar_cell(line, styles))

    def _bar_cell(self, line: int, styles: RoleStyles) -> Segment:
        start, length = self._bar_state = self._thumb()
        if not length:
            return Segment(" ", styles.base)
        is_thumb = start <= line < start + length
        glyph = ("#" if is_thumb else "|") if self.glyphs.is_ascii else ("█" if is_thumb else "│")
        return Segment(glyph, styles.of("muted"))

    def _thumb(self) -> tuple[int, int]:
        """First line and length of the bar's thumb; length 0: everything is in view."""
        total, height = self.line_count(), self.body_height
        if not 0 < height < total:
            return 0, 0
        length = max(1, height * height // total)
        span = total - height
        return round(self.top * (height - length) / span), length

    # the mouse --------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """It was painted in its new size before this was told, from the line it began at."""
        self.drop_strips()
        self.top = max(0, min(self.top, self.max_top))
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._wheel(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._wheel(-WHEEL_LINES)

    def _wheel(self, lines: int) -> None:
        if self.scroll_to_line(self.top + lines):
            self.scrolled_by_operator()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if self.has_bar and event.x == self.size.width - 1 and event.y >= self.HEADER_LINES:
            event.stop()
            self.capture_mouse()
            self._is_dragging = True
            self._drag_to(event.y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._is_dragging:
            event.stop()
            self._drag_to(event.y)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._is_dragging:
            event.stop()
            self._is_dragging = False
            self.release_mouse()

    def _drag_to(self, y: int) -> None:
        height = max(1, self.body_height - 1)
        share = max(0, min(y - self.HEADER_LINES, height)) / height
        if self.scroll_to_line(round(self.max_top * share)):
            self.scrolled_by_operator()


def _joined(strip: Strip, segment: Segment) -> Strip:
    return Strip([*strip, segment], strip.cell_length + 1)
