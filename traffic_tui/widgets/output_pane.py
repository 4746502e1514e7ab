"""Console output as it comes: follows the end, holds still while one reads, opens at any size.

The view fetches nothing. It says with :class:`OutputPane.Wanted` which bytes it lacks, and its
owner gives them to :meth:`OutputPane.load`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip

from traffic_tui.state.clean_text import clean, crop
from traffic_tui.state.formats import clock_time
from traffic_tui.state.output_rows import OutputRows
from traffic_tui.state.outputlog import OutputLog, OutputRange
from traffic_tui.widgets.line_view import LineView
from traffic_tui.widgets.output_painter import GUTTER, TIME_CELLS, LineLook, OutputPainter
from traffic_tui.widgets.output_title import OutputTitle, mode_words, place_words, title_spans
from traffic_tui.widgets.role_styles import RoleStyles, spans_strip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.selection import Selection

    from traffic_tui.state.formats import Zone
    from traffic_tui.state.output_lines import OutputLine
    from traffic_tui.state.outputlog import OutputPiece

_NEAR_LINES = 200
"""How near to the edge of what is held more is asked for."""
_MAX_STRIPS = 512


class OutputPane(LineView, can_focus=True):
    """See the module's words."""

    HEADER_LINES: ClassVar[int] = 1
    ALLOW_SELECT = True

    class Wanted(Message, namespace="output_view"):
        """Bytes the view lacks for what the operator wants to see."""

        def __init__(self, view: OutputPane, ranges: Sequence[OutputRange]) -> None:
            super().__init__()
            self.view = view
            self.ranges = tuple(ranges)

        @property
        def control(self) -> OutputPane:
            return self.view

    class StateChanged(Message, namespace="output_view"):
        """Following, holding, folding or place changed."""

        def __init__(self, view: OutputPane) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> OutputPane:
            return self.view

    def __init__(
        self, output: OutputLog | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.output = output if output is not None else OutputLog()
        self.name_text = "output"
        self.is_wrapped = False
        self.has_times = False
        self.has_colours = True
        self.zone: Zone = "utc"
        self.has_source = True
        """Whether there is an attempt whose output this is, or could be."""
        self.search_text = ""
        self.marks: set[tuple[str, int]] = set()
        """Marked lines, by stream and offset."""
        self._ended = ""
        self._problem = ""
        self._empty = ""
        self._rate: tuple[float | None, ...] = ()
        self._aside = 0
        self._hit_id: int | None = None
        self._go_to: tuple[str, int] | None = None
        self._asked: tuple[OutputRange, ...] = ()
        self._rows = OutputRows(self.output)
        self._strips: dict[tuple[int, int], Strip] = {}
        self._painter: OutputPainter | None = None

    # what the owner says ----------------------------------------------------------------------

    def open(self, name: str, streams: Sequence[str] = ("",)) -> list[OutputRange]:
        """Show another attempt's output: the ranges to fetch first, the end of each stream."""
        self.name_text = clean(name)
        self.has_source = bool(streams)
        self._ended = self._problem = self._empty = ""
        self._go_to, self._hit_id, self._asked = None, None, ()
        self.marks.clear()
        self._rows.only_text = ""
        self.top = self._aside = 0
        ranges = self.output.open(streams)
        self._all_changed()
        return ranges

    def load(self, piece: OutputPiece, stream: str = "", *, at: int = 0) -> None:
        """Take a fetched piece. What is being read keeps its place."""
        is_following = self.output.is_following
        anchor = None if is_following else self._top_line()
        open_id, old_count = self.output.first_open_id, self.line_count()
        keep_from = None if anchor is None else anchor[0]
        may_jump = is_following or self._go_to is not None
        was_reset = self.output.load(piece, stream, at=at, keep_from=keep_from, may_jump=may_jump)
        self._asked = ()
        self._forget_from(min(open_id, self.output.first_open_id), is_all=was_reset)
        old_top = self.top
        self.top = self._top_after(anchor, was_reset=was_reset)
        self._refresh_after(old_top, old_count, open_id, is_all=was_reset)
        if piece.data and self.output.is_following and self.output.new_bytes:
            self._want(self.output.tail_ranges())

    def tail_ranges(self) -> list[OutputRange]:
        """What to fetch to be at the end; asked for when there may be more output."""
        keep_from = None if self.output.is_following else self._top_line()[0]
        return self.output.tail_ranges(keep_from=keep_from)

    def set_ended(self, words: str) -> None:
        """The attempt has ended: ``exit 137``."""
        self._ended = clean(words)
        self.refresh_header()

    def set_problem(self, words: str) -> None:
        """Output is not being kept, and why; empty: it is."""
        self._problem = clean(words)
        self.refresh_header()

    def set_empty(self, words: str) -> None:
        """What stands on the first line while there is no output."""
        if words != self._empty:
            self._empty = words
            self.refresh_index(0)

    def set_rate(self, bytes_per_second: Sequence[float | None]) -> None:
        """Bytes a second in each of the last buckets, for the title of wide views."""
        self._rate = tuple(bytes_per_second)
        self.refresh_header()

    # what is shown, in words ------------------------------------------------------------------

    @property
    def title(self) -> str:
        """How it stands: ``following``, ``held, 312 new``, ``ended, exit 137``."""
        return mode_words(self.output, ended=self._ended, problem=self._problem)

    def title_state(self) -> OutputTitle:
        """What the title's line says."""
        last_id = self._last_visible_id() if self.line_count() else None
        only = f"only {clean(self.only_text, 40)!r}, " if self.only_text else ""
        return OutputTitle(
            name=self.name_text,
            mode=only + self.title,
            place=place_words(self.output, last_id, has_ended=bool(self._ended)),
            total_bytes=self.output.total_bytes,
            rate=() if self._ended else self._rate,
            is_bad=bool(self._problem),
            has_focus=self.has_focus,
            is_bare=not self.has_source,
        )

    def _last_visible_id(self) -> int:
        row = max(0, min(self.top + self.body_height, self.line_count()) - 1)
        return self._locate(row)[0]

    # rows -------------------------------------------------------------------------------------

    def line_count(self) -> int:
        return self._shown_rows().count()

    def _shown_rows(self) -> OutputRows:
        width = self._text_width if self.is_wrapped else 0
        if width != self._rows.fold_width:
            self._fold_at(width)
        return self._rows

    def _fold_at(self, width: int) -> None:
        """Fold long lines at another width; the line at the top stays there."""
        line_id = self._rows.locate(self.top)[0]
        self._rows.fold_width = width
        self._strips.clear()
        row = self.max_top if self.output.is_following else self._rows.row_of(line_id)
        self.top = max(0, min(row, self.max_top))

    @property
    def only_text(self) -> str:
        """Only lines with this text are shown; empty: all."""
        return self._rows.only_text

    @property
    def is_folded(self) -> bool:
        """Whether long lines are folded now; those of a text are shown one a row."""
        return self.is_wrapped and not self.only_text

    @property
    def _aside_cells(self) -> int:
        """How far lines are moved to the left; folded ones are seen whole."""
        return 0 if self.is_folded else self._aside

    @property
    def _text_width(self) -> int:
        times = TIME_CELLS if self.has_times else 0
        return max(2, self.body_width - GUTTER - times)

    def _locate(self, row: int) -> tuple[int, int]:
        return self._shown_rows().locate(row)

    def _row_of(self, line_id: int) -> int:
        return self._shown_rows().row_of(line_id)

    def _top_line(self) -> tuple[int, int]:
        return self._locate(self.top)

    def _top_after(self, anchor: tuple[int, int] | None, *, was_reset: bool) -> int:
        """The first row in view after a load."""
        if self._go_to is not None:
            stream, offset = self._go_to
            line_id = self.output.id_at_offset(offset, stream)
            if line_id is not None:
                self._go_to = None
                return max(0, min(self._row_of(line_id), self.max_top))
        if anchor is None:
            return self.max_top
        if was_reset:
            return max(0, min(self.top, self.max_top))
        return max(0, min(self._row_of(anchor[0]) + anchor[1], self.max_top))

    def _refresh_after(self, old_top: int, old_count: int, open_id: int, *, is_all: bool) -> None:
        """Paint what a load changed: nothing but title and bar while the reader is elsewhere."""
        is_following = self.output.is_following
        if is_all or (is_following and (self.top != old_top or self.line_count() != old_count)):
            self.refresh()
            return
        for row in self.visible_range():
            if is_following or self._locate(row)[0] >= open_id or row >= old_count:
                self.refresh_index(row)
        self.refresh_header()
        self.refresh_bar()

    # asking for more -------------------------------------------------------------------------

    def _want_near(self) -> None:
        """Ask for more where the view comes near the edge of what is held."""
        if self.top < _NEAR_LINES:
            self._want(self.output.ranges_before())
        elif self.top + self.body_height > self.line_count() - _NEAR_LINES:
            self._want(self.output.ranges_after())

    def _want(self, ranges: Sequence[OutputRange]) -> None:
        if ranges and tuple(ranges) != self._asked:
            self._asked = tuple(ranges)
            self.post_message(self.Wanted(self, ranges))

    def _told_state(self) -> None:
        self.refresh_header()
        self.post_message(self.StateChanged(self))

    # painting ---------------------------------------------------------------------------------

    def drop_strips(self) -> None:
        self._strips.clear()

    def _all_changed(self) -> None:
        self.drop_strips()
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Folded lines are folded anew; the base class bounds the place afterwards."""
        if self.output.is_following:
            self.top = self.max_top

    def on_focus(self) -> None:
        self.refresh_header()

    def on_blur(self) -> None:
        self.refresh_header()

    def _forget_from(self, line_id: int, *, is_all: bool) -> None:
        """Drop the strips of lines that may read differently now."""
        if is_all:
            self._strips.clear()
        first = self.output.first_id
        for key in [key for key in self._strips if key[0] >= line_id or key[0] <= first]:
            del self._strips[key]

    def header_strip(self, y: int, width: int, styles: RoleStyles) -> Strip:
        return spans_strip(title_spans(self.title_state(), width, self.glyphs), width, styles)

    def body_strip(self, index: int, width: int, styles: RoleStyles) -> Strip | None:
        if not 0 <= index < self.line_count():
            return self._empty_strip(width, styles) if index == 0 else None
        line_id, part = self._locate(index)
        strip = self._strips.get((line_id, part))
        if strip is None:
            strip = self._drawn(line_id, part, styles)
            if len(self._strips) >= _MAX_STRIPS:
                self._strips.clear()
            self._strips[line_id, part] = strip
        prefix = self._prefix_cells
        aside = self._aside_cells
        shown = strip.crop(prefix + aside, prefix + aside + width - prefix)
        joined = self._with_selection(Strip.join([strip.crop(0, prefix), shown]), line_id)
        shift = aside - prefix + part * self._text_width
        return joined.extend_cell_length(width, styles.base).apply_offsets(shift, line_id)

    def _empty_strip(self, width: int, styles: RoleStyles) -> Strip | None:
        if not self._empty or self.only_text:
            return None
        words = crop(" " * GUTTER + self._empty, width, self.glyphs.ellipsis)
        return Strip([Segment(words, styles.of("muted"))]).extend_cell_length(width, styles.base)

    @property
    def _prefix_cells(self) -> int:
        return GUTTER + (TIME_CELLS if self.has_times else 0)

    def _drawn(self, line_id: int, part: int, styles: RoleStyles) -> Strip:
        line = self.output.line(line_id)
        look = LineLook(
            is_marked=(line.stream, line.offset) in self.marks,
            has_cursor=line.kind == "partial" and not self.output.is_complete,
            fold_width=0 if self.only_text else self._rows.fold_width,
            part=part,
            time=self._time_of(line, part),
            search_text=self.search_text or self.only_text,
            has_colours=self.has_colours,
        )
        return self._painter_for(styles).strip(line, look)

    def _time_of(self, line: OutputLine, part: int) -> str | None:
        if not self.has_times:
            return None
        return clock_time(line.at, self.zone)[:8] if line.at and not part else ""

    def _painter_for(self, styles: RoleStyles) -> OutputPainter:
        if self._painter is None or self._painter.styles is not styles:
            self._painter = OutputPainter(styles, self.glyphs)
        return self._painter

    def _with_selection(self, strip: Strip, line_id: int) -> Strip:
        """Show which text is selected with the mouse."""
        selection = self.text_selection
        span = None if selection is None else selection.get_span(line_id)
        if span is None:
            return strip
        shift = self._prefix_cells - self._aside_cells
        start = max(self._prefix_cells, span[0] + shift)
        end = strip.cell_length if span[1] == -1 else min(strip.cell_length, span[1] + shift)
        if end <= start:
            return strip
        style = self.screen.get_component_rich_style("screen--selection")
        chosen = strip.crop(start, end).apply_style(style)
        return Strip.join([strip.crop(0, start), chosen, strip.crop(end, strip.cell_length)])

    # text selected with the mouse -------------------------------------------------------------

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text; lines are counted by their id."""
        first, last = self.output.first_id, self.output.first_id + self.output.line_count() - 1
        start_y = first if selection.start is None else max(first, selection.start.y)
        end_y = last if selection.end is None else min(last, selection.end.y)
        lines: list[str] = []
        for line_id in range(start_y, end_y + 1):
            text = self.output.line(line_id).text()
            span = selection.get_span(line_id)
            if span is not None:
                begin, end = span
                lines.append(text[max(0, begin) : None if end == -1 else max(0, end)])
        return "\n".join(lines), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()
