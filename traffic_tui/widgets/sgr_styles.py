"""Colours a job sent, made readable on the theme that is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.color import Color as RichColor
from rich.style import Style

from traffic_tui.state.contrast import Rgb, palette_rgb, readable
from traffic_tui.state.sgr import PLAIN, SgrColour, SgrStyle
from traffic_tui.widgets.role_styles import rgb_of

if TYPE_CHECKING:
    from traffic_tui.widgets.role_styles import RoleStyles

_MAX_STYLES = 512
_WHITE: Rgb = (255, 255, 255)


class SgrStyles:
    """The terminal styles of runs of output over one widget's own style."""

    def __init__(self, styles: RoleStyles) -> None:
        self._base = styles.base
        self._background = rgb_of(styles.base.bgcolor)
        self._foreground = rgb_of(styles.base.color)
        self._known: dict[SgrStyle, Style] = {PLAIN: styles.base}

    def of(self, style: SgrStyle) -> Style:
        known = self._known.get(style)
        if known is None:
            if len(self._known) >= _MAX_STYLES:
                self._known = {PLAIN: self._base}
            known = self._known[style] = self._made(style)
        return known

    def _made(self, style: SgrStyle) -> Style:
        weight = Style(
            bold=style.is_bold or None,
            dim=style.is_dim or None,
            italic=style.is_italic or None,
            underline=style.is_underlined or None,
            reverse=style.is_reversed or None,
        )
        return self._base + self._coloured(style) + weight

    def _coloured(self, style: SgrStyle) -> Style:
        if self._background is None:
            return Style(color=_native(style.colour), bgcolor=_native(style.background))
        background = _rgb(style.background)
        colour = _rgb(style.colour)
        if colour is None and background is not None:
            colour = self._foreground or _WHITE
        if colour is not None:
            colour = readable(colour, background or self._background)
        return Style(color=_rich(colour), bgcolor=_rich(background))


def _rgb(colour: SgrColour) -> Rgb | None:
    return palette_rgb(colour) if isinstance(colour, int) else colour


def _rich(colour: Rgb | None) -> RichColor | None:
    return None if colour is None else RichColor.from_rgb(*colour)


def _native(colour: SgrColour) -> RichColor | None:
    """Where the theme leaves colours to the terminal, so do we."""
    return RichColor.from_ansi(colour) if isinstance(colour, int) else _rich(colour)
