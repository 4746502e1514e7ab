"""What goes to stdout and stderr, in the form that was asked for.

JSON is the coordinator's answer unchanged. Tables are for people: coloured on a terminal, plain
aligned text in a pipe.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from server.unseen import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from traffic_tui.cli.options import Format
    from traffic_tui.cli.tables import Column, Fact, Look
    from traffic_tui.state.glyphs import Span

T = TypeVar("T")

_OBEYED = re.compile(f"[{UNSEEN}]")

ROLE_STYLES = {
    "title": "bold",
    "active": "cyan",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
    "muted": "dim",
}
"""Terminal styles of roles; a role that is missing is plain."""


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints one command's data in one format."""

    format: Format
    is_terminal: bool

    @classmethod
    def for_stdout(cls, format: Format) -> Printer:
        return cls(format, sys.stdout.isatty())

    @property
    def is_json(self) -> bool:
        return self.format == "json"

    def table(
        self,
        document: Any,
        rows: Sequence[T],
        columns: Sequence[Column[T]],
        name: Callable[[T], str],
    ) -> None:
        """Many things: ``document`` as it came, or a line each."""
        if self.is_json:
            self.document(document)
        elif self.format == "name":
            self.names(name(row) for row in rows)
        else:
            shown = [each for each in columns if self.format == "wide" or not each.is_wide]
            self._lines_of(shown, rows)

    def _lines_of(self, columns: Sequence[Column[T]], rows: Sequence[T]) -> None:
        from traffic_tui.cli.tables import lay_out

        width = _terminal_width() if self.is_terminal and self.format != "wide" else None
        self.lines(lay_out(columns, rows, self.look(), width))

    def facts(self, document: Any, facts: Sequence[Fact], name: str) -> None:
        """One thing: ``document`` as it came, its name, or a sheet of facts."""
        if self.is_json:
            self.document(document)
        elif self.format == "name":
            self.names([name])
        else:
            from traffic_tui.cli.tables import sheet

            self.lines(sheet(facts))

    def document(self, view: Any) -> None:
        """One JSON document: indented on a terminal, on one line in a pipe."""
        import msgspec

        encoded = msgspec.json.encode(view)
        if self.is_terminal:
            encoded = escaped(msgspec.json.format(encoded, indent=2))
        _write_json(encoded)

    def json_line(self, view: Any) -> None:
        """One document of a stream: always on a line of its own, and out at once."""
        import msgspec

        encoded = msgspec.json.encode(view)
        _write_json(escaped(encoded) if self.is_terminal else encoded)

    def names(self, names: Iterable[str]) -> None:
        from traffic_tui.state.formats import clean

        for name in names:
            _write(clean(name) if self.is_terminal else name.replace("\n", " "))

    def line(self, text: str) -> None:
        """A line of text from wherever, made harmless."""
        from traffic_tui.state.formats import clean

        _write(clean(text))

    def lines(self, lines: Iterable[Sequence[Span]]) -> None:
        """Lines of spans, with colours where a terminal shows them."""
        if self.is_terminal:
            _paint(lines)
            return
        for line in lines:
            _write("".join(part.text for part in line).rstrip())

    def look(self) -> Look:
        """How cells are to be written here and now."""
        from server.clock import SystemClock
        from traffic_tui.cli.tables import Look
        from traffic_tui.state.glyphs import choose_glyphs

        return Look(SystemClock().now_ms(), self.is_terminal, choose_glyphs(os.environ))

    def say(self, text: str) -> None:
        """Tell people something beside the data: on stderr, so that pipes stay clean."""
        from traffic_tui.state.formats import clean

        sys.stderr.write(clean(text) + "\n")
        sys.stderr.flush()


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def escaped(encoded: bytes) -> bytes:
    """The same JSON, in which nothing is left that a terminal would obey or not show.

    JSON itself asks for escapes of the first 32 characters alone.
    """
    return _OBEYED.sub(lambda found: json.dumps(found[0])[1:-1], encoded.decode()).encode()


def _write_json(encoded: bytes) -> None:
    """JSON is UTF-8, whatever letters the locale of this box knows."""
    sys.stdout.flush()
    sys.stdout.buffer.write(encoded + b"\n")
    sys.stdout.buffer.flush()


def _terminal_width() -> int:
    from shutil import get_terminal_size

    return get_terminal_size().columns


def _paint(lines: Iterable[Sequence[Span]]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for line in lines:
        text = Text(no_wrap=True, overflow="ignore", end="")
        for part in line:
            text.append(part.text, ROLE_STYLES.get(part.role, ""))
        text.rstrip()
        console.print(text, crop=False, soft_wrap=True)
