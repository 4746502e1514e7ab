"""Reading what a person or a pipe says, inside a command's event loop."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from traffic_tui.cli.failures import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def interruptible() -> Iterator[None]:
    """Let ctrl+c end a blocking read in here at once, with KeyboardInterrupt.

    Left to the loop it would cancel the command, which nothing sees until the read is over.
    """
    loops_own = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, loops_own)


def stdin_text() -> str:
    """All that comes in over stdin.

    Raises:
        CommandFailed: it is no UTF-8.
    """
    try:
        with interruptible():
            return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as problem:
        raise CommandFailed(f"-: not UTF-8, byte {problem.start} is wrong") from problem
