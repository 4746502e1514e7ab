"""The terminal going away: nothing is read from it or written to it any more."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType


def let_go_of_terminal() -> None:
    """What is still written goes nowhere: writing to a lost terminal is an error."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


class EarlyHangUp:
    """Notes that the terminal went away while the console is still starting.

    Later the console's own loop takes the signal, and asks here what came before.
    """

    def __init__(self) -> None:
        self.came = False

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
