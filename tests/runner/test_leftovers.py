"""An agent that dies leaves nothing: its guard sees to it, else the next agent does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.runner.recording import children_with, is_alive, until
from tests.runner.sandboxes import opened_sandbox
from traffic_tui.runner.guard_process import end_group_tree
from traffic_tui.runner.sandbox.cgroups.agent_groups import remove_empty
from traffic_tui.runner.sandbox.leftovers import GroupRecord
from traffic_tui.runner.sandbox.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = """
import asyncio, os, sys
from pathlib import Path
from server.settings import LimitSettings
from traffic_tui.runner.processes import Launch, ProcessGroups
from traffic_tui.runner.sandbox.sandbox import Asked, Sandbox, SandboxOptions

HIDING = (
    "import os, signal\\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
    "if os.fork() == 0:\\n"
    "    os.setsid()\\n"
    "    if os.fork() == 0:\\n"
    "        os.execve('/bin/sh', ['sh', '-c', 'trap \\"\\" TERM; echo up; exec sleep 300'], {})\\n"
    "signal.pause()\\n"
)

async def main():
    groups = ProcessGroups()
    sandbox = Sandbox(SandboxOptions(sys.argv[2]), Path(sys.argv[1]))
    sandbox.open()
    groups.watch_control_groups(sandbox.group_paths)
    confinement = sandbox.confine("job", LimitSettings(pids=20), Asked({}))
    argv = [sys.executable, "-c", HIDING]
    env = dict(os.environ)
    group = groups.start(Launch(argv, env, confinement=confinement))
    os.set_blocking(group.process.stdout.fileno(), True)
    assert group.process.stdout.readline() == b"up\\n"
    print("\\n".join(sandbox.group_paths), end="\\n\\n", flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


class Parent:
    """A process that runs one job which hides as well as it can."""

    def __init__(self, folder: Path, isolation: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(folder), isolation],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.paths = list(iter(self.process.stdout.readline, "\n"))
        self.groups = [Path(path.strip()) for path in self.paths]

    def alive(self) -> set[int]:
        found: set[int] = set()
        for group in self.groups:
            for members in group.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found.update(int(word) for word in members.read_text().split())
        return found

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        for group in self.groups:
            end_group_tree(str(group))
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(params=["auto", "off"])
def parent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Parent]:
    probe = opened_sandbox()
    paths = probe.group_paths
    probe.close()
    if not paths:
        pytest.skip("no control groups here")
    made = Parent(tmp_path, request.param)
    yield made
    made.close()


async def test_kill_9_leaves_neither_processes_nor_groups(parent: Parent) -> None:
    assert len(parent.alive()) >= 2
    family = [child.pid for child in psutil.Process(parent.process.pid).children(recursive=True)]
    parent.process.send_signal(signal.SIGKILL)
    await until(lambda: not any(group.exists() for group in parent.groups))
    assert parent.alive() == set()
    await until(lambda: not any(is_alive(pid) for pid in family))


async def test_without_its_guard_the_next_agent_ends_what_is_left(
    parent: Parent, tmp_path: Path
) -> None:
    alive = parent.alive()
    assert len(alive) >= 2
    guards = children_with("guard_process", parent.process.pid)
    for process in (*guards, psutil.Process(parent.process.pid)):
        process.kill()
    parent.process.wait()
    assert parent.alive() == alive
    sandbox = Sandbox(SandboxOptions("off"), tmp_path)
    sandbox.open()
    assert not any(group.exists() for group in parent.groups)
    await until(lambda: not any(is_alive(pid) for pid in alive))
    assert [entry.name for entry in (tmp_path / "groups").iterdir()] == [
        Path(sandbox.group_paths[0]).name
    ]
    sandbox.close()
    assert list((tmp_path / "groups").iterdir()) == []


async def test_what_a_living_agent_runs_is_left_alone(parent: Parent, tmp_path: Path) -> None:
    alive = parent.alive()
    sandbox = Sandbox(SandboxOptions("off"), tmp_path)
    sandbox.open()
    sandbox.close()
    assert parent.alive() == alive
    assert all(group.exists() for group in parent.groups)


def test_empty_groups_of_agents_that_are_no_more_are_removed(tmp_path: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    empty = tmp_path / f"traffic-tui-{process.pid}-a" / "1"
    living = tmp_path / f"traffic-tui-{os.getpid()}-b"
    other = tmp_path / "traffic-tui-x"
    for folder in (empty, living, other):
        folder.mkdir(parents=True)
    remove_empty(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [living.name, other.name]


def test_a_damaged_record_ends_nothing_else(tmp_path: Path) -> None:
    """A path counts only where its last part is the record's own name."""
    precious = tmp_path / "precious"
    precious.mkdir()
    records = tmp_path / "groups"
    records.mkdir()
    (records / "traffic-tui-1-a").write_text(f"{precious}\n\n/\n{os.sep * 3}\n\0\n")
    record = GroupRecord(records, "traffic-tui-2-b")
    record.open([])
    assert precious.is_dir()
    assert [entry.name for entry in records.iterdir()] == ["traffic-tui-2-b"]
    record.close()
