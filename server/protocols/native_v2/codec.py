"""native-v2 messages to what the coordinator takes, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.coordinator.results import AttemptReport, Introduction, OutputPiece, Said
from server.errors import InvalidInput
from server.model import PLAIN_SUCCESS, Outcome, Progress, Surroundings, Usage
from server.payloads import check_payload
from server.submission import milliseconds
from server.traits import NATIVE_V2
from server.wire.native_v2 import (
    Assignment,
    NextOffset,
    Pace,
    Refusal,
    Report,
    StopOrder,
    SyncAnswer,
)

if TYPE_CHECKING:
    from server.coordinator.results import Assigned, Told
    from server.settings import Settings
    from server.wire.native_v2 import Hello, OutputChunk, ProgressReport, Sync

FATAL_ERROR_TYPE = "invalid"
"""Error type of a job that can never run, such as wrong arguments: trying again cannot help."""
MAX_CHUNK_BYTES = 256 * 1024
"""Longest piece of output in one report, before base64."""
FLUSH_SECONDS = 0.1
"""How long output may gather at a runner: somebody may be watching."""
MAX_HEARTBEAT_SECONDS = 15.0
MAX_TYPES = 1_000
MAX_LABELS = 100
ACCEPTED = ("isolation", "usage", "leaving")
"""Fields of messages that runners of an older kind do not send, and older coordinators refuse."""
BEATS_PER_LEASE = 4
"""So that two lost beats in a row do not yet make a runner suspect."""


def introduction(hello: Hello, address: str) -> Introduction:
    """Who says hello. Runners of this protocol are told apart by name.

    Raises:
        InvalidInput: it names more types or labels than can be of use to anybody.
    """
    if len(hello.types) > MAX_TYPES or len(hello.labels) > MAX_LABELS:
        raise InvalidInput(f"at most {MAX_TYPES} types and {MAX_LABELS} labels are accepted")
    return Introduction(
        protocol=NATIVE_V2.protocol,
        identity=hello.name,
        name=hello.name,
        capacity=hello.capacity,
        types=tuple(hello.types),
        labels=hello.labels,
        address=address,
        version=hello.version,
    )


def pace(settings: Settings) -> Pace:
    """How fast the coordinator wants to hear from runners."""
    lease_seconds = settings.leases.heartbeat_timeout_ms / 1000
    return Pace(
        lease_seconds=lease_seconds,
        heartbeat_seconds=min(MAX_HEARTBEAT_SECONDS, lease_seconds / BEATS_PER_LEASE),
        flush_seconds=FLUSH_SECONDS,
        max_chunk_bytes=MAX_CHUNK_BYTES,
        max_output_bytes=settings.storage.max_output,
    )


def said(sync: Sync) -> Said:
    """What a runner says.

    Raises:
        InvalidInput: one part makes no sense; then nothing of the message is taken in.
    """
    return Said(
        held=sync.held,
        free=0 if sync.leaving else sync.free,
        reports=[_report(report) for report in sync.reports],
        output=[_piece(chunk) for chunk in sync.output],
    )


def sync_answer(told: Told, current_pace: Pace) -> SyncAnswer:
    """What a runner is told."""
    return SyncAnswer(
        assign=[_assignment(assigned) for assigned in told.assign],
        stop=[StopOrder(order.attempt, order.grace_ms / 1000, order.kill) for order in told.stop],
        output=[NextOffset(*wanted) for wanted in told.next_offsets],
        refused=[Refusal(*refusal) for refusal in told.refused],
        pace=current_pace,
    )


def _report(report: Report) -> AttemptReport:
    if report == Report(report.attempt, "success"):  # nearly all are
        return AttemptReport(report.attempt, PLAIN_SUCCESS)
    progress = report.progress
    return AttemptReport(
        report.attempt,
        None if report.state == "running" else _outcome(report),
        None if progress is None else _progress(progress),
        _surroundings(report),
    )


def _surroundings(report: Report) -> Surroundings | None:
    used = report.usage
    if used is None:
        return Surroundings(report.isolation) if report.isolation else None
    usage = Usage(used.cpu_seconds, used.peak_memory_bytes, used.io_bytes)
    return Surroundings(report.isolation, usage)


def _progress(progress: ProgressReport) -> Progress:
    return Progress(progress.current, progress.total, progress.text)


def _outcome(report: Report) -> Outcome:
    assert report.state != "running"
    error, wait = report.error, report.retry_after
    return Outcome(
        kind=report.state,
        message="" if error is None else error.message,
        type="" if error is None else error.type,
        details=b"" if error is None else _payload(error.details, report, "error.details"),
        exit_code=report.exit_code,
        signal=report.signal,
        result=_payload(report.result, report, "result"),
        retry_after_ms=None if wait is None else milliseconds(wait),
        is_retryable=error is None or error.type != FATAL_ERROR_TYPE,
    )


def _payload(raw: msgspec.Raw, report: Report, what: str) -> bytes:
    payload = bytes(raw)
    if payload:
        check_payload(payload, f"{what} of attempt {report.attempt[:40]}")
    return payload


def _piece(chunk: OutputChunk) -> OutputPiece:
    if len(chunk.data) > MAX_CHUNK_BYTES:
        raise InvalidInput(
            f"output of attempt {chunk.attempt[:40]}: a piece of {len(chunk.data)} bytes, "
            f"at most {MAX_CHUNK_BYTES} are accepted"
        )
    return OutputPiece(chunk.attempt, chunk.stream, chunk.offset, chunk.data)


def _assignment(assigned: Assigned) -> Assignment:
    job, attempt, job_type, queue, task = assigned
    trace, correlation = task.trace_context, task.correlation
    return Assignment(
        job=job.uuid,
        attempt=attempt.uuid,
        number=attempt.number,
        type=job_type,
        params=msgspec.Raw(task.params),
        timeout_seconds=task.timeout_ms / 1000 if task.timeout_ms else None,
        trace_context=None if trace is None else dict(trace),
        queue=queue,
        enqueued_at=job.created_at,
        correlation=None if correlation is None else dict(correlation),
    )
