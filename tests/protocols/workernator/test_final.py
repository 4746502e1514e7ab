"""The final contract, spoken by grpcio: start, stop, status, output."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import grpc
import pytest

from server.wire.workernator import final_pb2
from tests.protocols.workernator.world import FINAL, World, a_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.coordinator.results import Submitted
    from server.model import Actor, JobSpec

STOP = final_pb2.JobStopRequest
STATUS = final_pb2.JobStatusRequest
OUTPUT = final_pb2.OutputJobRequest


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


async def test_a_command_runs_and_its_output_is_exact(world: World) -> None:
    async with world.agent():
        alice = world.connect("alice")
        job = await alice.start("printf", r"a\0b\377\n%s", "end")
        assert re.fullmatch("[0-9a-v]{19}[0g]", job.id)
        assert (job.command, list(job.args)) == ("printf", [r"a\0b\377\n%s", "end"])
        assert job.started_at.seconds > 1_700_000_000
        assert await alice.output(job.id) == b"a\0b\xff\nend"
        ended = await alice.status(job.id)
        assert ended.status == final_pb2.Finished
        assert ended.error_msg == ""
        assert ended.ended_at.ToMilliseconds() >= ended.started_at.ToMilliseconds()


async def test_start_answers_with_a_running_job(world: World) -> None:
    async with world.agent():
        alice = world.connect("alice")
        job = await alice.start("sleep", "30")
        assert job.status == final_pb2.Running
        assert not job.HasField("ended_at")
        stopped = await alice.call(f"{FINAL}Stop", STOP(id=job.id))
        assert stopped.status == final_pb2.Stopped
        again = await alice.call(f"{FINAL}Stop", STOP(id=job.id))
        assert again == stopped


async def test_how_a_command_ended(world: World) -> None:
    async with world.agent():
        alice = world.connect("alice")
        failed = await alice.start("sh", "-c", "exit 3")
        killed = await alice.start("sh", "-c", "kill -9 $$")
        failed = await alice.ended(failed.id)
        assert (failed.status, failed.error_msg) == (final_pb2.Failed, "exit status 3")
        killed = await alice.ended(killed.id)
        assert (killed.status, killed.error_msg) == (final_pb2.Stopped, "signal: killed")


async def test_a_program_that_is_not_there_leaves_no_job_running(world: World) -> None:
    async with world.agent():
        error = await world.connect("alice").refused(
            f"{FINAL}Start", final_pb2.JobStartRequest(command="no-such-program")
        )
        assert error.code() == grpc.StatusCode.UNKNOWN
        assert "no-such-program" in error.details()
        jobs = await world.server.coordinator.store.reads.state_counts()
        assert {state for state, count in jobs.items() if count} == {"failed"}


async def test_without_a_runner_nothing_is_started(world: World) -> None:
    error = await world.connect("alice").refused(
        f"{FINAL}Start", final_pb2.JobStartRequest(command="true")
    )
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert "no runner" in error.details()
    assert not any((await world.server.coordinator.store.reads.state_counts()).values())


async def test_a_caller_that_gives_up_leaves_no_job_behind(world: World) -> None:
    async with world.agent(slots=1):
        alice = world.connect("alice")
        busy = await alice.start("sleep", "60")
        error = await alice.refused(
            f"{FINAL}Start", final_pb2.JobStartRequest(command="true"), seconds=0.5
        )
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        with world.server.coordinator.bus.subscribe() as news:
            reads = world.server.coordinator.store.reads
            async with asyncio.timeout(20):
                while not (await reads.state_counts()).get("stopped"):
                    await news.next()
        assert (await alice.status(busy.id)).status == final_pb2.Running


async def test_a_caller_that_gives_up_while_its_job_is_taken_in_leaves_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator = world.server.coordinator
    taken_in, answered, submit = asyncio.Event(), asyncio.Event(), coordinator.submit

    async def submit_slowly(actor: Actor, specs: list[JobSpec]) -> list[Submitted]:
        submitted = await submit(actor, specs)
        taken_in.set()
        await answered.wait()
        return submitted

    async with world.agent():
        monkeypatch.setattr(coordinator, "submit", submit_slowly)
        with coordinator.bus.subscribe() as news:
            error = await world.connect("alice").refused(
                f"{FINAL}Start",
                final_pb2.JobStartRequest(command="sleep", arguments=["60"]),
                seconds=1.0,
            )
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            assert taken_in.is_set()
            answered.set()
            async with asyncio.timeout(20):
                while not (await coordinator.store.reads.state_counts()).get("stopped"):
                    await news.next()


@pytest.mark.parametrize(
    ("job_id", "code"),
    [
        ("", grpc.StatusCode.INVALID_ARGUMENT),
        ("52118", grpc.StatusCode.INVALID_ARGUMENT),
        ("\x1b[31m" + "x" * 300, grpc.StatusCode.INVALID_ARGUMENT),
        ("9m4e2mr0ui3e8a215n4g", grpc.StatusCode.NOT_FOUND),
        ("00000000eht780000000", grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_ids_that_name_no_job(world: World, job_id: str, code: grpc.StatusCode) -> None:
    alice = world.connect("alice")
    for path, request in (
        (f"{FINAL}Status", STATUS(id=job_id)),
        (f"{FINAL}Stop", STOP(id=job_id)),
    ):
        error = await alice.refused(path, request)
        assert error.code() == code
    with pytest.raises(grpc.RpcError) as caught:
        await alice.output(job_id)
    assert caught.value.code() == code


async def test_an_empty_command_is_refused(world: World) -> None:
    error = await world.connect("alice").refused(f"{FINAL}Start", final_pb2.JobStartRequest())
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_output_follows_a_live_job_for_many_readers(world: World, tmp_path: Path) -> None:
    gate = tmp_path / "go on"
    async with world.agent():
        alice = world.connect("alice")
        script = f"echo first; while [ ! -e '{gate}' ]; do sleep 0.05; done; echo last"
        job = await alice.start("sh", "-c", script)
        readers = [alice.stream(f"{FINAL}Output", OUTPUT(id=job.id)) for _ in range(20)]
        first = await asyncio.gather(*(asyncio.to_thread(next, reader) for reader in readers))
        assert {part.data for part in first} == {b"first\n"}
        gate.touch()
        rest = await asyncio.gather(*(asyncio.to_thread(list, reader) for reader in readers))
        assert {b"".join(part.data for part in parts) for parts in rest} == {b"last\n"}


async def test_the_output_of_a_silent_job_ends_with_it(world: World) -> None:
    async with world.agent():
        alice = world.connect("alice")
        job = await alice.start("sh", "-c", "echo unseen >&2")
        assert await alice.output(job.id) == b""


async def test_output_is_whole_where_other_jobs_would_lose_the_middle(world: World) -> None:
    async with world.agent():
        alice = world.connect("alice")
        job = await alice.start("seq", "100000")
        told = await alice.output(job.id)
        assert told == b"".join(b"%d\n" % number for number in range(1, 100_001))


async def test_a_reader_that_stops_reading_holds_up_nobody(world: World) -> None:
    size = 8_000_000
    async with world.agent():
        alice = world.connect("alice")
        job = await alice.start("head", "-c", str(size), "/dev/zero")
        slow = alice.stream(f"{FINAL}Output", OUTPUT(id=job.id))
        begin = await asyncio.to_thread(next, slow)
        assert len(await alice.output(job.id)) == size
        rest = await asyncio.to_thread(list, slow)
        assert len(begin.data) + sum(len(part.data) for part in rest) == size


async def test_bytes_that_were_not_kept_are_said_to_be_missing(tmp_path: Path) -> None:
    async with a_world(tmp_path, max_output=65_536) as world, world.agent():
        alice = world.connect("alice")
        job = await alice.start("head", "-c", "4000000", "/dev/zero")
        with pytest.raises(grpc.RpcError) as caught:
            for _ in range(2):  # the first may have been quick enough to see it all
                await alice.output(job.id)
        assert caught.value.code() == grpc.StatusCode.DATA_LOSS
        assert "protocols.workernator.max_output" in caught.value.details()


async def test_jobs_are_known_after_a_restart(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.agent():
        job = await world.connect("alice").start("echo", "kept")
        ended = await world.connect("alice").ended(job.id)
    async with a_world(tmp_path) as world:
        alice = world.connect("alice")
        assert await alice.status(job.id) == ended
        assert await alice.output(job.id) == b"kept\n"


async def test_a_runner_that_is_lost_fails_its_job(world: World) -> None:
    coordinator = world.server.coordinator
    async with world.agent():
        alice = world.connect("alice")
        job = await alice.start("sleep", "60")
        runner = coordinator.runners()[0]
        for session in coordinator.sessions_of(runner.id):
            await coordinator.close_session(session.id, reason="its cable was pulled")
        ended = await alice.ended(job.id)
        assert (ended.status, ended.error_msg) == (final_pb2.Failed, "its cable was pulled")
