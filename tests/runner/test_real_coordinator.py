"""The agent and the coordinator as they are, each in a process of its own, each killed in turn."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from server.settings import LimitSettings
from tests.end_to_end.service import Service
from tests.runner.agents import agent
from tests.runner.recording import until_true
from traffic_tui.runner.sandbox.sandbox import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.timeout(120)

MIB = 1024 * 1024
LINES = 60_000
PRINTER = f"""
import hashlib, sys, time
out = sys.stdout.buffer
for number in range({LINES}):
    out.write(hashlib.md5(b"%d" % number).hexdigest().encode() + b"\\n")
    if number % 200 == 0:
        out.flush()
        sys.stderr.write(f"{{number}}/{LINES}\\n")
        sys.stderr.flush()
        time.sleep(0.01)
"""


def expected() -> bytes:
    return b"".join(
        hashlib.md5(b"%d" % number).hexdigest().encode() + b"\n" for number in range(LINES)
    )


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(tmp_path)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def submit(client: httpx.AsyncClient, job_type: str, **params: Any) -> str:
    answer = await client.post("/api/operator/v1/jobs", json={"type": job_type, "params": params})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["job"]["id"])


async def job(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/operator/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def in_state(client: httpx.AsyncClient, job_id: str, *states: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            shown = await job(client, job_id)
            if shown["job"]["state"] in states:
                return shown
            await asyncio.sleep(0.05)


async def output(client: httpx.AsyncClient, job_id: str, stream: str) -> bytes:
    whole = b""
    while True:
        answer = await client.get(
            f"/api/operator/v1/jobs/{job_id}/output",
            params={"stream": stream, "offset": len(whole), "limit": 1_000_000},
        )
        assert answer.status_code == 200, answer.text
        if not answer.content:
            return whole
        whole += answer.content


async def has_printed(client: httpx.AsyncClient, job_id: str, count: int) -> None:
    """Wait until the coordinator has that many bytes of standard output."""

    async def enough() -> bool:
        return len(await output(client, job_id, "stdout")) >= count

    await until_true(enough)


async def test_each_type_runs_and_the_agent_drains(service: Service, tmp_path: Path) -> None:
    with agent(tmp_path / "a", service.url, key=service.key("runner"), capacity=4) as running:
        async with service.client("operator") as client:
            fib = await submit(client, "fib", n=100)
            wrong = await submit(client, "eval", expression="2x")
            assert (await in_state(client, fib, "completed"))["job"]["result"] == (
                "218922995834555169026"
            )
            failed = await in_state(client, wrong, "failed")
            assert "no value was given for x" in failed["job"]["error"]["message"]
            running.signal()
            assert await running.ends() == 0
            [box] = (await client.get("/api/operator/v1/runners")).json()["runners"]
            assert box["state"] == "gone"


async def test_output_is_whole_over_kills_of_the_coordinator(
    service: Service, tmp_path: Path
) -> None:
    options = {"types": ("command",), "capacity": 2}
    with agent(tmp_path / "a", service.url, key=service.key("runner"), **options) as running:
        async with service.client("operator") as client:
            job_id = await submit(client, "command", argv=[sys.executable, "-c", PRINTER])
            for kill in range(3):
                await has_printed(client, job_id, 300_000 * (kill + 1))
                await service.kill()
                await asyncio.sleep(0.2 * kill)
                await service.start()
            shown = await in_state(client, job_id, "completed", "failed")
            assert shown["job"]["state"] == "completed", shown["job"]
            assert shown["job"]["attempts"] == 1
            assert await output(client, job_id, "stdout") == expected()
            progress = shown["attempts"][0]["progress"]
            assert progress["total"] == LINES
        running.signal()
        assert await running.ends() == 0
        assert "answers again" in running.said() or "open again" in running.said()


async def test_a_stop_reaches_a_running_command(service: Service, tmp_path: Path) -> None:
    options = {"types": ("command",), "capacity": 1}
    with agent(tmp_path / "a", service.url, key=service.key("runner"), **options):
        async with service.client("operator") as client:
            script = "trap 'echo bye; exit 4' TERM; echo hello; while :; do sleep 0.05; done"
            job_id = await submit(client, "command", argv=["sh", "-c", script])
            await in_state(client, job_id, "in_progress")
            await has_printed(client, job_id, len(b"hello\n"))
            answer = await client.post(f"/api/operator/v1/jobs/{job_id}/stop", json={})
            assert answer.status_code == 200, answer.text
            shown = await in_state(client, job_id, "stopped")
            assert shown["attempts"][0]["exit_code"] == 4
            assert await output(client, job_id, "stdout") == b"hello\nbye\n"


async def test_a_killed_agent_loses_its_jobs_to_the_next_boot(
    service: Service, tmp_path: Path
) -> None:
    options = {"types": ("wait",), "capacity": 1}
    key = service.key("runner")
    async with service.client("operator") as client:
        with agent(tmp_path / "a", service.url, key=key, **options) as running:
            job_id = await submit(client, "wait", seconds=3600)
            await in_state(client, job_id, "in_progress")
            running.signal(signal.SIGKILL)
            await running.ends()
        with agent(tmp_path / "a", service.url, key=key, **options) as running:

            async def has_second_attempt() -> bool:
                return bool((await job(client, job_id))["job"]["attempts"] == 2)

            await until_true(has_second_attempt)
            await in_state(client, job_id, "in_progress")
            answer = await client.post(f"/api/operator/v1/jobs/{job_id}/stop", json={})
            assert answer.status_code == 200
            await in_state(client, job_id, "stopped")


async def test_two_agents_of_one_name_do_not_fight(service: Service, tmp_path: Path) -> None:
    key = service.key("runner")
    with agent(tmp_path / "a", service.url, key=key) as first:
        await first.says("serving")
        with agent(tmp_path / "b", service.url, key=key) as second:
            await second.says("serving")
            assert await first.ends() == 1
            assert "has taken over" in first.said()
            second.signal()
            assert await second.ends() == 0


async def test_many_short_jobs(service: Service, tmp_path: Path) -> None:
    with agent(tmp_path / "a", service.url, key=service.key("runner"), capacity=64):
        async with service.client("submit") as client:
            batch = {"jobs": [{"type": "noop"}] * 1000}
            assert (await client.post("/api/native-v2/jobs", json=batch)).status_code == 201
        async with service.client("operator") as client:
            counts: dict[str, int] = {}

            async def look() -> bool:
                counts.update((await client.get("/api/operator/v1/stats")).json()["counts"])
                return counts["completed"] == 1000

            await until_true(look)
    assert counts["failed"] == 0


async def test_isolation_and_usage_are_kept_over_a_restart(
    service: Service, tmp_path: Path
) -> None:
    limits = {"command": LimitSettings(memory=64 * MIB, pids=100)}
    options = {"types": ("command",), "sandbox": SandboxOptions(limits=limits)}
    hog = "import time; time.sleep(1); data = []\nwhile True: data.append(bytes(1048576) + b'x')"
    with agent(tmp_path / "a", service.url, key=service.key("runner"), **options) as running:
        await running.says("serving")
        if "memory 64 MiB by cgroup" not in running.said() or "not isolated" in running.said():
            pytest.skip(running.said())
        async with service.client("operator") as client:
            job_id = await submit(client, "command", argv=[sys.executable, "-c", hog])

            async def is_told() -> bool:
                attempts = (await job(client, job_id))["attempts"]
                return bool(attempts and attempts[0]["isolation"])

            await until_true(is_told)
            shown = await in_state(client, job_id, "in_progress", "failed")
            assert shown["attempts"][0]["isolation"].startswith(
                "isolated: user, pid, mount, net, uts, ipc; memory 64 MiB by cgroup v"
            )
            await in_state(client, job_id, "failed")
        await service.kill()
        await service.start()
        async with service.client("operator") as client:
            attempt = (await job(client, job_id))["attempts"][0]
    assert attempt["error"]["type"] == "memory_limit"
    assert attempt["error"]["message"] == "killed by its limit: memory 64 MiB"
    assert attempt["signal"] == signal.SIGKILL
    assert 32 * MIB < attempt["usage"]["peak_memory_bytes"] <= 64 * MIB
    assert attempt["usage"]["cpu_seconds"] > 0
