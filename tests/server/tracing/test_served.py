"""The program as it is installed: spans over OTLP where the environment asks, else nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.server.tracing.collector import Collector
from tests.server.tracing.test_follow import CARRIER, PARENT_ID, TRACE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
DEADLINE_SECONDS = 30


@dataclass
class Served:
    """``traffic-tui serve`` in a folder of its own."""

    process: subprocess.Popen[str]
    url: str
    folder: Path

    def call(self, method: str, path: str, role: str, body: Any = None) -> Any:
        answer = httpx.request(
            method,
            f"{self.url}{path}",
            json=body,
            headers={"Authorization": f"Bearer {KEYS[role]}"},
            timeout=DEADLINE_SECONDS,
        )
        assert answer.status_code < 300, answer.text
        return answer.json()

    def run_a_job(self) -> dict[str, Any]:
        """One job from submit to end, by a runner that is made of three calls."""
        job = {"type": "fib", "trace_context": CARRIER}
        self.call("POST", "/api/native-v2/jobs", "submit", {"jobs": [job]})
        hello = {"name": "a", "nonce": "1", "capacity": 1, "types": ["fib"]}
        welcome = self.call("POST", "/api/native-v2/runner/hello", "runner", hello)
        path = f"/api/native-v2/runner/{welcome['runner_id']}/sync"
        said = {"session": welcome["session"], "secret": welcome["secret"]}
        told = self.call("POST", path, "runner", {**said, "sequence": 1, "free": 1})
        [assigned] = told["assign"]
        report = {"attempt": assigned["attempt"], "state": "success"}
        self.call("POST", path, "runner", {**said, "sequence": 2, "reports": [report]})
        found: dict[str, Any] = assigned
        return found

    def end(self) -> float:
        """Ask it to end; the answer is how long that took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(DEADLINE_SECONDS) == 0
        return time.monotonic() - began

    def log(self) -> str:
        return "".join(path.read_text() for path in self.folder.rglob("*.log*"))


KEYS = {role: f"{role}-key-{'x' * 24}" for role in ("submit", "runner", "operator")}


def start(folder: Path, **environment: str) -> Served:
    configuration = folder / "c.toml"
    configuration.write_text(
        "[server]\nport = 0\n[storage]\nmin_free = 0\n[keys]\n"
        + "".join(f"{role} = 'TRAFFIC_{role.upper()}_KEY'\n" for role in KEYS)
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    given = {f"TRAFFIC_{role.upper()}_KEY": secret for role, secret in KEYS.items()}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "traffic_tui", "serve"),
            *("--config", str(configuration), "--data-dir", str(folder / "data")),
        ],
        cwd=ROOT,
        env={**plain, **given, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    word, _, url = process.stdout.readline().strip().partition(" ")
    assert word == "ready"
    return Served(process, url, folder)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(DEADLINE_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


def test_spans_reach_a_collector_over_http(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    with Collector() as collector:
        served = start(
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-token=abc",
            OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment=lab",
        )
        processes.append(served.process)
        assigned = served.run_a_job()
        assert assigned["trace_context"] == CARRIER
        assert served.end() < 5
        spans = collector.spans()
        assert set(spans) == {"job submit fib", "job queued fib", "job execute fib"}
        for span in spans.values():
            assert (span["trace"], span["parent"]) == (f"{TRACE_ID:032x}", f"{PARENT_ID:016x}")
        assert collector.headers[0]["x-token"] == "abc"
        [resource] = collector.resources()[:1]
        assert resource["service.name"] == "traffic-tui"
        assert resource["deployment.environment"] == "lab"


def test_a_service_is_named_as_the_environment_says(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    with Collector() as collector:
        served = start(
            tmp_path,
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces",
            OTEL_SERVICE_NAME="lab-queue",
        )
        processes.append(served.process)
        served.run_a_job()
        served.end()
        assert collector.resources()[0]["service.name"] == "lab-queue"


@pytest.mark.parametrize("is_there", [True, False], ids=["stuck", "gone"])
def test_a_collector_that_does_not_answer_holds_up_nothing(
    tmp_path: Path, processes: list[subprocess.Popen[str]], is_there: bool
) -> None:
    with Collector(is_stuck=True) as collector:
        url = collector.url if is_there else "http://127.0.0.1:9"
        served = start(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="50")
        processes.append(served.process)
        served.run_a_job()
        if is_there:
            assert collector.was_asked.wait(DEADLINE_SECONDS)
        served.run_a_job()
        assert served.end() < 5


PROBE = """
import asyncio, json, sys, threading
from dataclasses import replace
from pathlib import Path
from server.runtime.coordinator_server import CoordinatorServer
from server.settings import Settings
from server.model import Actor, JobSpec

async def main():
    defaults = Settings()
    settings = replace(
        defaults,
        server=replace(defaults.server, port=0),
        storage=replace(defaults.storage, min_free=0),
    )
    keys = {"TRAFFIC_ADMIN_KEY": "k" * 40}
    server = CoordinatorServer(settings, Path(sys.argv[1]), environment=keys)
    await server.start()
    await server.coordinator.submit(Actor("a", "submit", "operator-api"), [JobSpec("fib")])
    told = {
        "modules": [name for name in sys.modules if name.startswith("opentelemetry")],
        "tracing": sorted(name for name in sys.modules if name.startswith("server.tracing")),
        "subscribers": server.coordinator.bus.subscriber_count,
        "threads": [one.name for one in threading.enumerate() if one.name.startswith("Otel")],
    }
    await server.stop()
    print(json.dumps(told))

asyncio.run(main())
"""


def test_nothing_is_imported_and_nobody_listens_where_nothing_is_asked_for(tmp_path: Path) -> None:
    told = json.loads(
        subprocess.run(
            [sys.executable, "-c", PROBE, str(tmp_path / "data")],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=True,
        ).stdout
    )
    assert told == {
        "modules": [],
        "tracing": ["server.tracing", "server.tracing.environment", "server.tracing.service"],
        "subscribers": 0,
        "threads": [],
    }


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
sys.modules["opentelemetry.sdk"] = None
from server.tracing.service import build_tracing
tracing = build_tracing(None, {"OTEL_TRACES_EXPORTER": "otlp"})
assert tracing.follower is None
print(tracing.problem)
"""


def test_asked_for_and_not_installed_is_told() -> None:
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    ).stdout
    assert "pip install 'traffic-tui[otel]'" in said


def test_what_cannot_be_done_is_in_the_log(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    served = start(tmp_path, OTEL_TRACES_EXPORTER="zipkin")
    processes.append(served.process)
    served.run_a_job()
    served.end()
    assert "OTEL_TRACES_EXPORTER=zipkin is not built" in served.log()
