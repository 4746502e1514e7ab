"""A job on a supervisor from its start to its end, in all the ways that can go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.protocols.treadmill.double import IDLE
from tests.protocols.treadmill.world import FIRST, IMAGE, a_world

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_job_runs_from_submit_to_exit_status(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await world.enqueue(
            ssh_keys=["ssh-ed25519 AAAA me@host"],
            parameters={
                "speed": {"value": "fast", "secret": False},
                "pw": {"value": "hunter2", "secret": True},
            },
            restarts=2,
        )
        assert await double.takes() == {
            "job_id": job_id,
            "image_spec": {"type": "image", "image_id": IMAGE},
            "ssh_keys": ["ssh-ed25519 AAAA me@host"],
            "restart_policy": {"remaining_restart_count": 2},
            "parameters": {
                "speed": {"value": "fast", "secret": False},
                "pw": {"value": "hunter2", "secret": True},
            },
        }
        await double.state(job_id, "initializing", "starting")
        state = await world.becomes(job_id, "initializing", "starting")
        assert state["dispatched_to_supervisor"] == FIRST
        await double.state(job_id, "initializing", "booting")
        await world.becomes(job_id, "initializing", "booting")
        await double.state(job_id, "ready")
        await world.becomes(job_id, "ready")
        await double.console(job_id, bytes(range(256)))
        await double.declare(job_id, "success", "42 passed")
        await double.state(job_id, "terminating")
        await double.state(job_id, "terminated")
        ended = await world.becomes(job_id, "terminated")
        assert ended["result"]["exit_status"] == "workload_finished_success"
        assert ended["result"]["host_output"] == "42 passed"
        output = await world.operator("GET", f"/jobs/{job_id}/output?stream=console")
        assert output.content == bytes(range(256))
        second = await world.enqueue()
        assert (await double.takes())["job_id"] == second
