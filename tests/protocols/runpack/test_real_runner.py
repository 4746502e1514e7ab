"""The runner and the client from PyPI, as they come, as processes of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from runpack.client import RunpackClient

from server.protocols.runpack import relay
from server.settings import RunpackSettings
from tests.protocols.runpack.peer import FREE, Peer
from tests.protocols.world import SAM, a_world, key_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.protocols.world import World

pytestmark = pytest.mark.timeout(120)

START_SECONDS = 60.0
"""A runner imports numpy and h5py first, on a machine that may be busy."""
STOP_SECONDS = 20.0


@asynccontextmanager
async def real_runner(
    world: World, folder: Path, *, with_relay: bool = False
) -> AsyncIterator[Callable[[], str]]:
    """A ``runpack runner`` process; gives a way to read its log."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    program = shutil.which("runpack", path=str(Path(sys.executable).parent))
    assert program, "the runpack package is not installed"
    environment = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "RUNPACK_WORKER_URL": world.url,
        "RUNPACK_RUNNER_API_KEY": key_of("runner"),
        "PYTHONUNBUFFERED": "1",
    }
    if with_relay:
        environment |= {
            "NOTIFY_RELAY_BASE_URL": world.url,
            "NOTIFY_RELAY_SUBSCRIBE_KEY": key_of("runner"),
            "NOTIFY_RELAY_SUBSCRIBE_ID": folder.name,
        }
    process = await asyncio.create_subprocess_exec(
        program,
        "runner",
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield lambda: (folder / "runpack_runner.log").read_text()
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def until(found: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
    """Ask again and again until something is the case."""
    ends_at = time.monotonic() + seconds
    while not await found():
        assert time.monotonic() < ends_at, what
        await asyncio.sleep(0.05)


async def until_status(peer: Peer, job_id: str, *wanted: str) -> dict[str, Any]:
    status: dict[str, Any] = {}

    async def is_there() -> bool:
        status.update(await peer.status(job_id))
        return status["status"] in wanted

    await until(is_there, f"{job_id} gets {wanted}", START_SECONDS)
    return status


def params(name: str, seconds: float = 0, **more: Any) -> dict[str, Any]:
    return {"name": name, "processing_time": seconds, **more}


async def test_it_runs_jobs_to_their_results(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        good = (await peer.submit(params("Ada")))["job_id"]
        async with real_runner(world, tmp_path / "box"):
            status = await until_status(peer, good, "completed")
            assert status["result"]["output_data"] == {
                "message": "Hello, Ada!",
                "processing_time": 0,
            }
            assert "Ada" in status["result"]["console_output"]
            runners = (await peer.get("/api/admin/runners", role="admin")).json()["runners"]
            assert [runner["is_active"] for runner in runners] == [True]
            assert "hello_world" in runners[0]["capabilities"]
        again = await peer.submit(params("Ada"))
        assert again["message"] == "Job already completed (cached result)"


async def test_its_failures_arrive_and_it_goes_on(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        odd = (await peer.submit({"name": "Bob"}))["job_id"]
        async with real_runner(world, tmp_path / "box", with_relay=True):
            status = await until_status(peer, odd, "failed")
            assert status["error"] == (
                "Invalid parameters: Missing required parameter: 'processing_time'"
            )
            raising = (await peer.submit(params("Cy", test_exception=True)))["job_id"]
            status = await until_status(peer, raising, "failed")
            assert status["error"].startswith("Job execution failed: ")


async def test_it_comes_back_under_its_old_name(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        for name in ("Ada", "Bob"):
            job_id = (await peer.submit(params(name)))["job_id"]
            async with real_runner(world, tmp_path / "box"):
                await until_status(peer, job_id, "completed")
        runners = (await peer.get("/api/admin/runners", role="admin")).json()["runners"]
        assert len(runners) == 1


async def test_work_is_picked_up_at_once_through_the_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a message it looks for work every 300 s, far beyond the deadline."""
    monkeypatch.setattr(relay, "RETELL_SECONDS", 3_600.0)
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        first = (await peer.submit(params("first")))["job_id"]
        async with real_runner(world, tmp_path / "box", with_relay=True) as log:
            await until_status(peer, first, "completed")
            for name in ("Ada", "Bob"):
                job_id = (await peer.submit(params(name)))["job_id"]
                await until_status(peer, job_id, "completed")
            assert "new job notification" in log()


async def test_two_of_them_share_the_work(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        one = real_runner(world, tmp_path / "one", with_relay=True)
        two = real_runner(world, tmp_path / "two", with_relay=True)
        async with one, two:

            async def both_are_there() -> bool:
                return len(world.coordinator.runners()) == 2

            await until(both_are_there, "both registered", START_SECONDS)
            ids = [(await peer.submit(params(f"n{n}", 0.5)))["job_id"] for n in range(4)]
            for job_id in ids:
                await until_status(peer, job_id, "completed")
        pages = [await peer.page(job_id) for job_id in ids]
        assert len({page["claimed_by"] for page in pages}) == 2
        assert await world.late_kinds() == []


async def test_a_stop_refuses_what_it_still_says(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        job_id = (await peer.submit(params("Ada", 3)))["job_id"]
        async with real_runner(world, tmp_path / "box"):
            await until_status(peer, job_id, "claimed", "in_progress")
            acted = await world.coordinator.stop_job(SAM, await peer.number(job_id))
            assert acted.warning

            async def is_refused() -> bool:
                return "success" in await world.late_kinds() or "error" in await world.late_kinds()

            await until(is_refused, "the runner's completion comes too late", START_SECONDS)
        status = await peer.status(job_id)
        assert status["status"] == "failed"
        assert status["error"] == "Job was stopped by an operator"


async def test_a_deletion_under_its_hands_does_no_harm(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        peer = Peer(world)
        job_id = (await peer.submit(params("Ada", 1)))["job_id"]
        async with real_runner(world, tmp_path / "box", with_relay=True):
            await until_status(peer, job_id, "claimed", "in_progress")
            answer = await world.call("DELETE", f"/api/admin/jobs/{job_id}", role="admin")
            assert answer.status_code == 200
            after = (await peer.submit(params("Bob")))["job_id"]
            await until_status(peer, after, "completed")


async def test_the_client_of_the_package(tmp_path: Path) -> None:
    settings = FREE
    assert settings.protocols.runpack != RunpackSettings()
    async with a_world(tmp_path, settings=settings) as world:
        job_id = (await Peer(world).submit(params("Ada")))["job_id"]
        client = RunpackClient(world.url, key_of("runner"))
        client.runner_id = "nobody"
        assert await asyncio.to_thread(client.verify_runner) is False
        runner_id = await asyncio.to_thread(client.register_runner, "box", ["hello_world"])
        assert client.runner_id == runner_id
        assert await asyncio.to_thread(client.verify_runner) is True
        [listed] = await asyncio.to_thread(client.get_available_jobs, ["hello_world"])
        assert listed["job_id"] == job_id
        claimed = await asyncio.to_thread(client.claim_job, job_id)
        assert claimed["input_params"] == params("Ada")
        assert await asyncio.to_thread(client.send_heartbeat, job_id, 1, 2, "half\n") is True
        assert await asyncio.to_thread(client.complete_job, job_id, {"ok": 1}, "whole\n") is True
        result = (await Peer(world).status(job_id))["result"]
        assert result == {"output_data": {"ok": 1}, "console_output": "whole\n"}
