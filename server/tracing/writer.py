"""Handing spans to OpenTelemetry. The only module here that needs it installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.trace import SpanProcessor

    from server.tracing.spans import SpanFacts, SpanId

SERVICE: Final = "traffic-tui"
UNNAMED: Final = "unknown_service"
FLUSH_EVERY: Final = 512
"""Spans between two waits for the exporter: its queue drops what does not fit."""
_KINDS: Final = {
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}


class GivenIds(IdGenerator):
    """Gives the ids that the next span is to have."""

    def __init__(self) -> None:
        self.trace_id = self.span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class SpanWriter:
    """Writes spans that are over. One thread at a time may use it.

    Sampler, limits, resource and exporter are what the standard variables say.

    Args:
        processor: takes the spans; None: they are sent by OTLP over HTTP, in batches.
    """

    def __init__(self, version: str, processor: SpanProcessor | None = None) -> None:
        self._ids = GivenIds()
        self._provider = TracerProvider(
            resource=_resource(version), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SERVICE, version)

    def write(self, spans: Iterable[SpanFacts]) -> None:
        """Hand spans over; waits where they come faster than they are sent."""
        for number, span in enumerate(spans, start=1):
            self._write(span)
            if number % FLUSH_EVERY == 0:
                self._provider.force_flush()

    def close(self) -> None:
        """Send what is left. Takes as long as the exporter takes."""
        self._provider.shutdown()

    def _write(self, facts: SpanFacts) -> None:
        self._ids.trace_id, self._ids.span_id = facts.id.trace_id, facts.id.span_id
        parent = Context()
        if facts.parent is not None:
            parent = set_span_in_context(NonRecordingSpan(self._context(facts.parent)), parent)
        links = []
        if facts.link is not None:
            links.append(Link(self._context(facts.link), facts.link_attributes))
        span = self._tracer.start_span(
            facts.name,
            context=parent,
            kind=_KINDS[facts.role],
            attributes=facts.attributes,
            links=links,
            start_time=facts.start_ns,
        )
        if facts.error is not None:
            span.set_status(Status(StatusCode.ERROR, facts.error))
        span.end(end_time=facts.end_ns)

    def _context(self, span: SpanId) -> SpanContext:
        is_sampled = span.is_sampled
        if is_sampled is None:
            is_sampled = self._is_sampled(span.trace_id)
        return SpanContext(
            span.trace_id,
            span.span_id,
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT),
            trace_state=TraceState.from_header([span.trace_state]) if span.trace_state else None,
        )

    def _is_sampled(self, trace_id: int) -> bool:
        """What was, or would have been, decided where the trace began."""
        result = self._provider.sampler.should_sample(None, trace_id, "")
        return result.decision is Decision.RECORD_AND_SAMPLE


def _resource(version: str) -> Resource:
    """What the variables say of this program, and our own name where they say none."""
    said = Resource.create({})
    if str(said.attributes.get(SERVICE_NAME, UNNAMED)).startswith(UNNAMED):
        said = said.merge(Resource({SERVICE_NAME: SERVICE}))
    return Resource({SERVICE_VERSION: version}).merge(said)
