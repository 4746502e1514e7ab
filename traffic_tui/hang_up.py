"""The terminal going away: nothing is read from it or written to it any more."""

from __future__ import annotations

import os
import signal
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

    It comes more than once: from the shell, and from the kernel when the shell has ended.
    """

    def __init__(self) -> None:
        self.came = False
        self._tell: Callable[[], None] | None = None

    def listen(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` whenever it comes, in a signal's handler; at once if it came already."""
        self._tell = tell
        if self.came:
            tell()

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGHUP, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if self.came else self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        let_go_of_terminal()
        if self._tell is not None:
            self._tell()
