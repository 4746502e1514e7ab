"""The old protocol, draining, and what is left behind."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.recording import until
from tests.runner.rrq_peer import BUSY, CANCELLED, error, peer, request, runner

if TYPE_CHECKING:
    from tests.runner.rrq_jobs import Jobs


async def test_the_old_protocol_where_it_is_enabled(jobs: Jobs) -> None:
    async with runner(jobs.registry, takes_old_protocol=True) as old, peer(old.port) as asks:
        sent = request("see", protocol_version="1", args=[1, "two"], kwargs={"three": 3})
        del sent["params"]
        asks.send("request", sent)
        assert (await asks.receive())["status"] == "success"
        [seen] = jobs.seen
        assert (seen.args, seen.kwargs, seen.params) == ([1, "two"], {"three": 3}, {"three": 3})
        held = asks.request("hold", protocol_version="1")
        await until(lambda: jobs.began)
        asks.cancel(held["job_id"], protocol_version="1")
        assert error(await asks.receive()) == CANCELLED
        assert (await asks.call("echo"))["status"] == "success"


async def test_draining_finishes_takes_nothing_new_and_ends(jobs: Jobs) -> None:
    async with runner(jobs.registry) as ours, peer(ours.port) as asks, peer(ours.port) as idle:
        held = asks.request("hold")
        await until(lambda: jobs.began)
        ours.connector.drain()
        assert error(await asks.call("echo"))[1] == BUSY
        with pytest.raises(OSError, match="onnect"):
            async with peer(ours.port) as late:
                await late.call("echo")
        jobs.go.set()
        answer = await asks.receive()
        assert (answer["request_id"], answer["result"]) == (held["request_id"], "held")
        assert await asks.is_closed()
        assert await idle.is_closed()
        await ours.drained()


async def test_draining_has_an_end(jobs: Jobs) -> None:
    async with runner(jobs.registry, drain_seconds=0.2) as ours, peer(ours.port) as asks:
        asks.request("hold")
        await until(lambda: jobs.began)
        ours.connector.drain()
        assert error(await asks.receive()) == CANCELLED
        await ours.drained()
        assert ours.connector.is_told


async def test_what_jobs_print_comes_out_of_the_process(
    capfd: pytest.CaptureFixture[str], jobs: Jobs
) -> None:
    @jobs.registry.handler("talk")
    async def talk(request: Any) -> None:
        request.print("to the console")
        await request.write(b"to stderr\n", "stderr")
        request.progress(1, 2)

    async with runner(jobs.registry) as ours, peer(ours.port) as asks:
        assert (await asks.call("talk"))["status"] == "success"
    assert capfd.readouterr() == ("to the console\n", "to stderr\n")


async def test_nothing_is_left_behind(jobs: Jobs) -> None:
    before = asyncio.all_tasks()
    async with runner(jobs.registry) as ours, peer(ours.port) as asks:
        await asks.call("echo")
        asks.request("hold")
        await until(lambda: jobs.began)
    assert ours.connector._in_flight.is_empty
    assert not ours.supervisor.running
    await until(lambda: asyncio.all_tasks() <= before)


def test_answers_are_json_as_the_real_one_reads_it() -> None:
    protocol = pytest.importorskip("rrq.protocol", reason="the rrq package is not installed")
    from traffic_tui.runner.connectors import rrq_answers

    made = rrq_answers.frame_of(rrq_answers.busy("j", "r"), 10**6)
    assert made is not None
    kind, payload = protocol.decode_message(made[4:])
    assert (kind, payload) == ("response", json.loads(made[4:])["payload"])
