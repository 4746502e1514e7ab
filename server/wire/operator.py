"""The operator API's messages. Times are epoch milliseconds, 0 where there is none."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from server.events import NoticeKind
from server.model import (
    MAX_NAME,
    MAX_PRIORITY,
    MAX_REASON,
    AttemptState,
    JobState,
    OutcomeKind,
    RangePolicy,
    Role,
    RunnerState,
    Wanted,
)
from server.placement import VerdictKind
from server.ranges import SegmentState

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Priority = Annotated[int, Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]
Reason = Annotated[str, Meta(max_length=MAX_REASON)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Key = Annotated[str, Meta(min_length=1, max_length=500)]
Correlation = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=256)]],
    Meta(max_length=16),
]
MAX_MS = 253_402_300_799_000
MAX_SUBMIT_BODY = 8 * 1024 * 1024
"""Bytes of a body that holds parameters of jobs."""
Milliseconds = Annotated[int, Meta(ge=0, le=MAX_MS)]


class Request(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Base of everything a client sends."""


class View(Struct, kw_only=True):
    """Base of everything the coordinator answers."""


# what clients send ---------------------------------------------------------------------------


class RetryRequest(Request):
    """What is left out comes from the coordinator's configuration."""

    base_delay: Seconds | None = None
    factor: Annotated[float, Meta(ge=1, le=100)] | None = None
    max_delay: Seconds | None = None
    jitter: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_losses: Annotated[int, Meta(ge=0, le=1000)] | None = None
    restarts: Annotated[int, Meta(ge=0, le=1000)] | None = None


def no_params() -> msgspec.Raw:
    """Made anew each time, as a schema could not tell a raw default."""
    return msgspec.Raw(b"{}")


class SubmitRequest(Request):
    """One job to submit."""

    type: Name = ""
    """Left out: ``range``, where there is a range."""
    params: msgspec.Raw = field(default_factory=no_params)
    queue: Name = "default"
    priority: Priority = 0
    requires: dict[Name, Annotated[str, Meta(max_length=MAX_NAME)]] = field(default_factory=dict)
    run_at: Milliseconds = 0
    timeout_seconds: Seconds = 0
    max_attempts: Annotated[int, Meta(ge=1, le=1000)] | None = None
    retry: RetryRequest | None = None
    cache_key: Key | None = None
    """A later submit with this key is answered with this job, until the key is released."""
    trace_context: dict[str, str] | None = None
    """W3C carrier: ``traceparent``, ``tracestate``; goes to the runner untouched."""
    correlation: Correlation | None = None
    """Goes to the runner with every attempt."""
    unique_key: Key | None = None
    """A ``cache_key`` that ends by itself: the same keys, so only one of the two is given."""
    unique_ttl_seconds: PositiveSeconds | None = None
    """How long it answers, counted from when the job is due; left out: 6 hours."""
    range: tuple[int, int] | None = None
    """A stretch of a cursor in microseconds, ends included, to be done in pieces."""
    range_policy: RangePolicy = "all"
    """``missing``: only what no other job of this type, queue and parameters did or is doing."""
    reason: Reason = ""


class StopRequest(Request):
    grace_seconds: Seconds = 10.0
    now: bool = False
    abandon: bool = False
    reason: Reason = ""


class ResubmitRequest(Request):
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    """Left out: those of the job it is made from."""
    reason: Reason = ""


class ReassignRequest(Request):
    """Exactly one of ``queue`` and ``runner`` (id or name) is given."""

    queue: Name | None = None
    runner: Name | None = None
    grace_seconds: Seconds = 10.0
    reason: Reason = ""


class PriorityRequest(Request):
    priority: Priority
    reason: Reason = ""


class DrainRequest(Request):
    deadline_seconds: Seconds | None = None
    """After this, what is left is moved elsewhere."""
    move: bool = False
    """Move what is running at once."""
    reason: Reason = ""


class ReasonRequest(Request):
    reason: Reason = ""


class LimitRequest(Request):
    limit: Annotated[int, Meta(ge=1, le=1_000_000)] | None
    """None: no limit. 0 is refused: pausing is ``pause``."""
    reason: Reason = ""


class KeyRequest(Request):
    name: Name
    role: Role
    expires_at: Milliseconds = 0
    reason: Reason = ""


# what the coordinator answers ------------------------------------------------------------------


class RunnerRef(View):
    id: str
    name: str


class AttemptRef(View):
    id: str
    number: int


class ProgressView(View):
    current: float | None
    total: float | None
    text: str = ""


class ErrorView(View):
    kind: OutcomeKind
    message: str
    type: str = ""
    code: str = ""
    details: Any = None


class JobTimes(View):
    created: int
    since: int
    """When it came into its state."""
    due: int
    started: int
    """When the newest try began; of a job that waits 0."""
    ended: int
    """When the newest try ended; of a job that waits 0."""
    deadline: int
    """When it expires if it has not started; 0: never."""


class JobView(View, kw_only=True):
    """A job as lists show it.

    A job that waits (``scheduled``, ``pending``) is on no runner and in no try, also when it was
    tried before: ``runner`` and ``progress`` are null, ``phase`` is empty, ``quiet_since`` and its
    ``times`` ``started`` and ``ended`` are 0. What was done before is told by its attempts.
    """

    id: str
    number: int
    type: str
    state: JobState
    queue: str
    priority: int
    requires: dict[str, str]
    runner: RunnerRef | None
    """Where it is, or ended."""
    attempt: AttemptRef | None
    """The newest attempt, also one that is over."""
    attempts: int
    """How many were made so far."""
    tries: int
    """Those that count against ``max_attempts``."""
    max_attempts: int
    phase: str
    progress: ProgressView | None
    times: JobTimes
    quiet_since: int
    """When an active job last said anything."""
    error: ErrorView | None
    owner: str
    origin: str
    wanted: Wanted
    schedule: str = ""
    """Name of the schedule that made it; empty: none did."""


class StreamView(View):
    stream: str
    size: int
    generation: int
    gap_from: int
    gap_to: int


class UsageView(View):
    """What an attempt used of its runner's box, as far as that is known."""

    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    io_bytes: int | None = None
    """Read from and written to disks."""


class AttemptView(View):
    id: str
    number: int
    job: str
    runner: RunnerRef | None
    protocol: str
    state: AttemptState
    outcome: OutcomeKind | None
    error: ErrorView | None
    exit_code: int | None
    signal: int | None
    offered_at: int
    started_at: int
    ended_at: int
    stop_requested_at: int
    progress: ProgressView | None
    quiet_since: int
    output: list[StreamView]
    late_writes: int
    isolation: str = ""
    """What was around its process, in the runner's words; empty: there was none, or not told."""
    usage: UsageView | None = None


class EventView(View):
    seq: int
    at: int
    kind: str
    job: str | None
    """UUID; null where no job, or several, are concerned."""
    number: int | None
    jobs: list[int]
    """Numbers of all jobs concerned."""
    attempt: int | None
    """The attempt's number."""
    runner: RunnerRef | None
    queue: str
    actor: str
    reason: str
    data: Any


class LineageView(View):
    resubmitted_from: JobRefView | None
    resubmitted_as: list[JobRefView]
    schedule: str = ""
    """Name of the schedule that made it, or the job that it was made from."""


class JobRefView(View):
    id: str
    number: int


class JobFullView(JobView):
    params: Any
    result: Any
    has_result: bool
    timeout_seconds: float
    lease: str
    """``ok``, ``suspect``, ``lost`` or empty: no attempt is live."""
    lease_seconds: float | None
    """What is left of the newest attempt's lease; null: none is live, or it does not run out."""
    can: str
    """What the newest attempt's runner is able to do, as letters of ``solr``: stop, output, keeps
    jobs, progress."""
    parent: JobRefView | None = None
    """The job whose range it is a piece of."""
    range: tuple[int, int] | None = None
    """The stretch of a cursor it is over, ends included; of a piece, its part of it."""
    coverage: CoverageView | None = None
    """How far its range is; null: it is not done in pieces."""
    trace_context: dict[str, str] | None = None
    correlation: dict[str, str] | None = None
    """Both as its submitter sent them."""


class SegmentView(View):
    """A stretch of a range in one state, ends included."""

    from_: int = field(name="from")
    to: int
    state: SegmentState


class CoverageView(View):
    """How far a range is. Units are those of the cursor: microseconds."""

    total: int
    """What is to be done: the range without what is elsewhere or too old."""
    covered: int
    running: int
    waiting: int
    """In pieces that wait, or not cut into pieces yet."""
    missing: int
    """What nobody will do by itself: pieces that were spent, and all that is left at the end."""
    elsewhere: int
    """What other jobs did or were doing when it was submitted."""
    too_old: int
    running_pieces: int
    waiting_pieces: int
    pieces_to_cut: int
    """How many more it will take, as pieces are cut now."""
    spent_pieces: int
    """Pieces that ended without covering their part."""
    segments: list[SegmentView]
    """All of the range, in order, neighbours alike as one; at most 500."""
    is_coarse: bool
    """True where there are more: each then shows the most urgent state of what lies in it."""


class JobDetailView(View):
    job: JobFullView
    attempts: list[AttemptView]
    """Newest first."""
    events: list[EventView]
    """Newest first."""
    lineage: LineageView


class JobsView(View):
    jobs: list[JobView]
    next: str | None
    count: int
    count_is_exact: bool


class CountedName(View):
    name: str
    count: int


class TallyView(View):
    """How often names occur."""

    top: list[CountedName]
    """The most frequent ones."""
    number: int
    """Of all names."""


class GroupView(View):
    """Jobs that are alike."""

    name: str
    """What they have in common. A cause has # where its texts have numbers, ids and addresses;
    it is a text as it was told where all are the same, and empty where none is told."""
    filter: str
    """The filter that gives these jobs."""
    count: int
    first: int
    """When the first of them came into its state."""
    last: int
    newest: JobRefView
    example: str
    """What the newest of them says went wrong; empty: nothing, or it was not asked about."""
    types: TallyView
    queues: TallyView
    runners: TallyView
    """Of the newest attempts."""


class GroupsView(View):
    groups: list[GroupView]
    """The largest ones first."""
    number: int
    """Of all groups."""
    count: int
    """Jobs in all groups."""
    count_is_exact: bool
    """False: only the newest jobs were looked at."""


class SubmittedView(View):
    id: str
    number: int
    state: JobState
    cached: bool
    """True where a cache key or an idempotency key gave an older job."""
    note: str = ""
    """What the submitter should know, for example what of a range is left out."""


class OneSubmittedView(View):
    job: SubmittedView


class SubmittedListView(View):
    jobs: list[SubmittedView]


class OneJobView(View):
    job: JobView
    warning: str = ""
    """Something the operator should know, for example that the work may run on."""


class RunnerView(View):
    id: str
    name: str
    protocol: str
    state: RunnerState
    capacity: int
    busy: int
    types: list[str]
    labels: dict[str, str]
    address: str
    version: str
    can: str
    registered_at: int
    last_seen_at: int
    connected_at: int
    """Start of its session; 0: it has none."""
    quiet_since: int
    done_last_hour: int
    failed_last_hour: int
    draining_since: int
    drain_deadline: int
    drain_reason: str
    drained_by: str
    phase: str = ""
    """Where its newest attempt is, in its protocol's own word; empty: none, or it has no phases."""
    fault: str = ""
    """Why work could not be brought to it the last time; empty: nothing is wrong."""
    busy_minutes: list[float | None] = []
    """Mean of taken slots in each of the last 15 closed minutes, oldest first; null: not
    measured."""


class RunnersView(View):
    runners: list[RunnerView]


class RunnerLogLine(View):
    at: int
    stream: str
    """``stdout``, ``stderr``, or ``coordinator`` for what the coordinator says of it."""
    text: str


class OneRunnerView(View):
    runner: RunnerView
    log: list[RunnerLogLine] = []
    """The last lines of what it prints beside its jobs, where the coordinator started it; told
    where one runner is asked for."""


class QueueView(View):
    name: str
    limit: int | None
    paused_at: int
    paused_by: str
    pause_reason: str
    waiting: int
    scheduled: int
    active: int
    failed: int
    completed: int
    oldest_pending_at: int
    in_last_hour: int
    out_last_hour: int
    in_per_minute: float = 0.0
    """Mean over the last 5 closed minutes."""
    out_per_minute: float = 0.0
    in_buckets: list[int | None] = []
    """Jobs that came in, in each of the last 12 closed buckets of 5 minutes, oldest first; null:
    not measured."""
    out_buckets: list[int | None] = []
    """Jobs that ended or went elsewhere, as above."""


class QueuesView(View):
    queues: list[QueueView]


class OneQueueView(View):
    queue: QueueView


class VerdictView(View):
    """Why one runner will, or will not, take a job."""

    runner: RunnerRef
    verdict: VerdictKind
    detail: str


class ExplainView(View):
    state: JobState
    summary: str
    reasons: list[VerdictView]
    suggestion: str
    """The smallest change that would start it; empty where nothing is needed."""


class FoundView(View):
    """Where a searched text stands in an output."""

    offset: int | None
    """Null: it does not stand there."""
    attempt: int
    """The attempt's number."""
    stream: str


class LateWriteView(View):
    id: int
    at: int
    job: str
    number: int
    attempt: int
    runner: RunnerRef | None
    kind: str
    detail: str


class LateWritesView(View):
    late_writes: list[LateWriteView]


class EventsView(View):
    events: list[EventView]


class StatsView(View):
    """Everything the console's header shows."""

    now: int
    counts: dict[str, int]
    """Jobs by state."""
    runners: dict[str, int]
    """Runners by state."""
    oldest_pending_at: int
    done_buckets: list[int | None]
    """Jobs done in each of the last 15 closed buckets of 2 minutes; null: not measured."""
    done_last_minute: int
    last_seq: int
    version: str
    started_at: int
    coordinator: str
    free_bytes: int | None
    min_free: int


class KeyView(View):
    name: str
    role: Role
    created_at: int
    expires_at: int
    revoked_at: int
    source: Literal["store", "configuration", "file"]


class KeysView(View):
    keys: list[KeyView]


class CreatedKeyView(View):
    key: KeyView
    secret: str
    """Shown once; only its digest is kept."""


class FailureView(View):
    code: str
    message: str
    details: Any = None


class ErrorBody(View):
    error: FailureView


class NoticeView(View):
    """A change that is no event: sent to live subscribers without an id, never resumed."""

    kind: NoticeKind
    number: int = 0
    attempt: int = 0
    runner: str = ""
