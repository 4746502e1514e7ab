"""A bare application to put one widget on, and its screen as text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual.app import App

from traffic_tui.themes import FALLBACK_VARIABLES, native_colours, register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.geometry import Region
    from textual.message import Message
    from textual.pilot import Pilot
    from textual.strip import Strip
    from textual.widget import Widget


class Stage(App[None]):
    """Shows widgets, one below the other, and keeps the messages they send."""

    CSS = "Screen { layers: base; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, *widgets: Widget, theme: str = "dark") -> None:
        super().__init__(ansi_color=native_colours(os.environ))
        self.placed = widgets
        self.said: list[Message] = []
        register(self)
        self.theme = theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(FALLBACK_VARIABLES)

    def compose(self) -> ComposeResult:
        yield from self.placed

    def strips(self) -> list[Strip]:
        return self.screen._compositor.render_strips()

    def text(self) -> str:
        """The screen as text, without blanks at the ends of lines."""
        return "\n".join(strip.text.rstrip() for strip in self.strips())

    def line(self, y: int) -> str:
        return self.strips()[y].text.rstrip()


async def settle(pilot: Pilot[None]) -> None:
    """Wait until all that is under way is painted."""
    await pilot.pause()
    await pilot.pause()


def painted_lines(widget: Widget) -> Sequence[int]:
    """Which lines of a widget wait to be painted."""
    return sorted({y for region in waiting_regions(widget) for y in region.line_range})


def waiting_regions(widget: Widget) -> Sequence[Region]:
    """What of a widget waits to be painted, in its own coordinates."""
    shift = widget.region.offset
    return [region.translate(-shift) for region in widget._repaint_regions]
