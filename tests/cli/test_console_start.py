"""The console's process: attached or with its own coordinator, and what stays when it is left."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.discovery import find_running, read_discovery
from tests.cli.conftest import end, lonely_environment, until
from traffic_tui.cli.failures import EXIT_DONE
from traffic_tui.cli.main import run
from traffic_tui.cli.own_coordinator import OwnCoordinator
from traffic_tui.cli.settings import StartFlags, read_start

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal:
    """A program on a pseudo terminal of 80x24, which is its controlling one if it is to hear of
    its end by a signal."""

    def __init__(self, arguments: list[str], folder: Path, *, is_controlling: bool = True) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "traffic_tui", *arguments],
            env={**lonely_environment(folder), "TERM": "xterm-256color", "LANG": "C.UTF-8"},
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=take_terminal if is_controlling else None,
        )
        os.close(slave)
        self._seen = bytearray()
        self._is_closed = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Keep the terminal empty, else whoever paints on it would stand still."""
        try:
            while not self._is_closed.is_set():
                if select.select([self._master], [], [], 0.05)[0]:
                    self._seen += os.read(self._master, 65_536)
        except OSError:
            return  # the other end is closed

    def shows(self, text: str) -> bool:
        return text.encode() in self._seen

    def close(self) -> None:
        """Close the window: the program loses its terminal."""
        if not self._is_closed.is_set():
            self._is_closed.set()
            self._reader.join(10)
            os.close(self._master)

    def end(self) -> None:
        end(self.process)
        self.close()


def take_terminal() -> None:
    """In the child: the terminal it was given is the one that may go away."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Consoles:
    """Terminals on one data folder, all ended in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._terminals: list[Terminal] = []

    def open(self, *, is_controlling: bool = True) -> Terminal:
        """Open the console and wait until it shows that it is connected."""
        terminal = self.begin(is_controlling=is_controlling)
        until(lambda: terminal.shows("live"), "the console")
        return terminal

    def begin(self, *, is_controlling: bool = True) -> Terminal:
        """Open the console."""
        arguments = ["--data-dir", str(self.data), "--port", "0"]
        terminal = Terminal(arguments, self.folder, is_controlling=is_controlling)
        self._terminals.append(terminal)
        return terminal

    def end(self) -> None:
        for terminal in self._terminals:
            terminal.end()


@pytest.fixture
def consoles(tmp_path: Path, nobody_there: None) -> Iterator[Consoles]:
    consoles = Consoles(tmp_path)
    try:
        yield consoles
    finally:
        consoles.end()


def test_a_second_console_attaches_and_ends_nothing(consoles: Consoles) -> None:
    first = consoles.open()
    discovery = read_discovery(consoles.data)
    assert discovery is not None
    assert discovery.pid == first.process.pid
    second = consoles.open()
    assert read_discovery(consoles.data) == discovery
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(15) == EXIT_DONE
    assert find_running(consoles.data) == discovery
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(15) == EXIT_DONE
    assert find_running(consoles.data) is None


def test_without_its_terminal_it_serves_on_while_there_is_work(
    consoles: Consoles, capfd: pytest.CaptureFixture[str]
) -> None:
    process = consoles.open().process
    assert run(["jobs", "submit", "paint", "--data-dir", str(consoles.data)]) == EXIT_DONE
    process.send_signal(signal.SIGHUP)
    nowhere = Path(os.devnull)
    until(lambda: Path(f"/proc/{process.pid}/fd/1").readlink() == nowhere, "the screen's end")
    until(lambda: ignores_hangups(process.pid), "the console's end")
    assert run(["jobs", "list", "--data-dir", str(consoles.data)]) == EXIT_DONE
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == EXIT_DONE
    assert find_running(consoles.data) is None


@pytest.mark.parametrize("is_controlling", [True, False])
def test_a_window_that_is_closed_ends_no_work_and_leaves_nobody_hanging(
    consoles: Consoles, is_controlling: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """The kernel sends SIGHUP, then SIGCONT, and whatever is written is an error. To whom the
    terminal is not the controlling one it sends nothing."""
    terminal = consoles.open(is_controlling=is_controlling)
    process = terminal.process
    assert run(["jobs", "submit", "paint", "--data-dir", str(consoles.data)]) == EXIT_DONE
    terminal.close()
    until(lambda: ignores_hangups(process.pid), "the console's end")
    assert run(["jobs", "list", "--data-dir", str(consoles.data)]) == EXIT_DONE
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == EXIT_DONE


def test_a_terminal_that_goes_away_at_once_ends_no_work(
    consoles: Consoles, capfd: pytest.CaptureFixture[str]
) -> None:
    first = consoles.open().process
    assert run(["jobs", "submit", "paint", "--data-dir", str(consoles.data)]) == EXIT_DONE
    first.send_signal(signal.SIGTERM)
    assert first.wait(15) == EXIT_DONE
    process = consoles.begin().process
    until(lambda: find_running(consoles.data) is not None, "the coordinator")
    process.send_signal(signal.SIGHUP)
    until(lambda: ignores_hangups(process.pid), "the console's end")
    assert run(["jobs", "list", "--data-dir", str(consoles.data)]) == EXIT_DONE
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == EXIT_DONE


def test_a_hang_up_that_comes_more_than_once_ends_no_work(
    consoles: Consoles, capfd: pytest.CaptureFixture[str]
) -> None:
    """The shell tells of it, and the kernel once more when the shell has ended."""
    process = consoles.open().process
    assert run(["jobs", "submit", "paint", "--data-dir", str(consoles.data)]) == EXIT_DONE

    def hangs_up_again() -> bool:
        for _ in range(1_000):
            time.sleep(0.0005)
            process.send_signal(signal.SIGHUP)
            if process.poll() is not None or ignores_hangups(process.pid):
                return True
        return False

    until(hangs_up_again, "the console's end")
    assert run(["jobs", "list", "--data-dir", str(consoles.data)]) == EXIT_DONE
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == EXIT_DONE


def ignores_hangups(pid: int) -> bool:
    """Whether the process has come to where losing the terminal means nothing any more."""
    status = Path(f"/proc/{pid}/status").read_text()
    [ignored] = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored, 16) >> (signal.SIGHUP - 1) & 1)


def test_without_its_terminal_and_without_work_it_ends(consoles: Consoles) -> None:
    process = consoles.open().process
    process.send_signal(signal.SIGHUP)
    assert process.wait(15) == EXIT_DONE
    assert find_running(consoles.data) is None


def test_a_coordinator_that_is_kept_goes_on_in_the_background_at_the_same_address(
    consoles: Consoles, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    terminal = consoles.open()
    discovery = read_discovery(consoles.data)
    assert discovery is not None
    terminal.process.send_signal(signal.SIGTERM)
    terminal.process.wait(15)
    start = read_start(StartFlags(data_dir=consoles.data))
    own = OwnCoordinator(start)
    own.hand_over(discovery.url)
    assert own.kept is not None
    kept = find_running(consoles.data)
    assert kept is not None
    assert kept.url == discovery.url
    assert f"process {kept.pid}" in capfd.readouterr().out
    own.kept.terminate()
    assert own.kept.wait(15) == EXIT_DONE
