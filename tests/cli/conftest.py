"""Worlds for tests of the command line: a real coordinator, a real agent, real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from traffic_tui.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 30.0
OUR_VARIABLES = ("TRAFFIC_TUI_URL", "TRAFFIC_TUI_KEY", "TRAFFIC_TUI_CA", "TRAFFIC_TUI_CONFIG")
FOLDERS = ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_STATE_HOME")


def lonely_environment(folder: Path) -> dict[str, str]:
    """An environment in which nothing of this user's is found."""
    dropped = (*OUR_VARIABLES, "STATE_DIRECTORY")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    folders = {name: str(folder / name.lower()) for name in FOLDERS}
    return {**kept, **folders, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No coordinator of this user, no configuration, no variables."""
    for name in (*OUR_VARIABLES, "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    for name in FOLDERS:
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, with a deadline."""
    ends_at = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < ends_at, f"still waiting for {what}"
        time.sleep(0.02)


def spawn(
    arguments: list[str], folder: Path, stderr: int | IO[bytes] = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """The program as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "traffic_tui", *arguments],
        env=lonely_environment(folder),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours, whatever state it is in."""
    if process.poll() is None:
        process.kill()
    process.wait(10)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@dataclass
class World:
    """A coordinator on its own data, with or without an agent."""

    folder: Path
    processes: list[subprocess.Popen[bytes]]
    url: str = ""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def here(self) -> list[str]:
        """Options that lead to this coordinator."""
        return ["--data-dir", str(self.data)]

    def serve(self, *options: str, port: int = 0) -> subprocess.Popen[bytes]:
        """Start the coordinator and wait until it is ready."""
        with (self.folder / "serve.err").open("ab") as errors:
            process = spawn(
                ["serve", *self.here, "--port", str(port), *options], self.folder, stderr=errors
            )
        self.processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline().decode().split()
        assert line[:1] == ["ready"], (self.folder / "serve.err").read_text()
        self.url = line[1]
        return process

    def agent(self, name: str = "lab-1", *options: str) -> subprocess.Popen[bytes]:
        """Start an agent that allows commands and wait until it is known."""
        types = [part for each in ("noop", "fib", "eval", "wait", "command")
                 for part in ("--type", each)]  # fmt: skip
        with (self.folder / f"{name}.err").open("ab") as errors:
            process = spawn(
                ["agent", *self.here, "--name", name, "--capacity", "4", *types, *options],
                self.folder,
                stderr=errors,
            )
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in reversed(self.processes):
            end(process)


@pytest.fixture
def world(tmp_path: Path, nobody_there: None) -> Iterator[World]:
    """A coordinator alone; a test starts agents as it needs them."""
    world = World(tmp_path, [])
    try:
        world.serve()
        yield world
    finally:
        world.end()


@dataclass
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def traffic(world: World, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run one command of this process against the world's coordinator."""

    def command(*arguments: str) -> Said:
        capfd.readouterr()
        ours = list(arguments)
        place = ours.index("--") if "--" in ours else len(ours)
        code = run([*ours[:place], *world.here, *ours[place:]])
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return command
