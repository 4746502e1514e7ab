"""The Runpack connector: against our own worker as it is, and against one that misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from server.http.exchange import read_body
from server.model import Progress
from tests.end_to_end.service import Service
from tests.runner.agents import agent
from tests.runner.double import serving
from tests.runner.recording import until, until_true
from traffic_tui.runner import ExecutionRequest, Registry, Supervisor
from traffic_tui.runner.connectors import runpack, runpack_jobs
from traffic_tui.runner.connectors.link import Address
from traffic_tui.runner.connectors.runpack import RunpackConnector
from traffic_tui.runner.connectors.runpack_jobs import Console, RunpackJobs
from traffic_tui.runner.errors import NeverReached, RunnerError
from traffic_tui.runner.options import NotifyRelay
from traffic_tui.runner.seam import JobUpdate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.timeout(120)


@dataclass
class Worker:
    """Just enough of a Runpack worker, with faults on request."""

    jobs: dict[str, tuple[str, Any]] = field(default_factory=dict)
    runners: list[str] = field(default_factory=list)
    ended: dict[str, tuple[str, Any]] = field(default_factory=dict)
    beats: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    calls: list[str] = field(default_factory=list)
    lost_to_others: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    failures: list[tuple[int, str]] = field(default_factory=list)
    """Answers to give instead, to calls about jobs."""
    max_output: int = 500_000
    refuses_ends: bool = False
    messages: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    url: str = ""

    def submit(self, job_id: str, job_type: str, params: Any) -> None:
        self.jobs[job_id] = (job_type, params)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        body = await read_body(scope, receive, 10_000_000)
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        self.calls.append(f"{scope['method']} {scope['path']}")
        status, answer = await self._answer(scope, headers, body)
        content = json.dumps(answer).encode()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": content})

    async def _answer(
        self, scope: MutableMapping[str, Any], headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        parts = scope["path"].strip("/").split("/")
        if parts == ["poll"]:
            message = await self.messages.get()
            return 200, {"messages": {"runpack_notifications": [{"message": message}]}}
        if headers.get("authorization") != "Bearer the-key":
            return 401, {"error": "Invalid API key"}
        if parts[-1] == "register":
            self.runners.append(json.loads(body)["name"])
            return 201, {"runner_id": f"r{len(self.runners)}"}
        runner = headers["x-runner-id"]
        if parts[-1] == "verify":
            return (200, {"exists": True}) if runner in self._known() else (404, {"exists": False})
        if self.failures:
            status, words = self.failures.pop(0)
            return status, {"error": words}
        if parts[-1] == "available":
            return 200, {"jobs": [{"job_id": job_id} for job_id in self.jobs]}
        return self._about_job(parts[-2], parts[-1], json.loads(body or b"{}"))

    def _known(self) -> list[str]:
        return [f"r{number + 1}" for number in range(len(self.runners))]

    def _about_job(self, job_id: str, call: str, told: Any) -> tuple[int, Any]:
        if call == "claim":
            job = self.jobs.pop(job_id, None)
            if job is None or job_id in self.lost_to_others:
                return 409, {"success": False, "message": "Job already claimed or not found"}
            claimed = {"job_id": job_id, "job_type": job[0], "input_params": job[1]}
            return 200, {"success": True, "job": claimed}
        if job_id in self.deleted:
            return 400, {"success": False, "message": "Job not found or not claimed by this runner"}
        if call == "complete" and self.refuses_ends:
            return 500, {"error": "Failed to complete job"}
        if call == "complete" and len(json.dumps(told["output_data"])) > self.max_output:
            return 400, {"error": "Output JSON exceeds size limit of 512000 bytes"}
        if call == "heartbeat":
            self.beats[job_id].append(told)
        else:
            self.ended[job_id] = (call, told)
        return 200, {"success": True}


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker()
    async with serving(made) as made.url:
        yield made


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpack, "MIN_POLL_SECONDS", 0.05)
    monkeypatch.setattr(runpack, "POLL_STEP_SECONDS", 0.01)
    monkeypatch.setattr(runpack_jobs, "BEAT_SECONDS", 0.3)
    monkeypatch.setattr(runpack_jobs, "NEWS_SECONDS", 0.05)
    monkeypatch.setattr(runpack_jobs, "SECONDS_PER_JOB", 0.01)


def registry() -> Registry:
    made = Registry()

    @made.handler("hello")
    async def hello(request: ExecutionRequest) -> dict[str, str]:
        request.print("greeting")
        if request.params.get("wrong"):
            raise ValueError("name is missing")
        return {"message": f"Hello, {request.params['name']}!"}

    @made.handler("forever")
    async def forever(request: ExecutionRequest) -> None:
        request.print("working")
        request.progress(1, 4)
        await asyncio.Event().wait()

    @made.handler("big")
    async def big(request: ExecutionRequest) -> str:
        return "x" * 400_000

    return made


@asynccontextmanager
async def serve(
    url: str,
    folder: Path,
    *,
    slots: int = 1,
    key: str = "the-key",
    relay: NotifyRelay | None = None,
) -> AsyncIterator[tuple[Supervisor, RunpackConnector, asyncio.Task[None]]]:
    handlers = registry()
    connector = RunpackConnector(
        Address(url, key), handlers.names, folder=folder, notify_relay=relay
    )
    async with Supervisor(handlers, connector, slots=slots) as supervisor:
        task = asyncio.ensure_future(connector.run(supervisor))
        try:
            yield supervisor, connector, task
        finally:
            connector.stop(0.5)
            supervisor.stop_all(grace_seconds=0.1)
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()


async def test_jobs_are_claimed_done_and_told(worker: Worker, tmp_path: Path) -> None:
    worker.submit("j1", "hello", {"name": "Ann"})
    worker.submit("j2", "hello", {"wrong": True})
    worker.submit("j3", "unknown-type", {})
    async with serve(worker.url, tmp_path):
        await until(lambda: len(worker.ended) == 3)
    assert worker.ended["j1"] == (
        "complete",
        {"output_data": {"message": "Hello, Ann!"}, "console_output": "greeting\n"},
    )
    call, told = worker.ended["j2"]
    assert (call, told["error_message"]) == ("error", "Invalid parameters: name is missing")
    assert worker.ended["j3"][0] == "error"
    assert worker.runners[0].startswith("runner-")


async def test_a_registration_is_kept_and_verified(worker: Worker, tmp_path: Path) -> None:
    for _ in range(2):
        async with serve(worker.url, tmp_path):
            await until(lambda: any("available" in call for call in worker.calls))
        worker.calls.clear()
    assert len(worker.runners) == 1
    worker.runners.clear()
    async with serve(worker.url, tmp_path):
        await until(lambda: worker.runners)
    async with serve(worker.url, tmp_path):
        await until(lambda: sum("verify" in call for call in worker.calls) == 2)
    assert len(worker.runners) == 1


async def test_a_registration_that_cannot_be_read_is_replaced(
    worker: Worker, tmp_path: Path
) -> None:
    async with serve(worker.url, tmp_path):
        await until(lambda: worker.runners)
    (file,) = (tmp_path / "runpack").iterdir()
    file.write_text("{broken")
    async with serve(worker.url, tmp_path):
        await until(lambda: len(worker.runners) == 2)


async def test_a_lost_race_goes_on_with_the_next_job(worker: Worker, tmp_path: Path) -> None:
    worker.lost_to_others = {"j1", "j2"}
    for job_id in ("j1", "j2", "j3"):
        worker.submit(job_id, "hello", {"name": "x"})
    async with serve(worker.url, tmp_path):
        await until(lambda: "j3" in worker.ended)


async def test_beats_carry_console_and_progress(worker: Worker, tmp_path: Path) -> None:
    worker.submit("j1", "forever", {})
    async with serve(worker.url, tmp_path):
        await until(lambda: len(worker.beats["j1"]) >= 3)
    assert worker.beats["j1"][-1] == {
        "progress_current": 1,
        "progress_total": 4,
        "console_output": "working\n",
    }


async def test_a_job_that_was_deleted_is_stopped(worker: Worker, tmp_path: Path) -> None:
    worker.submit("j1", "forever", {})
    async with serve(worker.url, tmp_path) as (supervisor, connector, _):
        await until(lambda: worker.beats["j1"])
        worker.deleted.add("j1")
        await until(lambda: not supervisor.running and connector.is_told)
        worker.submit("j2", "hello", {"name": "x"})
        await until(lambda: "j2" in worker.ended)
    assert "j1" not in worker.ended


async def test_trouble_with_an_end_is_sat_out(worker: Worker, tmp_path: Path) -> None:
    worker.submit("j1", "forever", {})
    async with serve(worker.url, tmp_path) as (supervisor, _, _):
        await until(lambda: worker.beats["j1"])
        worker.failures = [(500, "Failed"), (503, "Busy"), (429, "Rate limit exceeded")]
        supervisor.stop("j1")
        await until(lambda: "j1" in worker.ended)
    assert worker.ended["j1"][0] == "error"


async def test_a_result_the_worker_finds_too_big_is_a_failure(
    worker: Worker, tmp_path: Path
) -> None:
    worker.max_output = 1_000
    worker.submit("j1", "big", {})
    async with serve(worker.url, tmp_path):
        await until(lambda: "j1" in worker.ended)
    call, told = worker.ended["j1"]
    assert call == "error"
    assert "exceeds size limit" in told["error_message"]


async def test_no_more_is_claimed_than_there_are_slots(worker: Worker, tmp_path: Path) -> None:
    for number in range(5):
        worker.submit(f"j{number}", "forever", {})
    async with serve(worker.url, tmp_path, slots=2) as (supervisor, _, _):
        await until(lambda: len(supervisor.running) == 2)
        await until(lambda: len(worker.beats) == 2)
        assert len(worker.jobs) == 3


async def test_draining_finishes_and_claims_nothing(worker: Worker, tmp_path: Path) -> None:
    worker.submit("j1", "forever", {})
    async with serve(worker.url, tmp_path) as (supervisor, connector, task):
        await until(lambda: worker.beats["j1"])
        supervisor.drain()
        connector.drain()
        worker.submit("j2", "hello", {"name": "x"})
        supervisor.stop("j1")
        async with asyncio.timeout(5):
            await task
    assert "j1" in worker.ended
    assert "j2" in worker.jobs


async def test_a_wrong_key_ends_in_words(worker: Worker, tmp_path: Path) -> None:
    async with serve(worker.url, tmp_path, key="another") as (_, _, task):
        with pytest.raises(RunnerError, match="refuses this runner: Invalid API key"):
            await task


async def test_never_reached_is_told_apart(tmp_path: Path) -> None:
    async with serve("http://127.0.0.1:9", tmp_path) as (_, connector, task):
        connector.drain()
        with pytest.raises(NeverReached):
            await task


async def test_the_relay_makes_it_ask_at_once(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runpack, "MIN_POLL_SECONDS", 3600.0)
    monkeypatch.setattr(runpack, "MAX_POLL_SECONDS", 3600.0)
    relay = NotifyRelay(worker.url, "relay-key", "subscriber")
    async with serve(worker.url, tmp_path, relay=relay):
        await until(lambda: any("available" in call for call in worker.calls))
        await until(lambda: "POST /poll" in worker.calls)
        worker.submit("j1", "hello", {"name": "x"})
        worker.messages.put_nowait("no JSON at all")
        worker.messages.put_nowait(json.dumps({"type": "something_else"}))
        worker.messages.put_nowait(json.dumps({"type": "new_job", "job_id": "j1"}))
        await until(lambda: "j1" in worker.ended)


def test_a_console_keeps_its_head_and_its_tail() -> None:
    console = Console(400)
    for number in range(1000):
        console.add(f"line {number}\n".encode())
    text = console.text()
    assert len(text) <= 400
    assert text.startswith("line 0\n")
    assert text.endswith("line 999\n")
    assert "bytes left out" in text
    short = Console(400)
    short.add(b"ab\xffc")
    assert short.text() == "ab\ufffdc"


def test_beats_are_paced_by_the_number_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpack_jobs, "SECONDS_PER_JOB", 0.6)
    monkeypatch.setattr(runpack_jobs, "NEWS_SECONDS", 5.0)
    monkeypatch.setattr(runpack_jobs, "BEAT_SECONDS", 30.0)
    jobs = RunpackJobs()
    for number in range(20):
        jobs.begin(f"j{number}", 0.0)
    assert jobs.due_beats(11.9) == []
    assert len(jobs.due_beats(12.0)) == 20
    assert jobs.due_beats(41.9) == []
    jobs.update("j3", JobUpdate("ready", progress=Progress(1, 2)))
    assert [beat.job_id for beat in jobs.due_beats(24.0)] == ["j3"]
    assert jobs.next_beat_at() == 42.0


async def test_the_agent_serves_our_own_worker(tmp_path: Path) -> None:
    service = Service(tmp_path)
    await service.start()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "greeting_jobs.py").write_text(
        "from traffic_tui.runner import Registry\n"
        "registry = Registry()\n"
        "@registry.handler('hello_world')\n"
        "async def hello(request):\n"
        "    request.print('to', request.params['name'])\n"
        "    return {'message': f\"Hello, {request.params['name']}!\"}\n"
    )
    options: dict[str, Any] = {
        "protocol": "runpack",
        "handlers": "greeting_jobs:registry",
        "types": ("hello_world",),
    }
    try:
        with agent(tmp_path / "a", service.url, key=service.key("runner"), **options) as running:
            await running.says("registered at")
            async with service.client("submit") as client:
                job = await submitted(client)
                assert job["result"]["output_data"] == {"message": "Hello, Ann!"}
                assert job["result"]["console_output"] == "to Ann\n"
            running.signal()
            assert await running.ends() == 0
    finally:
        await service.stop()


async def submitted(client: httpx.AsyncClient) -> dict[str, Any]:
    """Submit a job as a Runpack client does, and wait for its end."""
    body = {"job_type": "hello_world", "input_params": {"name": "Ann"}}
    answer = await client.post("/api/jobs/submit", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = {}

    async def is_done() -> bool:
        shown = await client.get(f"/api/jobs/{answer.json()['job_id']}")
        found.update(shown.json())
        return bool(found["status"] in ("completed", "failed"))

    await until_true(is_done)
    return found


async def test_an_end_that_is_not_taken_does_not_silence_the_others(
    worker: Worker, tmp_path: Path
) -> None:
    worker.submit("j1", "hello", {"name": "x"})
    worker.submit("j2", "forever", {})
    worker.refuses_ends = True
    async with serve(worker.url, tmp_path, slots=2):
        await until(lambda: len(worker.beats["j2"]) > 3)
        assert "j1" not in worker.ended
        worker.refuses_ends = False
        await until(lambda: "j1" in worker.ended)
