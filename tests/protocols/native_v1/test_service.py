"""The service itself: it begins and ends in time, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from pathlib import Path

from server.clock import SystemClock
from server.coordinator import Coordinator, Introduction
from server.model import JobSpec
from server.protocols.native_v1.service import NativeV1Service
from server.store.sqlite import SqliteStore
from tests.end_to_end.service import Service
from tests.protocols.native_v1.runner import Runner, a_runner, silence
from tests.protocols.native_v1.world import SAM, a_world, settings_of, until

ROOT = Path(__file__).parents[3]


async def test_it_ends_in_time_while_runners_do_not_answer(tmp_path: Path) -> None:
    settings = settings_of(webhook_timeout_ms=60_000)
    async with a_world(tmp_path, settings) as world, a_runner(world, capacity=5) as runner:
        runner.answer = silence
        await world.submit(*[(number, number) for number in range(5)])
        await runner.job(4)
        began = time.monotonic()
        await world.server.stop()
        assert time.monotonic() - began < 4
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert [name for name in names if "native-v1" in name] == []


async def test_it_may_be_ended_twice_and_before_it_began(tmp_path: Path) -> None:
    settings, clock = settings_of(), SystemClock()
    coordinator = Coordinator(SqliteStore(None, clock=clock), settings, clock)
    await coordinator.start()
    try:
        service = NativeV1Service(coordinator)
        await service.stop()
        await service.start()
        who = Introduction("native-v1", "127.0.0.1:1", "127.0.0.1:1", 1, ("range",))
        await coordinator.open_session(who, nonce="a")
        params = b'{"cursor_from":1,"cursor_to":2}'
        await coordinator.submit(SAM, [JobSpec("range", params=params)])

        async def is_faulty() -> bool:
            return coordinator.fault(1) != ""

        await until(is_faulty, "nobody was there")
        await service.stop()
        await service.stop()
        assert [one for one in asyncio.all_tasks() if "native-v1" in one.get_name()] == []
    finally:
        await coordinator.stop()
        gc.collect()


async def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    service = Service(tmp_path)
    await service.start()
    runner = Runner(_ProcessWorld(service), nonce="boot", style="code")  # type: ignore[arg-type]
    await runner.listen()
    try:
        assert (await runner.hello(capacity=1)).json() == {"ok": True}
        async with service.client("operator") as operator:
            for first in (1, 5):
                job = {"type": "range", "params": {"cursor_from": first, "cursor_to": first + 1}}
                answer = await operator.post("/api/operator/v1/jobs", json=job)
                assert answer.status_code == 201, answer.text
            brought = await runner.job()
            await runner.say("running", brought)
            await service.kill()
            await service.start()
            await runner.say("completed", brought)
            await runner.say("completed", await runner.job(1))  # no hello since the kill

            async def are_done() -> bool:
                jobs = (await operator.get("/api/operator/v1/jobs")).json()["jobs"]
                return [job["state"] for job in jobs] == ["completed", "completed"]

            await until(are_done, "both are done")
    finally:
        await runner.die()
        await service.kill()


class _ProcessWorld:
    """What a runner needs of a world, of a coordinator in a process of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def post(self, call: str, body: object, *, source: str = "") -> object:
        async with self._service.client("submit") as http:
            return await http.post(f"/api/native-v1/{call}", json=body)


def test_nobody_pays_for_webhooks_who_has_no_such_runners() -> None:
    program = (
        "import sys, server.runtime\n"
        "import server.protocols.native_v1.service\n"
        "sys.exit(', '.join(name for name in ('httpx', 'httpcore') if name in sys.modules) or 0)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert (answer.returncode, answer.stderr) == (0, "")
