"""The typed draft, spoken by grpcio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from server.wire.workernator import draft_pb2
from tests.protocols.workernator.world import DRAFT, Client, World, a_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world, world.agent():
        yield world


def request(job_type: Any, **args: Any) -> draft_pb2.JobStartRequest:
    return draft_pb2.JobStartRequest(job_type=job_type, args=draft_pb2.Arguments(**args))


async def lines(client: Client, job_id: str) -> list[str]:
    told = await client.all(f"{DRAFT}Tail", draft_pb2.TailJobRequest(id=job_id))
    assert all(one.timestamp.seconds > 1_700_000_000 for one in told)
    return [one.line for one in told]


EXPRESSION = draft_pb2.ExpressionEvalArgs(expression="2x * 3y", args={"x": 0.5, "y": 0.1})


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (request(draft_pb2.Noop), None),
        (request(draft_pb2.Fibonacci, fib=draft_pb2.FibonacciArgs(number=1)), 0),
        (request(draft_pb2.Fibonacci, fib=draft_pb2.FibonacciArgs(number=4)), 2),
        (request(draft_pb2.ExpressionEval, expr=EXPRESSION), 0.3),
    ],
)
async def test_a_typed_job_runs_and_tells_what_it_gives(
    world: World, asked: draft_pb2.JobStartRequest, told: float | None
) -> None:
    alice = world.connect("alice")
    job = await alice.call(f"{DRAFT}Start", asked)
    assert job.type == asked.job_type
    first, *between, last = await lines(alice, job.id)
    assert (first, last) == ("[JOB] started on box", "[JOB] finished")
    results = [float(line.removeprefix("[RESULT] ")) for line in between]
    assert results == ([] if told is None else [pytest.approx(told)])
    ended = await alice.call(f"{DRAFT}Status", draft_pb2.JobStatusRequest(id=job.id))
    assert ended.status == draft_pb2.Finished
    if asked.job_type == draft_pb2.ExpressionEval:
        assert dict(ended.args.expr.args) == pytest.approx({"x": 0.5, "y": 0.1})


async def test_a_job_that_waits_is_stopped(world: World) -> None:
    alice = world.connect("alice")
    wait = draft_pb2.WaitThenPostHTTPArgs(wait_seconds=60)
    job = await alice.call(f"{DRAFT}Start", request(draft_pb2.WaitSend, wait=wait))
    assert (job.status, job.args.wait.wait_seconds) == (draft_pb2.Running, 60)
    stopped = await alice.call(f"{DRAFT}Stop", draft_pb2.JobStopRequest(id=job.id))
    assert stopped.status == draft_pb2.Stopped


@pytest.mark.parametrize(
    "asked",
    [
        request(draft_pb2.Fibonacci),
        request(draft_pb2.Fibonacci, noop=draft_pb2.NoopArgs()),
        request(draft_pb2.Fibonacci, fib=draft_pb2.FibonacciArgs(number=0)),
        request(draft_pb2.ExpressionEval, expr=draft_pb2.ExpressionEvalArgs()),
        request(draft_pb2.WaitSend, wait=draft_pb2.WaitThenPostHTTPArgs(wait_seconds=-1)),
        request(draft_pb2.WaitSend, wait=draft_pb2.WaitThenPostHTTPArgs(url_to_post="no address")),
        request(7),
    ],
)
async def test_wrong_arguments_start_nothing(
    world: World, asked: draft_pb2.JobStartRequest
) -> None:
    error = await world.connect("alice").refused(f"{DRAFT}Start", asked)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details()
    counts = await world.server.coordinator.store.reads.state_counts()
    assert not counts.get("in_progress")


async def test_why_a_job_failed_is_its_last_line(world: World) -> None:
    alice = world.connect("alice")
    expression = draft_pb2.ExpressionEvalArgs(expression="1 / x", args={"x": 0})
    job = await alice.call(f"{DRAFT}Start", request(draft_pb2.ExpressionEval, expr=expression))
    told = await lines(alice, job.id)
    assert told[-1].startswith("[JOB] failed: the expression '1 / x' cannot be evaluated")


async def test_lines_of_a_command_carry_both_streams(world: World) -> None:
    alice = world.connect("alice")
    job = await alice.start("sh", "-c", "echo one; echo two >&2; printf three")
    await alice.ended(job.id)
    told = await alice.all(f"{DRAFT}Tail", draft_pb2.TailJobRequest(id=job.id))
    assert {one.line for one in told} >= {"one", "two", "three"}


async def test_a_command_has_no_place_in_this_contract(world: World) -> None:
    alice = world.connect("alice")
    job = await alice.start("true")
    error = await alice.refused(f"{DRAFT}Status", draft_pb2.JobStatusRequest(id=job.id))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_a_typed_job_is_seen_through_the_final_contract(world: World) -> None:
    alice = world.connect("alice")
    fib = request(draft_pb2.Fibonacci, fib=draft_pb2.FibonacciArgs(number=9))
    job = await alice.call(f"{DRAFT}Start", fib)
    seen = await alice.status(job.id)
    assert (seen.command, list(seen.args)) == ("fib", ["9"])
