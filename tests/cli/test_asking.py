"""Questions and stdin inside a command's event loop."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
from typing import TYPE_CHECKING

import pytest
import typer

from traffic_tui.cli.asking import stdin_text
from traffic_tui.cli.failures import EXIT_DONE, CommandFailed
from traffic_tui.cli.jobs_act import confirm
from traffic_tui.cli.jobs_read import job_ids

if TYPE_CHECKING:
    from collections.abc import Callable


class Interrupted(io.BytesIO):
    """Somebody presses ctrl+c while it is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        signal.raise_signal(signal.SIGINT)
        return b"1 2"


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def goes_on_after(wait: Callable[[], object]) -> bool:
    """Whether a command goes on when it is interrupted while it waits."""
    seen: list[str] = []

    async def command() -> None:
        wait()
        seen.append("more")

    with pytest.raises((KeyboardInterrupt, typer.Abort)):
        asyncio.run(command())
    return bool(seen)


def test_an_interrupt_ends_a_wait_for_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))
    before = signal.getsignal(signal.SIGINT)
    assert not goes_on_after(stdin_text)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_ends_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*question: object, **how: object) -> bool:
        signal.raise_signal(signal.SIGINT)
        return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO()))
    monkeypatch.setattr(sys, "stderr", Terminal(io.BytesIO()))
    monkeypatch.setattr(typer, "confirm", pressed)
    assert not goes_on_after(lambda: confirm("Stop", ["1", "2"], is_agreed=False))


def test_what_is_no_text_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"12 \xff")))
    with pytest.raises(CommandFailed, match="not UTF-8, byte 3"):
        stdin_text()


def test_a_list_of_no_jobs_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """``jobs list ... -o name | jobs stop -`` may find nothing, on a good day."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    with pytest.raises(CommandFailed, match="nothing was done") as ended:
        job_ids(["-"])
    assert ended.value.exit_code == EXIT_DONE


def test_jobs_of_a_pipe_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"2\n1 2\n")))
    assert job_ids(["1", "-"]) == ["1", "2"]
