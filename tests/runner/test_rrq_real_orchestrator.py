"""Our runner under RRQ's own orchestrator, with a Redis server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ports import free_port
from tests.runner.recording import until
from tests.runner.rrq_world import (
    children,
    ended,
    is_open,
    process,
    program,
    real_orchestrator,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.runner.rrq_world import World

pytestmark = pytest.mark.timeout(120)

EXAMPLE = Path(__file__).parents[2] / "examples" / "rrq-runner" / "greetings.py"

LINGERING = """
import asyncio
from pathlib import Path
from traffic_tui.runner import Registry, run_tcp

registry = Registry()

@registry.handler("linger")
async def linger(request):
    begin = asyncio.get_running_loop().time()
    Path(request.params["began"]).touch()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        took = asyncio.get_running_loop().time() - begin
        Path(request.params["file"]).write_text(str(took))
        raise

@registry.handler("quick")
async def quick(request):
    return request.context.queue_name

run_tcp(registry)
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with real_orchestrator(tmp_path, [sys.executable, str(EXAMPLE)]) as made:
        yield made


async def test_the_example_serves_the_orchestrator(world: World) -> None:
    greeted, visited, missing, late = await asyncio.gather(
        world.outcome("greet", {"name": "Ann"}),
        world.outcome("visit", {}),
        world.outcome("no_such", {}),
        world.outcome("visit", {"seconds": 30}, job_timeout_seconds=1),
    )
    assert (greeted.status.value, greeted.result) == ("COMPLETED", {"message": "hello, Ann"})
    assert (visited.status.value, visited.result) == ("COMPLETED", "they were at home")
    assert missing.status.value == "FAILED"
    assert "No handler registered for function 'no_such'" in missing.last_error
    assert late.status.value == "FAILED"
    failed = await world.outcome("greet", {}, max_retries=1)
    assert (failed.status.value, failed.last_error) == ("FAILED", "'name'")


async def test_many_jobs_share_the_connection(world: World) -> None:
    names = [f"number {number}" for number in range(40)]
    ends = await asyncio.gather(*(world.outcome("greet", {"name": name}) for name in names))
    assert [end.result for end in ends] == [{"message": f"hello, {name}"} for name in names]


async def test_a_cancel_reaches_the_handler_and_the_process_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "lingering.py"
    script.write_text(LINGERING)
    files = [tmp_path / name for name in ("kept.began", "kept", "lost.began", "lost")]
    kept, lost = ({"began": str(files[place]), "file": str(files[place + 1])} for place in (0, 2))
    async with real_orchestrator(tmp_path, [sys.executable, str(script)]) as world:
        runner = children(world.orchestrator.pid)
        other = await world.enqueue("linger", kept, job_timeout_seconds=90)
        await until(files[0].exists)
        end = await world.outcome("linger", lost, job_timeout_seconds=2)
        assert end.status.value == "FAILED"
        await until(files[3].exists)
        assert float(files[3].read_text()) < 10
        # The frame, or the deadline, ended that one; the process and the other job run on.
        quick = await world.outcome("quick", {})
        assert quick.result == "rrq:queue:default"
        assert children(world.orchestrator.pid) == runner
        assert not files[1].exists()
        status = await world.client.get_job_status(other)
        assert status is not None
        assert status.status.value == "ACTIVE"


async def test_a_runner_started_by_hand_serves_one_orchestrator_after_the_other(
    tmp_path: Path,
) -> None:
    port = free_port()
    command = [sys.executable, str(EXAMPLE), "--tcp-socket", f"127.0.0.1:{port}"]
    with process(command, tmp_path / "runner.log") as runner:
        await until(lambda: is_open(port))
        for name in ("first", "second"):
            folder = tmp_path / name
            folder.mkdir()
            async with real_orchestrator(folder, external_port=port) as world:
                greeted = await world.outcome("greet", {"name": name})
                assert greeted.result == {"message": f"hello, {name}"}
        assert runner.poll() is None


async def test_the_agent_is_a_runner_of_the_orchestrator(tmp_path: Path) -> None:
    command = [program("traffic-tui"), "agent", "--protocol", "rrq"]
    async with real_orchestrator(tmp_path, [*command, "--capacity", "2"]) as world:
        ends = await asyncio.gather(
            *(world.outcome("fib", {"n": n}, max_retries=50) for n in (10, 20, 30))
        )
        assert [end.result for end in ends] == [34, 4181, 514229]
        refused = await world.outcome("command", {"argv": ["true"]})
        assert refused.status.value == "FAILED"
        assert "No handler registered for function 'command'" in refused.last_error
        [runner] = children(world.orchestrator.pid)
        world.orchestrator.send_signal(signal.SIGTERM)
        await ended(runner)


async def test_kill_9_of_the_orchestrator_leaves_no_orphan_on_the_port(world: World) -> None:
    assert (await world.outcome("greet", {"name": "Ann"})).result
    [runner] = children(world.orchestrator.pid)
    os.kill(world.orchestrator.pid, signal.SIGKILL)
    await ended(runner)
    await until(lambda: not is_open(world.tcp_port))


async def test_the_orchestrator_ends_and_the_runner_with_it(world: World) -> None:
    assert (await world.outcome("greet", {"name": "Ann"})).result
    [runner] = children(world.orchestrator.pid)
    world.orchestrator.send_signal(signal.SIGTERM)
    await ended(runner)
    assert await asyncio.to_thread(world.orchestrator.wait, 20) == 0
    assert "draining: 0 jobs run on" in world.said()
