"""Console output that says where it belongs: told twice, it counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.protocols.treadmill.double import IDLE, Double, ongoing
from tests.protocols.treadmill.world import World, a_world, until

if TYPE_CHECKING:
    from pathlib import Path


async def console(world: World, job_id: str) -> bytes:
    answer = await world.operator("GET", f"/jobs/{job_id}/output?stream=console")
    return bytes(answer.content)


async def tell(double: Double, wire_id: str, data: bytes, offset: int) -> None:
    body = {"type": "console_log", "console_bytes": list(data), "console_offset": offset}
    await double.event(wire_id, body)


async def shows(world: World, job_id: str, data: bytes) -> None:
    async def is_so() -> bool:
        return await console(world, job_id) == data

    await until(is_so, f"{job_id} has printed {data!r}")


async def test_what_was_told_before_is_passed_over(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await world.enqueue()
        wire_id = (await double.takes())["job_id"]
        await double.run_to_ready(wire_id)
        await tell(double, wire_id, b"abcdef", 0)
        await tell(double, wire_id, b"abc", 0)
        await tell(double, wire_id, b"defghi", 3)
        await tell(double, wire_id, b"", 9)
        await tell(double, wire_id, b"xyz", 500)
        await shows(world, job_id, b"abcdefghixyz")
        await double.console(wire_id, b"!")
        await shows(world, job_id, b"abcdefghixyz!")


async def test_also_where_the_coordinator_was_started_anew_meanwhile(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await world.enqueue()
        wire_id = (await double.takes())["job_id"]
        await double.run_to_ready(wire_id)
        await tell(double, wire_id, b"abcdef", 0)
        await shows(world, job_id, b"abcdef")
    status = ongoing(wire_id, "ready")
    async with a_world(tmp_path) as world, world.supervisor(status=status) as double:
        await tell(double, wire_id, b"defghi", 3)
        await double.state(wire_id, "terminated")
        await world.becomes(job_id, "terminated")
        assert await console(world, job_id) == b"abcdefghi"


async def test_a_place_that_is_none_is_ignored(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await world.enqueue()
        wire_id = (await double.takes())["job_id"]
        await double.run_to_ready(wire_id)
        await tell(double, wire_id, b"no", -1)
        await tell(double, wire_id, b"yes", 2**62)
        await shows(world, job_id, b"yes")
