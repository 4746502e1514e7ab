"""From roles (``bad``) to styles of the terminal, by the theme that is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color, ColorParseError
from textual.strip import Strip
from textual.widget import Widget

from traffic_tui.state.clean_text import cells, crop
from traffic_tui.state.contrast import Rgb, readable
from traffic_tui.state.glyphs import ASCII, DRAWN, STATE_ROLES, GlyphSet, Role, Span
from traffic_tui.themes import FALLBACK_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from textual.geometry import Region


PLACE_ROLES: Mapping[Role, str] = {"place_test": "test", "place_production": "production"}
"""Roles whose colours are a theme's for places."""
_ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse")


class RoleStyles:
    """The styles of all roles over one widget's own style."""

    def __init__(self, base: Style, variables: Mapping[str, str]) -> None:
        self.base = base
        self.cursor = base + Style(reverse=True)
        """The cursor is reverse video, whatever the theme."""
        self._styles: dict[Role, Style] = {"plain": base, "title": base + Style(bold=True)}
        ground = rgb_of(base.bgcolor)
        for role in STATE_ROLES:
            self._styles[role] = base + _role_style(role, variables, ground)
        for place_role, place in PLACE_ROLES.items():
            colour = _readable_colour(_variable(variables, f"place-{place}"), ground)
            weight = Style(reverse=True, bold=place == "production")
            self._styles[place_role] = base + Style.from_color(colour) + weight

    def of(self, role: Role) -> Style:
        return self._styles[role]

    def at_cursor(self, role: Role) -> Style:
        """A role under the cursor keeps its weight, but not its colour."""
        style = self._styles[role]
        return self.cursor + Style(bold=style.bold, underline=style.underline)


def _role_style(role: Role, variables: Mapping[str, str], ground: Rgb | None) -> Style:
    colour = _readable_colour(_variable(variables, f"state-{role}"), ground)
    words = _variable(variables, f"state-{role}-style").split()
    weight = Style.parse(" ".join(word for word in words if word in _ATTRIBUTES))
    return Style.from_color(colour) + weight


def _readable_colour(text: str, ground: Rgb | None) -> RichColor | None:
    colour = _rich_colour(text)
    own = rgb_of(colour)
    if own is not None and ground is not None:
        return RichColor.from_rgb(*readable(own, ground))
    return colour


def _variable(variables: Mapping[str, str], name: str) -> str:
    return variables.get(name) or FALLBACK_VARIABLES[name]


def _rich_colour(text: str) -> RichColor | None:
    try:
        return Color.parse(text).rich_color
    except ColorParseError:
        return None


def rgb_of(colour: RichColor | None) -> Rgb | None:
    """The parts of a colour; None where the terminal decides how it looks."""
    if colour is None or colour.triplet is None:
        return None
    return colour.triplet.red, colour.triplet.green, colour.triplet.blue


class StyleCache:
    """A widget's role styles, made anew when the widget's style or the theme changed.

    Reading ``visual_style`` walks all ancestors, which is too dear for every line of every frame.
    """

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: RoleStyles | None = None
        self._variables: Mapping[str, str] | None = None

    def forget(self) -> None:
        self._styles = None

    @property
    def is_current(self) -> bool:
        return self._styles is not None and self._variables is self._widget.app.theme_variables

    def get(self) -> RoleStyles:
        styles = self._styles
        if styles is None or not self.is_current:
            self._variables = self._widget.app.theme_variables
            styles = RoleStyles(self._widget.visual_style.rich_style, self._variables)
            self._styles = styles
        return styles


class RoleWidget(Widget):
    """A widget that draws its own lines in the styles of roles.

    It paints again when the theme changed, even where none of its own style rules did.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.glyphs: GlyphSet = DRAWN
        self._style_cache = StyleCache(self)
        self._last_drawn: tuple[Region, list[Strip]] | None = None
        """What was drawn last, and of which part, while it holds."""

    def role_styles(self) -> RoleStyles:
        return self._style_cache.get()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The one place where all that is drawn comes by: plain terminals get no ellipsis.

        Where one widget changed, Textual asks all on the screen, and to learn that theirs are
        the lines of before costs it more than to draw the one that is new.
        """
        if self._last_drawn is not None and self._last_drawn[0] == crop:
            return self._last_drawn[1]
        strips = super().render_lines(crop)
        if self.glyphs.is_ascii:
            strips = [_in_ascii(strip) for strip in strips]
        self._last_drawn = (crop, strips)
        return strips

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        self._last_drawn = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def notify_style_update(self) -> None:
        self._last_drawn = None
        super().notify_style_update()
        if self.is_mounted and not self._style_cache.is_current:
            self.refresh()
        self._style_cache.forget()


def _in_ascii(strip: Strip) -> Strip:
    if DRAWN.ellipsis not in strip.text:
        return strip
    return Strip(
        [
            Segment(text.replace(DRAWN.ellipsis, ASCII.ellipsis), style, control)
            for text, style, control in strip
        ],
        strip.cell_length,
    )


def words_and_padding(text: str, style: Style, padding: Style) -> list[tuple[str, Style]]:
    """``text`` in its style; where that underlines, only what stands between its outer blanks."""
    words = text.strip(" ")
    if not style.underline or len(words) == len(text):
        return [(text, style)]
    if not words:
        return [(text, padding)]
    begin = len(text) - len(text.lstrip(" "))
    end = begin + len(words)
    parts = ((text[:begin], padding), (words, style), (text[end:], padding))
    return [part for part in parts if part[0]]


def spans_strip(spans: Iterable[Span], width: int, styles: RoleStyles) -> Strip:
    """Spans as a line of exactly ``width`` cells. Their text has to be clean."""
    segments: list[Segment] = []
    room = width
    for text, role in spans:
        shown = crop(text, room)
        if shown:
            parts = words_and_padding(shown, styles.of(role), styles.base)
            segments += [Segment(part, style) for part, style in parts]
            room -= cells(shown)
    if room > 0:
        segments.append(Segment(" " * room, styles.base))
    return Strip(segments, width)
