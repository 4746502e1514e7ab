"""What each kind of runner can and cannot do, as data. The core acts on these, never on a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Traits:
    """The abilities of one protocol's runners."""

    protocol: str
    confirmed_by: Literal["claim", "acceptance", "first_report"]
    """When an attempt counts as started: by being claimed, by a yes, by its first report."""
    alive_by: Literal["session", "attempt", "connection", "deadline"]
    """What proves life: beats of the session, reports for each attempt, the connection, nothing."""
    can_stop: bool
    """Whether a running job can be told to stop; where not, stopping means abandoning."""
    output: Literal["append", "replace", "none"]
    keeps_jobs: bool
    """Whether its jobs run on while the coordinator restarts."""
    reports_progress: bool
    reclaim_pause_ms: int = 0
    """How long a lost job is withheld from the runner that lost it, where late words of the old
    attempt could not be told from words of a new one."""
    max_losses: int | None = None
    """For jobs submitted over this protocol, see :class:`server.model.RetryPolicy`, where its
    clients rely on a number; None: as the configuration says."""
    lost_message: str = "the runner was lost"
    """Error text of an attempt whose lease ran out."""
    first_attempt_has_job_id: bool = False
    """Whether a job's first attempt bears the job's own id, as its wire knows but one id."""
    names_jobs: bool = False
    """Whether its runners claim jobs by their ids."""
    reports_phases: bool = False
    """Whether its attempts have phases, so that a runner is shown with that of its newest one."""
    asks_about_offers: bool = False
    """Whether the protocol itself finds out what became of an unconfirmed attempt. Otherwise it
    goes back after ``leases.offer_timeout``."""
    is_placed: bool = False
    """Whether work is brought to its runners as one pool, the least loaded first; else each runner,
    or its connection, asks for itself."""


NATIVE_V2 = Traits(
    protocol="native-v2",
    confirmed_by="acceptance",
    alive_by="session",
    can_stop=True,
    output="append",
    keeps_jobs=True,
    reports_progress=True,
)

RUNPACK = Traits(
    protocol="runpack",
    confirmed_by="claim",
    alive_by="attempt",
    can_stop=False,
    output="replace",
    keeps_jobs=True,
    reports_progress=True,
    reclaim_pause_ms=90_000,
    max_losses=0,
    lost_message="Job timed out - no heartbeat received",
    names_jobs=True,
)

NATIVE_V1 = Traits(
    protocol="native-v1",
    confirmed_by="acceptance",
    alive_by="deadline",
    can_stop=False,
    output="none",
    keeps_jobs=True,
    reports_progress=False,
    lost_message="nobody listens at the runner's webhook any more",
    first_attempt_has_job_id=True,
    is_placed=True,
)

RRQ = Traits(
    protocol="rrq",
    confirmed_by="acceptance",
    alive_by="connection",
    can_stop=True,
    output="append",
    keeps_jobs=False,
    reports_progress=False,
    lost_message="the connection to the runner ended",
)

TREADMILL = Traits(
    protocol="treadmill",
    confirmed_by="first_report",
    alive_by="session",
    can_stop=True,
    output="append",
    keeps_jobs=True,
    reports_progress=False,
    max_losses=0,
    lost_message="the supervisor did not come back within its lease",
    first_attempt_has_job_id=True,
    reports_phases=True,
    asks_about_offers=True,
)

OPERATOR_API = Traits(
    protocol="operator-api",
    confirmed_by="acceptance",
    alive_by="deadline",
    can_stop=False,
    output="none",
    keeps_jobs=True,
    reports_progress=False,
)
"""A way in for jobs, with no runners of its own."""

ALL: dict[str, Traits] = {
    traits.protocol: traits
    for traits in (
        NATIVE_V2,
        RUNPACK,
        NATIVE_V1,
        RRQ,
        TREADMILL,
        OPERATOR_API,
    )
}
