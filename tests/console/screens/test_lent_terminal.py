"""Another command has the terminal, and the console waits behind it."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest
from textual.app import App

from traffic_tui.lent_terminal import run_in_front

if TYPE_CHECKING:
    from collections.abc import Iterator


class Lending(App[None]):
    """An application whose terminal can be lent."""

    @contextlib.contextmanager
    def suspend(self) -> Iterator[None]:
        yield


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", -signal.SIGTERM)]
)
async def test_how_the_command_ended_is_told(script: str, status: int) -> None:
    assert await run_in_front(Lending(), ("/bin/sh", "-c", script)) == status


async def test_an_interrupt_is_the_commands() -> None:
    """ctrl+c in a pager reaches the console as well."""
    before = signal.getsignal(signal.SIGINT)
    assert await run_in_front(Lending(), ("/bin/sh", "-c", "kill -INT $PPID; exit 7"), b"") == 7
    assert signal.getsignal(signal.SIGINT) is before


async def test_a_command_that_does_not_read_gets_what_it_takes() -> None:
    assert await run_in_front(Lending(), ("true",), bytes(1_000_000)) == 0
