"""A made-up coordinator that remembers what it was asked, and the views it answers with."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import msgspec

from server.clock import ManualClock
from server.filters import quoted
from server.wire.operator import (
    AttemptRef,
    AttemptView,
    CountedName,
    ErrorView,
    EventsView,
    EventView,
    ExplainView,
    GroupsView,
    GroupView,
    JobDetailView,
    JobFullView,
    JobRefView,
    JobsView,
    JobTimes,
    JobView,
    LateWritesView,
    LateWriteView,
    LineageView,
    OneJobView,
    OneRunnerView,
    ProgressView,
    QueuesView,
    QueueView,
    RunnerLogLine,
    RunnerRef,
    RunnersView,
    RunnerView,
    StatsView,
    StreamView,
    SubmittedView,
    TallyView,
    VerdictView,
)
from server.wire.schedules import DueTimesView, ScheduledJobView, SchedulesView, ScheduleView
from traffic_tui.client.base import Client, ClientError, KeepAlive, OutputPart, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from server.model import JobState
    from traffic_tui.client.base import StreamItem

NOW = 1_700_000_000_000
MINUTE = 60_000


def runner(name: str, **changes: Any) -> RunnerView:
    fields: dict[str, Any] = {
        "id": f"id-{name}",
        "name": name,
        "protocol": "native-v2",
        "state": "ok",
        "capacity": 4,
        "busy": 1,
        "types": ["resize-images", "train-nightly"],
        "labels": {"rack": "r12", "gpu": "a100"},
        "address": "10.3.12.7",
        "version": "1",
        "can": "solr",
        "registered_at": NOW - 600 * MINUTE,
        "last_seen_at": NOW - 2_000,
        "connected_at": NOW - 300 * MINUTE,
        "quiet_since": NOW - 4_000,
        "done_last_hour": 60,
        "failed_last_hour": 2,
        "draining_since": 0,
        "drain_deadline": 0,
        "drain_reason": "",
        "drained_by": "",
        "busy_minutes": [None, 0.0, *(number % 5 for number in range(13))],
    }
    return RunnerView(**(fields | changes))


def queue(name: str, **changes: Any) -> QueueView:
    fields: dict[str, Any] = {
        "name": name,
        "limit": None,
        "paused_at": 0,
        "paused_by": "",
        "pause_reason": "",
        "waiting": 12,
        "scheduled": 1,
        "active": 3,
        "failed": 2,
        "completed": 400,
        "oldest_pending_at": NOW - 4 * MINUTE,
        "in_last_hour": 120,
        "out_last_hour": 118,
        "in_per_minute": 2.4,
        "out_per_minute": 12.0,
        "in_buckets": [None, 0, 5, 8, 10, 10, 12, 14, 13, 16, 20, 12],
        "out_buckets": [None, 0, 3, 8, 9, 10, 11, 14, 14, 15, 16, 18],
    }
    return QueueView(**(fields | changes))


def schedule(name: str, **changes: Any) -> ScheduleView:
    fields: dict[str, Any] = {
        "name": name,
        "cron": "30 2 * * *",
        "time_zone": "Europe/Berlin",
        "type": "report",
        "params": {},
        "queue": "default",
        "priority": 0,
        "requires": {},
        "timeout_seconds": 0.0,
        "max_attempts": None,
        "correlation": {},
        "overlap": "skip",
        "catch_up_seconds": 0.0,
        "owner": "sam",
        "configured": False,
        "created_at": NOW - 60 * MINUTE,
        "changed_at": NOW - 60 * MINUTE,
        "paused_at": 0,
        "paused_by": "",
        "pause_reason": "",
        "next_at": NOW + 200 * MINUTE,
        "last_at": NOW - 1240 * MINUTE,
        "last_job": ScheduledJobView(id="job-52081", number=52081, state="completed"),
        "fired": 41,
        "skipped": 2,
    }
    return ScheduleView(**(fields | changes))


def job(number: int, state: JobState = "in_progress", **changes: Any) -> JobFullView:
    is_active = state in ("claimed", "in_progress", "stopping")
    was_tried = state not in ("pending", "scheduled")
    fields: dict[str, Any] = {
        "id": f"0192a7c4-0000-7000-8000-{number:012d}",
        "number": number,
        "type": "resize-images",
        "state": state,
        "queue": "gpu",
        "priority": 5,
        "requires": {},
        "runner": RunnerRef(id="id-lab-07", name="lab-07") if was_tried else None,
        "attempt": AttemptRef(id=f"attempt-{number}-1", number=1) if was_tried else None,
        "attempts": 1 if was_tried else 0,
        "tries": 1 if was_tried else 0,
        "max_attempts": 3,
        "phase": "",
        "progress": ProgressView(current=610, total=1000) if is_active else None,
        "times": JobTimes(
            created=NOW - 30 * MINUTE,
            since=NOW - 12 * MINUTE - 40_000,
            due=NOW + MINUTE if state == "scheduled" else 0,
            started=NOW - 12 * MINUTE - 40_000 if was_tried else 0,
            ended=NOW - 2 * MINUTE if was_tried and not is_active else 0,
            deadline=0,
        ),
        "quiet_since": NOW - 4_000 if is_active else 0,
        "error": ErrorView(kind="error", message="exit 137: killed") if state == "failed" else None,
        "owner": "ci-main",
        "origin": "operator-api",
        "wanted": "stop" if state == "stopping" else "run",
        "params": {"set": 7, "size": 2048},
        "result": None,
        "has_result": False,
        "timeout_seconds": 1800.0,
        "lease": "ok" if is_active else "",
        "lease_seconds": 41.0 if is_active else None,
        "can": "solr",
    }
    return JobFullView(**(fields | changes))


def attempt(number: int, of: JobFullView, **changes: Any) -> AttemptView:
    is_live = of.state in ("claimed", "in_progress", "stopping")
    fields: dict[str, Any] = {
        "id": f"attempt-{of.number}-{number}",
        "number": number,
        "job": of.id,
        "runner": of.runner or RunnerRef(id="id-lab-03", name="lab-03"),
        "protocol": "native-v2",
        "state": "running" if is_live else "ended",
        "outcome": None if is_live else ("error" if of.state == "failed" else "success"),
        "error": of.error,
        "exit_code": None if is_live else (137 if of.state == "failed" else 0),
        "signal": None,
        "offered_at": of.times.started - 1000,
        "started_at": of.times.started,
        "ended_at": of.times.ended,
        "stop_requested_at": 0,
        "progress": of.progress,
        "quiet_since": of.quiet_since,
        "output": [StreamView(stream="stdout", size=0, generation=0, gap_from=0, gap_to=0)],
        "late_writes": 0,
    }
    return AttemptView(**(fields | changes))


def event(seq: int, kind: str, **changes: Any) -> EventView:
    fields: dict[str, Any] = {
        "seq": seq,
        "at": NOW - 5 * MINUTE + seq * 1000,
        "kind": kind,
        "job": None,
        "number": None,
        "jobs": [],
        "attempt": None,
        "runner": None,
        "queue": "",
        "actor": "ci-main",
        "reason": "",
        "data": None,
    }
    return EventView(**(fields | changes))


def tally(names: Iterable[str]) -> TallyView:
    """How often each name occurs."""
    counted = Counter(names)
    top = [CountedName(name=name, count=number) for name, number in counted.most_common(3)]
    return TallyView(top=top, number=len(counted))


def grouped(by: str, filter_text: str, jobs: Sequence[JobFullView]) -> GroupsView:
    """Jobs in groups, by the name of what they have in common."""
    found: dict[str, list[JobFullView]] = {}
    for one in jobs:
        error = one.error.message if one.error else ""
        runner = one.runner.name if one.runner else ""
        name = {"error": error, "type": one.type, "queue": one.queue, "runner": runner}[by]
        if name:
            found.setdefault(name, []).append(one)
    groups = [
        GroupView(
            name=name,
            filter=" ".join(filter(None, (filter_text, f"{by}:{quoted(name)}"))),
            count=len(of),
            first=min(one.times.since for one in of),
            last=max(one.times.since for one in of),
            newest=JobRefView(id=of[0].id, number=max(one.number for one in of)),
            example=name if by == "error" else "",
            types=tally(one.type for one in of),
            queues=tally(one.queue for one in of),
            runners=tally(one.runner.name for one in of if one.runner),
        )
        for name, of in found.items()
    ]
    groups.sort(key=lambda group: -group.count)
    count = sum(group.count for group in groups)
    return GroupsView(groups=groups, number=len(groups), count=count, count_is_exact=True)


def listed(full: JobFullView) -> JobView:
    """A job as lists show it."""
    return JobView(**{name: getattr(full, name) for name in JobView.__struct_fields__})


class World:
    """The made-up coordinator. Tests change it and look at ``calls``."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.calls: list[tuple[Any, ...]] = []
        self.all_jobs: dict[int, JobFullView] = {}
        self.attempts: dict[int, list[AttemptView]] = {}
        self.lineages: dict[int, LineageView] = {}
        self.all_events: list[EventView] = []
        self.all_runners: dict[str, RunnerView] = {}
        self.runner_log: list[RunnerLogLine] = []
        self.all_queues: dict[str, QueueView] = {}
        self.all_schedules: dict[str, ScheduleView] = {}
        self.late: list[LateWriteView] = []
        self.outputs: dict[tuple[int, int, str], bytes] = {}
        self.output_at: Callable[[int], int] = lambda offset: 0
        """When a byte of any output came in."""
        self.generation = 0
        """How often outputs were replaced."""
        self.verdicts: list[VerdictView] = []
        self.summary = "waits for a free slot"
        self.suggestion = ""
        self.refusals: dict[int, str] = {}
        """Job number to the words with which everything about it is refused."""
        self.trouble: dict[str, ClientError] = {}
        """Names of calls to what they are answered with, once each."""
        self.warnings: dict[int, str] = {}
        """Job number to what a stop of it is answered with besides."""
        self.url = "http://127.0.0.1:8700"
        self.is_embedded = True
        self.is_read_only = False
        self.is_reachable = True
        self._streams: list[asyncio.Queue[StreamItem | None]] = []
        self._next_number = 60_000

    @property
    def client(self) -> Client:
        return cast("Client", self)

    # what tests do to it

    def add(self, *jobs: JobFullView) -> None:
        for one in jobs:
            self.all_jobs[one.number] = one
            if one.attempts and one.number not in self.attempts:
                self.attempts[one.number] = [attempt(1, one)]

    def add_runners(self, *runners: RunnerView) -> None:
        self.all_runners.update({one.id: one for one in runners})

    def add_queues(self, *queues: QueueView) -> None:
        self.all_queues.update({one.name: one for one in queues})

    def add_schedules(self, *schedules: ScheduleView) -> None:
        self.all_schedules.update({one.name: one for one in schedules})

    def set_output(
        self, number: int, data: bytes, *, try_: int = 1, stream: str = "stdout"
    ) -> None:
        self.outputs[number, try_, stream] = data
        for one in self.attempts[number]:
            if one.number == try_:
                others = [s for s in one.output if s.stream != stream and s.size]
                one.output = [
                    *others,
                    StreamView(stream=stream, size=len(data), generation=0, gap_from=0, gap_to=0),
                ]

    def send(self, item: StreamItem) -> None:
        """Something on the stream of events."""
        for stream in self._streams:
            stream.put_nowait(item)

    def happen(self, kind: str, *numbers: int, **changes: Any) -> None:
        """An event about jobs."""
        seq = len(self.all_events) + 1
        number = numbers[0] if len(numbers) == 1 else None
        fact = event(seq, kind, jobs=list(numbers), number=number, **changes)
        self.all_events.append(fact)
        self.send(fact)

    def cut(self) -> None:
        """The coordinator goes away."""
        self.is_reachable = False
        for stream in self._streams:
            stream.put_nowait(None)

    def asked(self, name: str) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] == name]

    # the client's methods

    def _called(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if not self.is_reachable:
            raise Unreachable(f"nobody answers on {self.url}")
        if name in self.trouble:
            raise self.trouble.pop(name)

    async def connect(self) -> None:
        self._called("connect")

    async def close(self) -> None:
        self.calls.append(("close",))

    async def stats(self) -> StatsView:
        self._called("stats")
        counts: dict[str, int] = {}
        for one in self.all_jobs.values():
            counts[one.state] = counts.get(one.state, 0) + 1
        states: dict[str, int] = {}
        for each in self.all_runners.values():
            states[each.state] = states.get(each.state, 0) + 1
        return StatsView(
            now=self.clock.now_ms(),
            counts=counts,
            runners=states,
            oldest_pending_at=NOW - 4 * MINUTE if counts.get("pending") else 0,
            done_buckets=[3, 4, 4, 5, 6, 6, 5, 2, 1, 1, 2, 3, 5, None, 0],
            done_last_minute=201,
            last_seq=len(self.all_events),
            version="0.1.0",
            started_at=NOW - 60 * MINUTE,
            coordinator="c1",
            free_bytes=10**11,
            min_free=2**30,
        )

    async def follow(self, *, after: int | None = None) -> AsyncIterator[StreamItem]:
        self._called("follow", after)
        stream: asyncio.Queue[StreamItem | None] = asyncio.Queue()
        self._streams.append(stream)
        yield KeepAlive()
        while (item := await stream.get()) is not None:
            yield item
        self._streams.remove(stream)
        raise Unreachable("the stream of events broke off")

    async def jobs(
        self,
        *,
        filter: str = "",
        limit: int = 100,
        after: str | None = None,
        order: str = "-number",
        numbers: Sequence[int] | None = None,
    ) -> JobsView:
        self._called("jobs", filter, limit, after, order, tuple(numbers or ()))
        if "state:nonsense" in filter:
            raise ClientError("state:nonsense: no such state", code="invalid", status=400)
        found = [one for one in self.all_jobs.values() if _matches(one, filter)]
        if numbers is not None:
            found = [one for one in found if one.number in numbers]
        found.sort(key=lambda one: one.number, reverse=order.startswith("-"))
        start = int(after or 0)
        page = found[start : start + limit]
        more = str(start + limit) if start + limit < len(found) else None
        return JobsView(
            jobs=[listed(one) for one in page], next=more, count=len(found), count_is_exact=True
        )

    def _job(self, text: str) -> JobFullView:
        for one in self.all_jobs.values():
            if text in (one.id, str(one.number)):
                if one.number in self.refusals:
                    raise ClientError(self.refusals[one.number], code="refused", status=409)
                return one
        raise ClientError(f"there is no job {text}", code="not_found", status=404)

    async def job_groups(
        self, *, by: str = "error", filter: str = "", limit: int = 100
    ) -> GroupsView:
        self._called("job_groups", by, filter, limit)
        return grouped(by, filter, [one for one in self.all_jobs.values() if _matches(one, filter)])

    async def job(self, job: str) -> JobDetailView:
        self._called("job", job)
        full = next((o for o in self.all_jobs.values() if job in (o.id, str(o.number))), None)
        if full is None:
            raise ClientError(f"there is no job {job}", code="not_found", status=404)
        return JobDetailView(
            job=full,
            attempts=self.attempts.get(full.number, []),
            events=[e for e in reversed(self.all_events) if full.number in e.jobs],
            lineage=self.lineages.get(full.number, LineageView(None, [])),
        )

    async def output(
        self,
        job: str,
        *,
        attempt: str = "",
        stream: str = "",
        offset: int = 0,
        limit: int = 262_144,
    ) -> OutputPart:
        self._called("output", job, attempt, stream, offset, limit)
        full = next(o for o in self.all_jobs.values() if job in (o.id, str(o.number)))
        tries = self.attempts.get(full.number, [])
        chosen = next((t for t in tries if attempt in (t.id, str(t.number))), None)
        number = chosen.number if chosen else full.attempts
        data = self.outputs.get((full.number, number, stream or "stdout"), b"")
        start = max(0, len(data) + offset) if offset < 0 else offset
        is_over = chosen is not None and chosen.state == "ended"
        part = data[start : start + limit]
        at = self.output_at(start)
        return OutputPart(start, part, len(data), is_over, self.generation, 0, 0, at)

    async def find_output(
        self,
        job: str,
        text: str,
        *,
        attempt: str = "",
        stream: str = "",
        offset: int = 0,
        backwards: bool = False,
    ) -> int | None:
        self._called("find_output", job, text, attempt, stream, offset, backwards)
        full = next(o for o in self.all_jobs.values() if job in (o.id, str(o.number)))
        data = self.outputs.get((full.number, full.attempts, stream or "stdout"), b"")
        place = (
            data.rfind(text.encode(), 0, max(0, offset))
            if backwards
            else data.find(text.encode(), offset)
        )
        return None if place < 0 else place

    async def explain(self, job: str) -> ExplainView:
        self._called("explain", job)
        return ExplainView(
            state=self._job(job).state,
            summary=self.summary,
            reasons=self.verdicts,
            suggestion=self.suggestion,
        )

    async def stop(self, job: str, request: Any) -> OneJobView:
        self._called("stop", self._job(job).number, request)
        return OneJobView(
            job=listed(self._job(job)), warning=self.warnings.get(self._job(job).number, "")
        )

    async def resubmit(self, job: str, request: Any) -> OneJobView:
        old = self._job(job)
        self._called("resubmit", old.number, request)
        self._next_number += 1
        new = msgspec.structs.replace(old, number=self._next_number, state="pending")
        return OneJobView(job=listed(new))

    async def reassign(self, job: str, request: Any) -> OneJobView:
        self._called("reassign", self._job(job).number, request)
        return OneJobView(job=listed(self._job(job)))

    async def set_priority(self, job: str, priority: int, *, reason: str = "") -> OneJobView:
        self._called("set_priority", self._job(job).number, priority)
        return OneJobView(job=listed(self._job(job)))

    async def submit(
        self, jobs: Sequence[Any], *, idempotency_key: str = ""
    ) -> list[SubmittedView]:
        self._called("submit", tuple(jobs))
        return [SubmittedView(id="u", number=60_001, state="pending", cached=False) for _ in jobs]

    async def runners(self) -> RunnersView:
        self._called("runners")
        return RunnersView(runners=list(self.all_runners.values()))

    async def runner(self, runner: str) -> RunnerView:
        self._called("runner", runner)
        return self.all_runners[runner]

    async def runner_with_log(self, runner: str) -> OneRunnerView:
        self._called("runner_with_log", runner)
        return OneRunnerView(self.all_runners[runner], self.runner_log)

    async def drain(self, runner: str, request: Any) -> RunnerView:
        self._called("drain", runner, request)
        self.all_runners[runner].state = "draining"
        self.all_runners[runner].draining_since = NOW
        return self.all_runners[runner]

    async def resume_runner(self, runner: str, *, reason: str = "") -> RunnerView:
        self._called("resume_runner", runner)
        self.all_runners[runner].state = "ok"
        self.all_runners[runner].draining_since = 0
        return self.all_runners[runner]

    async def forget(self, runner: str, *, reason: str = "") -> None:
        self._called("forget", runner)
        del self.all_runners[runner]

    async def queues(self) -> QueuesView:
        self._called("queues")
        return QueuesView(queues=list(self.all_queues.values()))

    async def pause_queue(self, queue: str, *, reason: str = "") -> QueueView:
        self._called("pause_queue", queue)
        self.all_queues[queue].paused_at = NOW
        return self.all_queues[queue]

    async def resume_queue(self, queue: str, *, reason: str = "") -> QueueView:
        self._called("resume_queue", queue)
        self.all_queues[queue].paused_at = 0
        return self.all_queues[queue]

    async def limit_queue(self, queue: str, limit: int | None, *, reason: str = "") -> QueueView:
        self._called("limit_queue", queue, limit)
        self.all_queues[queue].limit = limit
        return self.all_queues[queue]

    async def schedules(self) -> SchedulesView:
        self._called("schedules")
        return SchedulesView(schedules=list(self.all_schedules.values()))

    async def schedule_due(self, name: str, *, count: int = 5) -> DueTimesView:
        self._called("schedule_due", name, count)
        return DueTimesView(due=[NOW + number * 60 * MINUTE for number in range(1, count + 1)])

    async def pause_schedule(self, name: str, *, reason: str = "") -> ScheduleView:
        self._called("pause_schedule", name)
        self.all_schedules[name].paused_at, self.all_schedules[name].next_at = NOW, 0
        return self.all_schedules[name]

    async def resume_schedule(self, name: str, *, reason: str = "") -> ScheduleView:
        self._called("resume_schedule", name)
        self.all_schedules[name].paused_at = 0
        return self.all_schedules[name]

    async def events(
        self,
        *,
        job: str | None = None,
        runner: str | None = None,
        actor: str | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> EventsView:
        self._called("events", job, runner, actor, before, limit)
        found = [
            fact
            for fact in reversed(self.all_events)
            if (before is None or fact.seq < before)
            and (job is None or int(job) in fact.jobs)
            and (runner is None or (fact.runner and fact.runner.name == runner))
            and (actor is None or fact.actor == actor)
        ]
        return EventsView(events=found[:limit])

    async def late_writes(self, *, before: int | None = None, limit: int = 100) -> LateWritesView:
        self._called("late_writes", before, limit)
        return LateWritesView(late_writes=self.late if before is None else [])


def _matches(one: JobFullView, filter_text: str) -> bool:
    words = re.findall(r'(?:[^\s"]|"[^"]*")+', filter_text)
    return all(_matches_word(one, word) for word in words)


def _matches_word(one: JobFullView, word: str) -> bool:
    key, colon, value = word.partition(":")
    if word == "parent>0":
        return one.parent is not None
    if not colon:
        return word in one.type or word in str(one.number)
    if key == "state":
        names = {"running": "in_progress"}
        return one.state in {names.get(name, name) for name in value.split(",")}
    if key in ("queue", "type"):
        return value in (one.queue, one.type)
    if key == "error":
        return one.error is not None and value.strip('"') in one.error.message
    if key == "parent":
        return str(one.parent.number if one.parent else 0) == value
    if key == "runner":
        return one.runner is not None and value in (one.runner.name, one.runner.id)
    return True
