"""What the coordinator knows: jobs, attempts, runners, sessions, queues.

Jobs and attempts are named tuples: the store builds thousands of them a second, and a frozen
dataclass costs 8 times as much to build and 4 times as much to change (docs/decisions).
Times are integer milliseconds since the epoch, UTC; 0 means "never" or "not yet".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.ranges import Range

JobState: TypeAlias = Literal[
    "scheduled",
    "pending",
    "claimed",
    "in_progress",
    "stopping",
    "completed",
    "failed",
    "stopped",
    "expired",
]
JOB_STATES: tuple[JobState, ...] = get_args(JobState)
"""The database knows a state, as other words here, by its place in the list."""
WAITING_STATES: frozenset[JobState] = frozenset({"scheduled", "pending"})
ACTIVE_STATES: frozenset[JobState] = frozenset({"claimed", "in_progress", "stopping"})
FINAL_STATES: frozenset[JobState] = frozenset({"completed", "failed", "stopped", "expired"})

AttemptState: TypeAlias = Literal["offered", "running", "ending", "abandoned", "ended"]
ATTEMPT_STATES: tuple[AttemptState, ...] = get_args(AttemptState)
"""All but the last hold a slot of their runner."""

OutcomeKind: TypeAlias = Literal[
    "success", "error", "timeout", "cancelled", "lost", "refused", "retry"
]
OUTCOME_KINDS: tuple[OutcomeKind, ...] = get_args(OutcomeKind)

Wanted: TypeAlias = Literal["run", "stop", "move"]
"""What the operator wants of a job: that it runs, stops, or goes on somewhere else."""
WANTED: tuple[Wanted, ...] = get_args(Wanted)

RangePolicy: TypeAlias = Literal["all", "missing"]
"""Whether to do a whole range, or what no other job over the same has done or is doing."""

Stream: TypeAlias = Literal["stdout", "stderr", "console"]
STREAMS: tuple[Stream, ...] = get_args(Stream)

RunnerState: TypeAlias = Literal[
    "ok", "quiet", "suspect", "faulty", "lost", "draining", "drained", "gone"
]

Role: TypeAlias = Literal["submit", "runner", "read-only", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

MAX_REASON = 500
MAX_NAME = 200
"""Longest name of a type, queue, runner or label, in characters."""
NOBODY = -1
"""Pin of a job that no runner ever takes: it is done by the jobs made for it."""
MAX_PRIORITY = 1_000_000
"""Priorities lie between minus and plus this."""


class Job(NamedTuple):
    """The small, often changed part of a job. Parameters and policy are in :class:`JobDetails`."""

    id: int
    uuid: str
    cls: int
    """The job's class: queue, type, requirements and pin, interned (:class:`JobClass`)."""
    state: JobState
    rank: int
    """Minus the priority, so that the smallest goes first."""
    since: int
    """When it came into its state."""
    created_at: int
    run_at: int
    """When a scheduled job is due."""
    attempt: int
    """Row id of its newest attempt."""
    attempts: int
    """How many attempts were made: the newest one's number, its fence."""
    tries: int
    """Attempts that count against ``max_attempts``."""
    max_attempts: int
    losses: int
    """Attempts lost with their runner; they do not count as tries but are bounded too."""
    wanted: Wanted
    deadline: int
    """When a job that waits expires, having never started; 0: never."""
    target: int
    """Class the job takes when its moving attempt has ended (0: stays in its own)."""

    @property
    def priority(self) -> int:
        return -self.rank


class Attempt(NamedTuple):
    """One try at a job on one runner. Only a job's newest attempt can decide it."""

    id: int
    uuid: str
    job: int
    number: int
    runner: int
    session: int
    state: AttemptState
    phase: str
    """A protocol's own word for where a running attempt is, for example ``booting``."""
    offered_at: int
    started_at: int
    """When the runner confirmed it."""
    ended_at: int
    deadline: int
    """When its timeout strikes: counted from the offer, and once it has started, from its start."""
    stop_at: int
    """When the first request to stop was made."""
    stop_grace: int
    """Milliseconds between asking and killing."""
    stop_kill: bool
    """Whether it is to be killed, not asked."""
    outcome: OutcomeKind | None


class Outcome(NamedTuple):
    """How an attempt ended, as told by its runner or found out by the coordinator."""

    kind: OutcomeKind
    message: str = ""
    type: str = ""
    code: str = ""
    details: bytes = b""
    """JSON, or empty."""
    exit_code: int | None = None
    signal: int | None = None
    result: bytes = b""
    """JSON, or empty: there is none."""
    retry_after_ms: int | None = None
    """The runner's own wish; it wins over the policy's backoff."""
    is_retryable: bool = True
    """False where trying again cannot help, whatever the policy says."""
    is_blameless: bool = False
    """Lost through nothing that the job can have done: it counts neither as a try nor as a loss."""


PLAIN_SUCCESS = Outcome("success")
"""An end with nothing to say but that it went well, as nearly all ends are."""


class Usage(NamedTuple):
    """What an attempt used of its runner's box, as far as that is known there."""

    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    io_bytes: int | None = None
    """Read from and written to disks."""

    def or_else(self, other: Usage) -> Usage:
        """With what is not known filled in from elsewhere."""
        cpu, peak, io = self
        return Usage(
            other.cpu_seconds if cpu is None else cpu,
            other.peak_memory_bytes if peak is None else peak,
            other.io_bytes if io is None else io,
        )


class Surroundings(NamedTuple):
    """What was around an attempt's process, and what it used in there."""

    isolation: str = ""
    """What really was around it, in the runner's words; empty: there was no process."""
    usage: Usage = Usage()


class Progress(NamedTuple):
    """How far an attempt is. ``total`` may be unknown; runners may report fractions."""

    current: float | None
    total: float | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed job is tried again."""

    base_delay_ms: int = 5_000
    factor: float = 2.0
    max_delay_ms: int = 3_600_000
    jitter: float = 0.1
    """Share of the delay by which it may vary, both ways; 0 is none."""
    max_losses: int = 3
    """How many attempts may be lost with their runner before the job fails; 0: the first one."""
    restarts: int = 0
    """How often a job that failed through such losses is made anew, each time with one less."""


class JobDetails(NamedTuple):
    """The large, seldom read part of a job; it never changes."""

    params: bytes
    """JSON."""
    owner: str
    """Name of the key, token or certificate that submitted it."""
    origin: str
    """Protocol it came over."""
    namespace: str = ""
    timeout_ms: int = 0
    retry: RetryPolicy = RetryPolicy()
    cache_key: str | None = None
    parent: int = 0
    resubmit_of: int = 0
    """Row id of the job this one was made from."""
    trace_context: Mapping[str, str] | None = None
    """W3C carrier (``traceparent``, ``tracestate``) of whoever submitted it; goes on untouched."""
    extra: bytes = b""
    """JSON that only the job's protocol understands, or empty."""
    correlation: Mapping[str, str] | None = None
    """What the submitter wants to find again at the runner, for example a tenant or an order."""
    cache_ttl_ms: int = 0
    """How long its cache key answers, from when it is due; 0: until it is released."""
    schedule: int = 0
    """Row id of the schedule that made it."""


class Task(NamedTuple):
    """What a runner needs of a job's details: read for every claim, so it is no more than that."""

    params: bytes
    timeout_ms: int
    trace_context: Mapping[str, str] | None
    correlation: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class JobClass:
    """What decides which runner may take a job; many jobs share one."""

    id: int
    queue: str
    type: str
    requires: Mapping[str, str] = field(default_factory=dict)
    """Labels a runner must have; a value ``*`` asks for the label alone."""
    pin: int = 0
    """Row id of the only runner that may take it; 0: any; ``NOBODY``."""


@dataclass(frozen=True, slots=True)
class Runner:
    """A box or process that executes jobs, known over restarts."""

    id: int
    uuid: str
    protocol: str
    identity: str
    """What tells it from others of its protocol, for example its name or address and port."""
    name: str
    capacity: int
    types: tuple[str, ...]
    """Job types it can do; ``*`` and trailing ``*`` are wildcards."""
    labels: Mapping[str, str]
    address: str
    version: str
    registered_at: int
    last_seen_at: int
    draining_since: int = 0
    drain_deadline: int = 0
    """When what is left on a draining runner is moved; 0: it may finish."""
    drain_reason: str = ""
    drained_by: str = ""
    endpoint: str = ""
    """Where it wants to be called, for protocols that call their runners; empty: where the
    configuration says."""
    is_forgotten: bool = False


LEFT: Final = "left"
"""How a session ended whose runner said good-bye."""


@dataclass(frozen=True, slots=True)
class Session:
    """One life of a runner: a boot (nonce) or a connection, on one coordinator."""

    id: int
    uuid: str
    runner: int
    protocol: str
    nonce: str
    secret_digest: str
    coordinator: str
    started_at: int
    ended_at: int = 0
    end_reason: str = ""

    @property
    def is_left(self) -> bool:
        """The runner ended it itself, with all its work done."""
        return self.end_reason == LEFT


@dataclass(frozen=True, slots=True)
class Queue:
    """A named line of jobs."""

    name: str
    limit: int | None = None
    """How many of its jobs may be active at once; None: no limit."""
    stall_after_ms: int = 0
    """Silence after which a running job is marked; 0: never."""
    paused_at: int = 0
    paused_by: str = ""
    pause_reason: str = ""

    @property
    def is_paused(self) -> bool:
        return self.paused_at > 0


class Actor(NamedTuple):
    """Who asks for something: a name for the audit, the role that allows it, and the way in."""

    name: str
    role: Role
    via: str
    """Protocol or surface, for example ``operator-api`` or ``runpack``."""
    address: str = ""


class JobSpec(NamedTuple):
    """What somebody asks for when submitting a job."""

    type: str
    params: bytes = b"{}"
    queue: str = "default"
    priority: int = 0
    requires: Mapping[str, str] = MappingProxyType({})
    pin: int = 0
    run_at: int = 0
    timeout_ms: int = 0
    deadline: int = 0
    max_attempts: int | None = None
    retry: RetryPolicy | None = None
    cache_key: str | None = None
    namespace: str = ""
    parent: int = 0
    resubmit_of: int = 0
    trace_context: Mapping[str, str] | None = None
    extra: bytes = b""
    correlation: Mapping[str, str] | None = None
    cache_ttl_ms: int = 0
    schedule: int = 0
    uuid: str | None = None
    """An id the protocol has to choose itself; None: a fresh UUIDv7."""
    range: Range | None = None
    """A stretch of a cursor, to be done in pieces, each of them a job; None: it is one job."""
    range_policy: RangePolicy = "all"
    reason: str = ""
    """Why it was submitted, for the audit log."""
