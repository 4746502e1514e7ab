"""Any JSON at all, on every route that takes a body: never a 5xx, and the service goes on."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

from tests.protocols.native_v1 import world as native_v1
from tests.protocols.native_v2.box import say_hello
from tests.protocols.runpack.peer import FREE, Peer
from tests.protocols.treadmill import world as treadmill
from tests.protocols.world import a_world, key_of

if TYPE_CHECKING:
    from pathlib import Path

BODIES_PER_ROUTE = 60
MEMBERS = (
    "job_type input_params console_output output_data error_message progress_current "
    "progress_total name capabilities job_ids subscriber_id topics timeout session secret "
    "sequence held free reports output attempt state result error message exit_code signal "
    "retry_after stream offset data jobs type params queue priority requires run_at cache_key "
    "nonce capacity types labels version trace_context retry max_attempts timeout_seconds"
).split()
SCALARS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**70,
    1e308,
    0.5,
    "",
    "x",
    "\ud83d",
    "\u0000",
    "x" * 300,
    "running",
    "success",
    "stdout",
    "AAAA",
)


def nonsense(random: Random, depth: int = 0) -> Any:
    kind = random.random()
    if depth > 3 or kind < 0.35:
        return random.choice(SCALARS)
    if kind < 0.5:
        return [nonsense(random, depth + 1) for _ in range(random.randrange(4))]
    names = random.sample(MEMBERS, random.randrange(1, 8))
    return {name: nonsense(random, depth + 1) for name in names}


def spoiled(random: Random, good: Any) -> Any:
    """Something sound with one part replaced."""
    if isinstance(good, dict) and good and random.random() < 0.9:
        name = random.choice(sorted(good))
        return {**good, name: spoiled(random, good[name])}
    if isinstance(good, list) and good and random.random() < 0.9:
        return [*good[1:], spoiled(random, good[0])]
    return nonsense(random)


async def test_nothing_said_makes_it_stumble(tmp_path: Path) -> None:
    random = Random(20)
    async with a_world(tmp_path, settings=FREE) as world:
        box = await say_hello(world)
        runner = await Peer(world).register()
        job_id = await runner.taken()
        report = {
            "attempt": "a",
            "state": "error",
            "progress": {"current": 1, "total": 2, "text": "x"},
            "result": {"a": [1]},
            "error": {"message": "m", "type": "t", "details": [1]},
            "exit_code": 1,
            "signal": 9,
            "retry_after": 1.5,
        }
        chunk = {"attempt": "a", "stream": "stdout", "offset": 0, "data": "AAAA"}
        sync = box.message(held=["a"], free=1, reports=[report], output=[chunk])
        job = {
            "type": "t",
            "params": {"a": 1},
            "queue": "q",
            "priority": 1,
            "requires": {"os": "linux"},
            "run_at": 5,
            "retry": {"base_delay": 1.0, "factor": 2.0},
            "cache_key": "k",
            "trace_context": {"a": "b"},
        }
        beat = {"progress_current": 1, "progress_total": 2, "console_output": "x"}
        registration = {"name": "n", "capabilities": ["t"]}
        poll = {"subscriber_id": "s", "topics": ["t"], "timeout": 1}
        submit = {"job_type": "t", "input_params": {"a": [1, {"b": None}]}}
        at = f"/api/runner/jobs/{job_id}"
        routes: list[tuple[str, str, Any]] = [
            (f"{box.path}/sync", "runner", sync),
            ("/api/native-v2/jobs", "submit", {"jobs": [job]}),
            ("/api/native-v2/runner/hello", "runner", {"name": "n", "nonce": "o", "capacity": 1}),
            ("/api/jobs/submit", "submit", submit),
            ("/api/jobs/check", "submit", submit),
            ("/api/runner/register", "runner", registration),
            (f"{at}/heartbeat", "runner", beat),
            (f"{at}/complete", "runner", {"output_data": {"a": 1}, "console_output": "x"}),
            (f"{at}/error", "runner", {"error_message": "m", "console_output": "x"}),
            ("/api/admin/jobs/batch-delete", "admin", {"job_ids": ["x"]}),
            ("/poll", "", poll),
        ]
        for path, role, good in routes:
            bare = {"X-Runner-ID": runner.runner_id}
            headers = bare if role else {**bare, "Authorization": key_of("runner")}
            for _ in range(BODIES_PER_ROUTE):
                bad = spoiled(random, good)
                if path == "/poll" and isinstance(bad, dict):
                    bad["timeout"] = 0
                body = json.dumps(bad)
                answer = await world.call(
                    "POST", path, role=role or None, headers=headers, content=body
                )
                assert answer.status_code < 500, (path, body, answer.text)
        assert (await runner.submit({"still": "here"}))["status"] == "pending"


async def test_nothing_said_to_treadmills_rest_makes_it_stumble(tmp_path: Path) -> None:
    random = Random(21)
    good = {
        "init_spec": {"type": "image", "image_id": "ab" * 32},
        "ssh_keys": ["ssh-ed25519 AAAA me@host"],
        "restart_policy": {"remaining_restart_count": 1},
        "parameters": {"a": {"value": "b", "secret": True}},
        "tag_config": "arm",
        "override_timeout": "1h 1m",
    }
    login = {"user_identifier": "sam", "password": "x"}
    async with treadmill.a_world(tmp_path) as world:
        for path, sound in (("/jobs/new", good), ("/tokens/login", login)):
            for _ in range(BODIES_PER_ROUTE):
                answer = await world.rest("POST", path, spoiled(random, sound))
                assert answer.status_code < 500, answer.text
        for path in (
            "/jobs/%00/status",
            "/jobs/%ff%fe/status",
            "/jobs/a%2Fb/status",
            "//jobs",
            "/",
        ):
            assert (await world.rest("GET", path)).status_code in (400, 404)
        for query in ("work=%00", "conn=idle", "&&&", "work=idle&work=busy", "x" * 5_000, "=" * 50):
            assert (await world.rest("GET", f"/supervisors?{query}")).status_code < 500
        for job_id, status in (await world.rest("GET", "/jobs")).json()["jobs"].items():
            assert status["state"] == await world.state(job_id)
        assert (await world.state(await world.enqueue()))["type"] == "queued"


async def test_nothing_said_by_traffic_light_runners_makes_it_stumble(tmp_path: Path) -> None:
    random = Random(22)
    hello = {"nonce": "a", "capacity": 1, "port": 9, "callback_url": "http://127.0.0.1:9/"}
    async with native_v1.a_world(tmp_path) as world:
        [job] = await world.submit()
        update = {"nonce": "a", "capacity": "5", "job_id": job.uuid, "status": "running"}
        calls: list[tuple[str, Any]] = [
            ("runner/hello", hello),
            ("runner/update", update),
            ("runner/capacity/update", {"nonce": "a", "capacity": 5}),
            ("job/update", update),
        ]
        for call, sound in calls:
            for _ in range(BODIES_PER_ROUTE):
                body = json.dumps(spoiled(random, sound)).encode()
                answer = await world.post(call, body)
                assert answer.status_code < 500, (call, body, answer.text)
                assert answer.json().keys() <= {"ok", "error", "message"}
        assert (await world.post("runner/hello", {"nonce": "sound"})).json() == {"ok": True}
