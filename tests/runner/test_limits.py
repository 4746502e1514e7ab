"""Limits hold, are told, and can only be lowered; by real control groups."""

from __future__ import annotations

import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from server.settings import LimitSettings
from tests.runner.recording import RecordingConnector, order, until
from tests.runner.sandboxes import groups_in, need_group, opened_sandbox, processes_in
from traffic_tui.runner import JobError, Supervisor
from traffic_tui.runner.jobs import built_in
from traffic_tui.runner.processes import ProcessGroups
from traffic_tui.runner.sandbox.limits import narrowed, size_for_people
from traffic_tui.runner.sandbox.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from traffic_tui.runner.outcome import ExecutionOutcome

MIB = 1024 * 1024
HOG = "import time; data = []\nwhile True: data.append(bytearray(b'x' * 1048576))"
BOMB = """
import os, time
refused = 0
for _ in range(200):
    try:
        if os.fork() == 0:
            time.sleep(30); os._exit(0)
    except OSError:
        refused += 1
print(refused > 100)
raise SystemExit(3)
"""


class Bench:
    def __init__(self, supervisor: Supervisor, connector: RecordingConnector, box: Sandbox) -> None:
        self.supervisor = supervisor
        self.connector = connector
        self.sandbox = box

    async def run(self, *argv: str, **params: object) -> ExecutionOutcome:
        self.supervisor.start(order("command", {"argv": list(argv), **params}))
        return await self.connector.ended()


@asynccontextmanager
async def limited(sandbox: Sandbox) -> AsyncIterator[Bench]:
    """Run commands in it, and see that nothing of them is left."""
    groups = ProcessGroups()
    connector = RecordingConnector()
    registry = built_in(groups, allow_command=True, sandbox=sandbox)
    try:
        async with Supervisor(registry, connector, slots=4) as supervisor:
            yield Bench(supervisor, connector, sandbox)
        assert processes_in(sandbox) == set()
        assert groups_in(sandbox) == []
    finally:
        sandbox.close()
        groups.close()


def without_rooms(limits: LimitSettings) -> Sandbox:
    sandbox = Sandbox(SandboxOptions("off", {"command": limits}))
    sandbox.open()
    return sandbox


@pytest.fixture(params=[opened_sandbox, without_rooms], ids=["room", "no-room"])
def make(request: pytest.FixtureRequest) -> Callable[[LimitSettings], Sandbox]:
    """Limits hold with and without a room."""
    maker: Callable[[LimitSettings], Sandbox] = request.param
    return maker


async def test_a_memory_hog_is_killed_by_its_limit_and_that_is_told(
    make: Callable[[LimitSettings], Sandbox],
) -> None:
    sandbox = make(LimitSettings(memory=64 * MIB))
    need_group(sandbox, "memory")
    async with limited(sandbox) as bench:
        outcome = await bench.run(sys.executable, "-c", HOG)
        assert outcome.error is not None
        assert (outcome.status, outcome.signal) == ("error", 9)
        assert outcome.error.type == "memory_limit"
        assert outcome.error.message == "killed by its limit: memory 64 MiB"
        assert "; memory 64 MiB by cgroup v" in outcome.isolation
        peak = outcome.usage.peak_memory_bytes
        assert peak is not None and 50 * MIB < peak <= 64 * MIB


async def test_a_child_killed_for_memory_is_told_too(
    make: Callable[[LimitSettings], Sandbox],
) -> None:
    sandbox = make(LimitSettings(memory=64 * MIB))
    need_group(sandbox, "memory")
    async with limited(sandbox) as bench:
        outcome = await bench.run("sh", "-c", f'{sys.executable} -c "$0" || exit 4', HOG)
        assert outcome.error is not None
        assert outcome.error.type == "memory_limit"


async def test_a_fork_bomb_is_held_and_that_is_told(
    make: Callable[[LimitSettings], Sandbox],
) -> None:
    sandbox = make(LimitSettings(pids=20))
    need_group(sandbox, "pids")
    async with limited(sandbox) as bench:
        outcome = await bench.run(sys.executable, "-c", BOMB)
        assert bench.connector.text("stdout") == "True\n"
        assert outcome.error is not None
        assert (outcome.exit_code, outcome.error.type) == (3, "pids_limit")
        assert outcome.error.message == (
            "exit status 3, after it was refused processes by its limit: pids 20"
        )


async def test_a_shell_fork_bomb_ends_with_its_job() -> None:
    sandbox = opened_sandbox(LimitSettings(pids=30))
    need_group(sandbox, "pids")
    async with limited(sandbox) as bench:
        bench.supervisor.start(
            order("command", {"argv": ["bash", "-c", "bomb() { bomb | bomb & }; bomb; sleep 60"]})
        )
        await until(lambda: len(processes_in(sandbox)) >= 20)
        bench.supervisor.stop("attempt-1", grace_seconds=0.1)
        await bench.connector.ended()
        assert processes_in(sandbox) == set()


async def test_processes_are_held_by_rlimit_where_there_is_no_group() -> None:
    sandbox = opened_sandbox(LimitSettings(pids=20))
    sandbox.forget_groups()
    async with limited(sandbox) as bench:
        outcome = await bench.run(sys.executable, "-c", BOMB)
        assert bench.connector.text("stdout") == "True\n"
        assert outcome.exit_code == 3
        assert outcome.isolation.endswith("; pids 20 by rlimit")


async def test_memory_is_held_by_rlimit_where_there_is_no_group(
    make: Callable[[LimitSettings], Sandbox],
) -> None:
    sandbox = make(LimitSettings(memory=128 * MIB))
    sandbox.forget_groups()
    async with limited(sandbox) as bench:
        outcome = await bench.run(sys.executable, "-c", HOG)
        assert outcome.exit_code == 1
        assert "MemoryError" in bench.connector.text("stderr")
        assert outcome.isolation.endswith("; memory 128 MiB by rlimit, each process")


async def test_what_cannot_be_held_is_said() -> None:
    sandbox = opened_sandbox(LimitSettings(cpu=0.5))
    sandbox.forget_groups()
    async with limited(sandbox) as bench:
        assert (await bench.run("true")).isolation.endswith("; cpu 0.5 NOT held")


async def test_the_processor_is_shared_out(make: Callable[[LimitSettings], Sandbox]) -> None:
    sandbox = make(LimitSettings(cpu=0.2))
    need_group(sandbox, "cpu")
    async with limited(sandbox) as bench:
        code = "import time; end = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass"
        outcome = await bench.run(sys.executable, "-c", code)
        assert outcome.status == "success"
        used = outcome.usage.cpu_seconds
        assert used is not None and 0.05 < used < 0.75
        assert "; cpu 0.2 by cgroup v" in outcome.isolation


async def test_time_that_is_over_ends_it_and_is_told(
    make: Callable[[LimitSettings], Sandbox],
) -> None:
    async with limited(make(LimitSettings(wall_ms=300))) as bench:
        begin = time.monotonic()
        outcome = await bench.run("sleep", "60")
        assert time.monotonic() - begin < 5
        assert outcome.error is not None
        assert (outcome.status, outcome.signal) == ("timeout", 15)
        assert outcome.error.type == "wall_limit"
        assert outcome.error.message == "ended by its limit: wall 300ms"


async def test_usage_is_counted_over_all_processes(
    make: Callable[[LimitSettings], Sandbox],
) -> None:
    sandbox = make(LimitSettings())
    need_group(sandbox, "memory")
    code = "data = bytearray(b'x' * 40_000_000); import time; time.sleep(0.3)"
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    async with limited(sandbox) as bench:
        python = f"'{sys.executable}'"
        script = f'{python} -c "$0" & {python} -c "$0" & {python} -c "$1"; wait'
        outcome = await bench.run("sh", "-c", script, code, burn)
        peak, used = outcome.usage.peak_memory_bytes, outcome.usage.cpu_seconds
        assert peak is not None and 80_000_000 < peak < 400_000_000
        assert used is not None and 0.3 <= used < 5


async def test_a_job_may_lower_its_limits(make: Callable[[LimitSettings], Sandbox]) -> None:
    sandbox = make(LimitSettings(pids=500, memory=512 * MIB))
    need_group(sandbox, "memory", "pids")
    async with limited(sandbox) as bench:
        lower = {"memory": "32MiB", "pids": 20}
        outcome = await bench.run(sys.executable, "-c", HOG, limits=lower)
        assert outcome.error is not None and outcome.error.type == "memory_limit"
        assert "; memory 32 MiB by" in outcome.isolation
        assert "; pids 20 by" in outcome.isolation


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"memory": "2GiB"}, "memory is 2 GiB, but this runner allows at most 1 GiB"),
        ({"memory": "none"}, "memory is none, but this runner allows at most 1 GiB"),
        ({"pids": 11}, "pids is 11, but this runner allows at most 10"),
        ({"wall": "1h"}, "wall is 1h, but this runner allows at most 10m"),
        ({"pids": 0}, 'limits.pids has to be from 1 .*"none" means no limit'),
        ({"cpu": "half"}, "limits.cpu has to be a number"),
        ({"memory": 12}, "limits.memory has to be at least 1MiB"),
        ({"ram": 1}, "there is no limit 'ram'; there are: memory, pids, cpu, io, wall"),
        ([1], "limits is no object"),
    ],
)
async def test_limits_that_cannot_be_are_refused(asked: object, words: str) -> None:
    ceiling = LimitSettings(memory=1024 * MIB, pids=10, wall_ms=600_000)
    with pytest.raises(ValueError, match=words):
        narrowed(ceiling, asked)
    sandbox = without_rooms(ceiling)
    async with limited(sandbox) as bench:
        with pytest.raises(JobError, match=words) as error:
            await bench.run("true", limits=asked)
        assert error.value.kind == "invalid"


def test_lowering_what_has_no_limit_sets_one() -> None:
    asked = {"memory": 5 * MIB, "io": "1MiB", "cpu": 1, "wall": 2, "pids": "none"}
    assert narrowed(LimitSettings(), asked) == LimitSettings(5 * MIB, None, 1.0, MIB, 2_000)
    assert narrowed(LimitSettings(pids=3), None) == LimitSettings(pids=3)


def test_sizes_for_people() -> None:
    sizes = [size_for_people(size) for size in (5, 1024, 1536 * 1024, 64 * MIB, 2**41)]
    assert sizes == ["5 B", "1 KiB", "1.5 MiB", "64 MiB", "2 TiB"]


async def test_fib_is_limited_too() -> None:
    sandbox = Sandbox(SandboxOptions("off", {"fib": LimitSettings(memory=24 * MIB)}))
    sandbox.open()
    need_group(sandbox, "memory")
    async with limited(sandbox) as bench:
        bench.supervisor.start(order("fib", {"n": 3_000}, request_id="small"))
        small = await bench.connector.ended("small")
        assert (small.status, len(str(small.result))) == ("success", 627)
        assert small.isolation == "memory 24 MiB by cgroup v1" or small.isolation.endswith("v2")
        assert small.usage.peak_memory_bytes is not None
        bench.supervisor.start(order("fib", {"n": 10**8}, request_id="large"))
        large = await bench.connector.ended("large")
        assert large.error is not None
        assert large.error.type == "memory_limit"
        assert large.error.message == "killed by its limit: memory 24 MiB"


async def test_fib_ends_with_its_time() -> None:
    sandbox = Sandbox(SandboxOptions("off", {"fib": LimitSettings(wall_ms=200)}))
    sandbox.open()
    async with limited(sandbox) as bench:
        bench.supervisor.start(order("fib", {"n": 10**9}))
        outcome = await bench.connector.ended()
        assert outcome.error is not None
        assert (outcome.status, outcome.error.type) == ("timeout", "wall_limit")


async def test_a_system_without_a_launcher_runs_commands_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As anything but Linux is."""
    monkeypatch.delattr("os.memfd_create")
    limits = LimitSettings(memory=64 * MIB, pids=20, wall_ms=60_000)
    sandbox = Sandbox(SandboxOptions("auto", {"command": limits}))
    sandbox.open()
    sandbox.forget_groups()
    async with limited(sandbox) as bench:
        outcome = await bench.run("sh", "-c", "exit 3")
        assert outcome.exit_code == 3
        assert outcome.isolation == (
            "not isolated: this system has no namespaces, only Linux has; "
            "memory 64 MiB NOT held; pids 20 NOT held; wall 1m by the agent"
        )
