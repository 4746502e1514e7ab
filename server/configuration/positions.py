"""Where each key of a TOML text stands, so that an error can say line and column.

The standard parser gives values without places. This scan reads only as much of the grammar as
is needed to find keys, and runs on texts that the parser has accepted already.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

KeyPath: TypeAlias = tuple[str, ...]

_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)


class Position(NamedTuple):
    """A place in a text, counted from 1."""

    line: int
    column: int


def key_positions(text: str) -> dict[KeyPath, Position]:
    """The place of every table and key. Entries of ``[[lists]]`` share their list's path, of
    which the first place is kept."""
    return _Scan(text).run()


def position_at(text: str, index: int) -> Position:
    """Line and column of a character."""
    return Position(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


class _Scan:
    """One walk over a text, statement by statement."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._index = 0
        self._table: KeyPath = ()
        self._found: dict[KeyPath, Position] = {}

    def run(self) -> dict[KeyPath, Position]:
        while self._index < len(self._text):
            character = self._text[self._index]
            if character in " \t\r\n":
                self._index += 1
            elif character == "#":
                self._skip_line()
            elif character == "[":
                self._read_header()
            else:
                self._read_assignment()
        return self._found

    def _read_header(self) -> None:
        start = self._index
        while self._text[self._index : self._index + 1] == "[":
            self._index += 1
        self._table = self._read_key()
        self._note(self._table, start)
        self._skip_line()

    def _read_assignment(self) -> None:
        start = self._index
        key = self._read_key()
        if not key:  # nothing this scan knows; the next line is a new chance
            self._skip_line()
            return
        path = (*self._table, *key)
        self._note(path, start)
        self._skip_value(path)

    def _read_key(self) -> KeyPath:
        parts: list[str] = []
        while match := _KEY_PART.match(self._text, self._index):
            parts.append(next(group for group in match.groups() if group is not None))
            self._index = match.end()
            if self._text[self._index : self._index + 1] != ".":
                break
            self._index += 1
        return tuple(parts)

    def _skip_value(self, path: KeyPath) -> None:
        """To the end of a value, which may span lines; keys of inline tables are noted."""
        depth = 0
        while self._index < len(self._text):
            character = self._text[self._index]
            if character in "\"'" and (match := _STRING.match(self._text, self._index)):
                self._index = match.end()
            elif character == "#":
                self._skip_line()
            elif character == "\n" and depth == 0:
                return
            else:
                depth += (character in "[{") - (character in "]}")
                self._index += 1
                if character in "{,":
                    self._note_inline(path)

    def _note_inline(self, path: KeyPath) -> None:
        """Note a key of an inline table, if one stands here."""
        start = self._index
        key = self._read_key()
        if key and self._text[self._index : self._index + 1] == "=":
            blanks = len(self._text[start:]) - len(self._text[start:].lstrip())
            self._note((*path, *key), start + blanks)
        else:
            self._index = start

    def _note(self, path: KeyPath, index: int) -> None:
        self._found.setdefault(path, position_at(self._text, index))

    def _skip_line(self) -> None:
        end = self._text.find("\n", self._index)
        self._index = len(self._text) if end < 0 else end
