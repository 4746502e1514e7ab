"""Jobs and runners as this surface shows them: its own states, words and fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from server.protocols.runpack.canonical import format_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.coordinator import JobSnapshot
    from server.model import JobState, Outcome, Progress, Runner
    from server.store.base import JobRow

Status: TypeAlias = Literal["pending", "claimed", "in_progress", "completed", "failed", "expired"]
STATUSES: tuple[Status, ...] = (
    "pending",
    "claimed",
    "in_progress",
    "completed",
    "failed",
    "expired",
)
STATUS_OF: Mapping[JobState, Status] = {
    "scheduled": "pending",
    "pending": "pending",
    "claimed": "claimed",
    "in_progress": "in_progress",
    "stopping": "in_progress",
    "completed": "completed",
    "failed": "failed",
    "stopped": "failed",
    "expired": "expired",
}
"""Our states as the six that clients of this surface know."""
STOPPED_BY_OPERATOR = "Job was stopped by an operator"
UNKNOWN_ERROR = "Unknown error"


def states_of(status: str) -> list[JobState]:
    """Our states that are shown as a status; none where it is no status."""
    return [state for state, shown in STATUS_OF.items() if shown == status]


def error_text(state: JobState, outcome: Outcome | None) -> str:
    """Why a failed job failed."""
    if state == "stopped":
        return STOPPED_BY_OPERATOR
    return outcome.message if outcome is not None else ""


def shown_error(state: JobState, outcome: Outcome | None) -> str:
    return error_text(state, outcome) or UNKNOWN_ERROR


def progress_fields(progress: Progress | None) -> dict[str, Any]:
    """Only where both numbers are known."""
    if progress is None or progress.current is None or progress.total is None:
        return {}
    current, total = (_number(progress.current), _number(progress.total))
    return {"progress": {"current": current, "total": total}}


def output_data(outcome: Outcome | None) -> msgspec.Raw:
    return msgspec.Raw(outcome.result if outcome and outcome.result else b"null")


def updated_at(row: JobRow | None, snapshot: JobSnapshot) -> int:
    """When it last changed or its runner last said anything."""
    return max(snapshot.job.since, row.heard_at if row is not None else 0)


def job_line(row: JobRow) -> dict[str, Any]:
    """A job in a list."""
    job = row.job
    status = STATUS_OF[job.state]
    return {
        "job_id": job.uuid,
        "job_type": row.type,
        "status": status,
        "created_at": job.created_at,
        "updated_at": max(job.since, row.heard_at),
        "claimed_by": row.runner_uuid or None if status != "pending" else None,
    }


def job_page(snapshot: JobSnapshot, row: JobRow | None, console: str) -> dict[str, Any]:
    """Everything there is to see of a job."""
    job, attempt, outcome = snapshot.job, snapshot.attempt, snapshot.outcome
    status = STATUS_OF[job.state]
    is_taken = attempt is not None and status != "pending"
    claimed_at = (attempt.started_at or attempt.offered_at) if attempt and is_taken else None
    heard_at = row.heard_at if row is not None else 0
    fields: dict[str, Any] = {
        "job_id": job.uuid,
        "job_type": snapshot.job_class.type,
        "status": status,
        "input_params": msgspec.Raw(snapshot.details.params),
        "created_at": job.created_at,
        "updated_at": updated_at(row, snapshot),
        "claimed_by": snapshot.runner.uuid if is_taken and snapshot.runner else None,
        "claimed_at": claimed_at,
        "console_output": console,
        "last_heartbeat": (heard_at or claimed_at) if is_taken else None,
    }
    fields.update(progress_fields(snapshot.progress))
    if status == "completed" and outcome is not None and outcome.result:
        fields["output_data"] = output_data(outcome)
    if status == "failed":
        fields["error_message"] = error_text(job.state, outcome)
    return fields


def runner_line(runner: Runner, now: int, active_ms: int) -> dict[str, Any]:
    """A runner in a list."""
    return {
        "runner_id": runner.uuid,
        "name": runner.name,
        "capabilities": list(runner.types),
        "last_seen": runner.last_seen_at,
        "is_active": is_active(runner, now, active_ms),
    }


def is_active(runner: Runner, now: int, active_ms: int) -> bool:
    return now - runner.last_seen_at < active_ms


def _number(value: float) -> msgspec.Raw:
    return msgspec.Raw(format_number(float(value)).encode("ascii"))
