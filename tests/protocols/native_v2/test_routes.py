"""native-v2 over the wire: what it takes, what it refuses, and the parked call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.protocols.native_v2.box import API, chunk, hello_body, say_hello, submit
from tests.protocols.world import LEASE_SECONDS, SAM, a_world, eventually, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.protocols.native_v2.box import Box


async def test_a_hello_is_welcomed_with_the_pace(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        pace = box.welcome["pace"]
        assert pace["lease_seconds"] == LEASE_SECONDS
        assert 0 < pace["heartbeat_seconds"] < LEASE_SECONDS / 3
        assert pace["flush_seconds"] < 0.2
        assert pace["max_chunk_bytes"] > 0
        assert pace["max_output_bytes"] == world.coordinator.settings.storage.max_output
        assert (await box.sync())["pace"] == pace
        runner = world.coordinator.runner_by_uuid(box.welcome["runner_id"])
        assert runner is not None
        assert (runner.name, runner.protocol, runner.capacity) == ("lab-1", "native-v2", 2)
        assert runner.address == "127.0.0.1"


@pytest.mark.parametrize(
    "changes",
    [
        {"types": ["t"] * 1_001},
        {"labels": {f"l{n}": "x" for n in range(101)}},
        {"name": "x" * 201},
        {"name": ""},
        {"capacity": -1},
        {"nonce": ""},
        {"types": [""]},
        {"surprise": 1},
    ],
)
async def test_hellos_that_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.call(
            "POST", f"{API}/runner/hello", role="runner", json=hello_body(**changes)
        )
        assert answer.status_code == 400
        assert world.coordinator.runners() == []


@pytest.mark.parametrize("role", ["submit", "read-only", "operator"])
@pytest.mark.parametrize("call", ["runner/hello", "runner/x/sync"])
async def test_runner_calls_take_a_runners_key(tmp_path: Path, role: str, call: str) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.call("POST", f"{API}/{call}", role=role, json=hello_body())
        assert answer.status_code == 403
        answer = await world.call("POST", f"{API}/{call}", json=hello_body())
        assert answer.status_code == 401


@pytest.mark.parametrize("role", ["runner", "read-only"])
async def test_submits_take_a_submitters_key(tmp_path: Path, role: str) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.call("POST", f"{API}/jobs", role=role, json={"jobs": []})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": "wrong"},
        {"session": "01890000-0000-7000-8000-000000000000"},
        {"session": "x"},
    ],
)
async def test_wrong_session_or_secret_means_hello_again(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        answer = await box.post(box.message(**changes))
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "unknown_session"


@pytest.mark.parametrize(
    "broken",
    [
        {"reports": [{"attempt": "a", "state": "done"}]},
        {"reports": [{"attempt": "a", "state": "success", "surprise": 1}]},
        {"reports": [{"attempt": "a", "state": "success", "exit_code": 2**70}]},
        {"reports": [{"attempt": "a", "state": "success", "exit_code": "0"}]},
        {"reports": [{"attempt": "a", "state": "error", "error": {"message": 5}}]},
        {"reports": [{"attempt": "a", "state": "running", "progress": {"current": "x"}}]},
        {"reports": [{"state": "success"}]},
        {"output": [{"attempt": "a", "stream": "stdout", "offset": 0, "data": "!!!"}]},
        {"output": [{"attempt": "a", "stream": "tty", "offset": 0, "data": ""}]},
        {"output": [{"attempt": "a", "stream": "stdout", "offset": -1, "data": ""}]},
        {"held": "all"},
        {"free": -1},
        {"sequence": "1"},
        {"sequence": -1},
        {"secret": 5},
        {"reports": [{"attempt": "a", "state": "success", "retry_after": -1}]},
    ],
)
async def test_a_message_of_a_wrong_shape_changes_nothing(
    tmp_path: Path, broken: dict[str, Any]
) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await submit(world)
        [attempt] = await box.take()
        box.sequence += 1
        message = box.message(**broken)
        good = {"attempt": attempt, "state": "success"}
        if isinstance(message.get("reports"), list):
            message["reports"].insert(0, good)
        answer = await box.post(message)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid"
        assert (await box.sync())["stop"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"session": "\xff"}',
        b"[" * 100_000,
        b'{"jobs": ' + b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("call", ["runner/hello", "runner/x/sync", "jobs"])
async def test_bodies_that_make_no_sense(tmp_path: Path, body: bytes, call: str) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.call("POST", f"{API}/{call}", role="admin", content=body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["message"]


async def test_results_nested_too_deeply_are_refused(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        message = json.dumps(box.message(reports=[{"attempt": "a", "state": "success"}]))
        deep = message.replace('"success"', '"success", "result": ' + "[" * 500 + "]" * 500)
        answer = await world.call("POST", f"{box.path}/sync", role="runner", content=deep)
        assert answer.status_code == 400
        assert "deep" in answer.json()["error"]["message"]


async def test_a_piece_of_output_over_the_pace_is_refused(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        size = box.welcome["pace"]["max_chunk_bytes"] + 1
        answer = await box.post(box.message(output=[chunk("a", 0, b"x" * size)]))
        assert answer.status_code == 400


async def test_a_body_too_large_is_refused(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.call(
            "POST", f"{API}/runner/hello", role="runner", content=b" " * (2 * 1024 * 1024)
        )
        assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "runner/hello"),
        ("POST", "runner/x/wake"),
        ("GET", "runner/x/sync"),
        ("POST", "runner/x/y/sync"),
        ("GET", "jobs"),
        ("GET", ""),
        ("POST", "x/sync"),
    ],
)
async def test_other_paths_are_not_there(tmp_path: Path, method: str, path: str) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.call(method, f"{API}/{path}", role="admin")
        assert answer.status_code == 404


# submits ---------------------------------------------------------------------------------------


async def test_a_list_with_one_bad_job_keeps_none(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        jobs = [{"type": "fib"}, {"type": ""}]
        answer = await world.call("POST", f"{API}/jobs", role="submit", json={"jobs": jobs})
        assert answer.status_code == 400
        assert not any((await world.coordinator.store.reads.state_counts()).values())


async def test_submits_are_answered_in_order_and_once_a_key(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        body = {"jobs": [{"type": "fib", "params": {"n": n}} for n in range(5)]}
        headers = {"Idempotency-Key": "once"}
        answers = [
            await world.call("POST", f"{API}/jobs", role="submit", json=body, headers=headers)
            for _ in range(2)
        ]
        first, second = (answer.json()["jobs"] for answer in answers)
        assert [job["number"] for job in first] == sorted(job["number"] for job in first)
        assert [job["id"] for job in first] == [job["id"] for job in second]
        assert all(job["cached"] for job in second)
        other = await world.call(
            "POST", f"{API}/jobs", role="submit", json={"jobs": [{"type": "x"}]}, headers=headers
        )
        assert other.status_code == 409
        assert other.json()["error"]["code"] == "idempotency_conflict"


async def test_submitted_jobs_carry_their_origin_and_owner(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        [job] = await submit(world)
        snapshot = await world.coordinator.job_with_attempt(job["id"])
        assert snapshot is not None
        assert snapshot.details.origin == "native-v2"
        assert snapshot.details.owner == "submit-key"


# the parked call -------------------------------------------------------------------------------


async def parked(box: Box, wait_seconds: object = 20) -> asyncio.Task[Any]:
    """A wake that waits."""
    await box.sync(free=1)
    presence = box.world.coordinator._memory.presences[box.session_id]
    waiting = asyncio.create_task(box.wake(wait_seconds))
    await eventually(lambda: presence.parked > 0, "it is parked")
    return waiting


async def test_a_wake_is_answered_by_a_submit(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        waiting = await parked(box)
        await submit(world)
        answer = await waiting
        assert (answer.status_code, answer.json()) == (200, {})
        assert len((await box.sync(free=1))["assign"]) == 1


async def test_a_wake_is_answered_by_a_stop(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        [job] = await submit(world)
        await box.take()
        waiting = await parked(box)
        await world.coordinator.stop_job(SAM, job["number"])
        assert (await waiting).status_code == 200
        assert len((await box.sync())["stop"]) == 1


async def test_what_a_job_carries_goes_over_the_wire(tmp_path: Path) -> None:
    carrier = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await submit(world, trace_context=carrier, correlation={"tenant": "42"}, unique_key="u")
        again = await submit(world, unique_key="u", unique_ttl_seconds=5)
        assert again[0]["cached"]
        [assigned] = (await box.sync(free=2))["assign"]
        assert assigned["trace_context"] == carrier
        assert assigned["correlation"] == {"tenant": "42"}


async def test_a_wake_in_vain_says_so(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await box.sync(free=1)
        answer = await box.wake(0.02)
        assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("wait", ["soon", "-1", "nan", "1s", ""])
async def test_a_wait_that_is_no_number_is_refused(tmp_path: Path, wait: str) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        answer = await box.wake(wait)
        assert answer.status_code == 400
        assert "wait_seconds" in answer.json()["error"]["message"]


async def test_a_wake_of_a_stranger_is_unknown(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        box.welcome["secret"] = "wrong"
        answer = await box.wake()
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "unknown_session"


async def test_a_wake_ends_with_its_session(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        waiting = await parked(box)
        await say_hello(world, nonce="boot-2")
        answer = await waiting
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "unknown_session"


async def test_a_wake_ends_with_the_coordinator(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        waiting = await parked(box)
        world.coordinator.end_waits()
        answer = await waiting
        assert answer.status_code == 503
        assert answer.headers["retry-after"]


async def test_a_wake_whose_client_hangs_up_is_freed(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        presence = world.coordinator._memory.presences[box.session_id]
        waiting = await parked(box)
        waiting.cancel()
        await asyncio.wait([waiting])
        await eventually(lambda: presence.parked == 0, "the wait is freed")


async def test_output_is_not_held_up_by_a_parked_wake(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        await submit(world)
        [attempt] = await box.take()
        waiting = await parked(box)
        told = await box.sync(output=[chunk(attempt, 0, b"hello")])
        assert told["output"][0]["next_offset"] == 5
        assert not waiting.done()


async def test_lines_of_ended_sessions_are_not_kept(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        for boot in range(5):
            box = await say_hello(world, nonce=f"boot-{boot}")
            await box.sync()
        assert len(world.native._lines) <= 2


async def test_the_key_itself_is_never_told(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        box = await say_hello(world)
        answer = await box.post(box.message(secret=key_of("runner")))
        assert key_of("runner") not in answer.text
