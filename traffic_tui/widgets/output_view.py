"""The output view with its keys: moving, searching, marking, folding. See :mod:`output_pane`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from traffic_tui.state.outputlog import OutputRange
from traffic_tui.widgets.output_pane import OutputPane

if TYPE_CHECKING:
    from traffic_tui.state.output_lines import OutputLine

_SIDE_STEP = 8


class OutputView(OutputPane, can_focus=True):
    """Output that a person walks through."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, id="output.up"),
        Binding("down,j", "move(1)", "down", show=False, id="output.down"),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, id="output.page_up"),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, id="output.page_down"),
        Binding("home,g", "first", "beginning", show=False, id="output.first"),
        Binding("end,G", "last", "end, and follow", show=False, id="output.last"),
        Binding("f", "follow", "follow or hold", show=False, id="output.follow"),
        Binding("w", "wrap", "fold long lines", show=False, id="output.wrap"),
        Binding("t", "times", "times of arrival", show=False, id="output.times"),
        Binding("C", "colours", "the job's colours", show=False, id="output.colours"),
        Binding("m", "mark", "mark the line", show=False, id="output.mark"),
        Binding("left,h", "aside(-1)", "left", show=False, id="output.left"),
        Binding("right", "aside(1)", "right", show=False, id="output.right"),
        Binding("n", "next_hit(1)", "next match", show=False, id="output.next"),
        Binding("N", "next_hit(-1)", "match before", show=False, id="output.previous"),
    ]

    class SearchBeyond(Message):
        """No match in what is held: the owner may ask the coordinator, from this byte on."""

        def __init__(
            self, view: OutputView, text: str, stream: str, offset: int, *, is_backwards: bool
        ) -> None:
            super().__init__()
            self.view = view
            self.text = text
            self.stream = stream
            self.offset = offset
            self.is_backwards = is_backwards

        @property
        def control(self) -> OutputView:
            return self.view

    # going to a place -----------------------------------------------------------------------

    def search(self, text: str) -> None:
        """Highlight a text and go to its next match, seen from the first line in view.

        At the end nothing comes after that: there it is the last match.
        """
        self.search_text = text
        self._hit_id = None
        self.drop_strips()
        self.refresh()
        if text:
            top_id = self._top_line()[0]
            is_at_end = self.output.is_following
            is_before = is_at_end and self.output.find(text, top_id, is_backwards=False) is None
            self._seek(top_id, is_backwards=is_before)

    def go_to_offset(self, offset: int, stream: str = "") -> None:
        """Show the line that holds a byte, fetching it if need be."""
        line_id = self.output.id_at_offset(offset, stream)
        self.output.hold()
        if line_id is not None:
            self._show_line(line_id)
            return
        self._go_to = (stream, offset)
        self._want([OutputRange(stream, max(0, offset - 4_096))])

    def go_to_share(self, share: float) -> None:
        """Show the place at a share of the whole, between 0 and 1."""
        window = self.output.main_window()
        if window is not None:
            place = int(max(0.0, min(1.0, share)) * max(0, window.size - 1))
            self.go_to_offset(place, window.stream)

    @property
    def only_text(self) -> str:
        """The text that shown lines hold; empty: all are shown."""
        return self._rows.only_text

    def show_only(self, text: str) -> None:
        """Show only lines that contain a text, or all again; the line at the top stays near."""
        line_id = self._top_line()[0]
        self._rows.only_text = text
        self._all_changed()
        row = self.max_top if self.output.is_following else self._row_of(line_id)
        self.top = max(0, min(row, self.max_top))
        self._want_near()
        self._told_state()

    def current_line(self) -> OutputLine | None:
        """The line that keys are about: the match last gone to while in view, else the top one."""
        if not self.output.line_count():
            return None
        return self.output.line(self._current_id())

    def _current_id(self) -> int:
        if self._hit_id is not None and self._row_of(self._hit_id) in self.visible_range():
            return self._hit_id
        return self._top_line()[0]

    def marked_lines(self) -> list[OutputLine]:
        """Marked lines that are held, in order."""
        ids = range(self.output.first_id, self.output.first_id + self.output.line_count())
        if not self.marks:
            return []
        lines = (self.output.line(line_id) for line_id in ids)
        return [line for line in lines if (line.stream, line.offset) in self.marks]

    # moving -----------------------------------------------------------------------------------

    def action_move(self, lines: int) -> None:
        self._scroll(self.top + lines)

    def action_page(self, pages: int) -> None:
        self._scroll(self.top + pages * max(1, self.body_height - 1))

    def action_first(self) -> None:
        """The very beginning, which may have to be fetched."""
        self.output.hold()
        window = self.output.main_window()
        if window is not None and window.start > 0:
            self._go_to = (window.stream, 0)
            self._want([OutputRange(window.stream, 0)])
        self._scroll(0)

    def action_last(self) -> None:
        """The end, and follow it."""
        self.output.follow()
        self._want(self.output.tail_ranges())
        self.scroll_to_line(self.max_top)
        self._told_state()

    def action_follow(self) -> None:
        if self.output.is_following:
            self.output.hold()
            self._told_state()
        else:
            self.action_last()

    def action_aside(self, steps: int) -> None:
        aside = max(0, self._aside + steps * _SIDE_STEP)
        if aside != self._aside and not self.is_folded:
            self._aside = aside
            self.refresh()

    def action_wrap(self) -> None:
        self._change_layout("is_wrapped")

    def action_times(self) -> None:
        self._change_layout("has_times")

    def action_colours(self) -> None:
        self._change_layout("has_colours")

    def _change_layout(self, switch: str) -> None:
        """Turn a switch; the line at the top stays there."""
        setattr(self, switch, not getattr(self, switch))
        self._shown_rows()
        self._all_changed()
        self._told_state()

    def action_mark(self) -> None:
        """Mark the current line, or take its mark away."""
        line = self.current_line()
        if line is None or line.kind == "note":
            return
        self.marks ^= {(line.stream, line.offset)}
        self.drop_strips()
        self.refresh()

    def action_next_hit(self, direction: int) -> None:
        if not self.search_text:
            return
        start = self._current_id() + (direction if self._hit_id is not None else 0)
        self._seek(start, is_backwards=direction < 0)

    def _seek(self, start_id: int, *, is_backwards: bool) -> None:
        found = self.output.find(self.search_text, start_id, is_backwards=is_backwards)
        if found is not None:
            self.output.hold()
            self._hit_id = found
            self._show_line(found)
            return
        window = self.output.main_window()
        if window is None:
            return
        offset = window.start if is_backwards else window.end
        stream, text = window.stream, self.search_text
        self.post_message(self.SearchBeyond(self, text, stream, offset, is_backwards=is_backwards))

    def _show_line(self, line_id: int) -> None:
        """Bring a line into view, a third down the page."""
        row = self._row_of(line_id)
        if row not in self.visible_range():
            self.scroll_to_line(row - self.body_height // 3)
        self.refresh()
        self._want_near()
        self._told_state()

    def _scroll(self, top: int) -> None:
        """Move by key: upwards ends following, reaching the end does not bring it back."""
        if top < self.top:
            self.output.hold()
        if not self.output.is_following or top > self.top:
            self.scroll_to_line(top)
        self._want_near()
        self._told_state()

    def scrolled_by_operator(self) -> None:
        if self.top < self.max_top:
            self.output.hold()
        self._want_near()
        self._told_state()
