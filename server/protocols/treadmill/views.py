"""Jobs and supervisors as Treadmill's REST shows them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from server.model import FINAL_STATES, WAITING_STATES
from server.protocols.treadmill.held import state_of
from server.protocols.treadmill.outcomes import exit_status, host_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator import JobSnapshot
    from server.model import Attempt
    from server.protocols.treadmill.registry import Endpoint, Supervisor

SSH_USER = "tml"


def timestamp(at_ms: int) -> str:
    """Epoch milliseconds as RFC 3339, in UTC."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_status(snapshot: JobSnapshot, supervisor: Supervisor | None, now_ms: int) -> dict[str, Any]:
    """Where a job is.

    Args:
        supervisor: the one its newest attempt went to.
    """
    job = snapshot.job
    is_out = supervisor is not None and job.state not in WAITING_STATES
    state = {
        **_state(snapshot),
        "dispatched_to_supervisor": supervisor.id if supervisor and is_out else None,
        "ssh_endpoints": endpoints(supervisor.ssh_endpoints) if supervisor and is_out else None,
        "ssh_user": SSH_USER if is_out else None,
        "ssh_host_keys": None,
        "result": _result(snapshot, supervisor) if job.state in FINAL_STATES else None,
    }
    return {"state": state, "as_of": timestamp(now_ms)}


def _state(snapshot: JobSnapshot) -> dict[str, Any]:
    job, attempt = snapshot.job, snapshot.attempt
    if job.state in FINAL_STATES:
        return {"type": "terminated"}
    if job.state in WAITING_STATES or attempt is None:
        return {"type": "queued"}
    if not attempt.started_at:
        return {"type": "scheduled"}
    name, stage = state_of(attempt.phase)
    return {"type": name} if stage is None else {"type": name, "stage": stage}


def _result(snapshot: JobSnapshot, supervisor: Supervisor | None) -> dict[str, Any]:
    job = snapshot.job
    return {
        "job_id": job.uuid,
        "supervisor_id": supervisor.id if supervisor else None,
        "exit_status": exit_status(job, snapshot.outcome),
        "host_output": host_output(job, snapshot.outcome),
        "terminated_at": timestamp(job.since),
    }


def endpoints(ends: Sequence[Endpoint]) -> list[dict[str, Any]]:
    return [{"host": end.host, "port": end.port} for end in ends]


def supervisor_status(work: tuple[str, Attempt] | None, *, is_connected: bool) -> dict[str, Any]:
    """What a supervisor is at.

    Args:
        work: the id of the job it has, and the attempt.
    """
    if work is None:
        return {"status": "idle" if is_connected else "disconnected"}
    job_id, attempt = work
    name, stage = state_of(attempt.phase)
    state = {"state": name} if stage is None else {"state": name, "stage": stage}
    status = "busy" if is_connected else "busy_disconnected"
    return {"status": status, "job_id": job_id, "job_state": state}
