"""A line of text to write in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

if TYPE_CHECKING:
    from textual import events


class LineInput(Input):
    """Enter counts when its turn comes.

    Textual lets it go round by the application first, and letters typed after it get in before.
    """

    async def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            await self.action_submit()
