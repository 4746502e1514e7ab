"""Processes in groups of their own: asked, killed, guarded, and found again after a crash."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from server.protocols.rrq.guard import Guard
from server.protocols.rrq.leftovers import FILE, Leftovers
from server.protocols.rrq.process import Exit, Launch, RunnerProcess
from tests.protocols.rrq.world import eventually, is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
WITH_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", %r], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
%s
"""


class Said:
    """What a process printed."""

    def __init__(self) -> None:
        self.streams: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def __call__(self, stream: str, data: bytes) -> None:
        self.streams[stream] += data

    async def line(self) -> str:
        await eventually(lambda: b"\n" in self.streams["stdout"], "it printed a line")
        return self.streams["stdout"].split(b"\n")[0].decode()


@contextmanager
def running(code: str, said: Any) -> Iterator[RunnerProcess]:
    process = RunnerProcess(Launch([sys.executable, "-c", code], dict(os.environ), None), said)
    try:
        yield process
    finally:
        process.close()


async def test_it_leads_a_group_of_its_own_and_hears_nothing() -> None:
    said = Said()
    code = "import os, sys; print(os.getpgrp() == os.getpid() == os.getsid(0), sys.stdin.read())"
    with running(code, said) as process:
        assert await said.line() == "True "
        await asyncio.wait_for(process.exited.wait(), 10)
        assert (await process.end(5)).code == 0


async def test_who_ignores_sigterm_is_killed_after_the_grace() -> None:
    said = Said()
    with running(STUBBORN, said) as process:
        await said.line()
        assert await process.end(0.2) == Exit(None, signal.SIGKILL)
        assert not is_alive(process.pid)


async def test_without_a_grace_it_is_killed_at_once() -> None:
    said = Said()
    with running(STUBBORN, said) as process:
        await said.line()
        assert (await process.end(0)).signal == signal.SIGKILL


@pytest.mark.parametrize("leader", ["time.sleep(60)", "sys.exit(0)"])
async def test_its_children_end_with_it_even_when_it_went_first(leader: str) -> None:
    said = Said()
    with running(WITH_CHILD % (STUBBORN, leader), said) as process:
        child = int(await said.line())
        assert is_alive(child)
        if leader == "sys.exit(0)":
            await asyncio.wait_for(process.exited.wait(), 10)
        await process.end(0.2)
        await eventually(lambda: not is_alive(child), "the child is gone")


@pytest.mark.parametrize(
    ("end", "is_crash", "words"),
    [
        (Exit(0, None), False, "with exit code 0"),
        (Exit(3, None), True, "with exit code 3"),
        (Exit(None, signal.SIGSEGV), True, "by SIGSEGV"),
        (Exit(None, signal.SIGABRT), True, "by SIGABRT"),
        (Exit(None, signal.SIGKILL), False, "by SIGKILL"),
        (Exit(None, signal.SIGTERM), False, "by SIGTERM"),
        (Exit(None, 99), True, "by signal 99"),
    ],
)
def test_who_went_down_by_itself(end: Exit, is_crash: bool, words: str) -> None:
    assert (end.is_crash, end.words) == (is_crash, words)


async def test_output_waits_while_nobody_reads() -> None:
    said = Said()
    code = "import sys; sys.stdout.write('x' * 300_000); sys.stdout.flush(); print(flush=True)"
    with running(code, said) as process:
        process.pause_reading()
        process.pause_reading()
        before = len(said.streams["stdout"])
        assert not process.exited.is_set()
        process.resume_reading()
        await eventually(lambda: len(said.streams["stdout"]) == 300_001, "all of it comes")
        assert before < 300_001


async def test_the_last_words_are_heard() -> None:
    said = Said()
    with running("import os; print('bye'); os.write(2, b'oh'); ", said) as process:
        await asyncio.wait_for(process.exited.wait(), 10)
        process.close()
        assert said.streams == {"stdout": b"bye\n", "stderr": b"oh"}


async def test_what_cannot_be_started_says_so() -> None:
    with pytest.raises(OSError, match="no-such-runner"):
        RunnerProcess(Launch(["/no-such-runner"], {}, None), Said())


async def test_the_guard_kills_when_its_end_of_the_pipe_is_gone() -> None:
    said = Said()
    with running(STUBBORN, said) as kept, running(STUBBORN, said) as forgotten:
        await said.line()
        guard = Guard()
        guard.ready()
        for process in (kept, forgotten):
            guard.remember(process.pid)
        guard.forget(forgotten.pid)
        guard.close()
        await eventually(lambda: not is_alive(kept.pid), "the group is killed")
        assert is_alive(forgotten.pid)


async def test_a_guard_that_was_killed_is_replaced_and_told_anew() -> None:
    said = Said()
    with running(STUBBORN, said) as process:
        await said.line()
        guard = Guard()
        guard.ready()
        guard.remember(process.pid)
        assert guard._process is not None
        guard._process.kill()
        guard._process.wait()
        guard.ready()
        guard.close()
        await eventually(lambda: not is_alive(process.pid), "the new one knows it too")


async def test_what_is_left_is_found_by_number_and_start(tmp_path: Path) -> None:
    said = Said()
    with running(WITH_CHILD % (STUBBORN, "time.sleep(60)"), said) as process:
        child = int(await said.line())
        Leftovers(tmp_path).add(process.pid, "py/0")
        ended = await Leftovers(tmp_path).end_all()
        assert [(one.pid, one.runner) for one in ended] == [(process.pid, "py/0")]
        assert not is_alive(process.pid)
        assert not is_alive(child)
    assert await Leftovers(tmp_path).end_all() == []
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


async def test_children_of_a_leader_that_is_gone_are_found(tmp_path: Path) -> None:
    said = Said()
    with running(WITH_CHILD % (STUBBORN, "sys.stdin.read(); time.sleep(0.3)"), said) as process:
        child = int(await said.line())
        Leftovers(tmp_path).add(process.pid, "py/0")
        await asyncio.wait_for(process.exited.wait(), 10)
        assert is_alive(child)
        await Leftovers(tmp_path).end_all()
        await eventually(lambda: not is_alive(child), "the child is gone")


@pytest.mark.parametrize("change", ["started", "boot"])
async def test_another_process_of_the_same_number_is_left_alone(
    tmp_path: Path, change: str
) -> None:
    said = Said()
    with running(STUBBORN, said) as process:
        await said.line()
        Leftovers(tmp_path).add(process.pid, "py/0")
        record = msgspec.json.decode((tmp_path / FILE).read_bytes())
        if change == "boot":
            record["boot"] = "another"
        else:
            record["processes"][0][1] -= 1
        (tmp_path / FILE).write_bytes(msgspec.json.encode(record))
        assert await Leftovers(tmp_path).end_all() == []
        assert is_alive(process.pid)


async def test_what_has_ended_is_no_longer_recorded(tmp_path: Path) -> None:
    said = Said()
    leftovers = Leftovers(tmp_path)
    with running(STUBBORN, said) as process:
        leftovers.add(process.pid, "py/0")
        leftovers.remove(process.pid)
        assert await Leftovers(tmp_path).end_all() == []
        assert is_alive(process.pid)


@pytest.mark.parametrize("text", [b"", b"{", b'{"boot":1}', b'{"boot":"\xff"}', b"[]"])
async def test_a_record_that_cannot_be_read_ends_nothing(tmp_path: Path, text: bytes) -> None:
    (tmp_path / FILE).write_bytes(text)
    assert await Leftovers(tmp_path).end_all() == []
