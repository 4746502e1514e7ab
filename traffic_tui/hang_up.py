"""The terminal going away: nothing is read from it or written to it any more."""

from __future__ import annotations

import os
import select
import signal
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType


def let_go_of_terminal() -> None:
    """What is still written goes nowhere: writing to a lost terminal is an error."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


class HangUp:
    """Notes that the terminal went away, from before the console starts until after it has ended.

    It comes more than once: from the shell, and from the kernel when the shell has ended. Where
    the terminal is not the controlling one no signal comes, and Textual reads its end over and
    over: then it is sent from here.
    """

    def __init__(self) -> None:
        self.came = False
        self._tell: Callable[[], None] | None = None
        self._watch = TerminalWatch()

    def listen(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` whenever it comes, in a signal's handler; at once if it came already."""
        self._tell = tell
        if self.came:
            tell()

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGHUP, self._note)
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.stop()
        signal.signal(signal.SIGHUP, signal.SIG_IGN if self.came else self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        let_go_of_terminal()
        if self._tell is not None:
            self._tell()


class TerminalWatch:
    """A thread that sleeps until the terminal on standard input is gone, and sends SIGHUP then."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="terminal watch", daemon=True)

    def start(self) -> None:
        """May be called once."""
        self._woken, self._wake = os.pipe()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        os.close(self._wake)
        self._thread.join()
        os.close(self._woken)

    def _run(self) -> None:
        watched = select.poll()
        watched.register(self._woken, 0)
        if os.isatty(0):
            watched.register(0, 0)  # its end is told without being asked for
        if any(descriptor == 0 and event & select.POLLHUP for descriptor, event in watched.poll()):
            os.kill(os.getpid(), signal.SIGHUP)
