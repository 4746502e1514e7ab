"""The line above the footer: the note on the row under the cursor, or what just happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.state.clean_text import clean
from traffic_tui.state.glyphs import Role, Span
from traffic_tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from collections.abc import Sequence


class MessageLine(StatusLine):
    """A message for a while, else a standing note."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._note = Span("")
        self._message = Span("")
        self._until = 0.0

    @property
    def text(self) -> str:
        return (self._message if self._message.text else self._note).text

    def show(self, text: str, role: Role = "plain") -> None:
        """The standing note, shown whenever there is no message."""
        self._note = Span(clean(text), role)
        self.update_line()

    def say(self, text: str, role: Role = "plain", *, until: float) -> None:
        """A message that stands until ``until`` (monotonic seconds, see :meth:`tick`)."""
        self._message, self._until = Span(clean(text), role), until
        self.update_line()

    def hush(self) -> None:
        """Take the message away."""
        self._message = Span("")
        self.update_line()

    def tick(self, now: float) -> None:
        """Time went on: a message whose time is over goes."""
        if self._message.text and now >= self._until:
            self.hush()

    def spans(self, width: int) -> Sequence[Span]:
        shown = self._message if self._message.text else self._note
        return (Span(" "), shown)
