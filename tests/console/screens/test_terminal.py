"""The whole program in a real pseudo terminal."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pexpect
import pyte
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_SECONDS = 30.0
ROWS, COLUMNS = 24, 80


class Terminal:
    """A program and what its screen shows."""

    def __init__(self, arguments: list[str], home: Path) -> None:
        environment = {
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.getcwd(),  # noqa: PTH109
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "traffic_tui", *arguments],
            dimensions=(ROWS, COLUMNS),
            env=environment,
            cwd=str(home),
            timeout=DEADLINE_SECONDS,
        )

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self) -> bool:
        """Take in what was written; whether the program still writes."""
        try:
            self._stream.feed(self.child.read_nonblocking(65_536, timeout=0.05))
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True

    def sees(self, *words: str) -> None:
        """Wait until all these words are on the screen."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not all(word in self.text for word in words):
            assert self.read(), f"it ended; the screen says:\n{self.text}"
            assert time.monotonic() < deadline, f"not seen: {words}\n{self.text}"

    def ends(self, *, pressing: str) -> int:
        """Press a key until the program ends; its exit code. A dialog drops its first keys."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.read():
            if "Leave the console?" in self.text:
                self.child.send(pressing)
            assert time.monotonic() < deadline, f"it does not end\n{self.text}"
        self.child.close()
        assert self.child.exitstatus is not None, f"ended by signal {self.child.signalstatus}"
        return int(self.child.exitstatus)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    one = Terminal(["--port", "0"], tmp_path)
    yield one
    one.child.close(force=True)


@pytest.mark.timeout(120)
def test_first_start_sample_job_and_leaving(terminal: Terminal) -> None:
    terminal.sees("Nothing is connected to it yet", "● live")
    terminal.child.send("j\r")
    terminal.sees("wait", "pending", "1 job")
    terminal.child.send("\r")
    terminal.sees("Jobs / 1 wait", "no try was made yet")
    terminal.child.send("q?")
    terminal.sees("keys and commands")
    terminal.child.send("qq")
    terminal.sees("Leave the console?", "0 jobs running, 1 waiting")
    assert terminal.ends(pressing="s") == 0
