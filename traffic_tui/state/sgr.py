"""Raw lines of output made into runs of text with the colours the job asked for.

Of what terminals are told by escape sequences, only colours and weights are kept: nothing a job
prints may move the cursor, clear the screen, set the title or reach the clipboard.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from traffic_tui.state.clean_text import ESCAPES, cells, strip_controls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from traffic_tui.state.contrast import Rgb

TAB_CELLS = 8
_MAX_PARAMETERS = 64
_SGR = re.compile(r"\x1b\[([0-9;:]*)m")

SgrColour: TypeAlias = "int | Rgb | None"
"""A number of the 256-colour palette, red-green-blue, or None: the terminal's own."""


class SgrStyle(NamedTuple):
    """How a run of output is to look."""

    colour: SgrColour = None
    background: SgrColour = None
    is_bold: bool = False
    is_dim: bool = False
    is_italic: bool = False
    is_underlined: bool = False
    is_reversed: bool = False


PLAIN = SgrStyle()


class Run(NamedTuple):
    """A stretch of clean text that looks the same."""

    text: str
    style: SgrStyle = PLAIN


def runs_of(raw: bytes) -> tuple[Run, ...]:
    """A raw line, without its end, as clean text with its colours.

    After carriage returns only what was written last is shown, as progress displays mean it.
    """
    text = raw.decode("utf-8", "replace")
    if text.isascii() and text.isprintable():
        return (Run(text),) if text else ()
    return tuple(_expanded(_styled(_last_written(text))))


def _last_written(text: str) -> str:
    if "\r" not in text:
        return text
    written = [part for part in text.split("\r") if part]
    return written[-1] if written else ""


def _styled(text: str) -> Iterator[Run]:
    style = PLAIN
    position = 0
    for match in _SGR.finditer(text):
        if match.start() > position:
            yield Run(text[position : match.start()], style)
        style = _applied(style, match[1])
        position = match.end()
    if position < len(text):
        yield Run(text[position:], style)


def _expanded(runs: Iterator[Run]) -> Iterator[Run]:
    """Runs without any other control sequence, tabs turned into blanks."""
    column = 0
    for text, style in runs:
        parts: list[str] = []
        for position, stretch in enumerate(ESCAPES.sub("", text).split("\t")):
            if position:
                parts.append(" " * (TAB_CELLS - column % TAB_CELLS))
                column += len(parts[-1])
            parts.append(strip_controls(stretch))
            column += cells(parts[-1])
        shown = "".join(parts)
        if shown:
            yield Run(shown, style)


def _applied(style: SgrStyle, parameters: str) -> SgrStyle:
    """``style`` after one colour sequence; what is not understood changes nothing."""
    codes = [int(code[:4] or 0) for code in re.split("[;:]", parameters)[:_MAX_PARAMETERS]]
    position = 0
    while position < len(codes):
        code = codes[position]
        position += 1
        if code in (38, 48):
            colour, used = _extended(codes[position:])
            position += used
            if colour is not None:
                is_text = code == 38
                style = (
                    style._replace(colour=colour) if is_text else style._replace(background=colour)
                )
        else:
            style = _simple(style, code)
    return style


def _extended(codes: list[int]) -> tuple[SgrColour, int]:
    """The colour after 38 or 48, and how many codes it took."""
    if len(codes) >= 2 and codes[0] == 5:
        return (codes[1] if codes[1] < 256 else None), 2
    if len(codes) >= 4 and codes[0] == 2:
        red, green, blue = (min(255, code) for code in codes[1:4])
        return (red, green, blue), 4
    return None, len(codes)


def _simple(style: SgrStyle, code: int) -> SgrStyle:
    if code == 0:
        return PLAIN
    if code in _SWITCHES:
        return style._replace(**_SWITCHES[code])
    if 30 <= code <= 37:
        return style._replace(colour=code - 30)
    if 90 <= code <= 97:
        return style._replace(colour=code - 82)
    if 40 <= code <= 47:
        return style._replace(background=code - 40)
    if 100 <= code <= 107:
        return style._replace(background=code - 92)
    return style


_SWITCHES: dict[int, dict[str, Any]] = {
    1: {"is_bold": True},
    2: {"is_dim": True},
    3: {"is_italic": True},
    4: {"is_underlined": True},
    7: {"is_reversed": True},
    22: {"is_bold": False, "is_dim": False},
    23: {"is_italic": False},
    24: {"is_underlined": False},
    27: {"is_reversed": False},
    39: {"colour": None},
    49: {"background": None},
}
