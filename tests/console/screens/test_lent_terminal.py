"""Another command has the terminal, and the console waits behind it."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest
from textual.app import App
from textual.driver import Driver

from tests.console.screens.seeing import console, lab
from traffic_tui.lent_terminal import run_in_front
from traffic_tui.screens.form_dialogs import edited

if TYPE_CHECKING:
    from collections.abc import Iterator


class Lending(App[None]):
    """An application whose terminal can be lent, and is taken back as Textual does."""

    has_terminal = True

    @contextlib.contextmanager
    def suspend(self) -> Iterator[None]:
        self.has_terminal = False
        yield
        self.has_terminal = True


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


async def test_the_terminal_comes_back_from_a_command_that_does_not_start() -> None:
    app = Lending()
    with pytest.raises(FileNotFoundError):
        await run_in_front(app, ("/no/such/editor",))
    assert app.has_terminal


async def test_an_editor_is_given_the_parameters_and_what_it_wrote_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VISUAL", "sed -i s/7/8/")
    assert await edited(Lending(), '{"set": 7}') == '{"set": 8}'
    monkeypatch.setenv("VISUAL", "false")
    assert await edited(Lending(), "{}") is None


@pytest.mark.parametrize(
    ("editor", "words"),
    [
        ("/no/such/editor", "the editor did not start: "),
        ('vi "', "the editor did not start: No closing quotation"),
        ("false", "the editor failed: all is as it was"),
    ],
)
async def test_an_editor_that_cannot_be_used_is_told(
    editor: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", editor)
    async with console(lab()) as seat:
        monkeypatch.setattr(seat.app, "suspend", Lending().suspend)
        await seat.press("R")
        await seat.dialog("good JSON")
        await seat.press("ctrl+e")
        await seat.sees(words[:30])


async def test_a_console_that_was_stopped_is_painted_whole_when_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A shell has written over it meanwhile, and Textual paints what changes."""
    async with console(lab()) as seat:
        painted: list[bool] = []
        monkeypatch.setattr(seat.app, "repaint", lambda: painted.append(True))
        seat.app.post_message(Driver.SignalResume())
        await seat.until(lambda: painted, "it was never painted")
