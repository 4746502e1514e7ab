"""Where the outputs of two tries begin to differ: found line by line, as the outputs come in.

Nearly all outputs differ in times and ids from their first line on. So two places are looked for:
the first line that differs at all, and the first that differs in more than numbers, ids and
addresses.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Final, Literal, NamedTuple, TypeAlias

from server.filters.causes import without_varying

CONTEXT: Final = 3
"""Lines shown of what came before."""
WINDOW: Final = 200
"""Lines of each output that are shown from where they differ."""
MAX_LINE: Final = 2_000
"""Characters of a line in which numbers are told from words; longer ones are compared whole."""

Kind: TypeAlias = Literal["same", "numbers", "changed", "one"]
"""Two lines that are alike, that differ in numbers, that differ; a line that one alone has."""


class ComparedLine(NamedTuple):
    """A line of each output, side by side. Numbers begin with 1; 0: this output has none here."""

    kind: Kind
    left: int
    left_text: str
    right: int
    right_text: str


class _Lines:
    """Bytes of one output, as whole lines."""

    def __init__(self) -> None:
        self._rest = b""
        self.lines: list[str] = []
        """Those that were not looked at yet."""
        self.is_over = False

    def feed(self, data: bytes, *, is_over: bool) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        self.lines += [line.removesuffix(b"\r").decode("utf-8", "replace") for line in whole]
        if is_over and not self.is_over:
            self.is_over = True
            if self._rest:
                self.lines.append(self._rest.decode("utf-8", "replace"))

    @property
    def is_at_end(self) -> bool:
        return self.is_over and not self.lines


class _Window:
    """What is shown around a place: lines before it, and of each output those after."""

    def __init__(self, before: list[tuple[str, str]], line: int) -> None:
        self.before = before
        self.line = line
        """Number of the first line after the place, beginning with 1."""
        self.left: list[str] = []
        self.right: list[str] = []

    def is_full(self, *, left_is_over: bool, right_is_over: bool) -> bool:
        has_left = len(self.left) >= WINDOW or left_is_over
        return has_left and (len(self.right) >= WINDOW or right_is_over)


class OutputComparison:
    """Two outputs, as far as they were fed."""

    def __init__(self) -> None:
        self._left, self._right = _Lines(), _Lines()
        self._before: list[tuple[str, str]] = []
        self._window: _Window | None = None
        self.same_lines = 0
        """Lines before the first one that differs in words."""
        self.first_number = 0
        """The first line that differs at all, where it is another one; 0: there is none."""
        self.differs = False
        """Whether they differ in words."""

    def feed(self, left: bytes, right: bytes, *, left_is_over: bool, right_is_over: bool) -> None:
        """Take the next bytes of each; ``..._is_over``: nothing follows."""
        self._left.feed(left, is_over=left_is_over)
        self._right.feed(right, is_over=right_is_over)
        if not self.differs:
            self._go_on()
        if self.differs and self._window is not None:
            self._window.left += self._taken(self._left, len(self._window.left))
            self._window.right += self._taken(self._right, len(self._window.right))

    @property
    def is_done(self) -> bool:
        """Whether more of the outputs would change nothing that is shown."""
        over = self._left.is_over, self._right.is_over
        if not self.differs or self._window is None:
            return all(over)
        return self._window.is_full(left_is_over=over[0], right_is_over=over[1])

    @property
    def wants(self) -> tuple[bool, bool]:
        """Which of the outputs are worth reading on."""
        waiting = (self._left.lines, self._right.lines)
        left, right = (len(lines) < WINDOW for lines in waiting)
        return left and not self._left.is_over, right and not self._right.is_over

    def lines(self) -> list[ComparedLine]:
        """What stands around the place where they begin to differ; none where they do not."""
        window = self._window
        if window is None:
            return []
        first = window.line - len(window.before)
        rows = [
            ComparedLine(_kind(left, right), number, left, number, right)
            for number, (left, right) in enumerate(window.before, first)
        ]
        return rows + _aligned(window.left[:WINDOW], window.right[:WINDOW], window.line)

    def _taken(self, source: _Lines, have: int) -> list[str]:
        room = max(0, WINDOW - have)
        taken, source.lines = source.lines[:room], source.lines[room:]
        return taken

    def _go_on(self) -> None:
        """Compare line with line as far as both are here."""
        pairs = list(zip(self._left.lines, self._right.lines, strict=False))
        done = 0
        for left, right in pairs:
            kind = _kind(left, right)
            if kind == "changed":
                self._differ()
                break
            if kind == "numbers" and not self.first_number:
                self.first_number = self.same_lines + 1
                self._window = _Window(self._before[-CONTEXT:], self.first_number)
            self._see_same(left, right)
            done += 1
        del self._left.lines[:done], self._right.lines[:done]
        ended = self._left.is_at_end != self._right.is_at_end
        if not self.differs and ended and (self._left.lines or self._right.lines):
            self._differ()

    def _see_same(self, left: str, right: str) -> None:
        self.same_lines += 1
        self._before = [*self._before[1 - CONTEXT :], (left, right)]
        window = self._window
        if window is not None and len(window.left) < WINDOW:
            window.left.append(left)
            window.right.append(right)

    def _differ(self) -> None:
        self.differs = True
        self._window = _Window(self._before[-CONTEXT:], self.same_lines + 1)


def _kind(left: str, right: str) -> Kind:
    if left == right:
        return "same"
    if max(len(left), len(right)) > MAX_LINE:
        return "changed"
    return "numbers" if without_varying(left) == without_varying(right) else "changed"


def _aligned(left: list[str], right: list[str], first: int) -> list[ComparedLine]:
    """Lines side by side, those that are alike in words beside each other."""
    mine_in_words, theirs_in_words = (
        [without_varying(line[:MAX_LINE]) for line in lines] for lines in (left, right)
    )
    matcher = SequenceMatcher(None, mine_in_words, theirs_in_words, autojunk=False)
    rows: list[ComparedLine] = []
    for tag, begin, end, other, until in matcher.get_opcodes():
        pairs = min(end - begin, until - other)
        for at in range(pairs):
            mine, theirs = left[begin + at], right[other + at]
            kind: Kind = "changed" if tag == "replace" else _kind(mine, theirs)
            rows.append(ComparedLine(kind, first + begin + at, mine, first + other + at, theirs))
        rows += [
            ComparedLine("one", first + at, left[at], 0, "") for at in range(begin + pairs, end)
        ]
        rows += [
            ComparedLine("one", 0, "", first + at, right[at]) for at in range(other + pairs, until)
        ]
    return rows
