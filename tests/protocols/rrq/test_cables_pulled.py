"""kill -9 of the coordinator, with and without its guard: no runner is left, no job is charged."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest

from tests.end_to_end.service import Service
from tests.ports import first_of_free_ports
from tests.protocols.rrq.world import ROOT, eventually, is_alive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

CONFIGURATION = """
[protocols.rrq.runners.py]
cmd = {command}
tcp_socket = "127.0.0.1:{port}"
pool_size = 2
env = {{PYTHONPATH = "{root}"}}
"""


class RrqService(Service):
    """``traffic-tui serve`` with a pool of two runners on ports that stay the same."""

    def configure(self) -> None:
        runner = os.path.join(os.path.dirname(sys.executable), "rrq-runner")  # noqa: PTH118, PTH120
        command = [runner, "--settings", "tests.protocols.rrq.handlers.settings"]
        self.runner_port = first_of_free_ports(2)
        self.more_configuration = CONFIGURATION.format(
            command=msgspec.json.encode(command).decode(), port=self.runner_port, root=ROOT
        )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def children(self, name: str) -> list[int]:
        """The coordinator's child processes with a word in their command."""
        found = []
        for child in psutil.Process(self.pid).children():
            try:
                if any(name in word for word in child.cmdline()):
                    found.append(child.pid)
            except psutil.Error:
                continue
        return found

    async def runners(self) -> list[int]:
        """The two runners, once they are connected."""
        async with self.client("operator") as client:

            async def connected() -> int:
                answer = await client.get("/api/operator/v1/runners")
                return sum(one["state"] == "ok" for one in answer.json()["runners"])

            await until(connected, 2)
        return self.children("rrq-runner")

    async def submit(self, job_type: str, **params: Any) -> str:
        async with self.client("submit") as client:
            body = {"type": job_type, "params": params}
            answer = await client.post("/api/operator/v1/jobs", json=body)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["job"]["id"])

    async def until_state(self, job: str, state: str) -> dict[str, Any]:
        async with self.client("operator") as client:
            found: dict[str, Any] = {}

            async def look() -> str:
                found.update((await client.get(f"/api/operator/v1/jobs/{job}")).json()["job"])
                return str(found["state"])

            await until(look, state)
            return found


async def until(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Ask until the answer is the wanted one, in vain at most 20 s."""
    async with asyncio.timeout(20):
        while await look() != wanted:  # noqa: ASYNC110  # another process is asked
            await asyncio.sleep(0.02)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[RrqService]:
    made = RrqService(tmp_path)
    made.configure()
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("guard_too", [False, True])
async def test_after_kill_nine_the_ports_are_free_and_the_job_is_done(
    service: RrqService, guard_too: bool
) -> None:
    runners = await service.runners()
    assert len(runners) == 2
    job = await service.submit("py#sleep", seconds=3)
    await service.until_state(job, "in_progress")
    if guard_too:
        [guard] = service.children("guard_process.py")
        os.kill(guard, signal.SIGKILL)
    await service.kill()
    if guard_too:
        assert any(is_alive(pid) for pid in runners)
    else:
        await eventually(lambda: not any(is_alive(pid) for pid in runners), "the guard ends them")
    await service.start()
    fresh = await service.runners()
    assert not any(is_alive(pid) for pid in runners)
    assert len(fresh) == 2
    done = await service.until_state(job, "completed")
    assert (done["tries"], done["attempts"]) == (1, 2)


async def test_sigterm_ends_the_runners_within_bounds(service: RrqService) -> None:
    runners = await service.runners()
    await service.submit("py#block", seconds=30)
    service.signal(signal.SIGTERM)
    assert await service.wait() == 0
    assert not any(is_alive(pid) for pid in runners)
