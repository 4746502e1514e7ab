"""Spans of executions, with OpenTelemetry where a person installed and wants it.

Nothing of it is imported, and nothing costs anything, until somebody makes an ``OpenTelemetry``
or sets one of the environment variables by which programs are told where spans go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from server.tracing.environment import read_wish
from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import TracerProvider as OwnProvider
    from opentelemetry.trace import Span, TracerProvider

    from traffic_tui.runner.registry import Handler
    from traffic_tui.runner.request import ExecutionRequest

log = logging.getLogger(__name__)

SPAN_NAME = "job run"
"""Before the type of the job; the coordinator's own spans are called alike."""
TRACER_NAME = "traffic_tui.runner"
SERVICE_NAME = "traffic-tui-runner"
"""Unless ``OTEL_SERVICE_NAME`` or ``OTEL_RESOURCE_ATTRIBUTES`` say another."""
NOT_INSTALLED = "OpenTelemetry is not installed; pip install 'traffic-tui[otel]' does that"
FLUSH_SECONDS = 3.0
"""At the end, how long the last spans may take to be sent."""


class Telemetry(Protocol):
    """Sees every execution."""

    def traced(self, registry: Registry) -> Registry:
        """The same types of jobs, whose executions are seen."""
        ...


@contextlib.contextmanager
def telemetry_from_environment() -> Iterator[Telemetry | None]:
    """Spans sent where the standard ``OTEL_*`` variables say; None where they say nothing.

    Leaving it sends what waits, in bounded time.
    """
    wish = read_wish(os.environ)
    if wish.problem:
        log.warning("%s", wish.problem)
    if not wish.is_wanted:
        yield None
        return
    try:
        provider = _own_provider()
    except ImportError:
        log.warning("no spans are sent: %s", NOT_INSTALLED)
        yield None
        return
    try:
        yield OpenTelemetry(provider)
    finally:
        # A collector that is away would be tried again for longer than anybody waits.
        closing = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(FLUSH_SECONDS)


def _own_provider() -> OwnProvider:
    """Batches of spans over OTLP; the parts read their other variables themselves."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME as NAME
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({NAME: SERVICE_NAME}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class OpenTelemetry:
    """A span for every execution, below the one that the request came with.

    Args:
        provider: makes the spans; None: the program's own, as OpenTelemetry is configured.

    Raises:
        RunnerError: OpenTelemetry is not installed.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import trace
        except ImportError:
            raise RunnerError(NOT_INSTALLED) from None
        self._tracer = trace.get_tracer(TRACER_NAME, tracer_provider=provider)

    def traced(self, registry: Registry) -> Registry:
        seen = Registry()
        for entry in registry.entries.values():
            seen.add(entry._replace(handler=self._seen(entry.handler)))
        return seen

    def _seen(self, handler: Handler) -> Handler:
        async def run(request: ExecutionRequest) -> Any:
            with self._span(request) as span:
                span.set_attribute("traffic.attempt.outcome", "error")  # until it is known better
                try:
                    value = await handler(request)
                except asyncio.CancelledError:
                    span.set_attribute("traffic.attempt.outcome", "cancelled")
                    raise
                _tell_outcome(span, value)
                return value

        return run

    @contextlib.contextmanager
    def _span(self, request: ExecutionRequest) -> Iterator[Span]:
        from opentelemetry import propagate
        from opentelemetry.trace import SpanKind

        carrier = dict(request.context.trace_context or {})
        with self._tracer.start_as_current_span(
            f"{SPAN_NAME} {request.function_name}",
            context=propagate.extract(carrier) if carrier else None,
            kind=SpanKind.CONSUMER,
            attributes=_attributes(request),
        ) as span:
            yield span


def _attributes(request: ExecutionRequest) -> dict[str, str | int | float]:
    context = request.context
    told: dict[str, str | int | float] = {
        "messaging.message.id": request.job_id,
        "traffic.attempt.id": request.request_id,
        "traffic.job.type": request.function_name,
        "traffic.attempt.number": context.attempt,
        "messaging.destination.name": context.queue_name,
    }
    if context.worker_id is not None:
        told["traffic.worker"] = context.worker_id
    if context.enqueue_time is not None:
        told["traffic.job.waited_ms"] = max(
            0.0, (time.time() - context.enqueue_time.timestamp()) * 1000
        )
    for name, value in (context.correlation_context or {}).items():
        told[f"traffic.correlation.{name}"] = value
    return told


def _tell_outcome(span: Span, value: object) -> None:
    """Say how it ended; what was raised, the span has heard of by itself."""
    from opentelemetry.trace import Status, StatusCode

    if not isinstance(value, ExecutionOutcome):
        span.set_attribute("traffic.attempt.outcome", "success")
        return
    span.set_attribute("traffic.attempt.outcome", value.status)
    if value.retry_after_seconds is not None:
        span.set_attribute("traffic.attempt.retry_after_seconds", value.retry_after_seconds)
    if value.status != "success":
        words = value.error.message if value.error is not None else None
        span.set_status(Status(StatusCode.ERROR, words))
