"""How many requests at once, and for how long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.runner.recording import until
from tests.runner.rrq_peer import BUSY, CANCELLED, error, in_seconds, peer, runner

if TYPE_CHECKING:
    from tests.runner.rrq_jobs import Jobs
    from tests.runner.rrq_peer import Peer, Runner


async def test_one_over_64_is_busy_and_other_connections_are_not(
    jobs: Jobs, ours: Runner, asks: Peer
) -> None:
    for _ in range(64):
        asks.request("hold")
    over = asks.request("hold")
    answer = await asks.receive()
    assert answer["request_id"] == over["request_id"]
    assert error(answer) == ("error", BUSY, None)
    async with peer(ours.port) as other:
        for _ in range(64):
            other.request("hold")
        assert error(await other.call("hold"))[1] == BUSY
        await until(lambda: len(jobs.began) == 128)
        jobs.go.set()
        for connection in (asks, other):
            results = [(await connection.receive())["result"] for _ in range(64)]
            assert results == ["held"] * 64


async def test_cancelling_one_of_64_frees_its_place(jobs: Jobs, asks: Peer) -> None:
    sent = [asks.request("hold") for _ in range(64)]
    asks.cancel(sent[7]["job_id"], sent[7]["request_id"])
    answer = await asks.receive()
    assert answer["request_id"] == sent[7]["request_id"]
    assert error(answer) == CANCELLED
    assert (await asks.call("echo"))["status"] == "success"


async def test_max_in_flight_and_the_number_of_jobs_can_be_smaller(jobs: Jobs) -> None:
    async with runner(jobs.registry, slots=2, max_in_flight=1) as small:
        async with peer(small.port) as one, peer(small.port) as two, peer(small.port) as three:
            one.request("hold")
            assert error(await one.call("hold"))[1] == BUSY
            two.request("hold")
            await until(lambda: len(jobs.began) == 2)
            assert error(await three.call("hold"))[1] == BUSY
            jobs.go.set()
            assert (await one.receive())["result"] == "held"


async def test_a_deadline_that_is_over_is_answered_at_once(jobs: Jobs, asks: Peer) -> None:
    answer = await asks.call("see", deadline=in_seconds(-1))
    assert error(answer) == ("timeout", "Job deadline exceeded", "timeout")
    assert jobs.seen == []


async def test_a_deadline_to_come_changes_nothing(asks: Peer) -> None:
    for deadline in (in_seconds(60), "9999-12-31T23:59:59Z"):
        assert (await asks.call("echo", deadline=deadline))["status"] == "success"


async def test_a_deadline_that_is_hit_cancels(jobs: Jobs, asks: Peer) -> None:
    begin = asyncio.get_running_loop().time()
    answer = await asks.call("hold", deadline=in_seconds(1))
    assert error(answer) == ("timeout", "Job execution timed out", "timeout")
    assert 0.8 < asyncio.get_running_loop().time() - begin < 8
    assert jobs.cancelled == [answer["request_id"]]


async def test_a_handler_that_fails_while_it_is_ended_timed_out(jobs: Jobs, asks: Peer) -> None:
    answer = await asks.call("clumsy", deadline=in_seconds(1))
    assert error(answer) == ("timeout", "Job execution timed out", "timeout")


async def test_a_handler_that_blocks_beyond_its_deadline_has_succeeded(asks: Peer) -> None:
    answer = await asks.call("block", params={"seconds": 1.2}, deadline=in_seconds(1))
    assert (answer["status"], answer["result"]) == ("success", "blocked")
