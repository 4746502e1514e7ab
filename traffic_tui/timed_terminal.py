"""How long the terminal takes to swallow a frame: the one thing that tells a slow line.

Textual writes from a thread of its own, so a slow terminal is not felt anywhere else until its
queue is full, seconds later. Where that thread ends, the console stands still for ever: nothing
takes from the queue any more. So a terminal that is gone, which is an error to write to, takes
everything.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App


class TimedFile:
    """A file that measures its writes and never fails. Written by one thread, read by another."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._slowest = 0.0

    def write(self, text: str) -> int:
        started = time.monotonic()
        with contextlib.suppress(OSError):
            self._file.write(text)
        self._slowest = max(self._slowest, time.monotonic() - started)
        return len(text)

    def flush(self) -> None:
        started = time.monotonic()
        with contextlib.suppress(OSError):
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
        self._is_suspended = False

    def write(self, data: str) -> None:
        """Not while another command has the terminal: nobody takes from the queue then, and a
        full one holds the console for ever. All is painted anew afterwards."""
        if not self._is_suspended:
            super().write(data)

    def suspend_application_mode(self) -> None:
        super().suspend_application_mode()
        self._is_suspended = True

    def resume_application_mode(self) -> None:
        """SIGCONT comes without a stop before it, too, for one when the terminal goes away:
        a second reader and a second writer of one terminal would be in each other's way."""
        if self._is_suspended:
            self._is_suspended = False
            super().resume_application_mode()
