"""The last line: the keys that do something here, in the operator's own key map."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from traffic_tui.state.clean_text import clean
from traffic_tui.state.glyphs import Span
from traffic_tui.widgets.status_line import StatusLine, span_cells, two_sided

if TYPE_CHECKING:
    from collections.abc import Sequence


class KeyHint(NamedTuple):
    """A key and what it does here."""

    key: str
    words: str
    is_right: bool = False
    """At the right edge, and kept when others give way, for example ``? help``."""
    is_enabled: bool = True


class FooterLine(StatusLine):
    """Draws key hints; the last ones give way when the line is short."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._hints: tuple[KeyHint, ...] = ()

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        return self._hints

    def show(self, hints: Sequence[KeyHint]) -> None:
        self._hints = tuple(hints)
        self.update_line()

    def spans(self, width: int) -> Sequence[Span]:
        return footer_spans(self._hints, width)


def footer_spans(hints: Sequence[KeyHint], width: int) -> list[Span]:
    """As many hints as fit into ``width`` cells, those at the right edge first."""
    right = [span for hint in hints if hint.is_right for span in _hint_spans(hint)]
    room = width - span_cells(right) - 1
    left: list[Span] = []
    for hint in hints:
        if hint.is_right:
            continue
        spans = _hint_spans(hint)
        room -= span_cells(spans)
        if room < 0:
            break
        left += spans
    if left:
        left[-1] = left[-1]._replace(text=left[-1].text.rstrip())
    return two_sided([Span(" "), *left], right, width)


def _hint_spans(hint: KeyHint) -> list[Span]:
    if not hint.is_enabled:
        return [Span(f"{clean(hint.key)} {clean(hint.words)}  ", "muted")]
    return [Span(clean(hint.key), "title"), Span(f" {clean(hint.words)}  ")]
