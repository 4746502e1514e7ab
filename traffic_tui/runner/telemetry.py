"""Spans of executions, with OpenTelemetry where a person installed and wants it.

Nothing of it is imported, and nothing costs anything, until somebody makes an ``OpenTelemetry``.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Protocol

from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span, TracerProvider

    from traffic_tui.runner.registry import Handler
    from traffic_tui.runner.request import ExecutionRequest

SPAN_NAME = "runner.execute"
TRACER_NAME = "traffic_tui.runner"


class Telemetry(Protocol):
    """Sees every execution."""

    def traced(self, registry: Registry) -> Registry:
        """The same types of jobs, whose executions are seen."""
        ...


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
            raise RunnerError(
                "OpenTelemetry is not installed; pip install 'traffic-tui[otel]' does that"
            ) from None
        self._tracer = trace.get_tracer(TRACER_NAME, tracer_provider=provider)

    def traced(self, registry: Registry) -> Registry:
        seen = Registry()
        for entry in registry.entries.values():
            seen.add(entry._replace(handler=self._seen(entry.handler)))
        return seen

    def _seen(self, handler: Handler) -> Handler:
        async def run(request: ExecutionRequest) -> Any:
            with self._span(request) as span:
                value = await handler(request)
                _tell_outcome(span, value)
                return value

        return run

    @contextlib.contextmanager
    def _span(self, request: ExecutionRequest) -> Iterator[Span]:
        from opentelemetry import propagate
        from opentelemetry.trace import SpanKind

        carrier = dict(request.context.trace_context or {})
        with self._tracer.start_as_current_span(
            SPAN_NAME,
            context=propagate.extract(carrier) if carrier else None,
            kind=SpanKind.CONSUMER,
            attributes=_attributes(request),
        ) as span:
            yield span


def _attributes(request: ExecutionRequest) -> dict[str, str | int | float]:
    context = request.context
    told: dict[str, str | int | float] = {
        "job.id": request.job_id,
        "job.request_id": request.request_id,
        "job.type": request.function_name,
        "job.attempt": context.attempt,
        "job.queue": context.queue_name,
    }
    if context.worker_id is not None:
        told["job.worker"] = context.worker_id
    if context.enqueue_time is not None:
        told["job.waited_ms"] = max(0.0, (time.time() - context.enqueue_time.timestamp()) * 1000)
    for name, value in (context.correlation_context or {}).items():
        told[f"job.correlation.{name}"] = value
    return told


def _tell_outcome(span: Span, value: object) -> None:
    """Say how it ended; what was raised, the span has heard of by itself."""
    from opentelemetry.trace import Status, StatusCode

    if not isinstance(value, ExecutionOutcome):
        span.set_attribute("job.outcome", "success")
        return
    span.set_attribute("job.outcome", value.status)
    if value.retry_after_seconds is not None:
        span.set_attribute("job.retry_after_seconds", value.retry_after_seconds)
    if value.status != "success":
        words = value.error.message if value.error is not None else None
        span.set_status(Status(StatusCode.ERROR, words))
