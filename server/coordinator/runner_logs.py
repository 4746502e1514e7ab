"""What runners print beside their jobs: the last lines of each, kept in memory alone.

For protocols that start runners themselves. Bounded for each runner, so that one that prints
without end costs no more than one that printed a page.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from server.clock import Clock

MAX_LINES = 1_000
MAX_CHARACTERS = 256 * 1024
MAX_LINE = 4_096
"""Longest line, in characters; the rest of a longer one is left out."""


class LogLine(NamedTuple):
    """One line."""

    at: int
    stream: str
    """``stdout``, ``stderr``, or ``coordinator`` for what we have to say ourselves."""
    text: str


class RunnerLogs:
    """The logs of all runners, by row id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logs: dict[int, _Log] = {}

    def add(self, runner_id: int, stream: str, data: bytes) -> None:
        """A runner printed something, whole lines or not."""
        self._log(runner_id).add(stream, data, self._clock.now_ms())

    def say(self, runner_id: int, text: str) -> None:
        """Something of our own to be found among what the runner says."""
        self._log(runner_id).add_line(LogLine(self._clock.now_ms(), "coordinator", text[:MAX_LINE]))

    def end_lines(self, runner_id: int) -> None:
        """A runner prints no more: what it left unfinished is a line as well."""
        self._log(runner_id).end_lines(self._clock.now_ms())

    def lines(self, runner_id: int, limit: int = MAX_LINES) -> list[LogLine]:
        """The last lines, oldest first."""
        log = self._logs.get(runner_id)
        return [] if log is None else log.lines(limit)

    def _log(self, runner_id: int) -> _Log:
        log = self._logs.get(runner_id)
        if log is None:
            log = self._logs[runner_id] = _Log()
        return log


class _Log:
    """The last lines of one runner, and what came of the lines that are not yet complete."""

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._characters = 0
        self._begun: dict[str, bytes] = {}

    def add(self, stream: str, data: bytes, now: int) -> None:
        *whole, begun = (self._begun.get(stream, b"") + data).split(b"\n")
        for line in whole[-MAX_LINES:]:
            text = line[: 4 * MAX_LINE].decode("utf-8", "replace").rstrip("\r")[:MAX_LINE]
            self.add_line(LogLine(now, stream, text))
        self._begun[stream] = begun[: 4 * MAX_LINE]

    def end_lines(self, now: int) -> None:
        for stream, begun in list(self._begun.items()):
            if begun:
                self.add(stream, b"\n", now)

    def add_line(self, line: LogLine) -> None:
        if len(self._lines) == MAX_LINES:
            self._characters -= len(self._lines[0].text)
        self._lines.append(line)
        self._characters += len(line.text)
        while self._characters > MAX_CHARACTERS:
            self._characters -= len(self._lines.popleft().text)

    def lines(self, limit: int) -> list[LogLine]:
        return list(self._lines)[-limit:]
