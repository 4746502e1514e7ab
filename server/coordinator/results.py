"""What the use cases take and give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.leases import LeaseState
    from server.model import (
        Attempt,
        Job,
        JobClass,
        JobDetails,
        JobState,
        Outcome,
        Progress,
        Runner,
        Stream,
        Surroundings,
        Task,
    )
    from server.placement import Verdict


@dataclass(frozen=True, slots=True)
class Introduction:
    """How a runner introduces itself."""

    protocol: str
    identity: str
    """What tells it from others of its protocol."""
    name: str
    capacity: int | None = None
    """None: it states none; the configured default holds."""
    types: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    version: str = ""
    endpoint: str = ""


class Submitted(NamedTuple):
    """A job that was submitted, or an older one that answers for it."""

    job: Job
    is_cached: bool
    note: str = ""
    """What the submitter should know, for example what of a range is left out."""


class Acted(NamedTuple):
    """A job after an operator's act, and what the operator should know."""

    job: Job
    warning: str = ""


class Assigned(NamedTuple):
    """A job handed to a runner."""

    job: Job
    attempt: Attempt
    type: str
    queue: str
    task: Task


class AvailableJob(NamedTuple):
    """A job that a runner may try to claim."""

    job: Job
    type: str
    task: Task


class AttemptReport(NamedTuple):
    """What a runner says of an attempt. ``outcome`` None: it is running."""

    attempt: str
    outcome: Outcome | None = None
    progress: Progress | None = None
    surroundings: Surroundings | None = None
    """None: nothing new of them."""


class OutputPiece(NamedTuple):
    """Bytes of an attempt's output; ``offset`` is their place in the stream."""

    attempt: str
    stream: Stream
    offset: int
    data: bytes


class Said(NamedTuple):
    """Everything a runner has to say in one exchange."""

    held: Sequence[str] = ()
    free: int = 0
    reports: Sequence[AttemptReport] = ()
    output: Sequence[OutputPiece] = ()


class StopOrder(NamedTuple):
    """An attempt that is to end."""

    attempt: str
    grace_ms: int
    kill: bool


class Told(NamedTuple):
    """Everything a runner needs to know after an exchange."""

    assign: list[Assigned]
    stop: list[StopOrder]
    next_offsets: list[tuple[str, Stream, int]]
    refused: list[tuple[str, str]]
    """(attempt, reason)"""


class JobSnapshot(NamedTuple):
    """One job with what belongs to it."""

    job: Job
    details: JobDetails
    job_class: JobClass
    attempt: Attempt | None
    """The newest."""
    runner: Runner | None
    progress: Progress | None
    outcome: Outcome | None


class Explanation(NamedTuple):
    """Why a job is not running."""

    state: JobState
    summary: str
    verdicts: list[Verdict]
    suggestion: str


class LeaseView(NamedTuple):
    """Whether the runner of an attempt is alive. ``state`` empty: there is no lease."""

    state: LeaseState | Literal[""]
    seconds_left: float | None
