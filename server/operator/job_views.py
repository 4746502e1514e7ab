"""Jobs and attempts as the operator API shows them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server import traits
from server.model import ACTIVE_STATES, WAITING_STATES, Usage
from server.operator.coverage_views import range_ends
from server.payloads import payload_value
from server.wire.operator import (
    AttemptRef,
    AttemptView,
    CoverageView,
    ErrorView,
    JobFullView,
    JobRefView,
    JobTimes,
    JobView,
    LineageView,
    ProgressView,
    RunnerRef,
    StreamView,
    UsageView,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.coordinator.results import LeaseView
    from server.model import Outcome, Progress, Surroundings
    from server.store.base import AttemptRow, JobDetail, JobRow

NO_TIMEOUT = 0.0


def job_view(row: JobRow) -> JobView:
    """One line of a list."""
    return JobView(**_facts(row))


def job_full_view(
    detail: JobDetail, lease: LeaseView, coverage: CoverageView | None
) -> JobFullView:
    """A job with what lists leave out."""
    details = detail.details
    newest = detail.attempts[0] if detail.attempts else None
    result = newest.outcome.result if newest and newest.outcome else b""
    return JobFullView(
        **_facts(detail.row),
        params=payload_value(details.params),
        result=payload_value(result),
        has_result=detail.row.has_result,
        timeout_seconds=details.timeout_ms / 1000 if details.timeout_ms else NO_TIMEOUT,
        lease=lease.state,
        lease_seconds=lease.seconds_left,
        can=abilities(newest.protocol) if newest else "",
        parent=job_ref(detail.parent),
        range=range_ends(detail),
        coverage=coverage,
        trace_context=_map(details.trace_context),
        correlation=_map(details.correlation),
    )


def _map(carried: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if carried is None else dict(carried)


def _facts(row: JobRow) -> dict[str, Any]:
    """What both views of a job have."""
    job, row = row.job, _as_it_is_now(row)
    return {
        "id": job.uuid,
        "number": job.id,
        "type": row.type,
        "state": job.state,
        "queue": row.queue,
        "priority": job.priority,
        "requires": dict(row.requires),
        "runner": RunnerRef(id=row.runner_uuid, name=row.runner_name) if row.runner else None,
        "attempt": AttemptRef(id=row.attempt_uuid, number=job.attempts) if job.attempt else None,
        "attempts": job.attempts,
        "tries": job.tries,
        "max_attempts": job.max_attempts,
        "phase": row.phase,
        "progress": progress_view(row.progress),
        "times": _times(row),
        "quiet_since": row.heard_at if job.state in ACTIVE_STATES else 0,
        "error": error_view(row.outcome),
        "owner": row.owner,
        "origin": row.origin,
        "wanted": job.wanted,
        "schedule": row.schedule,
    }


def _as_it_is_now(row: JobRow) -> JobRow:
    """A job that waits is in no try: what its last one did is told by its attempts alone."""
    if row.job.state not in WAITING_STATES:
        return row
    return row._replace(runner=0, phase="", progress=None, started_at=0, ended_at=0, heard_at=0)


def _times(row: JobRow) -> JobTimes:
    job = row.job
    return JobTimes(
        created=job.created_at,
        since=job.since,
        due=job.run_at,
        started=row.started_at,
        ended=row.ended_at,
        deadline=job.deadline,
    )


def progress_view(progress: Progress | None) -> ProgressView | None:
    if progress is None:
        return None
    return ProgressView(current=progress.current, total=progress.total, text=progress.text)


def error_view(outcome: Outcome | None) -> ErrorView | None:
    """What went wrong; None where nothing did."""
    if outcome is None or outcome.kind == "success":
        return None
    return ErrorView(
        kind=outcome.kind,
        message=outcome.message,
        type=outcome.type,
        code=outcome.code,
        details=payload_value(outcome.details),
    )


def attempt_view(row: AttemptRow, job_uuid: str) -> AttemptView:
    """One attempt with everything but its console."""
    attempt, outcome = row.attempt, row.outcome
    return AttemptView(
        id=attempt.uuid,
        number=attempt.number,
        job=job_uuid,
        runner=RunnerRef(id=row.runner_uuid, name=row.runner_name) if attempt.runner else None,
        protocol=row.protocol,
        state=attempt.state,
        outcome=attempt.outcome,
        error=error_view(outcome),
        exit_code=outcome.exit_code if outcome else None,
        signal=outcome.signal if outcome else None,
        offered_at=attempt.offered_at,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        stop_requested_at=attempt.stop_at,
        progress=progress_view(row.progress),
        quiet_since=0 if attempt.state == "ended" else row.heard_at,
        output=[
            StreamView(
                stream=stream.stream,
                size=stream.size,
                generation=stream.generation,
                gap_from=stream.gap_from,
                gap_to=stream.gap_to,
            )
            for stream in row.streams
        ],
        late_writes=row.late_writes,
        isolation=row.surroundings.isolation if row.surroundings else "",
        usage=usage_view(row.surroundings),
    )


def usage_view(surroundings: Surroundings | None) -> UsageView | None:
    """None where nothing is known."""
    if surroundings is None or surroundings.usage == Usage():
        return None
    used = surroundings.usage
    return UsageView(
        cpu_seconds=used.cpu_seconds,
        peak_memory_bytes=used.peak_memory_bytes,
        io_bytes=used.io_bytes,
    )


def job_ref(found: tuple[int, str] | None) -> JobRefView | None:
    """A job by number and UUID."""
    return None if found is None else JobRefView(number=found[0], id=found[1])


def lineage_view(detail: JobDetail) -> LineageView:
    """What a job was made from, and what was made from it."""
    return LineageView(
        resubmitted_from=job_ref(detail.resubmitted_from),
        resubmitted_as=[
            JobRefView(number=number, id=uuid) for number, uuid in detail.resubmitted_as
        ],
        schedule=detail.schedule,
    )


def abilities(protocol: str) -> str:
    """What runners of a protocol can do, as letters of ``solr``."""
    found = traits.ALL.get(protocol)
    if found is None:
        return ""
    letters = {
        "s": found.can_stop,
        "o": found.output != "none",
        "l": found.keeps_jobs,
        "r": found.reports_progress,
    }
    return "".join(letter for letter, is_able in letters.items() if is_able)
