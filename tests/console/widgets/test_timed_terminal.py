"""The terminal's end of the console: it never fails, and is started once."""

from __future__ import annotations

import errno
import io
import signal

import pytest
from textual.app import App
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver

from traffic_tui.timed_terminal import TimedFile, TimedLinuxDriver


class LostTerminal(io.StringIO):
    """What is left of a terminal whose window was closed."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")

    def flush(self) -> None:
        raise OSError(errno.EIO, "Input/output error")


def test_a_lost_terminal_takes_everything() -> None:
    """Textual's thread must not end, or the first full queue holds the console for ever."""
    thread = WriterThread(TimedFile(LostTerminal()))  # type: ignore[arg-type]
    thread.start()
    for number in range(200):
        thread.write(f"line {number}")
    thread.stop()
    assert not thread.is_alive()


def test_what_is_written_arrives() -> None:
    file = io.StringIO()
    timed = TimedFile(file)
    assert timed.write("hello") == 5
    timed.flush()
    assert file.getvalue() == "hello"
    assert timed.take() >= 0.0
    assert timed.take() == 0.0


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_only_a_stopped_console_starts_again(
    is_stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[LinuxDriver] = []
    monkeypatch.setattr(LinuxDriver, "start_application_mode", lambda driver: starts.append(driver))
    monkeypatch.setattr(LinuxDriver, "stop_application_mode", lambda driver: None)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    async with App[None]().run_test() as pilot:
        driver = TimedLinuxDriver(pilot.app)
        if is_stopped:
            driver.suspend_application_mode()
        driver.resume_application_mode()
        driver.resume_application_mode()
    assert len(starts) == int(is_stopped)


async def test_a_lent_terminal_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes from the driver's queue then: a full one would hold the console for ever."""
    monkeypatch.setattr(LinuxDriver, "stop_application_mode", lambda driver: None)
    async with App[None]().run_test() as pilot:
        driver = TimedLinuxDriver(pilot.app)
        driver._writer_thread = WriterThread(TimedFile(io.StringIO()))  # type: ignore[arg-type]
        driver._writer_thread.start()
        driver.suspend_application_mode()
        for _ in range(100):
            driver.write("a frame")
        assert driver._writer_thread._queue.empty()
