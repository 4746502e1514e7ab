"""The second line: which screen this is, what it is filtered by, how much of it there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from traffic_tui.state.clean_text import clean, crop
from traffic_tui.state.glyphs import Role, Span
from traffic_tui.widgets.status_line import StatusLine, two_sided

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class CrumbState:
    """All the crumb line says."""

    path: tuple[str, ...] = ()
    """``("Jobs", "52118 resize-images")``"""
    filter: str = ""
    aside: str = ""
    """In muted words after the path, for example a long id."""
    count: str = ""
    """``37 of 12,480``"""
    new_above: int = 0
    """Rows that came in above what is in view."""
    marked: int = 0
    order: str = ""
    """``by JOB ↓``"""
    state: Span = Span("")
    """On a job's screen, how the job stands."""


class CrumbLine(StatusLine):
    """Draws a :class:`CrumbState`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._state = CrumbState()

    @property
    def state(self) -> CrumbState:
        return self._state

    def show(self, state: CrumbState) -> None:
        self._state = state
        self.update_line()

    def spans(self, width: int) -> Sequence[Span]:
        return crumb_spans(self._state, width)


def crumb_spans(state: CrumbState, width: int) -> list[Span]:
    """The crumb line in ``width`` cells; the filter is cropped before the counts."""
    left = [Span(" " + " / ".join(clean(part) for part in state.path), "title")]
    if state.filter:
        left.append(Span(f"  {clean(state.filter)}", "active"))
    if state.aside:
        left.append(Span(f"   {clean(state.aside)}", "muted"))
    facts: list[tuple[str, Role]] = [(clean(state.count), "plain")]
    if state.new_above:
        facts.insert(0, (f"{state.new_above:,} new above", "active"))
    if state.marked:
        facts.append((f"{state.marked:,} marked", "warn"))
    facts.append((clean(state.order), "plain"))
    facts.append((clean(state.state.text), state.state.role))
    right: list[Span] = []
    for text, role in facts:
        if text:
            right += [Span("  "), Span(crop(text, max(10, width // 2)), role)]
    return two_sided(left, [*right, Span(" ")], width)
