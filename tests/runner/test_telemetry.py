"""Spans of executions, by OpenTelemetry itself; and nothing of it where it is not wanted."""

from __future__ import annotations

import asyncio
import http.server
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.ports import free_port
from tests.runner.agents import agent
from tests.runner.recording import until
from tests.runner.rrq_peer import peer
from tests.runner.rrq_world import is_open
from traffic_tui.runner import ExecutionOutcome, Registry, RunnerRuntime
from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.tcp_socket import TcpSocket
from traffic_tui.runner.telemetry import OpenTelemetry, telemetry_from_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


class Spans:
    """What a runner told of its executions."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    async def one(self, name: str) -> ReadableSpan:
        """The span of that type of job."""

        def found() -> list[ReadableSpan]:
            spans = self.exporter.get_finished_spans()
            return [
                span for span in spans if (span.attributes or {}).get("traffic.job.type") == name
            ]

        await until(found)
        [span] = found()
        return span


@pytest.fixture
def spans() -> Iterator[Spans]:
    made = Spans()
    yield made
    made.provider.shutdown()


@pytest.fixture
async def port(spans: Spans) -> AsyncIterator[int]:
    registry = Registry()

    @registry.handler("greet")
    async def greet(request: Any) -> str:
        from opentelemetry import trace

        with trace.get_tracer("theirs", tracer_provider=spans.provider).start_as_current_span("in"):
            return "hello"

    @registry.handler("fail")
    async def fail(request: Any) -> None:
        raise LookupError("no such order")

    @registry.handler("retry")
    async def retry(request: Any) -> ExecutionOutcome:
        return ExecutionOutcome.retry_after(request.job_id, request.request_id, "not yet", 2)

    @registry.handler("hold")
    async def hold(request: Any) -> None:
        await asyncio.sleep(30)

    chosen = free_port()
    telemetry = OpenTelemetry(spans.provider)
    serving = asyncio.create_task(
        RunnerRuntime().serve_tcp(registry, TcpSocket("127.0.0.1", chosen), telemetry)
    )
    await until(lambda: is_open(chosen))
    yield chosen
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_a_span_continues_the_trace_of_the_request(spans: Spans, port: int) -> None:
    async with peer(port) as asks:
        sent = {
            "trace_context": {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b"},
            "correlation_context": {"order": "17"},
            "attempt": 2,
        }
        asked = asks.request("greet", context=sent)
        assert (await asks.receive())["result"] == "hello"
    span = await spans.one("greet")
    assert span.context is not None
    assert span.parent is not None
    assert (span.name, span.kind.name) == ("job run greet", "CONSUMER")
    assert (format(span.context.trace_id, "032x"), format(span.parent.span_id, "016x")) == (
        TRACE,
        PARENT,
    )
    told = dict(span.attributes or {})
    waited = told.pop("traffic.job.waited_ms")
    assert isinstance(waited, float)
    assert waited > 0
    assert told == {
        "messaging.message.id": asked["job_id"],
        "traffic.attempt.id": asked["request_id"],
        "traffic.job.type": "greet",
        "traffic.attempt.number": 2,
        "messaging.destination.name": "rrq:queue:default",
        "traffic.worker": "rrq_worker_1_abcdef",
        "traffic.correlation.order": "17",
        "traffic.attempt.outcome": "success",
    }
    [inner] = [one for one in spans.exporter.get_finished_spans() if one.name == "in"]
    assert inner.parent is not None
    assert inner.parent.span_id == span.context.span_id


async def test_every_end_is_told(spans: Spans, port: int) -> None:
    async with peer(port) as asks:
        for name in ("fail", "retry"):
            await asks.call(name, context={"trace_context": {"traceparent": "nonsense"}})
        held = asks.request("hold")
        await asks.call("greet")
        asks.cancel(held["job_id"])
        assert (await asks.receive())["error"]["type"] == "cancelled"
    failed, retried, cancelled = [await spans.one(name) for name in ("fail", "retry", "hold")]
    assert failed.status.status_code.name == "ERROR"
    assert failed.events[0].name == "exception"
    assert (failed.events[0].attributes or {})["exception.message"] == "no such order"
    assert (failed.attributes or {})["traffic.attempt.outcome"] == "error"
    assert (retried.attributes or {})["traffic.attempt.retry_after_seconds"] == 2
    assert retried.status.description == "not yet"
    assert (cancelled.attributes or {})["traffic.attempt.outcome"] == "cancelled"


def test_importing_the_library_imports_nothing_of_it() -> None:
    code = (
        "import sys, traffic_tui.runner, traffic_tui.runner.telemetry as telemetry\n"
        "with telemetry.telemetry_from_environment() as made: assert made is None\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_it_one_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(RunnerError, match=r"pip install 'traffic-tui\[otel\]'"):
        OpenTelemetry()


def test_a_wish_that_is_not_built_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with telemetry_from_environment() as telemetry:
        assert telemetry is None
    assert "OTEL_TRACES_EXPORTER=zipkin is not built" in caplog.text


def test_a_wish_without_the_extra_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with telemetry_from_environment() as telemetry:
        assert telemetry is None
    assert "no spans are sent: OpenTelemetry is not installed" in caplog.text


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes spans as OTLP over HTTP."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


async def test_the_agent_sends_spans_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Collector.bodies = []
    with http.server.HTTPServer(("127.0.0.1", 0), Collector) as collector:
        serving = threading.Thread(target=collector.serve_forever)
        serving.start()
        place = f"http://127.0.0.1:{collector.server_address[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", place)
        try:
            await _one_job_by_an_agent(tmp_path)
        finally:
            collector.shutdown()
            serving.join()
    whole = b"".join(Collector.bodies)
    assert b"job run fib" in whole
    assert b"traffic-tui-runner" in whole


async def test_a_collector_that_is_away_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    await _one_job_by_an_agent(tmp_path)


async def _one_job_by_an_agent(folder: Path) -> None:
    port = free_port()
    with agent(folder, "", key="", protocol="rrq", tcp_socket=f"127.0.0.1:{port}") as running:
        await running.says("listening")
        async with peer(port) as asks:
            assert (await asks.call("fib", params={"n": 10}))["result"] == 34
        running.signal()
        assert await running.ends(10) == 0
