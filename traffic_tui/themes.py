"""Themes: read from TOML, checked, and handed to Textual.

A theme gives roles a colour and a weight. What is wrong in a file is said with its line, and the
last good form of the theme stays in force.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from traffic_tui.state.contrast import READABLE, Rgb, contrast
from traffic_tui.state.glyphs import STATE_ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from textual.app import App

DEFAULT_THEME = "dark"
NO_COLOUR_THEME = "mono"
MAX_THEME_BYTES = 65_536
PLACES = ("none", "test", "production")
"""What a server can be called, for the colour of its name in the header."""

_TOP_KEYS = ("name", "is_dark", "is_ansi", "least_contrast", "colours", "states", "places")
_COLOURS = (
    "background",
    "surface",
    "panel",
    "foreground",
    "primary",
    "secondary",
    "accent",
    "success",
    "warning",
    "error",
)
_STYLE_WORDS = ("none", "bold", "dim", "italic", "underline", "reverse")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")

FALLBACK_VARIABLES: Mapping[str, str] = {
    "state-active": "#56c2e6",
    "state-active-style": "none",
    "state-waiting": "#d9dde3",
    "state-waiting-style": "none",
    "state-good": "#6cc070",
    "state-good-style": "none",
    "state-warn": "#e2b84c",
    "state-warn-style": "none",
    "state-bad": "#ff7b72",
    "state-bad-style": "bold",
    "state-muted": "#98a0ab",
    "state-muted-style": "none",
    "state-place": "#98a0ab",
    "state-place-style": "reverse",
    "place-none": "#98a0ab",
    "place-test": "#6cc070",
    "place-production": "#ff7b72",
}
"""Variables of ours for themes that do not know them; for ``App.get_theme_variable_defaults``."""

_ANSI_VARIABLES: Mapping[str, str] = {
    "ansi-background": "ansi_black",
    "ansi-foreground": "ansi_white",
    "border-blurred": "ansi_default",
    "block-cursor-foreground": "ansi_default",
    "block-cursor-background": "ansi_default",
    "block-cursor-text-style": "reverse",
    "input-cursor-background": "ansi_default",
    "input-cursor-foreground": "ansi_default",
    "input-cursor-text-style": "reverse",
    "input-selection-background": "ansi_default",
    "input-selection-foreground": "ansi_default",
    "screen-selection-background": "ansi_bright_black",
    "screen-selection-foreground": "ansi_white",
}
"""What Textual's own style sheets ask of themes that leave colours to the terminal."""


class ThemeError(Exception):
    """A theme that cannot be used, and where its file says so."""

    def __init__(self, source: str, line: int, problem: str) -> None:
        where = f"{source}, line {line}" if line else source
        super().__init__(f"{where}: {problem}")
        self.source = source
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True)
class StateLook:
    """Colour and weight of one role."""

    colour: str
    style: str


@dataclass(frozen=True, slots=True)
class ThemeFile:
    """A theme as its file describes it; all of it was checked."""

    name: str
    is_dark: bool
    is_ansi: bool
    least_contrast: float
    colours: Mapping[str, str]
    states: Mapping[str, StateLook]
    places: Mapping[str, str]

    def to_textual(self) -> Theme:
        colours = dict(self.colours)
        return Theme(
            name=self.name,
            primary=colours.pop("primary"),
            dark=self.is_dark,
            ansi=self.is_ansi,
            variables=self._variables(),
            **colours,  # type: ignore[arg-type]
        )

    def _variables(self) -> dict[str, str]:
        variables = {f"place-{place}": colour for place, colour in self.places.items()}
        for role, look in self.states.items():
            variables[f"state-{role}"] = look.colour
            variables[f"state-{role}-style"] = look.style
        return {**variables, **_ANSI_VARIABLES} if self.is_ansi else variables


def parse_theme(text: str, source: str) -> ThemeFile:
    """A theme from the text of its file; raises :class:`ThemeError` at the first mistake."""
    return _Reader(text, source).read()


class _Reader:
    """Checks one file, remembering where each key stands."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source

    def read(self) -> ThemeFile:
        data = self._toml()
        self._only_known(data, _TOP_KEYS, "")
        theme = ThemeFile(
            name=self._name(data),
            is_dark=self._flag(data, "is_dark", default=True),
            is_ansi=self._flag(data, "is_ansi", default=False),
            least_contrast=self._least_contrast(data),
            colours=self._colours(data, "colours", _COLOURS),
            states=self._states(data),
            places=self._colours(data, "places", PLACES),
        )
        self._check_contrast(theme)
        return theme

    def _toml(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"line (\d+)", str(error))
            line = int(found[1]) if found else 0
            raise ThemeError(self._source, line, f"this is no valid TOML: {error}") from error

    def _fail(self, problem: str, key: str = "", table: str = "") -> ThemeError:
        return ThemeError(self._source, line_of(self._text, key, table), problem)

    def _only_known(self, data: Mapping[str, Any], known: Iterable[str], table: str) -> None:
        for key in data:
            if key in known:
                continue
            near = difflib.get_close_matches(key, list(known), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            place = f"[{table}]" if table else "a theme"
            raise self._fail(f"{place} has no key {key!r}{hint}", key, table)

    def _name(self, data: Mapping[str, Any]) -> str:
        name = data.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise self._fail(
                "name has to be small letters, digits and hyphens, for example 'dark'", "name"
            )
        return name

    def _flag(self, data: Mapping[str, Any], key: str, *, default: bool) -> bool:
        value = data.get(key, default)
        if not isinstance(value, bool):
            raise self._fail(f"{key} has to be true or false", key)
        return value

    def _least_contrast(self, data: Mapping[str, Any]) -> float:
        value = data.get("least_contrast", READABLE)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fail("least_contrast has to be a number", "least_contrast")
        if not READABLE <= value <= 21:
            raise self._fail(
                f"least_contrast has to be between {READABLE} and 21", "least_contrast"
            )
        return float(value)

    def _table(self, data: Mapping[str, Any], table: str, keys: Iterable[str]) -> dict[str, Any]:
        value = data.get(table)
        if not isinstance(value, dict):
            raise self._fail(f"the table [{table}] is missing", table)
        self._only_known(value, keys, table)
        missing = [key for key in keys if key not in value]
        if missing:
            raise self._fail(f"[{table}] lacks {', '.join(missing)}", table)
        return value

    def _colours(
        self, data: Mapping[str, Any], table: str, keys: tuple[str, ...]
    ) -> dict[str, str]:
        values = self._table(data, table, keys)
        return {key: self._colour(values[key], key, table) for key in keys}

    def _colour(self, value: object, key: str, table: str) -> str:
        if not isinstance(value, str):
            raise self._fail(f"{key} has to be a colour in quotes", key, table)
        try:
            Color.parse(value)
        except ColorParseError as error:
            problem = f"{key} = {value[:40]!r} is no colour; write it like '#4fb3d9'"
            raise self._fail(problem, key, table) from error
        return value

    def _states(self, data: Mapping[str, Any]) -> dict[str, StateLook]:
        values = self._table(data, "states", STATE_ROLES)
        return {role: self._look(values[role], role) for role in STATE_ROLES}

    def _look(self, value: object, role: str) -> StateLook:
        if isinstance(value, str):
            return StateLook(self._colour(value, role, "states"), "none")
        if not isinstance(value, dict):
            problem = f"{role} has to be a colour or {{ colour = ..., style = ... }}"
            raise self._fail(problem, role, "states")
        for key in value:
            if key not in ("colour", "style"):
                raise self._fail(f"{role} has no {key!r}, only colour and style", role, "states")
        colour = self._colour(value.get("colour"), role, "states")
        return StateLook(colour, self._style(value.get("style", "none"), role))

    def _style(self, value: object, role: str) -> str:
        words = value.split() if isinstance(value, str) else []
        unknown = [word for word in words if word not in _STYLE_WORDS]
        if not words or unknown:
            allowed = ", ".join(_STYLE_WORDS)
            raise self._fail(f"the style of {role} has to be words of: {allowed}", role, "states")
        return " ".join(words)

    def _check_contrast(self, theme: ThemeFile) -> None:
        ground = _rgb(theme.colours["background"])
        if ground is None:
            return
        texts = [("foreground", "colours", theme.colours["foreground"])]
        texts += [(role, "states", look.colour) for role, look in theme.states.items()]
        texts += [(place, "places", colour) for place, colour in theme.places.items()]
        for key, table, colour in texts:
            text = _rgb(colour)
            ratio = 21.0 if text is None else contrast(text, ground)
            if ratio < theme.least_contrast:
                raise self._fail(
                    f"{key} = {colour!r} has a contrast of {ratio:.1f} to the background, "
                    f"needed is {theme.least_contrast:.1f}",
                    key,
                    table,
                )


def _rgb(colour: str) -> Rgb | None:
    """The colour's parts; None where the terminal decides."""
    parsed = Color.parse(colour)
    return None if parsed.ansi is not None else parsed.rgb


def line_of(text: str, key: str, table: str = "") -> int:
    """The line a key stands on, from 1; of its table where the key is not there; 0: nowhere."""
    current, table_line = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if header := re.match(r"\[([^\[\]]+)\]", stripped):
            current = header[1].strip()
            table_line = number if current == table or current == key else table_line
        elif current == table and re.match(rf"[\"']?{re.escape(key)}[\"']?\s*[=.]", stripped):
            return number
    return table_line


@dataclass(slots=True)
class ThemeShelf:
    """All themes there are: ours, then those of the user's folder, which may replace ours."""

    folder: Path | None = None
    """The user's own themes; None: there is no such folder."""
    themes: dict[str, ThemeFile] = field(default_factory=dict)
    problems: list[ThemeError] = field(default_factory=list)
    """What was wrong with files at the last reading."""
    _stamps: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def load(self) -> None:
        """Read everything. Ours have to be good; what is wrong in the user's is noted."""
        for theme in shipped_themes():
            self.themes[theme.name] = theme
        self.reload()

    def reload(self) -> list[str]:
        """Read what changed in the user's folder; the names of the themes that did.

        A file that is broken now leaves the theme as it was.
        """
        changed: list[str] = []
        stamps = self._look()
        if stamps == self._stamps:
            return changed
        self.problems = []
        for path, stamp in stamps.items():
            is_changed = self._stamps.get(path) != stamp
            theme = self._read(path)
            if theme is not None and is_changed:
                self.themes[theme.name] = theme
                changed.append(theme.name)
        self._stamps = stamps
        return changed

    def _look(self) -> dict[Path, tuple[int, int]]:
        if self.folder is None:
            return {}
        stamps: dict[Path, tuple[int, int]] = {}
        for path in sorted(self.folder.glob("*.toml")):
            try:
                facts = path.stat()
            except OSError:
                continue
            stamps[path] = (facts.st_mtime_ns, facts.st_size)
        return stamps

    def _read(self, path: Path) -> ThemeFile | None:
        try:
            return read_theme(path)
        except ThemeError as error:
            self.problems.append(error)
            return None

    def register(self, app: App[Any]) -> None:
        """Make all themes known to the application."""
        for theme in self.themes.values():
            app.register_theme(theme.to_textual())

    def take_up_changes(self, app: App[Any]) -> list[str]:
        """Read what changed and show it; the names of the themes that did. For once a second."""
        changed = self.reload()
        for name in changed:
            app.register_theme(self.themes[name].to_textual())
        if app.theme in changed:
            app.refresh_css(animate=False)
        return changed


def read_theme(path: Path) -> ThemeFile:
    """A theme from a file; raises :class:`ThemeError`."""
    try:
        if path.stat().st_size > MAX_THEME_BYTES:
            raise ThemeError(str(path), 0, f"a theme has at most {MAX_THEME_BYTES:,} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise ThemeError(str(path), 0, f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ThemeError(str(path), 0, "it is not UTF-8 text") from error
    return parse_theme(text, str(path))


def shipped_themes() -> list[ThemeFile]:
    """The themes of the package ``themes``, by name."""
    files = (entry for entry in resources.files("themes").iterdir() if entry.name.endswith(".toml"))
    themes = [parse_theme(entry.read_text("utf-8"), entry.name) for entry in files]
    return sorted(themes, key=lambda theme: theme.name)


def register(app: App[Any], folder: Path | None = None) -> ThemeShelf:
    """Make our themes, and those of the user's folder, known to the application."""
    shelf = ThemeShelf(folder)
    shelf.load()
    shelf.register(app)
    return shelf


def wants_no_colour(environ: Mapping[str, str]) -> bool:
    """Whether ``NO_COLOR`` is set, as Textual understands it."""
    return "NO_COLOR" in environ


def native_colours(environ: Mapping[str, str]) -> bool | None:
    """For ``App(ansi_color=...)``: without colour, all colours are left to the terminal.

    Otherwise Textual turns the terminal's own colours into greys, which may be black on black.
    """
    return True if wants_no_colour(environ) else None


def choose_theme(wanted: str, environ: Mapping[str, str], known: Iterable[str]) -> str:
    """The theme to begin with: without colour where ``NO_COLOR`` asks for it."""
    if wants_no_colour(environ):
        return NO_COLOUR_THEME
    return wanted if wanted in known else DEFAULT_THEME
