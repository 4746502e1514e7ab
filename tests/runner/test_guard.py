"""Nothing an agent started survives it, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.runner.recording import children_with, is_alive, until
from traffic_tui.runner.processes import Launch, ProcessGroups

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = """
import asyncio, os, sys
from traffic_tui.runner.processes import Launch, ProcessGroups

async def main():
    groups = ProcessGroups()
    code = ("import os, subprocess, time\\n"
            "plain = subprocess.Popen(['sleep', '300'])\\n"
            "away = subprocess.Popen(['sleep', '300'], start_new_session=True)\\n"
            "print(os.getpid(), plain.pid, away.pid, flush=True)\\n"
            "time.sleep(300)")
    group = groups.start(Launch([sys.executable, "-c", code], dict(os.environ)))
    os.set_blocking(group.process.stdout.fileno(), True)
    print(group.process.stdout.readline().decode(), end="", flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_killed_agent_leaves_no_process(
    parent: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 3
    assert all(is_alive(pid) for pid in pids)
    guards = [child.pid for child in psutil.Process(parent.pid).children()]
    parent.send_signal(number)
    await until(lambda: not any(is_alive(pid) for pid in [*pids, *guards]))


async def test_a_guard_that_was_killed_is_replaced_and_knows_the_groups() -> None:
    def guards() -> set[psutil.Process]:
        return set(children_with("guard_process", os.getpid()))

    before = guards()
    groups = ProcessGroups()
    first = groups.start(Launch(["sleep", "300"], dict(os.environ)))
    await until(lambda: guards() - before)  # a process has no words yet as soon as it is started
    [guard] = guards() - before
    guard.kill()
    await until(lambda: not is_alive(guard.pid))
    second = groups.start(Launch(["sleep", "300"], dict(os.environ)))
    groups.close()  # as at the end of the agent: what is left is killed by the guard
    await until(lambda: first.exited.is_set() and second.exited.is_set())
    assert first.close().code == second.close().code == -signal.SIGKILL
