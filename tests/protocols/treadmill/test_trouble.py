"""Supervisors that talk nonsense, too much, or of what is not theirs; restarts; storms."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psutil
import pytest

from server.model import JobSpec
from server.runtime.coordinator_server import CoordinatorServer
from server.settings import TlsSettings
from tests.protocols.treadmill.double import IDLE, Double, a_double, ongoing
from tests.protocols.treadmill.world import (
    FIRST,
    SAM,
    SECOND,
    World,
    a_world,
    environment,
    settings,
    supervisor,
    until,
)
from traffic_tui import certificates

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
THREE_HUNDRED = [str(UUID(int=number)) for number in range(1, 301)]
RUBBISH: list[Any] = [
    "",
    "null",
    "[[[[",
    "{}",
    '{"type":"supervisor_event","message":{}}',
    '{"type":"start_job","message":{"job_id":"x"}}',
    '{"type":"status_response","message":{"response_to_request_id":"x","message":{"type":"idle"}}}',
    '{"a":' * 50_000,
    "\x1b[31m\u202e" * 100,
    b"\x00\xff binary",
    {"type": "protocol_error", "message": {"code": "internal_error", "detail": "sorry"}},
]


async def running(world: World, double: Double, **wishes: Any) -> str:
    job_id = await world.enqueue(**wishes)
    assert (await double.takes())["job_id"] == job_id
    await double.run_to_ready(job_id)
    await world.becomes(job_id, "ready")
    return job_id


async def test_rubbish_is_counted_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await running(world, double)
        for rubbish in RUBBISH:
            await double.socket.send(
                rubbish if isinstance(rubbish, str | bytes) else json.dumps(rubbish)
            )
        await double.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "workload_finished_unknown"
        metrics = (await world.operator_text("/metrics")).splitlines()
        counted = f'traffic_runner_messages_ignored_total{{protocol="treadmill"}} {len(RUBBISH)}.0'
        assert counted in metrics
        events = await world.events("message_ignored")
        assert len(events) == 1  # a flood of nonsense fills no table
        assert events[0]["runner"]["name"] == FIRST
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    told = [record for record in caplog.records if "it was ignored" in record.message]
    assert len(told) == 1  # nor the log


async def test_text_that_is_no_utf8_is_rubbish_like_any_other(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await running(world, double)
        double.socket.protocol.send_text(b"\xff\xfe\xfd")
        double.socket.transport.write(b"".join(double.socket.protocol.data_to_send()))
        await double.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "workload_finished_unknown"


async def test_anything_at_all_can_be_said(tmp_path: Path) -> None:
    """Sound messages with one part spoiled: nothing stumbles, and the job goes its way."""
    random = Random(5)
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await running(world, double)
        good: list[Any] = [
            {"type": "state_transition", "new_state": {"state": "ready"}, "status_message": None},
            {"type": "declare_exit_status", "user_exit_status": "error", "host_output": "x"},
            {"type": "console_log", "console_bytes": [1, 2, 3]},
        ]
        for _ in range(400):
            event = {"job_id": job_id, "event": random.choice(good), "type": "job_event"}
            message = spoiled(random, {"type": "supervisor_event", "message": event})
            text = json.dumps(message)
            if "terminated" not in text:
                await double.send(text)
        await double.declare(job_id, "success")
        await double.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "workload_finished_success"


def spoiled(random: Random, good: Any) -> Any:
    """Something sound with one part replaced."""
    if isinstance(good, dict) and random.random() < 0.9:
        name = random.choice(sorted(good))
        return {**good, name: spoiled(random, good[name])}
    if isinstance(good, list) and good and random.random() < 0.5:
        return [*good[1:], spoiled(random, good[0])]
    return random.choice(
        [None, True, -1, 2**70, 1e308, "", "x" * 300, [], {}, "\x00", [[]], {"a": 1}]
    )


async def test_events_of_a_foreign_job_change_nothing(tmp_path: Path) -> None:
    two = settings(supervisor(FIRST), supervisor(SECOND))
    async with (
        a_world(tmp_path, two) as world,
        world.supervisor(FIRST, status=IDLE) as first,
        AsyncExitStack() as stack,
    ):
        job_id = await running(world, first)
        second = await stack.enter_async_context(world.supervisor(SECOND, status=IDLE))
        await second.state(job_id, "terminated")
        await second.error(job_id, "InternalError")
        await second.declare(job_id, "error", "not mine to say")
        await second.console(job_id, b"not mine to say")
        stranger = "11111111-2222-3333-4444-555555555555"
        await second.state(stranger, "terminated")
        await until(lambda: _has(world.events("message_ignored"), 1))
        assert (await world.state(job_id))["type"] == "ready"
        await first.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "workload_finished_unknown"
        output = await world.operator("GET", f"/jobs/{job_id}/output?stream=console")
        assert output.content == b""


async def test_a_stranger_found_by_its_events_is_stopped(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor() as double:
        await double.answer_next(IDLE)
        await double.state(SECOND, "ready")
        await double.answer_next(ongoing(SECOND, "ready"))
        assert await double.next("stop_job") == {"job_id": SECOND}


async def _has(events: Any, number: int) -> bool:
    return len(await events) >= number


async def test_events_after_the_end_change_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await running(world, double)
        await double.declare(job_id, "success")
        await double.state(job_id, "terminated")
        await double.declare(job_id, "error")
        await double.state(job_id, "ready")
        await double.state(job_id, "terminated")
        await running(world, double)
        assert await world.exit_status(job_id) == "workload_finished_success"


async def test_a_flood_of_output_is_kept_and_bounded(tmp_path: Path) -> None:
    """Sixteen megabytes of console in the largest messages: all kept, little memory taken."""
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await running(world, double)
        piece = bytes(range(256)) * (4 * 4096)  # four megabytes, some fifteen on the wire
        body = ",".join(map(str, piece))
        event = f'{{"type":"console_log","console_bytes":[{body}]}}'
        inner = f'{{"type":"job_event","job_id":"{job_id}","event":{event}}}'
        message = f'{{"type":"supervisor_event","message":{inner}}}'
        before = psutil.Process().memory_info().rss
        for _ in range(4):
            await double.socket.send(message)
        await double.state(job_id, "terminated")
        assert await world.exit_status(job_id) == "workload_finished_unknown"
        taken = psutil.Process().memory_info().rss - before
        attempts = (await world.operator("GET", f"/jobs/{job_id}")).json()["attempts"]
        [stream] = attempts[0]["output"]
        assert (stream["stream"], stream["size"]) == ("console", 4 * len(piece))
        assert taken < 200 * MIB


async def test_a_supervisor_that_reads_nothing_is_cut_off(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        await running(world, double)
        double.socket.transport.pause_reading()
        await world.runner_becomes("suspect")
        double.socket.transport.abort()


async def test_secrets_are_shown_to_nobody_but_the_supervisor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = "hunter2-of-this-test"
    params = json.dumps(
        {
            "image_id": "CD" * 32,
            "parameters": {"pw": {"value": secret, "secret": True}, "speed": "fast"},
        }
    ).encode()
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await world.submit(params)
        told = await double.takes()
        assert told["image_spec"] == {"type": "image", "image_id": "cd" * 32}
        assert told["parameters"] == {
            "pw": {"value": secret, "secret": True},
            "speed": {"value": "fast", "secret": False},
        }
        await double.state(job_id, "terminated")
        await until(lambda: _is_completed(world, job_id))
        again = await world.operator("POST", f"/jobs/{job_id}/resubmit", {})
        second = again.json()["job"]["id"]
        assert (await double.takes())["parameters"]["pw"]["value"] == secret
        await double.state(second, "terminated")
        await until(lambda: _is_completed(world, second))
        changed = json.loads(params)
        changed["parameters"] = {
            "pw": {"value": None, "secret": True},
            "other": {"value": f"new-{secret}", "secret": True},
        }
        third = await world.operator("POST", f"/jobs/{job_id}/resubmit", {"params": changed})
        told = await double.takes()
        assert told["parameters"]["pw"]["value"] == secret
        assert told["parameters"]["other"]["value"] == f"new-{secret}"
        shown: list[str] = []
        for one in (job_id, second, third.json()["job"]["id"]):
            shown.append((await world.operator("GET", f"/jobs/{one}")).text)
            shown.append((await world.operator("GET", f"/jobs/{one}/explain")).text)
        paths = ("/jobs", "/events?limit=500", "/runners", "/late-writes")
        shown += [(await world.operator("GET", path)).text for path in paths]
        found = await world.operator("GET", f"/jobs?filter=args.parameters.pw.value:{secret}")
        assert found.json()["jobs"] == []
        assert [text for text in shown if secret in text] == []
    ours = [record for record in caplog.records if record.name.startswith(("server", "uvicorn"))]
    assert ours != []
    assert [record for record in ours if secret in record.getMessage()] == []


async def _is_completed(world: World, job_id: str) -> bool:
    answer = await world.operator("GET", f"/jobs/{job_id}")
    return bool(answer.json()["job"]["state"] == "completed")


@pytest.mark.parametrize(
    "params", [b"{}", b"[]", b'{"image_id":"x"}', b'{"image_id":1}', b'{"resume_job":"x"}']
)
async def test_params_that_no_supervisor_could_start_fail_the_job(
    tmp_path: Path, params: bytes
) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await world.submit(params)

        async def has_failed() -> bool:
            job = (await world.operator("GET", f"/jobs/{job_id}")).json()["job"]
            return bool(job["state"] == "failed" and job["error"]["type"] == "invalid_params")

        await until(has_failed)
        assert double.messages.empty()


async def test_a_resumed_job_names_the_old_one_and_goes_where_it_was(tmp_path: Path) -> None:
    two = settings(supervisor(FIRST), supervisor(SECOND))
    async with (
        a_world(tmp_path, two) as world,
        world.supervisor(FIRST, status=IDLE) as first,
        AsyncExitStack() as stack,
    ):
        old = await running(world, first)
        await first.state(old, "terminated")
        await world.becomes(old, "terminated")
        second = await stack.enter_async_context(world.supervisor(SECOND, status=IDLE))
        spec = {"type": "resume_job", "job_id": old}
        new = await world.enqueue(init_spec=spec, restarts=3)
        told = await first.takes()
        assert told["job_id"] == new
        assert told["image_spec"] == spec
        assert told["restart_policy"] == {"remaining_restart_count": 0}
        assert second.messages.empty()


async def test_a_restart_of_the_coordinator_in_the_middle(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.supervisor(status=IDLE) as double:
        job_id = await running(world, double)
        await double.declare(job_id, "error", "at first")
        await double.declare(job_id, "success", "before the restart")
        await double.console(job_id, b"first\n")
        await until(lambda: _has(world.events("exit_declared"), 2))
    async with a_world(tmp_path) as world:
        assert (await world.state(job_id))["type"] == "ready"
        async with world.supervisor() as double:
            await double.answer_next(ongoing(job_id, "ready"))
            await double.console(job_id, b"second\n")
            await double.state(job_id, "terminated")
            assert await world.exit_status(job_id) == "workload_finished_success"
            assert (await world.state(job_id))["result"]["host_output"] == "before the restart"
            output = await world.operator("GET", f"/jobs/{job_id}/output?stream=console")
            assert output.content == b"first\nsecond\n"


async def test_supervisors_are_seen_before_they_come_and_after_they_went(tmp_path: Path) -> None:
    using = settings(supervisor(FIRST, "arm", name="bench-1", ssh_endpoints=(("bench", 2222),)))
    async with a_world(tmp_path, using) as world:
        before = await world.runner("bench-1")
        assert before["protocol"] == "treadmill"
        assert before["state"] == "lost"
        assert before["last_seen_at"] == 0
        assert before["capacity"] == 1
        assert before["types"] == ["image"]
        assert before["labels"] == {"arm": "true", "ssh-endpoints": "bench:2222"}
        async with world.supervisor(status=IDLE, minor="0") as double:
            there = await world.runner_becomes("ok", "bench-1")
            assert there["connected_at"] > 0
            assert there["version"] == "treadmillv1 minor 0"
            job_id = await running(world, double)
            [row] = (await world.operator("GET", "/jobs")).json()["jobs"]
            assert (row["phase"], row["runner"]["name"]) == ("ready", "bench-1")
            assert (await world.runner("bench-1"))["phase"] == "ready"
            state = await world.state(job_id)
            assert state["ssh_endpoints"] == [{"host": "bench", "port": 2222}]
            await double.state(job_id, "terminated")
            await world.becomes(job_id, "terminated")
        gone = await world.runner_becomes("lost", "bench-1")
        assert gone["last_seen_at"] > 0


@pytest.mark.timeout(120)
async def test_three_hundred_supervisors_come_back_within_ten_seconds(tmp_path: Path) -> None:
    using = settings(*(supervisor(one) for one in THREE_HUNDRED))
    jobs: dict[str, str] = {}

    async def take_one(url: str, one: str) -> None:
        async with a_double(url, one, status=IDLE) as double:
            told = await double.takes()
            await double.run_to_ready(told["job_id"])
            jobs[one] = told["job_id"]

    async with a_world(tmp_path, using) as world:
        for _ in THREE_HUNDRED:
            await world.submit(b'{"image_id":"%s"}' % (b"ab" * 32))
        await asyncio.gather(*(take_one(world.server.url, one) for one in THREE_HUNDRED))

        async def all_run() -> bool:
            return await _in_progress(world) == len(THREE_HUNDRED)

        await until(all_run)
    assert len(set(jobs.values())) == len(THREE_HUNDRED)

    async with a_world(tmp_path, using) as world:
        began = time.process_time()  # of which other tests beside this one take nothing
        async with AsyncExitStack() as stack:
            doubles = await asyncio.gather(
                *(
                    stack.enter_async_context(
                        a_double(world.server.url, one, status=ongoing(jobs[one], "ready"))
                    )
                    for one in THREE_HUNDRED
                )
            )
            await until(lambda: _all_asked(doubles))
            seconds = time.process_time() - began
            for one, double in zip(THREE_HUNDRED, doubles, strict=True):
                await double.state(jobs[one], "terminated")

            async def all_done() -> bool:
                return await _in_progress(world) == 0

            await until(all_done)
            assert all(double.messages.empty() for double in doubles)  # nothing was started anew
        assert seconds < 10.0
        rows = (await world.operator("GET", "/jobs?limit=1000")).json()["jobs"]
        assert {row["state"] for row in rows} == {"completed"}
        assert {row["attempts"] for row in rows} == {1}
        assert len(rows) == len(THREE_HUNDRED)


async def _in_progress(world: World) -> int:
    counts = (await world.operator("GET", "/stats")).json()["counts"]
    return int(counts.get("in_progress", 0))


async def _all_asked(doubles: list[Double]) -> bool:
    return all(double.asked for double in doubles)


async def test_supervisors_come_by_tls_too(tmp_path: Path) -> None:
    certificates.init(tmp_path, [])
    using = settings()
    tls = TlsSettings(str(tmp_path / "server.pem"), str(tmp_path / "server.key"))
    using = replace(using, server=replace(using.server, tls=tls))
    server = CoordinatorServer(using, tmp_path / "data", environment=environment(FIRST))
    await server.start()
    try:
        trust = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        async with a_double(server.url, FIRST, status=IDLE, trust=trust) as double:
            spec = JobSpec(type="image", params=b'{"image_id":"%s"}' % (b"ab" * 32))
            [submitted] = await server.coordinator.submit(SAM, [spec])
            assert (await double.takes())["job_id"] == submitted.job.uuid
    finally:
        await server.stop()


async def test_tokens_that_are_none_are_refused_at_the_start(tmp_path: Path) -> None:
    wrong = {**environment(FIRST), "TOKEN_EVERYTHING": "c2hvcnQsIGJ1dCBsb25nIGVub3VnaA=="}
    server = CoordinatorServer(settings(), tmp_path / "data", environment=wrong)
    with pytest.raises(Exception, match="128 bytes") as caught:
        await server.start()
    assert "c2hvcnQs" not in str(caught.value)
