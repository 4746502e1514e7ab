"""Runners, queues, events and what else the operator API lists. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.operator.job_views import abilities
from server.payloads import payload_value
from server.store.base import QueueFlow
from server.wire.operator import (
    EventView,
    ExplainView,
    KeyView,
    LateWriteView,
    NoticeView,
    QueueView,
    RunnerRef,
    RunnerView,
    VerdictView,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.coordinator.results import Explanation
    from server.events import Event, Notice
    from server.keyring import KeyEntry
    from server.model import Queue, Runner, RunnerState
    from server.store.base import Flow, LateWrite, QueueWork, RunnerWork

RUNNER_STATES: tuple[RunnerState, ...] = (
    "lost",
    "quiet",
    "faulty",
    "suspect",
    "draining",
    "drained",
    "ok",
    "gone",
)
"""Worst first, as lists sort them."""

FLOW_BUCKET_MINUTES = 5
FLOW_BUCKETS = 12
NO_FLOW = QueueFlow((0,) * FLOW_BUCKETS, (0,) * FLOW_BUCKETS, 0, 0)


class Names(NamedTuple):
    """What row ids of events and late writes are called outside."""

    jobs: Mapping[int, str]
    """Row id -> UUID; deleted jobs are not in it."""
    attempts: Mapping[int, int]
    """Row id -> number."""
    runners: Mapping[int, RunnerRef]


def runner_ref(runner: Runner) -> RunnerRef:
    return RunnerRef(id=runner.uuid, name=runner.name)


def runner_view(
    runner: Runner,
    state: RunnerState,
    connected_at: int,
    busy: int,
    work: RunnerWork | None,
    fault: str = "",
    phase: str = "",
    busy_minutes: Sequence[float | None] = (),
) -> RunnerView:
    """A runner; ``work`` None: it never did anything."""
    return RunnerView(
        id=runner.uuid,
        name=runner.name,
        protocol=runner.protocol,
        state=state,
        capacity=runner.capacity,
        busy=busy,
        types=list(runner.types),
        labels=dict(runner.labels),
        address=runner.address,
        version=runner.version,
        can=abilities(runner.protocol),
        registered_at=runner.registered_at,
        last_seen_at=runner.last_seen_at,
        connected_at=connected_at,
        quiet_since=work.heard_at if work else 0,
        done_last_hour=work.done_last_hour if work else 0,
        failed_last_hour=work.failed_last_hour if work else 0,
        draining_since=runner.draining_since,
        drain_deadline=runner.drain_deadline,
        drain_reason=runner.drain_reason,
        drained_by=runner.drained_by,
        phase=phase,
        fault=fault,
        busy_minutes=list(busy_minutes),
    )


def queue_view(queue: Queue, work: QueueWork | None, flow: Flow, started_at: int) -> QueueView:
    """A queue; ``work`` None: there is no job in it.

    Before the coordinator was started, only what was written down is known.
    """
    counts = work.counts if work else {}
    active = sum(counts.get(state, 0) for state in ("claimed", "in_progress", "stopping"))
    passed = flow.queues.get(queue.name, NO_FLOW)
    unknown = _unmeasured(min(flow.since or started_at, started_at), flow.end)
    return QueueView(
        name=queue.name,
        limit=queue.limit,
        paused_at=queue.paused_at,
        paused_by=queue.paused_by,
        pause_reason=queue.pause_reason,
        waiting=counts.get("pending", 0),
        scheduled=counts.get("scheduled", 0),
        active=active,
        failed=counts.get("failed", 0),
        completed=counts.get("completed", 0),
        oldest_pending_at=work.oldest_pending_at if work else 0,
        in_last_hour=work.in_last_hour if work else 0,
        out_last_hour=work.out_last_hour if work else 0,
        in_per_minute=passed.came_lately / FLOW_BUCKET_MINUTES,
        out_per_minute=passed.left_lately / FLOW_BUCKET_MINUTES,
        in_buckets=[*[None] * unknown, *passed.came[unknown:]],
        out_buckets=[*[None] * unknown, *passed.left[unknown:]],
    )


def _unmeasured(since: int, end: int) -> int:
    """How many of the buckets that end at ``end`` were over when counting began."""
    counted = -(-max(0, end - since) // (FLOW_BUCKET_MINUTES * 60_000))
    return max(0, FLOW_BUCKETS - counted)


def explain_view(explanation: Explanation) -> ExplainView:
    return ExplainView(
        state=explanation.state,
        summary=explanation.summary,
        reasons=[
            VerdictView(
                runner=runner_ref(verdict.runner), verdict=verdict.kind, detail=verdict.detail
            )
            for verdict in explanation.verdicts
        ],
        suggestion=explanation.suggestion,
    )


def event_view(event: Event, names: Names) -> EventView:
    """One fact, with names instead of row ids."""
    numbers = list(event.jobs())
    job = numbers[0] if len(numbers) == 1 else 0
    return EventView(
        seq=event.seq,
        at=event.at,
        kind=event.kind,
        job=names.jobs.get(job),
        number=job or None,
        jobs=numbers,
        attempt=names.attempts.get(event.attempt),
        runner=names.runners.get(event.runner),
        queue=event.queue,
        actor=event.actor,
        reason=event.reason,
        data=payload_value(event.data),
    )


def notice_view(notice: Notice, names: Names) -> NoticeView:
    runner = names.runners.get(notice.runner)
    return NoticeView(
        kind=notice.kind,
        number=notice.job,
        attempt=names.attempts.get(notice.attempt, 0),
        runner=runner.id if runner else "",
    )


def late_write_view(late: LateWrite, names: Names) -> LateWriteView:
    return LateWriteView(
        id=late.id,
        at=late.at,
        job=names.jobs.get(late.job, ""),
        number=late.job,
        attempt=names.attempts.get(late.attempt, 0),
        runner=names.runners.get(late.runner),
        kind=late.kind,
        detail=late.detail,
    )


def key_view(entry: KeyEntry) -> KeyView:
    return KeyView(
        name=entry.holder.name,
        role=entry.holder.role,
        created_at=entry.created_at,
        expires_at=entry.expires_at,
        revoked_at=entry.revoked_at,
        source=entry.holder.source,
    )
