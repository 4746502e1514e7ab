"""Spans of a coordinator's jobs, as OpenTelemetry's own SDK has them at the end."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from server.coordinator import AttemptReport
from server.model import Outcome, RetryPolicy
from server.tracing import follower as follower_module
from server.tracing.follower import SpanFollower
from server.tracing.writer import SpanWriter
from tests.server.core.world import SAM, World, a_world
from tests.server.http.world import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from opentelemetry.sdk.trace import ReadableSpan

    from server.tracing.spans import SpanFacts

DEADLINE_SECONDS = 10
TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
PARENT_ID = 0x00F067AA0BA902B7
CARRIER = {
    "traceparent": f"00-{TRACE_ID:032x}-{PARENT_ID:016x}-01",
    "tracestate": "vendor=x",
}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the box says of tracing is not for these tests."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@dataclass
class Traced:
    """A coordinator whose spans are kept here."""

    world: World
    exporter: InMemorySpanExporter
    follower: SpanFollower

    async def spans(self, count: int) -> list[ReadableSpan]:
        """The first ``count`` spans, as soon as they are there."""
        await until(lambda: len(self.exporter.get_finished_spans()) >= count)
        return list(self.exporter.get_finished_spans())


@asynccontextmanager
async def traced() -> AsyncIterator[Traced]:
    exporter = InMemorySpanExporter()
    async with a_world() as world:
        writer = SpanWriter("9.9", SimpleSpanProcessor(exporter))
        follower = SpanFollower(world.coordinator, writer)
        await follower.start()
        yield Traced(world, exporter, follower)
        await follower.stop()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "tracing"]


def context(span: ReadableSpan) -> Any:
    assert span.context is not None
    return span.context


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_job_has_a_span_for_submit_queue_and_execution() -> None:
    async with traced() as made:
        (job,) = await made.world.submit("fib", queue="gpu")
        runner = await made.world.runner()
        made.world.clock.advance(2)
        assigned = await runner.take_one()
        made.world.clock.advance(3)
        await runner.end(assigned.attempt.uuid)
        submit, queued, execute = await made.spans(3)
    assert [span.name for span in (submit, queued, execute)] == [
        "job submit fib",
        "job queued fib",
        "job execute fib",
    ]
    assert {context(span).trace_id for span in (submit, queued, execute)} == {UUID(job.uuid).int}
    assert submit.parent is None
    assert queued.parent is not None and execute.parent is not None
    assert queued.parent.span_id == execute.parent.span_id == context(submit).span_id
    assert (submit.kind, queued.kind, execute.kind) == (
        SpanKind.PRODUCER,
        SpanKind.INTERNAL,
        SpanKind.CONSUMER,
    )
    created = job.created_at * 1_000_000
    assert (queued.start_time, queued.end_time) == (created, created + 2_000_000_000)
    assert (execute.start_time, execute.end_time) == (
        created + 2_000_000_000,
        created + 5_000_000_000,
    )
    told = facts(execute)
    assert told["messaging.destination.name"] == "gpu"
    assert told["messaging.message.id"] == job.uuid
    assert told["traffic.runner"] == "lab-1"
    assert told["traffic.runner.protocol"] == "native-v2"
    assert told["traffic.attempt.number"] == 1
    assert told["traffic.attempt.outcome"] == "success"
    assert execute.status.status_code == StatusCode.UNSET
    assert facts(submit)["traffic.job.owner"] == "ci"
    assert execute.resource.attributes["service.name"] == "traffic-tui"
    assert execute.resource.attributes["service.version"] == "9.9"


async def test_a_trace_that_came_with_the_job_is_gone_on_with() -> None:
    async with traced() as made:
        await made.world.submit("fib", trace_context=CARRIER)
        runner = await made.world.runner()
        assigned = await runner.take_one()
        assert assigned.task.trace_context == CARRIER  # untouched, whoever follows
        await runner.end(assigned.attempt.uuid)
        spans = await made.spans(3)
    for span in spans:
        assert span.parent is not None
        assert (context(span).trace_id, span.parent.span_id) == (TRACE_ID, PARENT_ID)
        assert span.parent.is_remote
        assert context(span).trace_state.get("vendor") == "x"
    assert len({context(span).span_id for span in spans}) == 3


async def test_a_trace_that_is_not_recorded_stays_so() -> None:
    carrier = {"traceparent": CARRIER["traceparent"][:-2] + "00"}
    async with traced() as made:
        await made.world.submit("fib", trace_context=carrier)
        await made.world.submit("other")
        (only,) = await made.spans(1)
    assert only.name == "job submit other"
    assert len(made.exporter.get_finished_spans()) == 1


async def test_a_sampler_that_wants_nothing_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    async with traced() as made:
        await made.world.submit("fib")
        runner = await made.world.runner()
        await runner.end((await runner.take_one()).attempt.uuid)
    assert made.exporter.get_finished_spans() == ()


async def test_a_retry_is_linked_to_the_try_before_and_waits_anew() -> None:
    retry = RetryPolicy(base_delay_ms=1_000, jitter=0)
    async with traced() as made:
        await made.world.submit("fib", max_attempts=2, retry=retry)
        runner = await made.world.runner()
        first = await runner.take_one()
        failure = Outcome("error", "no [red]disk[/]" + "x" * 2_000, "OSError")
        await runner.end(first.attempt.uuid, failure)
        await made.world.pass_seconds(2, runner)
        made.world.clock.advance(1)
        second = await runner.take_one()
        await runner.end(second.attempt.uuid)
        _, _, failed, queued, good = await made.spans(5)
    assert failed.status.status_code == StatusCode.ERROR
    assert failed.status.description is not None
    assert failed.status.description.startswith("no [red]disk[/]xxx")
    assert len(failed.status.description) == 1_000
    assert facts(failed)["error.type"] == "OSError"
    (link,) = good.links
    assert link.context.span_id == context(failed).span_id
    assert link.context.trace_id == context(good).trace_id
    assert facts(good)["traffic.attempt.number"] == 2
    assert queued.start_time is not None and failed.end_time is not None
    assert queued.start_time == failed.end_time + 1_000_000_000  # when its pause was over
    assert queued.end_time == queued.start_time + 2_000_000_000


async def test_waiting_begins_when_a_job_that_was_put_off_is_due() -> None:
    async with traced() as made:
        due = made.world.clock.now_ms() + 5_000
        await made.world.submit("fib", run_at=due)
        runner = await made.world.runner()
        await made.world.pass_seconds(5, runner)
        made.world.clock.advance(1)
        await runner.end((await runner.take_one()).attempt.uuid)
        _, queued, _ = await made.spans(3)
    assert queued.start_time == due * 1_000_000
    assert queued.end_time == (due + 1_000) * 1_000_000


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Outcome("timeout", "too long"), "timeout"),
        (Outcome("error", "gone"), "error"),
        (Outcome("cancelled"), None),
    ],
)
async def test_outcomes(outcome: Outcome, error: str | None) -> None:
    async with traced() as made:
        await made.world.submit("fib")
        runner = await made.world.runner()
        await runner.end((await runner.take_one()).attempt.uuid, outcome)
        execute = (await made.spans(3))[-1]
    assert facts(execute).get("error.type") == error
    assert (execute.status.status_code == StatusCode.ERROR) == (error is not None)
    assert facts(execute)["traffic.attempt.outcome"] == outcome.kind


async def test_a_runner_that_is_lost_ends_its_span() -> None:
    async with traced() as made:
        await made.world.submit("fib")
        runner = await made.world.runner()
        await runner.take_one()
        await made.world.pass_seconds(8)
        execute = (await made.spans(3))[-1]
    assert facts(execute)["error.type"] == "lost"


async def test_what_never_started_has_no_execution() -> None:
    async with traced() as made:
        (job,) = await made.world.submit("fib")
        await made.world.coordinator.stop_job(SAM, job.id)
        await made.world.submit("end")
        submits = await made.spans(2)
    assert [span.name for span in made.exporter.get_finished_spans()] == [
        span.name for span in submits
    ]


async def test_batches_have_all_their_spans_once() -> None:
    async with traced() as made:
        await made.world.submit(*["fib"] * 1_200)
        runner = await made.world.runner(capacity=1_200)
        told = await runner.exchange()
        ends = [AttemptReport(one.attempt.uuid, Outcome("success")) for one in told.assign]
        await runner.exchange(*ends, free=0)
        await runner.exchange(*ends, free=0)
        spans = await made.spans(3_600)
    assert len(spans) == 3_600
    assert len({context(span).span_id for span in spans}) == 3_600


async def test_spans_that_are_made_anew_are_the_same() -> None:
    """Another start of the coordinator names the same spans."""
    async with traced() as made:
        await made.world.submit("fib")
        again = InMemorySpanExporter()
        second = SpanFollower(made.world.coordinator, SpanWriter("1", SimpleSpanProcessor(again)))
        await second.start()
        runner = await made.world.runner()
        await runner.end((await runner.take_one()).attempt.uuid)
        first_spans = await made.spans(3)
        await second.stop()
    names = [
        {(context(span).span_id, span.parent.span_id) for span in spans if span.parent}
        for spans in (first_spans, again.get_finished_spans())
    ]
    assert names[0] == names[1]


class Stuck:
    """A writer that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.is_asked = threading.Event()
        self.written = 0

    def write(self, spans: Iterable[SpanFacts]) -> None:
        self.is_asked.set()
        self.let_go.wait(2 * DEADLINE_SECONDS)
        self.written += len(list(spans))

    def close(self) -> None:
        self.let_go.wait(2 * DEADLINE_SECONDS)


async def test_a_stuck_collector_holds_up_neither_jobs_nor_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(follower_module, "CAPACITY", 5)
    writer = Stuck()
    loop = asyncio.get_running_loop()
    async with a_world() as world:
        follower = SpanFollower(world.coordinator, writer)
        await follower.start()
        await world.submit("fib")
        await until(writer.is_asked.is_set)
        for _ in range(20):
            await world.submit("fib")
        began = loop.time()
        await follower.stop()
        await follower.stop()
        assert loop.time() - began < DEADLINE_SECONDS
    writer.let_go.set()
    assert "did not take the last of them in time" in caplog.text


async def test_too_much_that_goes_on_is_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(follower_module, "CAPACITY", 0)
    words = "spans of some jobs are left out"
    async with a_world() as world:
        writer = Stuck()
        writer.let_go.set()
        follower = SpanFollower(world.coordinator, writer)
        await follower.start()
        for _ in range(5):
            await world.submit("fib")
        assert caplog.text.count(words) == 1
        world.clock.advance(61)
        await world.submit("fib")
        await until(lambda: caplog.text.count(words) == 2)
        await follower.stop()


async def test_what_is_too_much_is_left_out_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(follower_module, "CAPACITY", 5)
    writer = Stuck()
    async with a_world() as world:
        follower = SpanFollower(world.coordinator, writer)
        await follower.start()
        await world.submit("fib")
        await until(writer.is_asked.is_set)
        for _ in range(20):
            await world.submit("fib")
        writer.let_go.set()
        await until(lambda: "spans of some jobs are left out" in caplog.text)
        await world.submit("fib")
        await follower.stop()
    assert 2 <= writer.written < 20
