"""What a line that is being typed could become, shown beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.state.clean_text import clean
from traffic_tui.state.glyphs import Span
from traffic_tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from collections.abc import Sequence


class SuggestionLine(StatusLine):
    """What the text could become, the chosen one in bold."""

    def __init__(self) -> None:
        super().__init__()
        self._suggestions: tuple[str, ...] = ()
        self._chosen = -1

    def show(self, suggestions: Sequence[str], chosen: int) -> None:
        self._suggestions, self._chosen = tuple(suggestions), chosen
        self.update_line()

    def spans(self, width: int) -> Sequence[Span]:
        spans = [Span(" ")]
        for index, word in enumerate(self._suggestions):
            spans.append(Span(clean(word), "active" if index == self._chosen else "muted"))
            spans.append(Span("  "))
        return spans
