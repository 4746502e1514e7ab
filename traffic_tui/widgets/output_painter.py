"""One line of output as a strip: time, gutter, the job's colours, matches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from traffic_tui.state.wrapping import fold
from traffic_tui.widgets.sgr_styles import SgrStyles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traffic_tui.state.glyphs import GlyphSet, Role
    from traffic_tui.state.output_lines import OutputLine
    from traffic_tui.state.sgr import Run
    from traffic_tui.widgets.role_styles import RoleStyles

GUTTER = 2
TIME_CELLS = 9
_HIT = Style(reverse=True)


@dataclass(frozen=True, slots=True)
class LineLook:
    """What decides how a line is drawn, besides its text."""

    is_marked: bool
    has_cursor: bool
    """Its end has not come yet."""
    fold_width: int
    """0: long lines are not folded."""
    part: int
    """Which row of a folded line."""
    time: str | None
    """None: times are not shown."""
    search_text: str
    has_colours: bool


class OutputPainter:
    """Draws lines over one widget's styles."""

    def __init__(self, styles: RoleStyles, glyphs: GlyphSet) -> None:
        self.styles = styles
        self._glyphs = glyphs
        self._sgr = SgrStyles(styles)

    def strip(self, line: OutputLine, look: LineLook) -> Strip:
        if line.kind == "note":
            return Strip([Segment("  " + line.text(), self.styles.of("muted"))])
        segments = self._prefix(line, look)
        runs: Sequence[Run] = line.runs()
        is_last_row = True
        if look.fold_width:
            rows = fold(runs, look.fold_width)
            runs = rows[look.part] if look.part < len(rows) else ()
            is_last_row = look.part >= len(rows) - 1
        for text, style in runs:
            colour = self._sgr.of(style) if look.has_colours else self.styles.base
            segments += highlighted(text, look.search_text, colour)
        if look.has_cursor and is_last_row:
            segments.append(Segment(self._glyphs.cursor, self.styles.base))
        return Strip(segments)

    def _prefix(self, line: OutputLine, look: LineLook) -> list[Segment]:
        is_error = line.stream == "stderr" and not look.is_marked
        gutter = ">" if look.is_marked else ("!" if is_error else " ")
        role: Role = "warn" if is_error else "title"
        mark = Segment(f"{gutter} ", self.styles.of(role))
        if look.time is None:
            return [mark]
        return [Segment(f"{look.time:<{TIME_CELLS}}", self.styles.of("muted")), mark]


def highlighted(text: str, wanted: str, style: Style) -> list[Segment]:
    """``text`` with every match in reverse video; small letters match capitals too."""
    searched = text.lower() if wanted == wanted.lower() else text
    if not wanted or len(searched) != len(text):
        return [Segment(text, style)]
    segments: list[Segment] = []
    position = 0
    while (found := searched.find(wanted, position)) >= 0:
        end = found + len(wanted)
        segments.append(Segment(text[position:found], style))
        segments.append(Segment(text[found:end], style + _HIT))
        position = end
    segments.append(Segment(text[position:], style))
    return [segment for segment in segments if segment.text]
