"""Keys that were on their way before the line they are meant for had the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.events import Key
    from textual.widgets import Input


def type_late(line: Input, event: Key) -> None:
    """Write a letter into the line that has the keyboard, which keeps those it gets itself."""
    if event.is_printable and event.character:
        event.stop()
        line.insert_text_at_cursor(event.character)
