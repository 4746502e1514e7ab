"""The title of an output view: always its place, its size and its mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from traffic_tui.state.clean_text import crop
from traffic_tui.state.formats import count, size, sparkline
from traffic_tui.state.glyphs import GlyphSet, Role, Span
from traffic_tui.widgets.status_line import span_cells

if TYPE_CHECKING:
    from traffic_tui.state.outputlog import OutputLog

_RATE_FROM = 120
"""Width in cells from which the rate is drawn too."""


@dataclass(frozen=True, slots=True)
class OutputTitle:
    """All the title says."""

    name: str
    mode: str
    place: str
    total_bytes: int
    rate: tuple[float | None, ...]
    """Bytes a second in the last 15 buckets."""
    is_bad: bool
    """Output is not being kept."""
    has_focus: bool
    is_bare: bool = False
    """There is nothing to have a place in: the name alone is said."""


def title_spans(title: OutputTitle, width: int, glyphs: GlyphSet) -> list[Span]:
    """A rule with the name at the left, place, size and mode at the right."""
    rule = glyphs.rule
    right = [] if title.is_bare else _standing(title, width, glyphs)
    role: Role = "title" if title.has_focus else "plain"
    name = crop(title.name, max(0, width - span_cells(right) - 5), glyphs.ellipsis)
    left = [Span(f"{rule}{rule} "), Span(name, role), Span(" ")]
    room = width - span_cells(left) - span_cells(right)
    return [*left, Span(rule * max(0, room)), *right]


def _standing(title: OutputTitle, width: int, glyphs: GlyphSet) -> list[Span]:
    """Rate, place, size and mode, at the right end."""
    rule = glyphs.rule
    right: list[Span] = []
    if title.rate and width >= _RATE_FROM:
        drawn = sparkline(title.rate[-15:], glyphs)
        right = [Span(" bytes/s "), Span(drawn, "active"), Span("  ")]
    mode_role: Role = "bad" if title.is_bad else "plain"
    facts = f" {title.place}  {size(title.total_bytes)}  "
    mode = crop(title.mode, max(10, width - len(facts) - 12), glyphs.ellipsis)
    return [*right, Span(facts), Span(mode, mode_role), Span(f" {rule}{rule}")]


def mode_words(output: OutputLog, *, ended: str, problem: str) -> str:
    """``following``, ``held, 312 new``, ``ended, exit 137``, or why output is not kept."""
    if problem:
        return problem
    if output.is_following:
        return f"ended, {ended}" if ended else "following"
    mode = f"ended, {ended}" if ended else "held"
    if output.new_bytes:
        return f"{mode}, {size(output.new_bytes)} not loaded"
    return f"{mode}, {count(output.new_lines)} new" if output.new_lines else mode


def place_words(output: OutputLog, last_id: int | None, *, has_ended: bool) -> str:
    """``line 18,204 of 18,204`` for the last line in view, or how far it is in per cent."""
    if last_id is None:
        return "no output" if has_ended else "no output yet"
    before = output.lines_before
    if before is None:
        line = output.line(last_id)
        window = output.window(line.stream) or output.main_window()
        whole = window.size if window is not None else 0
        end = line.offset + len(line.raw) + len("\n")
        return f"at {min(100, end * 100 // max(1, whole))}%"
    shift = before - int(output.has_head_note)
    return f"line {output.index_of(last_id) + 1 + shift:,} of {output.line_count() + shift:,}"
