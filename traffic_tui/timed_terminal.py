"""How long the terminal takes to swallow a frame: the one thing that tells a slow line.

Textual writes from a thread of its own, so a slow terminal is not felt anywhere else until its
queue is full, seconds later.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App


class TimedFile:
    """A file that measures its writes. Written by one thread, read by another."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._slowest = 0.0

    def write(self, text: str) -> int:
        started = time.monotonic()
        written = self._file.write(text)
        self._slowest = max(self._slowest, time.monotonic() - started)
        return written

    def flush(self) -> None:
        started = time.monotonic()
        self._file.flush()
        self._slowest = max(self._slowest, time.monotonic() - started)

    def take(self) -> float:
        """Seconds of the slowest write since the last call."""
        slowest, self._slowest = self._slowest, 0.0
        return slowest


class HasTerminal(Protocol):
    """An application that wants to know."""

    terminal: TimedFile | None


class TimedLinuxDriver(LinuxDriver):
    """Textual's driver, with its writes measured, and on standard output: what is written to
    standard error may be redirected to a file."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        timed = TimedFile(cast("TextIO", sys.__stdout__))
        self._file = cast("Any", timed)
        cast("HasTerminal", app).terminal = timed
