"""The seam to durable storage.

All changes go through :meth:`Store.apply`: an operation is a plain function of a transaction.
Operations handed in during one tick of the loop are committed together, each in a savepoint of
its own, in the order they came; whoever waits is answered after the commit. An operation that
raises changes nothing, and its neighbours are not touched by it.

Reads that may take long (lists, searches, output) go through :class:`Reads`, off the loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

    from server.events import Event, EventKind
    from server.filters import Filter
    from server.model import (
        Attempt,
        Job,
        JobClass,
        JobDetails,
        JobState,
        Outcome,
        Progress,
        Queue,
        Role,
        Runner,
        Session,
        Stream,
        Surroundings,
        Task,
    )
    from server.ranges import Range, Span, SpanKind
    from server.schedules import Schedule

T = TypeVar("T")


class NewJob(NamedTuple):
    """A job to insert: its row (``id`` 0; the store gives ids in order) and its details."""

    job: Job
    details: JobDetails
    may_exist: bool = True
    """False where its UUID was made just now, so that nobody needs to look."""
    is_named: bool = False
    """Whether a runner will soon ask for it by its UUID."""


class NewAttempt(NamedTuple):
    """What the caller decides of an attempt to insert; the store gives the row id."""

    uuid: str
    job: int
    number: int
    runner: int
    session: int
    is_confirmed: bool
    deadline: int


class Change(NamedTuple):
    """A job, and perhaps its attempt, before and after. What is equal is not written."""

    before: Job
    job: Job
    attempt_before: Attempt | None = None
    attempt: Attempt | None = None
    outcome: Outcome | None = None
    """Kept with the attempt when that ends and there is more to say than the kind."""


class StreamState(NamedTuple):
    """What is kept of one output stream of an attempt. Offsets are in bytes."""

    attempt: int
    stream: Stream
    generation: int
    """Counts replacements of the whole text."""
    size: int
    """End of what was taken in: the next offset wanted."""
    gap_from: int
    gap_to: int
    """What the cap left out, [from, to); equal: nothing."""
    updated_at: int


class Chunk(NamedTuple):
    """A piece of output. ``offset`` is its place in its stream and generation."""

    stream: Stream
    generation: int
    offset: int
    at: int
    data: bytes


class LateWrite(NamedTuple):
    """Something that reached us for an attempt that no longer counts."""

    id: int
    at: int
    job: int
    attempt: int
    runner: int
    kind: str
    """What came: a report's state, ``output``, ``heartbeat``."""
    detail: str


class Tombstone(NamedTuple):
    """What is remembered of a deleted job."""

    uuid: str
    job: int
    type: str
    deleted_at: int
    deleted_by: str


class StoredKey(NamedTuple):
    """A named API key; only its digest is stored."""

    name: str
    role: Role
    digest: str
    created_at: int
    expires_at: int
    revoked_at: int


class CachedJob(NamedTuple):
    """A result cache entry."""

    key: str
    job: int
    expires_at: int


class IdempotentAnswer(NamedTuple):
    """What an ``Idempotency-Key`` was answered with: job row ids in order."""

    fingerprint: str
    jobs: tuple[int, ...]


class KeptRange(NamedTuple):
    """A job over a cursor range: how far it is. Its pieces are jobs of their own."""

    job: int
    range: Range
    cut: int
    """The last unit that was looked at for pieces; what lies behind it has not been cut yet."""
    covered: int
    """Units that its pieces have done."""
    left_out: int
    """Units it does not see to: another job does, or they are too old."""
    spent: int
    """Pieces that ended without covering their range."""
    alike: str
    """Equal for ranges of the same type and parameters: their pieces do the same work."""
    is_open: bool
    """Whether the job has not ended yet."""
    problem: str
    """Why it failed, in words; empty: it did not."""


class Piece(NamedTuple):
    """A job that does a part of another job's range."""

    job: int
    parent: int
    range: Range


class Tx(Protocol):
    """One open transaction. Synchronous: it runs within a tick. Reads see earlier writes of it."""

    # jobs and attempts -----------------------------------------------------------------
    def insert_jobs(self, jobs: Sequence[NewJob]) -> list[Job]:
        """Insert jobs; the answer has them with their row ids, in the same order."""
        ...

    def job(self, job_id: int) -> Job | None: ...

    def jobs(self, job_ids: Collection[int]) -> dict[int, Job]: ...

    def job_by_uuid(self, uuid: str) -> Job | None: ...

    def jobs_by_prefix(self, prefix: str, limit: int) -> list[Job]:
        """Jobs whose UUID begins so, at most ``limit``."""
        ...

    def details(self, job_id: int) -> JobDetails: ...

    def details_of(self, job_ids: Collection[int]) -> dict[int, JobDetails]: ...

    def tasks(self, job_ids: Collection[int]) -> dict[int, Task]: ...

    def delete_jobs(self, job_ids: Sequence[int], *, at: int, by: str) -> None:
        """Remove jobs with all that hangs on them, leaving tombstones; cache keys are released."""
        ...

    def tombstone(self, uuid: str) -> Tombstone | None: ...

    def claimable(self, classes: Sequence[int], limit: int) -> list[tuple[Job, Task]]:
        """Pending jobs of these classes: highest priority first, then oldest."""
        ...

    def due(self, now: int, limit: int) -> list[Job]:
        """Scheduled jobs whose time has come, earliest first."""
        ...

    def past_deadline(self, now: int, limit: int) -> list[Job]:
        """Waiting jobs whose deadline has passed."""
        ...

    def insert_attempts(self, attempts: Sequence[NewAttempt], *, at: int) -> list[Attempt]:
        """Insert attempts, ``running`` where confirmed, else ``offered``; in the same order."""
        ...

    def attempts(self, attempt_ids: Collection[int]) -> dict[int, tuple[Job, Attempt]]:
        """Attempts by row id, each with its job."""
        ...

    def live_attempt(self, attempt_id: int) -> Attempt | None:
        """An attempt that holds a slot; None: it has ended, or there is none."""
        ...

    def attempts_by_uuid(self, uuids: Collection[str]) -> dict[str, tuple[Job, Attempt]]: ...

    def attempts_of(self, job_id: int) -> list[Attempt]:
        """All attempts of a job, oldest first."""
        ...

    def live_attempts(
        self, *, session: int | None = None, runner: int | None = None
    ) -> list[tuple[Job, Attempt]]:
        """Attempts that hold a slot (all but ended ones), oldest first."""
        ...

    def outcome(self, attempt_id: int) -> Outcome | None: ...

    def progress(self, attempt_id: int) -> Progress | None: ...

    def set_progress(self, attempt_id: int, progress: Progress | None, *, at: int) -> None:
        """Note progress (None: leave it as it is) and that the attempt was heard at ``at``."""
        ...

    def set_surroundings(self, attempt_id: int, surroundings: Surroundings) -> None:
        """Keep what was around an attempt's process; what is said later counts."""
        ...

    def save(self, changes: Sequence[Change]) -> None:
        """Write what differs. Counters follow."""
        ...

    def save_claims(self, before: Sequence[Job], claimed: Sequence[Job]) -> None:
        """:meth:`save` for jobs that one runner took together; one statement for all of them.

        Their attempts were inserted by one call, in the same order.
        """
        ...

    def save_successes(self, ended: Sequence[tuple[Job, Attempt]], *, at: int) -> None:
        """:meth:`save` for attempts of one runner that ended in plain success, given as before.

        What follows is the same for each: job ``completed``, attempt ``ended``, one more try.
        """
        ...

    # counters --------------------------------------------------------------------------
    def count(self, cls: int, state: JobState) -> int: ...

    def active_in_queue(self, queue: str) -> int:
        """Jobs of a queue that are claimed, in progress or stopping."""
        ...

    # classes, queues, runners, sessions --------------------------------------------------
    def intern_class(
        self, queue: str, type: str, requires: Mapping[str, str], pin: int
    ) -> JobClass: ...

    def job_class(self, class_id: int) -> JobClass: ...

    def waiting_classes(self) -> Collection[JobClass]:
        """Classes with pending jobs: few, however many names clients have made up so far."""
        ...

    def schedules(self) -> list[Schedule]:
        """All that were not deleted."""
        ...

    def schedule(self, name: str) -> Schedule | None:
        """A schedule by name; a deleted one too, while its jobs are kept."""
        ...

    def put_schedule(self, schedule: Schedule) -> Schedule:
        """Insert (``id`` 0) or change a schedule; the answer has its row id."""
        ...

    def queue(self, name: str) -> Queue | None: ...

    def queues(self) -> list[Queue]: ...

    def put_queue(self, queue: Queue) -> None: ...

    def runner(self, runner_id: int) -> Runner | None: ...

    def runner_by_uuid(self, uuid: str) -> Runner | None: ...

    def runner_by_identity(self, protocol: str, identity: str) -> Runner | None: ...

    def runners(self) -> list[Runner]: ...

    def insert_runner(self, runner: Runner) -> Runner:
        """Insert a runner (``id`` 0); the answer has its row id."""
        ...

    def update_runner(self, runner: Runner) -> None: ...

    def session(self, session_id: int) -> Session | None: ...

    def session_by_uuid(self, uuid: str) -> Session | None: ...

    def session_by_nonce(self, runner_id: int, nonce: str) -> Session | None:
        """The newest session of a runner with that nonce, ended or not."""
        ...

    def last_session(self, runner_id: int) -> Session | None:
        """The newest session of a runner, ended or not."""
        ...

    def open_sessions(self) -> list[Session]: ...

    def insert_session(self, session: Session) -> Session: ...

    def update_session(self, session: Session) -> None: ...

    # output ----------------------------------------------------------------------------
    def streams(self, attempt_id: int) -> list[StreamState]: ...

    def put_output(
        self, state: StreamState, chunks: Sequence[Chunk], *, drop: tuple[int, int] | None = None
    ) -> None:
        """Store chunks with the stream's new state; ``drop`` deletes chunks wholly inside."""
        ...

    def replace_output(self, state: StreamState, data: bytes, *, at: int) -> None:
        """Drop the stream's older generations and store ``data`` as the new one."""
        ...

    def output_text(self, attempt_id: int, stream: Stream) -> bytes:
        """The stream's newest generation, whole. Meant for small ones (replaced text)."""
        ...

    # cursor ranges ---------------------------------------------------------------------
    def range_of(self, job_id: int) -> KeptRange | None:
        """The range of a job that is done in pieces; None: it is no such job."""
        ...

    def open_ranges(self) -> Mapping[int, KeptRange]:
        """Ranges of jobs that have not ended, by job."""
        ...

    def put_range(self, kept: KeptRange) -> None: ...

    def piece(self, job_id: int) -> Piece | None:
        """What a job does of another's range; None: it is no piece."""
        ...

    def open_piece(self, job_id: int) -> Piece | None:
        """:meth:`piece` of a job that has not ended, from memory."""
        ...

    def open_pieces(self, parent: int) -> Collection[Piece]: ...

    def add_pieces(self, pieces: Sequence[Piece]) -> None:
        """Note that these jobs, just inserted, are pieces of open ranges."""
        ...

    def close_pieces(self, pieces: Sequence[Piece]) -> None:
        """Note that these jobs have ended."""
        ...

    def spans(self, parent: int, *, after: int) -> list[Span]:
        """Stretches that need no piece and reach beyond ``after``, in order."""
        ...

    def add_spans(self, kept: KeptRange, ranges: Iterable[Range], kind: SpanKind) -> KeptRange:
        """Keep stretches that overlap none kept before; the answer has the units counted."""
        ...

    def ranges_alike(self, alike: str, queue: str, wanted: Range, limit: int) -> list[KeptRange]:
        """Ranges for the same work in a queue that overlap ``wanted``, oldest first."""
        ...

    # cache, idempotency, keys, late writes, events ---------------------------------------
    def cached(self, key: str) -> CachedJob | None: ...

    def put_cached(self, key: str, job_id: int, expires_at: int) -> None: ...

    def release_cached(self, key: str) -> None: ...

    def idempotent(self, owner: str, key: str) -> IdempotentAnswer | None: ...

    def put_idempotent(self, owner: str, key: str, answer: IdempotentAnswer, at: int) -> None: ...

    def keys(self) -> list[StoredKey]: ...

    def put_key(self, key: StoredKey) -> None: ...

    def add_late_write(self, late: LateWrite) -> None: ...

    def append(
        self,
        kind: EventKind,
        *,
        at: int,
        job: int = 0,
        attempt: int = 0,
        runner: int = 0,
        queue: str = "",
        actor: str = "coordinator",
        reason: str = "",
        data: bytes = b"",
        members: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Add an event to this transaction; it gets its sequence number in commit order."""
        ...

    def after_commit(self, call: Callable[[], object]) -> None:
        """Run ``call`` once this operation is committed; never if it is not."""
        ...

    # retention -------------------------------------------------------------------------
    def prune(
        self, *, jobs_before: int, output_before: int, events_before: int, now: int, limit: int
    ) -> int:
        """Delete at most ``limit`` of each kind that are older; the answer is how many went."""
        ...

    def retention_reached(self) -> int:
        """Epoch milliseconds up to which retention came; 0: it never ran."""
        ...

    def keep_retention_reached(self, at: int) -> None: ...

    def prune_unused(self, limit: int) -> int:
        """Look at the next ``limit`` classes, and as many pairs of a class and a submitter, and
        forget those that no job has; the answer is how many went."""
        ...


# ---------------------------------------------------------------------------------------------
# reads off the loop


class JobRow(NamedTuple):
    """One line of a job list: everything a list shows, and nothing large."""

    job: Job
    type: str
    queue: str
    requires: Mapping[str, str]
    pin: int
    owner: str
    origin: str
    attempt_uuid: str
    runner: int
    runner_uuid: str
    runner_name: str
    attempt_state: str
    phase: str
    started_at: int
    ended_at: int
    progress: Progress | None
    heard_at: int
    """When the newest attempt last said anything (report, progress, output)."""
    outcome: Outcome | None
    """Without its result."""
    has_result: bool
    schedule: str = ""
    """Name of the schedule that made it."""


JobOrder = Literal["number", "-number", "since", "-since", "priority", "-priority"]


@dataclass(frozen=True, slots=True)
class JobQuery:
    """A page of jobs. ``after`` is the opaque cursor of the page before."""

    filter: Filter | None = None
    ids: tuple[int, ...] | None = None
    owner: str | None = None
    """Only jobs that this one submitted; narrows filter and ids."""
    limit: int = 100
    after: str = ""
    order: JobOrder = "-number"


@dataclass(frozen=True, slots=True)
class JobPage:
    rows: list[JobRow]
    next: str
    """Cursor of the next page; empty at the end."""
    count: int
    count_is_exact: bool


Grouping = Literal["error", "type", "runner", "queue"]


@dataclass(frozen=True, slots=True)
class GroupQuery:
    """Jobs that are alike, counted together: the largest groups first."""

    by: Grouping = "error"
    filter: Filter | None = None
    owner: str | None = None
    """Only jobs that this one submitted."""
    limit: int = 100


class Tally(NamedTuple):
    """How often each of some names occurs."""

    top: tuple[tuple[str, int], ...]
    """The most frequent ones with their jobs."""
    number: int
    """Of all names."""


class JobGroup(NamedTuple):
    """Jobs that are alike."""

    name: str
    """What they have in common: cause, type, queue or runner. Empty: no error is told."""
    text: str
    """An error as it was told, of the newest of them; else the name."""
    is_varied: bool
    """Whether other texts have the same cause."""
    jobs: int
    """How many they are."""
    first: int
    """When the first of them came into its state."""
    last: int
    newest: tuple[int, str]
    """Number and UUID."""
    types: Tally
    queues: Tally
    runners: Tally


class JobGroups(NamedTuple):
    groups: list[JobGroup]
    number: int
    """Of all groups."""
    jobs: int
    """In all groups."""
    is_whole: bool
    """False: there are more, older ones, that were not looked at."""


class AttemptRow(NamedTuple):
    """One attempt with everything but its console."""

    attempt: Attempt
    runner_uuid: str
    runner_name: str
    protocol: str
    progress: Progress | None
    heard_at: int
    outcome: Outcome | None
    streams: tuple[StreamState, ...]
    late_writes: int
    surroundings: Surroundings | None = None


class RangeDetail(NamedTuple):
    """A range with all that says how far it is."""

    kept: KeptRange
    spans: list[Span]
    pieces: list[tuple[Range, JobState]]
    """Those that have not ended."""


class JobDetail(NamedTuple):
    row: JobRow
    details: JobDetails
    attempts: list[AttemptRow]
    """Newest first."""
    events: list[Event]
    """Newest first, at most 50."""
    resubmitted_from: tuple[int, str] | None
    """Number and UUID."""
    resubmitted_as: list[tuple[int, str]]
    schedule: str = ""
    """Name of the schedule that made it, or the job that it was made from."""
    parent: tuple[int, str] | None = None
    """Number and UUID of the job whose range it is a piece of."""
    piece: Range | None = None
    """Its part of that range."""
    range: RangeDetail | None = None
    """Its own range, where it is done in pieces."""


class OutputSlice(NamedTuple):
    """Part of an attempt's output: chunks cut to the asked range, or, where nothing of that is
    kept, to as many bytes from the next kept one on."""

    chunks: list[Chunk]
    state: StreamState | None
    """None: nothing was ever written to that stream."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Events, newest first (``before``) or oldest first (``after``)."""

    after: int | None = None
    before: int | None = None
    job: int | None = None
    runner: int | None = None
    actor: str | None = None
    kinds: tuple[EventKind, ...] = ()
    limit: int = 100


class RunnerWork(NamedTuple):
    """What a runner does and did."""

    runner: int
    live: int
    """Slots held."""
    done_last_hour: int
    failed_last_hour: int
    heard_at: int
    """When any of its live attempts last said anything; 0: none is live."""


class QueueWork(NamedTuple):
    queue: str
    counts: Mapping[JobState, int]
    oldest_pending_at: int
    """``since`` of its oldest pending job; 0: none."""
    in_last_hour: int
    out_last_hour: int


class QueueFlow(NamedTuple):
    """Jobs that came into a queue and left it, in closed buckets of minutes, oldest first."""

    came: tuple[int, ...]
    left: tuple[int, ...]
    came_lately: int
    """In as many closed minutes as a bucket has."""
    left_lately: int


class Flow(NamedTuple):
    queues: Mapping[str, QueueFlow]
    """Those in which something happened."""
    since: int
    """The first minute that anything is counted of, in epoch milliseconds; 0: of none."""
    end: int
    """When the last bucket closed."""


class TracedJob(NamedTuple):
    """A job as spans tell of it."""

    number: int
    uuid: str
    created_at: int
    type: str
    queue: str
    owner: str
    origin: str
    trace_context: Mapping[str, str] | None


class TracedAttempt(NamedTuple):
    """An attempt that had started and has ended, as spans tell of it."""

    job: TracedJob
    id: int
    uuid: str
    number: int
    started_at: int
    ended_at: int
    outcome: str
    previous_uuid: str
    """The attempt before it; empty: it is the first."""
    previous_ended_at: int
    runner: str
    protocol: str
    error_type: str
    message: str


class Reads(Protocol):
    """Long reads, on connections of their own, each seeing one consistent state."""

    async def job_page(self, query: JobQuery) -> JobPage: ...

    async def job_groups(self, query: GroupQuery) -> JobGroups: ...

    async def job_detail(self, job_id: int) -> JobDetail | None: ...

    async def output(
        self, attempt_id: int, stream: Stream, offset: int, limit: int
    ) -> OutputSlice: ...

    async def find_output(
        self, attempt_id: int, stream: Stream, needle: bytes, offset: int, *, backwards: bool
    ) -> int | None:
        """Offset of the next place where ``needle`` stands, or None."""
        ...

    async def events(self, query: EventQuery) -> list[Event]: ...

    async def runner_work(self, now: int) -> dict[int, RunnerWork]: ...

    async def queue_work(self, now: int) -> dict[str, QueueWork]: ...

    async def queue_flow(self, now: int, bucket_ms: int, count: int) -> Flow:
        """What came and left in each of the last ``count`` closed buckets.

        Buckets are whole minutes, counted from the epoch.
        """
        ...

    async def traced_jobs(self, ids: Collection[int]) -> list[TracedJob]:
        """Those of the jobs that are still there, as spans tell of them."""
        ...

    async def traced_attempts(self, ids: Collection[int]) -> list[TracedAttempt]:
        """Those of the attempts that had started and have ended."""
        ...

    async def late_writes(self, *, before: int | None, limit: int) -> list[LateWrite]: ...

    async def state_counts(self, origin: str | None = None) -> dict[JobState, int]:
        """Jobs by state, all or those that came in over one protocol."""
        ...

    async def finished_per_bucket(self, now: int, bucket_ms: int, count: int) -> list[int]:
        """Jobs finished in each of the last ``count`` closed buckets, oldest first.

        Buckets are whole minutes, counted from the epoch.
        """
        ...

    async def last_seq(self) -> int:
        """Sequence number of the newest event; 0: none yet."""
        ...

    async def first_seq(self) -> int:
        """Sequence number of the oldest event still kept; 0: none."""
        ...

    async def free_bytes(self) -> int | None:
        """Space left where the store lives; None: it lives in memory."""
        ...


class Committed(NamedTuple):
    """What one commit brought, handed to the store's listener right after it."""

    events: list[Event]
    ready: set[int]
    """Classes in which jobs became pending."""
    seconds: float = 0.0
    """How long the transaction took, the sync included."""


class Store(Protocol):
    """A place where jobs live. Belongs to the loop it was opened on."""

    @property
    def reads(self) -> Reads: ...

    @property
    def first_due(self) -> int:
        """No scheduled job is due before that, in epoch milliseconds. It may be too early."""
        ...

    @property
    def first_deadline(self) -> int:
        """No waiting job has a deadline before that. It may be too early."""
        ...

    async def open(self) -> None:
        """Open, lock and migrate. Raises StoreError in words when that cannot be."""
        ...

    async def close(self) -> None:
        """Commit what is queued, then close. Later calls raise Busy."""
        ...

    def apply(
        self, operation: Callable[[Tx], T], *, cache_keys: Collection[str] = ()
    ) -> Awaitable[T]:
        """Run an operation in the next group commit; the result comes after the commit.

        Args:
            cache_keys: those it will look up, which is done for all operations at once.

        Raises:
            Busy: too many operations are waiting.
        """
        ...

    def before_commit(self, operation: Callable[[Tx], None]) -> None:
        """Run ``operation`` last in every transaction, so that what follows from the others is
        in the same commit. Where it fails it leaves nothing, and the others are not concerned."""
        ...

    def on_commit(self, listener: Callable[[Committed], None]) -> None:
        """Call ``listener`` after each commit that has events or made jobs ready."""
        ...
