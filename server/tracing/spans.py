"""Spans as facts, from jobs and attempts as they are stored. Pure, and free of OpenTelemetry.

Ids follow from the ids of jobs and attempts: whatever was told of them earlier, by whichever start
of the coordinator, is of the same trace, and a later attempt can name an earlier one's span.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from server.carriers import TRACE_PARENT, TRACE_STATE, trace_parent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.store.base import TracedAttempt, TracedJob

SUBMIT: Final = "job submit"
QUEUED: Final = "job queued"
EXECUTE: Final = "job execute"
MAX_MESSAGE: Final = 1_000
_NS_PER_MS: Final = 1_000_000
_GOOD_ENDS: Final = frozenset({"success", "cancelled", "retry"})

SpanRole: TypeAlias = Literal["producer", "consumer", "internal"]
Value: TypeAlias = str | int


class SpanId(NamedTuple):
    """A span, named from elsewhere."""

    trace_id: int
    span_id: int
    is_sampled: bool | None = None
    """None: as the sampler decides of that trace."""
    trace_state: str = ""


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """One span that is over."""

    name: str
    role: SpanRole
    id: SpanId
    parent: SpanId | None
    """None: it begins a trace."""
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value]
    link: SpanId | None = None
    """The execution of the attempt before."""
    error: str | None = None
    """What went wrong; None: nothing did."""
    link_attributes: Mapping[str, Value] = field(default_factory=dict)


def submit_span(job: TracedJob, committed_at: int) -> SpanFacts:
    """From the request until the job was safe."""
    given = _given_parent(job)
    own = SpanId(given.trace_id if given else _trace_id(job), _span_id(job.uuid, SUBMIT))
    start_ns = job.created_at * _NS_PER_MS
    return SpanFacts(
        name=f"{SUBMIT} {job.type}",
        role="producer",
        id=own,
        parent=given,
        start_ns=start_ns,
        end_ns=max(start_ns, committed_at * _NS_PER_MS),
        attributes={**_job_attributes(job), "traffic.job.owner": job.owner},
    )


def attempt_spans(attempt: TracedAttempt, queued_at: int) -> list[SpanFacts]:
    """How long an attempt's job stood in line, and its execution.

    Args:
        queued_at: when the job last came into the line, where that is known; else it stood there
            since the attempt before, or since it was made.
    """
    job = attempt.job
    parent = _given_parent(job) or SpanId(_trace_id(job), _span_id(job.uuid, SUBMIT))
    attributes = {
        **_job_attributes(job),
        "traffic.attempt.id": attempt.uuid,
        "traffic.attempt.number": attempt.number,
        "traffic.runner": attempt.runner,
        "traffic.runner.protocol": attempt.protocol,
    }
    since = queued_at or attempt.previous_ended_at or job.created_at
    started_ns = attempt.started_at * _NS_PER_MS
    queued = SpanFacts(
        name=f"{QUEUED} {job.type}",
        role="internal",
        id=SpanId(parent.trace_id, _span_id(attempt.uuid, QUEUED)),
        parent=parent,
        start_ns=min(since * _NS_PER_MS, started_ns),
        end_ns=started_ns,
        attributes=attributes,
    )
    executed = SpanFacts(
        name=f"{EXECUTE} {job.type}",
        role="consumer",
        id=SpanId(parent.trace_id, _span_id(attempt.uuid, EXECUTE)),
        parent=parent,
        start_ns=started_ns,
        end_ns=max(started_ns, attempt.ended_at * _NS_PER_MS),
        attributes={**attributes, **_outcome_attributes(attempt)},
        link=_execution_before(attempt, parent.trace_id),
        error=None if attempt.outcome in _GOOD_ENDS else attempt.message[:MAX_MESSAGE],
        link_attributes={"traffic.link": "previous attempt"},
    )
    return [queued, executed]


def _execution_before(attempt: TracedAttempt, trace_id: int) -> SpanId | None:
    if not attempt.previous_uuid:
        return None
    return SpanId(trace_id, _span_id(attempt.previous_uuid, EXECUTE))


def _job_attributes(job: TracedJob) -> dict[str, Value]:
    return {
        "messaging.system": "traffic-tui",
        "messaging.destination.name": job.queue,
        "messaging.message.id": job.uuid,
        "traffic.job.number": job.number,
        "traffic.job.type": job.type,
        "traffic.job.origin": job.origin,
    }


def _outcome_attributes(attempt: TracedAttempt) -> dict[str, Value]:
    attributes: dict[str, Value] = {"traffic.attempt.outcome": attempt.outcome}
    if attempt.outcome not in _GOOD_ENDS:
        attributes["error.type"] = attempt.error_type or attempt.outcome
    return attributes


def _given_parent(job: TracedJob) -> SpanId | None:
    """The span that its submitter named."""
    if job.trace_context is None:
        return None
    parent = trace_parent(job.trace_context.get(TRACE_PARENT, ""))
    if parent is None:
        return None
    state = job.trace_context.get(TRACE_STATE, "")
    return SpanId(parent.trace_id, parent.span_id, parent.is_sampled, state)


def _trace_id(job: TracedJob) -> int:
    """The job's own id, so that its trace is found by it; most ids are UUIDs with much chance."""
    try:
        return UUID(job.uuid).int
    except ValueError:
        return _number(job.uuid, 16)


def _span_id(uuid: str, what: str) -> int:
    return _number(f"{what} {uuid}", 8)


def _number(text: str, size: int) -> int:
    """A number of ``size`` bytes that is never 0."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size]) or 1
