"""Our supervisor on our switchboard, over real sockets: what one says is what the other shows."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from tests.protocols.treadmill.double import token_of
from tests.protocols.treadmill.world import FIRST, IMAGE, World, a_world, until
from tests.runner.treadmill.serving import handlers, supervisor
from traffic_tui.runner import ExecutionOutcome, ExecutionRequest, Registry

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.runner.treadmill.serving import Serving


def ours(world: World, folder: Path, registry: Registry) -> AbstractAsyncContextManager[Serving]:
    return supervisor(world.server.url, folder, registry, token=token_of(FIRST), name=FIRST)


async def console(world: World, job_id: str) -> bytes:
    answer = await world.operator("GET", f"/jobs/{job_id}/output?stream=console&limit=1000000")
    return bytes(answer.content)


async def test_a_job_over_treadmills_rest(tmp_path: Path) -> None:
    proceed = asyncio.Event()

    async def image(request: ExecutionRequest) -> str:
        request.print("flashing", request.params["parameters"]["board"]["value"])
        request.progress(1, 2, "flashed")
        await proceed.wait()
        return "42 passed"

    async with a_world(tmp_path) as world, ours(world, tmp_path, handlers(image=image)):
        await world.runner_becomes("ok")
        parameters = {"board": {"value": "nrf52", "secret": False}}
        job_id = await world.enqueue(parameters=parameters, tag_config="arm")
        state = await world.becomes(job_id, "ready")
        assert state["dispatched_to_supervisor"] == FIRST
        runner = await world.runner()
        assert (runner["phase"], runner["busy"]) == ("ready", 1), runner

        async def shows_progress() -> bool:
            job = (await world.operator("GET", f"/jobs/{job_id}")).json()["job"]
            return bool(job["progress"] and job["progress"]["text"] == "1/2 flashed")

        await until(shows_progress, "its progress is shown")
        proceed.set()
        state = await world.becomes(job_id, "terminated")
        assert state["result"]["exit_status"] == "workload_finished_success"
        assert state["result"]["host_output"] == "42 passed"
        assert await console(world, job_id) == b"flashing nrf52\n"


async def test_ends_and_what_they_are_there(tmp_path: Path) -> None:
    async def image(request: ExecutionRequest) -> ExecutionOutcome:
        how = request.params["parameters"]["how"]["value"]
        killed_by = 9 if how == "unknown" else None
        return ExecutionOutcome.failure("", "", f"it was {how}", signal=killed_by)

    async with a_world(tmp_path) as world, ours(world, tmp_path, handlers(image=image)):
        for how in ("error", "unknown"):
            job_id = await world.enqueue(parameters={"how": {"value": how, "secret": False}})
            state = await world.becomes(job_id, "terminated")
            assert state["result"]["exit_status"] == f"workload_finished_{how}"
            assert state["result"]["host_output"] == f"it was {how}"


async def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, ours(world, tmp_path, Registry()):
        job_id = await world.enqueue()
        state = await world.becomes(job_id, "terminated")
        assert state["result"]["exit_status"] == "supervisor_host_start_failure"
        assert "does not name the image" in state["result"]["host_output"]


async def test_a_stop_ends_the_job(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def image(request: ExecutionRequest) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with a_world(tmp_path) as world, ours(world, tmp_path, handlers(image=image)):
        job_id = await world.enqueue()
        await world.becomes(job_id, "ready")
        assert (await world.rest("DELETE", f"/jobs/{job_id}")).status_code == 200
        assert await world.exit_status(job_id) == "job_canceled"
        assert ended.is_set()
        job_id = await world.enqueue(override_timeout="1s")
        assert await world.exit_status(job_id) == "job_timeout"
        await world.runner_becomes("ok")


async def test_a_secret_of_an_operators_job_reaches_the_handler_alone(tmp_path: Path) -> None:
    seen: list[str] = []

    async def image(request: ExecutionRequest) -> None:
        seen.append(request.params["parameters"]["pw"]["value"])

    async with a_world(tmp_path) as world, ours(world, tmp_path, handlers(image=image)):
        params = {"image_id": IMAGE, "parameters": {"pw": {"value": "hunter2", "secret": True}}}
        job_id = await world.submit(json.dumps(params).encode())

        async def is_done() -> bool:
            job = (await world.operator("GET", f"/jobs/{job_id}")).json()["job"]
            return bool(job["state"] == "completed")

        await until(is_done, "it ends well")
        shown = (await world.operator("GET", f"/jobs/{job_id}")).text
    assert seen == ["hunter2"]
    assert "hunter2" not in shown


async def test_one_job_after_the_other_and_nothing_is_ignored(tmp_path: Path) -> None:
    async def image(request: ExecutionRequest) -> str:
        request.print(request.job_id)
        return "ok"

    async with a_world(tmp_path) as world, ours(world, tmp_path, handlers(image=image)):
        job_ids = [await world.enqueue() for _ in range(20)]
        for job_id in job_ids:
            assert await world.exit_status(job_id) == "workload_finished_success"
            assert len(await console(world, job_id)) == 37
        assert await world.events("message_ignored") == []
        metrics = await world.operator_text("/metrics")
        ignored = [line for line in metrics.splitlines() if "messages_ignored_total" in line]
        assert all(line.endswith(" 0.0") for line in ignored if not line.startswith("#")), ignored


async def test_a_connection_that_is_cut_costs_nothing(tmp_path: Path) -> None:
    """The line is cut again and again while a job runs, prints and ends."""
    runs: list[str] = []

    async def image(request: ExecutionRequest) -> str:
        runs.append(request.job_id)
        for number in range(2000):
            await request.write(b"%05d\n" % number)
            if number % 100 == 0:
                await asyncio.sleep(0.02)
        return "whole"

    async with (
        a_world(tmp_path) as world,
        ours(world, tmp_path, handlers(image=image)) as serving_it,
    ):
        job_id = await world.enqueue()
        await world.becomes(job_id, "ready")

        async def is_over() -> bool:
            line = serving_it.connector._line
            if line is not None:
                await asyncio.sleep(0.1)
                line.abort()
            return bool((await world.state(job_id))["type"] == "terminated")

        await until(is_over, "it ends")
        state = await world.state(job_id)
        assert state["result"]["exit_status"] == "workload_finished_success"
        assert state["result"]["host_output"] == "whole"
        assert len(runs) == 1
        lines = (await console(world, job_id)).split()
        assert lines == [b"%05d" % number for number in range(2000)]
