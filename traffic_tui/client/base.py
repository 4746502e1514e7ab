"""What the console and the command line need of a coordinator.

Every call raises a :class:`ClientError`: with the coordinator's words where it answered, or
:class:`Unreachable` where it did not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from server.wire.operator import (
        CreatedKeyView,
        DrainRequest,
        EventsView,
        EventView,
        ExplainView,
        GroupsView,
        JobDetailView,
        JobsView,
        KeyRequest,
        KeysView,
        LateWritesView,
        NoticeView,
        OneJobView,
        OneRunnerView,
        QueuesView,
        QueueView,
        ReassignRequest,
        ResubmitRequest,
        RunnersView,
        RunnerView,
        StatsView,
        StopRequest,
        SubmitRequest,
        SubmittedView,
    )
    from server.wire.schedules import (
        DueTimesView,
        NewScheduleRequest,
        ScheduleRequest,
        SchedulesView,
        ScheduleView,
    )


class ClientError(Exception):
    """A call that failed, in words for a person.

    Attributes:
        code: the coordinator's stable code, for example ``not_found`` or ``refused``.
        status: the HTTP status that goes with it; 0 where there was no answer.
    """

    def __init__(self, message: str, *, code: str, status: int, details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.details = details


class Unreachable(ClientError):
    """No coordinator answered."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="unreachable", status=0)


class OutputPart(NamedTuple):
    """A piece of an attempt's output."""

    offset: int
    """Where ``data`` really begins: later than asked where the cap left something out."""
    data: bytes
    size: int
    """End of the stream so far."""
    is_complete: bool
    """Whether the attempt has ended, so that nothing will follow."""
    generation: int
    gap_from: int
    gap_to: int
    at: int = 0
    """When the first byte of ``data`` came in; 0: not told."""
    times: tuple[tuple[int, int], ...] = ()
    """(offset, when) of pieces that came in after the first, as far as told."""


class Resync:
    """In the event stream: something was missed, load everything anew."""


class KeepAlive:
    """In the event stream: nothing happened, but the coordinator is there."""


StreamItem: TypeAlias = "EventView | NoticeView | Resync | KeepAlive"


class Client(Protocol):
    """A coordinator, seen from a console or a command line."""

    @property
    def url(self) -> str:
        """Where the coordinator is, for people."""
        ...

    @property
    def is_embedded(self) -> bool:
        """Whether it lives in this process and ends with it."""
        ...

    @property
    def is_read_only(self) -> bool: ...

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    # jobs
    async def submit(
        self, jobs: Sequence[SubmitRequest], *, idempotency_key: str = ""
    ) -> list[SubmittedView]: ...

    async def jobs(
        self,
        *,
        filter: str = "",
        limit: int = 100,
        after: str | None = None,
        order: str = "-number",
        numbers: Sequence[int] | None = None,
    ) -> JobsView: ...

    async def job_groups(
        self, *, by: str = "error", filter: str = "", limit: int = 100
    ) -> GroupsView:
        """Jobs that are alike, counted, the largest groups first. ``by``: error, type, runner or
        queue."""
        ...

    async def job(self, job: str) -> JobDetailView: ...

    async def output(
        self,
        job: str,
        *,
        attempt: str = "",
        stream: str = "",
        offset: int = 0,
        limit: int = 262_144,
    ) -> OutputPart:
        """A part of the output. A negative ``offset`` counts from the end. ``stream`` empty:
        the stream that holds something, stdout first."""
        ...

    async def find_output(
        self,
        job: str,
        text: str,
        *,
        attempt: str = "",
        stream: str = "",
        offset: int = 0,
        backwards: bool = False,
    ) -> int | None: ...

    async def explain(self, job: str) -> ExplainView: ...

    async def stop(self, job: str, request: StopRequest) -> OneJobView: ...

    async def resubmit(self, job: str, request: ResubmitRequest) -> OneJobView: ...

    async def reassign(self, job: str, request: ReassignRequest) -> OneJobView: ...

    async def set_priority(self, job: str, priority: int, *, reason: str = "") -> OneJobView: ...

    # runners and queues
    async def runners(self) -> RunnersView: ...

    async def runner(self, runner: str) -> RunnerView: ...

    async def runner_with_log(self, runner: str) -> OneRunnerView:
        """A runner, and what it printed lately beside its jobs."""
        ...

    async def drain(self, runner: str, request: DrainRequest) -> RunnerView: ...

    async def resume_runner(self, runner: str, *, reason: str = "") -> RunnerView: ...

    async def forget(self, runner: str, *, reason: str = "") -> None: ...

    async def queues(self) -> QueuesView: ...

    async def pause_queue(self, queue: str, *, reason: str = "") -> QueueView: ...

    async def resume_queue(self, queue: str, *, reason: str = "") -> QueueView: ...

    async def limit_queue(
        self, queue: str, limit: int | None, *, reason: str = ""
    ) -> QueueView: ...

    # schedules
    async def schedules(self) -> SchedulesView: ...

    async def schedule(self, name: str) -> ScheduleView: ...

    async def create_schedule(self, request: NewScheduleRequest) -> ScheduleView: ...

    async def change_schedule(self, name: str, request: ScheduleRequest) -> ScheduleView: ...

    async def delete_schedule(self, name: str, *, reason: str = "") -> None: ...

    async def pause_schedule(self, name: str, *, reason: str = "") -> ScheduleView: ...

    async def resume_schedule(self, name: str, *, reason: str = "") -> ScheduleView: ...

    async def schedule_due(self, name: str, *, count: int = 5) -> DueTimesView:
        """When a schedule is due next; of a paused one, when it would be."""
        ...

    async def cron_due(
        self, expression: str, *, time_zone: str = "UTC", count: int = 5
    ) -> DueTimesView:
        """When an expression would be due."""
        ...

    # what happened
    async def events(
        self,
        *,
        job: str | None = None,
        runner: str | None = None,
        actor: str | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> EventsView: ...

    def follow(self, *, after: int | None = None) -> AsyncIterator[StreamItem]:
        """Events as they happen, from ``after`` on (None: from now), reconnecting by itself never:
        it raises Unreachable when the stream ends, and the caller decides."""
        ...

    async def late_writes(
        self, *, before: int | None = None, limit: int = 100
    ) -> LateWritesView: ...

    async def stats(self) -> StatsView: ...

    # keys
    async def keys(self) -> KeysView: ...

    async def create_key(self, request: KeyRequest) -> CreatedKeyView: ...

    async def revoke_key(self, name: str, *, reason: str = "") -> None: ...
