"""The terminal, lent to another command while the console waits behind it."""

from __future__ import annotations

import asyncio
import signal
import threading
from asyncio.subprocess import PIPE
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.app import App


async def run_in_front(app: App[Any], command: Sequence[str], data: bytes | None = None) -> int:
    """Run a command with the terminal to itself and give its exit status, negative for a signal.

    Args:
        data: its standard input; None: the keyboard.

    Raises:
        SuspendNotSupported: this terminal cannot be lent.
        OSError: the command did not start.
    """
    with _lent(app), _interrupts_are_the_commands():
        stdin = None if data is None else PIPE
        running = await asyncio.create_subprocess_exec(*command, stdin=stdin)
        try:
            await running.communicate(data)
            return await running.wait()
        finally:
            if running.returncode is None:
                running.terminate()


@contextmanager
def _lent(app: App[Any]) -> Iterator[None]:
    """Textual takes the terminal back only where nothing is raised meanwhile."""
    raised: BaseException | None = None
    with app.suspend():
        try:
            yield
        except BaseException as error:
            raised = error
    if raised is not None:
        raise raised


@contextmanager
def _interrupts_are_the_commands() -> Iterator[None]:
    """ctrl+c reaches all that has this terminal, so also us: it is not meant for the console."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
