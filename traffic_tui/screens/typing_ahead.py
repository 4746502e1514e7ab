"""Keys that were on their way before the line they are meant for had the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.events import Key
    from textual.widgets import Input


async def type_late(line: Input, event: Key) -> None:
    """Write a letter into the line that has the keyboard, which keeps those it gets itself, or
    end it: what comes after enter is no part of it."""
    if event.is_printable and event.character:
        event.stop()
        line.insert_text_at_cursor(event.character)
    elif event.key == "enter":
        event.stop()
        await line.action_submit()
