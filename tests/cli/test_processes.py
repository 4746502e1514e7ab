"""Commands as processes of their own: signals, pipes, restarts, and what they leave behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.cli.conftest import end, lonely_environment, spawn, until
from tests.runner.recording import is_alive
from traffic_tui.cli import demo_world
from traffic_tui.cli.demo_jobs import DemoRunner
from traffic_tui.cli.failures import (
    EXIT_BROKEN_PIPE,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
)
from traffic_tui.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Said, World

LINES = 120


def finished(arguments: list[str], folder: Path) -> Said:
    """Run a command to its end."""
    from tests.cli.conftest import Said

    process = spawn(arguments, folder)
    try:
        out, err = process.communicate(timeout=45)
    finally:
        end(process)
    return Said(process.returncode, out.decode(), err.decode())


def test_without_a_terminal_the_console_is_wrong_usage_that_names_serve(tmp_path: Path) -> None:
    for arguments in ([], ["attach", "http://127.0.0.1:9"]):
        said = finished(arguments, tmp_path)
        assert (said.code, said.out) == (EXIT_USAGE, "")
        assert "traffic-tui serve" in said.err
        assert said.err.count("\n") == 1


def test_serve_ends_well_on_sigterm_and_is_not_started_twice(world: World) -> None:
    [process] = world.processes
    second = finished(["serve", *world.here, "--port", "0"], world.folder)
    assert second.code == EXIT_FAILED
    assert "attach" in second.err.splitlines()[-1]
    process.send_signal(signal.SIGTERM)
    assert process.wait(6) == EXIT_DONE


def test_following_output_over_a_killed_coordinator_loses_and_repeats_nothing(
    world: World, traffic: Callable[..., Said]
) -> None:
    world.agent()
    script = f"n=0; while [ $n -lt {LINES} ]; do n=$((n+1)); echo line $n; sleep 0.03; done"
    said = traffic("jobs", "start", "command", "-o", "name", "--", "sh", "-c", script)
    job = said.out.strip()
    tail = spawn(["jobs", "tail", job, "-f", *world.here], world.folder)
    world.processes.append(tail)
    assert tail.stdout is not None
    first = tail.stdout.readline()
    port = int(world.url.rpartition(":")[2])
    coordinator = world.processes[0]
    coordinator.kill()
    coordinator.wait(10)
    world.serve(port=port)
    out = first + tail.stdout.read()
    assert tail.wait(10) == EXIT_DONE
    assert out.decode() == "".join(f"line {number}\n" for number in range(1, LINES + 1))


def test_interrupting_is_quiet_and_130(world: World, traffic: Callable[..., Said]) -> None:
    job = traffic("jobs", "submit", "paint", "-o", "name").out.strip()
    for arguments in (["jobs", "wait", job], ["events", "-f"], ["jobs", "tail", job, "-f"]):
        process = spawn([*arguments, *world.here], world.folder)
        world.processes.append(process)
        # The listener connects to the port: then the command is past its imports.
        until(lambda process=process: has_connected(process), "the command")  # type: ignore[misc]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (EXIT_INTERRUPTED, b"")


def test_an_interrupt_while_it_is_imported_is_quiet_too(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    path = f"{tmp_path}:{lonely_environment(tmp_path)['PYTHONPATH']}"
    interrupted = shell("$T --help", tmp_path, PYTHONPATH=path)
    assert (interrupted.returncode, interrupted.stderr) == (EXIT_INTERRUPTED, b"")


def has_connected(process: subprocess.Popen[bytes]) -> bool:
    return bool(psutil.Process(process.pid).net_connections("tcp"))


def shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A line as it is typed; ``$T`` is the program."""
    program = f"{shlex.quote(sys.executable)} -m traffic_tui"
    environment = {**lonely_environment(folder), **variables}
    return subprocess.run(
        ["sh", "-c", line.replace("$T", program)],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=30,
    )


def test_output_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    full = shell("$T config check >/dev/full", tmp_path)
    assert full.returncode == EXIT_FAILED
    assert full.stderr == b"traffic-tui: [Errno 28] No space left on device\n"
    closed = shell("$T config check --json >&-", tmp_path)
    assert (closed.returncode, closed.stderr) == (EXIT_DONE, b"")


def test_letters_that_the_locale_lacks_do_no_harm(tmp_path: Path) -> None:
    narrow = {"PYTHONIOENCODING": "ascii"}
    for_people = shell("$T doctor --data-dir d\u00fcd", tmp_path, **narrow)
    assert b"d?d is made at the first start" in for_people.stdout
    for_scripts = shell("$T config check d\u00fcd --json", tmp_path, **narrow)
    assert json.loads(for_scripts.stdout)["file"] == "d\u00fcd"
    assert (for_people.stderr, for_scripts.stderr) == (b"", b"")


@pytest.mark.parametrize("arguments", [["--version"], ["jobs", "stop", "--help"]])
def test_a_broken_pipe_is_told_of_help_as_well(arguments: list[str], tmp_path: Path) -> None:
    nobody_reads, pipe = os.pipe()
    os.close(nobody_reads)
    ended = subprocess.run(
        [sys.executable, "-m", "traffic_tui", *arguments],
        env=lonely_environment(tmp_path),
        stdout=pipe,
        stderr=subprocess.PIPE,
        check=False,
        timeout=30,
    )
    os.close(pipe)
    assert (ended.returncode, ended.stderr) == (EXIT_BROKEN_PIPE, b"")


def test_a_broken_pipe_is_quiet(world: World) -> None:
    process = spawn(["events", "-f", "--json", *world.here], world.folder)
    world.processes.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    submitter = spawn(["jobs", "submit", "paint", *world.here], world.folder)
    world.processes.append(submitter)
    assert process.wait(30) == EXIT_BROKEN_PIPE
    assert process.stderr is not None
    assert process.stderr.read() == b""


def demo_environment(folder: Path) -> dict[str, str]:
    """Everything temporary goes below ``folder``."""
    (folder / "tmp").mkdir(exist_ok=True)
    return {**lonely_environment(folder), "TMPDIR": str(folder / "tmp")}


def start_demo(folder: Path, seconds: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "traffic_tui", "demo", "--headless", "--seconds", seconds],
        env=demo_environment(folder),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def agents_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return list(psutil.Process(process.pid).children(recursive=True))


def still_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that run."""
    return [process for process in processes if is_alive(process.pid)]


def test_the_headless_demo_runs_jobs_and_leaves_nothing(tmp_path: Path) -> None:
    process = start_demo(tmp_path, "4")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        agents = agents_of(process)
        out, err = process.communicate(timeout=50)
    finally:
        end(process)
    assert (process.returncode, err) == (EXIT_DONE, b"")
    assert {b"submitted", b"completed", b"failed", b"p50", b"demo-1", b"demo-3"} <= set(out.split())
    assert len(agents) >= 3
    assert still_alive(agents) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, EXIT_INTERRUPTED), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_demo_that_is_told_to_end_leaves_nothing(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = start_demo(tmp_path, "60")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        agents = agents_of(process)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    finally:
        end(process)
    assert (process.returncode, err) == (code, b"")
    assert still_alive(agents) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_runners_of_a_demo_that_was_killed_die_with_it(tmp_path: Path) -> None:
    process = start_demo(tmp_path, "60")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        agents = agents_of(process)
    finally:
        end(process)  # by SIGKILL
    until(lambda: still_alive(agents) == [], "the end of the runners")


def test_a_demo_that_cannot_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in demo_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", None)
    broken = DemoRunner("broken", 1, {}, ("nope",))
    monkeypatch.setattr(demo_world, "RUNNERS", (broken,))
    threads = set(threading.enumerate())
    assert run(["demo", "--headless", "--seconds", "1"]) == EXIT_FAILED
    assert "'nope'" in capfd.readouterr().err
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not set(threading.enumerate()) - threads


def test_following_events_over_a_killed_coordinator_prints_each_once(
    world: World, traffic: Callable[..., Said]
) -> None:
    follower = spawn(["events", "-f", "-n", "1", "-o", "name", *world.here], world.folder)
    world.processes.append(follower)
    assert follower.stdout is not None
    seen = [follower.stdout.readline()]  # of before, so it knows where what follows begins
    traffic("jobs", "submit", "paint")
    port = int(world.url.rpartition(":")[2])
    world.processes[0].kill()
    world.processes[0].wait(10)
    world.serve(port=port)
    traffic("jobs", "submit", "paint")
    last = traffic("events", "-n", "1", "-o", "name").out.encode()
    assert last.strip()
    while seen[-1] != last:
        seen.append(follower.stdout.readline())
    numbers = [int(line) for line in seen]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
