"""How many files may be open, and what is said when they run out."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from server.clock import ManualClock
from server.runtime import open_files
from server.runtime.open_files import CALM_SECONDS, FileRoom

ALLOWED = 400
KEPT_BACK = 64


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def limited(soft: int, hard: int) -> str:
    return f"""
        import resource
        from server.runtime.open_files import raise_open_files_limit
        resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
        print(raise_open_files_limit())
        print(resource.getrlimit(resource.RLIMIT_NOFILE))
    """


def test_as_many_files_as_the_system_allows_can_be_open() -> None:
    ended = run(limited(256, 512))
    assert ended.stdout.split("\n")[:2] == ["512", "(512, 512)"]
    assert ended.stderr == ""


def test_a_low_limit_is_warned_of_and_one_that_serves_nobody_is_refused() -> None:
    low = run(limited(64, 128))
    assert low.stdout.startswith("128\n")
    assert "only 128 connections and files may be open at once: allow more with" in low.stderr
    hopeless = run(limited(24, 24))
    assert hopeless.returncode == 1
    assert "RuntimeProblem: only 24 connections and files may be open" in hopeless.stderr


class Room:
    """A room whose process has as many files open as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.open = 20
        self.room = FileRoom(ALLOWED, self.clock.monotonic)
        monkeypatch.setattr(open_files, "_next_descriptor", lambda: self.open)

    def look_for(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.clock.advance(1)
            self.room.look()


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(monkeypatch)


def test_some_files_are_kept_back_from_connections(room: Room) -> None:
    assert room.room.takes(ALLOWED - KEPT_BACK - 1)
    assert not room.room.takes(ALLOWED - KEPT_BACK)


def test_shortage_is_one_line_however_many_come_and_its_end_another(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        room.room.takes(ALLOWED - 1)
        room.look_for(1)  # low numbers are free again, for the moment
    assert len(caplog.messages) == 1
    assert "nearly all of the 400 files that may be open at once are" in caplog.messages[0]
    assert "ulimit -n" in caplog.messages[0]
    room.look_for(CALM_SECONDS)
    assert caplog.messages[1:] == ["there is room for connections again; 50 were refused meanwhile"]
    room.look_for(CALM_SECONDS)
    assert len(caplog.messages) == 2


def test_shortage_is_seen_where_no_connection_comes_in(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.open = ALLOWED - 1
    room.look_for(10)
    assert len(caplog.messages) == 1


def test_the_lowest_free_descriptor_is_found() -> None:
    ended = run(
        """
        import os, resource
        from server.runtime.open_files import WANTED_OPEN_FILES, _next_descriptor
        first = _next_descriptor()
        assert first == _next_descriptor() == os.open(os.devnull, os.O_RDONLY)
        resource.setrlimit(resource.RLIMIT_NOFILE, (first + 1, first + 1))
        assert _next_descriptor() == WANTED_OPEN_FILES
        """
    )
    assert (ended.returncode, ended.stderr) == (0, "")
