"""Our runner, managed by our coordinator over RRQ's protocol."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.protocols.rrq.world import SAM, a_world, eventually, is_alive, real_group, settings_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.settings import RrqGroupSettings

EXAMPLE = Path(__file__).parents[2] / "examples" / "rrq-runner" / "greetings.py"
OLD = """
from traffic_tui.runner import Registry, RunnerRuntime
from traffic_tui.runner.tcp_socket import told_tcp_socket
import sys

registry = Registry()

@registry.handler("see")
async def see(request):
    request.print("looking")
    return {"args": request.args, "kwargs": request.kwargs}

RunnerRuntime(takes_old_protocol=True).run_tcp(registry, told_tcp_socket(sys.argv[1:]))
"""
HOLDING = """
import asyncio
from traffic_tui.runner import Registry, run_tcp

registry = Registry()

@registry.handler("hold")
async def hold(request):
    request.print("holding")
    await asyncio.sleep(600)

run_tcp(registry)
"""


def group(command: Sequence[str], **changes: object) -> RrqGroupSettings:
    return real_group(cmd=(sys.executable, *command), **changes)


async def test_the_example_does_our_jobs(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(ours=group([str(EXAMPLE)]))) as world:
        greeted = await world.one("ours#greet", params={"name": "Ann"})
        assert await world.result(greeted) == {"message": "hello, Ann"}
        visited = await world.one("ours#visit", max_attempts=2)
        assert await world.result(visited) == "they were at home"
        assert (await world.look(visited)).job.tries == 2
        missing = await world.outcome(await world.one("ours#nobody"))
        assert (missing.kind, missing.type) == ("error", "handler_not_found")
        failed = await world.outcome(await world.one("ours#greet"))
        assert (failed.kind, failed.message, failed.type) == ("error", "'name'", "")
        late = await world.outcome(
            await world.one("ours#visit", params={"seconds": 60}, timeout_ms=500)
        )
        assert late.kind == "timeout"


async def test_a_stop_reaches_the_handler_and_what_it_printed_is_the_jobs(tmp_path: Path) -> None:
    (tmp_path / "holding.py").write_text(HOLDING)
    settings = settings_with(ours=group([str(tmp_path / "holding.py")]))
    async with a_world(tmp_path, settings) as world:
        job = await world.one("ours#hold")
        running = await world.running(job)
        assert running.attempt is not None
        await eventually(lambda: "holding" in world.log("ours/0"), "the handler has begun")
        await world.coordinator.stop_job(SAM, job.id)
        ended = await world.ended(job)
        assert ended.job.state == "stopped"
        assert await world.output(running.attempt, "stdout") == b"holding\n"


async def test_the_old_protocol_both_ways(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(OLD)
    settings = settings_with(ours=group([str(tmp_path / "old.py")], protocol="1"))
    async with a_world(tmp_path, settings) as world:
        job = await world.one("ours#see", params={"a": 1})
        assert await world.result(job) == {"args": [], "kwargs": {"a": 1}}


async def test_the_runner_ends_with_the_coordinator(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(ours=group([str(EXAMPLE)]))) as world:
        await world.result(await world.one("ours#greet", params={"name": "Ann"}))
        [process] = [
            int(line.split("started as process ")[1].split()[0])
            for line in world.log("ours/0")
            if line.startswith("started as process ")
        ]
    await eventually(lambda: not is_alive(process), "the runner has ended")
