"""The Traffic Light connector: against ours, and the original by its code and by its README."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest

from server.http.exchange import read_body
from tests.end_to_end.service import Service
from tests.runner.agents import agent
from tests.runner.double import serving
from tests.runner.recording import until, until_true
from traffic_tui.runner import ExecutionRequest, Registry, Supervisor
from traffic_tui.runner.connectors import traffic_light, traffic_light_jobs
from traffic_tui.runner.connectors.link import Address
from traffic_tui.runner.connectors.traffic_light import TrafficLightConnector, range_handler
from traffic_tui.runner.connectors.traffic_light_listener import WEBHOOK_PATH
from traffic_tui.runner.errors import NeverReached, RunnerError
from traffic_tui.runner.listen_address import ListenAddress
from traffic_tui.runner.options import AgentOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

pytestmark = pytest.mark.timeout(120)

HELLO = "/api/native-v1/runner/hello"
CODE = ("/api/native-v1/runner/capacity/update", "/api/native-v1/job/update")
README = ("/api/native-v1/runner/update",)
OK = (200, {"ok": True})
HERE = ListenAddress("127.0.0.1", 0)
EXAMPLE = Path(__file__).parents[2] / "examples" / "traffic-light-runner"


@dataclass
class Original:
    """Just enough of a Traffic Light coordinator, as one of its two sources has it."""

    source: Literal["code", "readme"] = "code"
    url: str = ""
    nonces: list[str] = field(default_factory=list)
    port: int = 0
    slots: list[int] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    failures: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Answers to give instead."""
    knows_jobs: bool = True
    """False: words on jobs find no row yet, and are answered all the same."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        body = json.loads(await read_body(scope, receive, 100_000))
        status, answer = self.failures.pop(0) if self.failures else self._answer(scope, body)
        content = json.dumps(answer).encode()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": content})

    def _answer(
        self, scope: MutableMapping[str, Any], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        assert not any(name == b"authorization" for name, _ in scope["headers"])
        if scope["path"] == HELLO:
            self.nonces.append(body["nonce"])
            self.slots.append(body["capacity"])
            self.port = body["port"]
            return OK
        if scope["path"] not in (CODE if self.source == "code" else README):
            return 404, {"error": True, "message": "Not found"}
        assert body["nonce"] == self.nonces[-1]
        if "capacity" in body:
            self.slots.append(body["capacity"])
        elif self.knows_jobs:
            self.words.setdefault(body["job_id"], []).append(body["status"])
            self.messages[body["job_id"]] = body.get("message", "")
        return OK

    async def bring(
        self, job_id: str | int, first: int = 1, last: int = 9, **headers: str
    ) -> httpx.Response:
        """Call the runner's webhook, with the values this source writes."""
        cursors: dict[str, Any] = {"cursor_from": first, "cursor_to": last}
        if self.source == "code":
            cursors = {name: str(value) for name, value in cursors.items()}
        async with httpx.AsyncClient() as http:
            return await http.post(
                f"http://127.0.0.1:{self.port}{WEBHOOK_PATH}",
                json={"job_id": job_id, **cursors},
                headers={name.replace("_", "-"): value for name, value in headers.items()},
            )


@pytest.fixture
async def original() -> AsyncIterator[Original]:
    made = Original()
    async with serving(made) as made.url:
        yield made


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_light_jobs, "SETTLED_SECONDS", 0.2)
    monkeypatch.setattr(traffic_light, "BEAT_SECONDS", 0.1)


class Crawler:
    """A handler that remembers its ranges, and goes on when it is let."""

    def __init__(self) -> None:
        self.ranges: list[dict[str, int]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.registry = Registry()
        self.registry.register("range", self.crawl)

    async def crawl(self, request: ExecutionRequest) -> dict[str, int]:
        self.ranges.append(request.params)
        request.print("crawling")
        await self.may_end.wait()
        if request.params["cursor_from"] == 13:
            raise ValueError("an unlucky number")
        return {"posts": 5}


@asynccontextmanager
async def serve(
    url: str, crawler: Crawler, *, slots: int = 2
) -> AsyncIterator[tuple[Supervisor, TrafficLightConnector, asyncio.Task[None]]]:
    connector = TrafficLightConnector(Address(url), HERE, function_name="range")
    async with Supervisor(crawler.registry, connector, slots=slots) as supervisor:
        task = asyncio.ensure_future(connector.run(supervisor))
        try:
            yield supervisor, connector, task
        finally:
            connector.stop(0.5)
            supervisor.stop_all(grace_seconds=0.1)
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()


@pytest.mark.parametrize("source", ["code", "readme"])
async def test_ranges_are_done_and_told(
    original: Original, source: Literal["code", "readme"]
) -> None:
    original.source = source
    crawler = Crawler()
    async with serve(original.url, crawler, slots=2):
        await until(lambda: original.port)
        assert original.slots[0] == 2
        for job_id, first in (("j1", 1_700_000_000_000_000), ("j2", 13)):
            answer = await original.bring(job_id, first, first + 5)
            assert (answer.status_code, answer.json()) == OK
        await until(lambda: "completed" in original.words.get("j1", ()))
        await until(lambda: "error" in original.words.get("j2", ()))
    assert crawler.ranges == [
        {"cursor_from": 1_700_000_000_000_000, "cursor_to": 1_700_000_000_000_005},
        {"cursor_from": 13, "cursor_to": 18},
    ]
    assert original.messages["j2"] == "an unlucky number"


async def test_a_boot_has_a_nonce_of_its_own(original: Original) -> None:
    for _ in range(2):
        original.port = 0
        async with serve(original.url, Crawler()):
            await until(lambda: original.port)
    assert len(set(original.nonces)) == 2


async def test_what_was_on_its_way_to_the_boot_before_is_not_taken(original: Original) -> None:
    crawler = Crawler()
    async with serve(original.url, crawler):
        await until(lambda: original.port)
        old = await original.bring("j1", x_traffic_light_nonce="the boot before")
        assert (old.status_code, old.json()["error"]) == (409, True)
        mine = await original.bring("j2", x_traffic_light_nonce=original.nonces[0])
        assert mine.status_code == 200
        await until(lambda: crawler.ranges)
    assert len(crawler.ranges) == 1


async def test_running_is_said_while_it_runs(original: Original) -> None:
    crawler = Crawler()
    crawler.may_end.clear()
    async with serve(original.url, crawler):
        await until(lambda: original.port)
        await original.bring(7)
        await until(lambda: original.words.get("7") == ["running"])
        crawler.may_end.set()
        await until(lambda: "completed" in original.words["7"])
    assert set(original.words["7"]) == {"running", "completed"}


async def test_the_last_word_on_a_short_job_is_said_again_when_it_is_known_for_sure(
    original: Original,
) -> None:
    original.knows_jobs = False  # its row is written only after the webhook was answered
    async with serve(original.url, Crawler()) as (_, connector, _):
        await until(lambda: original.port)
        await original.bring("j1")
        await until(lambda: not connector.is_told)
        original.knows_jobs = True
        await until(lambda: connector.is_told)
    assert original.words["j1"][-1] == "completed"


async def test_beyond_its_slots_it_says_no_and_so_tells_those_who_do_not_listen(
    original: Original,
) -> None:
    crawler = Crawler()
    crawler.may_end.clear()
    async with serve(original.url, crawler, slots=1):
        await until(lambda: original.port)
        assert (await original.bring("j1")).status_code == 200
        assert (await original.bring("j1")).status_code == 200  # brought twice, run once
        refused = await original.bring("j2")
        assert (refused.status_code, refused.json()["error"]) == (503, True)
        await until(lambda: "stopped" in original.words.get("j2", ()))
        crawler.may_end.set()
        await until(lambda: "completed" in original.words.get("j1", ()))
        assert (await original.bring("j1")).status_code == 409
        assert (await original.bring("j3")).status_code == 200
    assert len(crawler.ranges) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "this is no job"),
        (b"\xff", "this is no job"),
        (b"[1]", "a JSON object is expected"),
        (b"[" * 60_000, "this is no job"),
        (b'{"cursor_from":1,"cursor_to":2}', "job_id has to be"),
        (b'{"job_id":true,"cursor_from":1,"cursor_to":2}', "job_id has to be"),
        (b'{"job_id":" ","cursor_from":1,"cursor_to":2}', "job_id has to be"),
        (b'{"job_id":"a\\u001b[2J","cursor_from":1,"cursor_to":2}', "printable"),
        (b'{"job_id":"j","cursor_from":1}', "cursor_to has to be a whole number"),
        (b'{"job_id":"j","cursor_from":"x","cursor_to":2}', "cursor_from has to be"),
        (b'{"job_id":"j","cursor_from":1.5,"cursor_to":2}', "cursor_from has to be"),
        (b'{"job_id":"j","cursor_from":false,"cursor_to":2}', "cursor_from has to be"),
    ],
)
async def test_what_is_no_job_is_refused_in_words(
    original: Original, body: bytes, words: str
) -> None:
    crawler = Crawler()
    async with serve(original.url, crawler):
        await until(lambda: original.port)
        async with httpx.AsyncClient() as http:
            url = f"http://127.0.0.1:{original.port}{WEBHOOK_PATH}"
            answer = await http.post(url, content=body)
        assert (answer.status_code, answer.json()["error"]) == (400, True)
        assert words in answer.json()["message"]
        assert (await original.bring("j1")).status_code == 200
    assert len(crawler.ranges) == 1


async def test_words_are_said_until_they_are_heard(original: Original) -> None:
    async with serve(original.url, Crawler()) as (_, connector, _):
        await until(lambda: original.port)
        original.failures = [(500, {"error": True, "message": "Internal server error"})] * 3
        await original.bring("j1")
        await until(lambda: "completed" in original.words.get("j1", ()))
        await until(lambda: connector.is_told)


async def test_a_word_nobody_wants_to_hear_holds_up_no_other(original: Original) -> None:
    async with serve(original.url, Crawler()) as (_, connector, _):
        await until(lambda: original.port and len(original.slots) > 1)
        original.failures = [(400, {"error": True, "message": "no such status"})]
        await original.bring("j1")
        await original.bring("j2")
        await until(lambda: "completed" in original.words.get("j2", ()))
        await until(lambda: connector.is_told)


async def test_a_hello_that_is_not_taken_is_said_again(original: Original) -> None:
    original.failures = [(500, {"error": True, "message": "Internal server error"})] * 2
    async with serve(original.url, Crawler()):
        await until(lambda: original.port)


async def test_a_coordinator_that_refuses_is_told_of(original: Original) -> None:
    original.failures = [(403, {"error": True, "message": "the address is not admitted"})]
    async with serve(original.url, Crawler()) as (_, _, task):
        with pytest.raises(RunnerError, match="the address is not admitted"):
            await asyncio.shield(task)


async def test_a_coordinator_never_reached_is_told_of() -> None:
    async with serve("http://127.0.0.1:1", Crawler()) as (supervisor, connector, task):
        await asyncio.sleep(0)
        supervisor.drain()
        connector.drain()
        with pytest.raises(NeverReached):
            await asyncio.shield(task)


async def test_a_drain_parks_the_runner_and_ends_what_runs(original: Original) -> None:
    crawler = Crawler()
    crawler.may_end.clear()
    async with serve(original.url, crawler) as (supervisor, connector, task):
        await until(lambda: original.port)
        await original.bring("j1")
        await until(lambda: crawler.ranges)
        supervisor.drain()
        connector.drain()
        await until(lambda: original.slots[-1] == 0)
        assert (await original.bring("j2")).status_code == 503
        assert not task.done()
        crawler.may_end.set()
        await asyncio.wait_for(asyncio.shield(task), 20)
    assert original.words["j1"][-1] == "completed"
    assert original.words["j2"][-1] == "stopped"


async def test_a_stopped_job_is_told_as_stopped(original: Original) -> None:
    crawler = Crawler()
    crawler.may_end.clear()
    async with serve(original.url, crawler) as (supervisor, _, _):
        await until(lambda: original.port)
        await original.bring("j1")
        await until(lambda: crawler.ranges)
        supervisor.stop("j1")
        await until(lambda: "stopped" in original.words.get("j1", ()))


async def test_jobs_are_taken_from_the_coordinator_only(original: Original) -> None:
    crawler = Crawler()
    connector = TrafficLightConnector(Address("http://192.0.2.7:8000"), HERE, function_name="range")
    async with Supervisor(crawler.registry, connector, slots=1) as supervisor:
        task = asyncio.ensure_future(connector.run(supervisor))
        try:
            await until(lambda: connector.port)
            original.port = connector.port
            answer = await original.bring("j1")
            assert (answer.status_code, answer.json()["error"]) == (403, True)
        finally:
            task.cancel()
            await asyncio.wait([task])
    assert crawler.ranges == []


def test_ranges_need_a_handler() -> None:
    def registry(*names: str) -> Registry:
        made = Registry()
        for name in names:
            made.register(name, Crawler().crawl)
        return made

    assert range_handler(registry("fib", "range")) == "range"
    assert range_handler(registry("crawl")) == "crawl"
    with pytest.raises(RunnerError, match="--handlers"):
        range_handler(registry("fib", "noop"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"protocol": "traffic-light"}, "--listen HOST:PORT is needed"),
        ({"listen": "127.0.0.1:3000"}, "goes with the protocol traffic-light"),
        ({"protocol": "traffic-light", "listen": "example.com:3000"}, "is no address of this box"),
        ({"protocol": "traffic-light", "listen": "3000"}, "is no address of this box"),
        ({"protocol": "traffic-light", "listen": "127.0.0.1:http"}, "is no port"),
        ({"protocol": "traffic-light", "listen": "127.0.0.1:99999"}, "is no port"),
    ],
)
def test_where_it_listens_is_checked(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RunnerError, match=words):
        AgentOptions("http://127.0.0.1:8700", **options).check()


@pytest.mark.parametrize("listen", ["0.0.0.0:3000", "[::]:3000", "localhost:0", "10.0.0.7:65535"])
def test_where_it_may_listen(listen: str) -> None:
    AgentOptions("http://127.0.0.1:8700", protocol="traffic-light", listen=listen).check()


HANDLERS = """
import asyncio
from traffic_tui.runner import Registry

registry = Registry()

@registry.handler("range")
async def crawl(request):
    await asyncio.sleep(0.05)
    if request.params["cursor_from"] == 13:
        raise ValueError("an unlucky number")
"""


async def test_the_agent_serves_our_own_coordinator(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "crawler.py").write_text(HANDLERS)
    service = Service(tmp_path)
    await service.start()
    try:
        with agent(
            tmp_path / "box",
            service.url,
            key="",
            protocol="traffic-light",
            listen="127.0.0.1:0",
            handlers="crawler:registry",
            capacity=2,
        ) as box:
            await box.says("serving")
            async with service.client("operator") as operator:
                jobs = [
                    {"type": "range", "params": {"cursor_from": first, "cursor_to": first + 1}}
                    for first in (1, 5, 9, 13)
                ]
                answer = await operator.post("/api/operator/v1/jobs", json=jobs)
                assert answer.status_code == 201, answer.text

                async def all_ended() -> bool:
                    listed = await operator.get("/api/operator/v1/jobs")
                    states = sorted(job["state"] for job in listed.json()["jobs"])
                    return bool(states == ["completed"] * 3 + ["failed"])

                await until_true(all_ended)
                box.signal()
                assert await box.ends() == 0
                [runner] = (await operator.get("/api/operator/v1/runners")).json()["runners"]
                assert (runner["protocol"], runner["capacity"]) == ("native-v1", 0)
                late = (await operator.get("/api/operator/v1/late-writes")).json()
                assert late["late_writes"] == []
    finally:
        await service.kill()


async def test_the_example_fetches_ranges(original: Original, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TRAFFIC_TUI_URL": original.url,
        "LISTEN": "127.0.0.1:0",
        "XDG_DATA_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    with subprocess.Popen(  # noqa: ASYNC220  (it returns at once)
        [sys.executable, str(EXAMPLE / "crawler.py")],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        await until(lambda: original.port)
        await original.bring("j1", 1_700_000_000_000_000, 1_700_000_059_999_999)
        await until(lambda: "completed" in original.words.get("j1", ()))
        process.terminate()
        await until(lambda: process.poll() is not None)
        assert process.stdout is not None
        assert process.stdout.read() == (
            "fetched 2023-11-14T22:13:20.000+00:00 to 2023-11-14T22:14:19.999+00:00\n"
        )
    assert process.returncode == 0
