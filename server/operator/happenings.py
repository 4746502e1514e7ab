"""Calls about what happened: events, late writes, and the figures of the header."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from server.errors import Busy
from server.operator.feed import CAPACITY, Feed
from server.operator.line_views import RUNNER_STATES, event_view, late_write_view
from server.operator.parts import OperatorParts
from server.operator.throughput import Throughput
from server.store.base import EventQuery
from server.wire.operator import EventsView, LateWritesView, StatsView

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from server.keyring import Keyring
    from server.model import Actor
    from server.store.base import Reads

BUCKET_MS = 120_000
BUCKETS = 15
MAX_FEEDS = 200
"""Streams that may be open at once."""


class HappeningCalls(OperatorParts):
    """Pages and streams of events, late writes, stats."""

    def __init__(self, coordinator: Coordinator, reads: Reads, keyring: Keyring) -> None:
        super().__init__(coordinator, reads, keyring)
        self.throughput = Throughput(coordinator.clock)
        coordinator.store.on_commit(lambda committed: self.throughput.note(committed.events))
        self._version = program_version()
        """Read now: later there may be no file left to open."""
        self._feeds: set[Feed] = set()
        self._is_closed = False

    async def events(
        self,
        actor: Actor,
        *,
        job: str | None = None,
        runner: str | None = None,
        by: str | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> EventsView:
        """A page: newest first, or with ``after`` oldest first."""
        found = await self.reads.events(
            EventQuery(
                after=after,
                before=before,
                job=None if job is None else await self._job_for_history(actor, job),
                runner=None if runner is None else self.find_runner_for_history(runner),
                actor=by,
                limit=limit,
            )
        )
        names = await self.names.of_events(found)
        return EventsView(events=[event_view(event, names) for event in found])

    def follow(self, actor: Actor, *, after: int | None = None) -> Feed:
        """A stream of events, after the given one or from now on. The caller closes it.

        Raises:
            Busy: too many are open, or the coordinator is stopping.
        """
        if self._is_closed:
            raise Busy("the coordinator is stopping")
        if len(self._feeds) >= MAX_FEEDS:
            raise Busy(f"{MAX_FEEDS} event streams are open, more are not served", retry_after=10)
        subscription = self.coordinator.bus.subscribe(capacity=CAPACITY)
        feed = Feed(subscription, self.reads, self.names, after, self._feeds.discard)
        self._feeds.add(feed)
        return feed

    def close(self) -> None:
        """End all streams and open no more."""
        self._is_closed = True
        for feed in list(self._feeds):
            feed.close()

    @property
    def feed_count(self) -> int:
        return len(self._feeds)

    async def late_writes(
        self, actor: Actor, *, before: int | None = None, limit: int = 100
    ) -> LateWritesView:
        """What came for attempts that no longer counted, newest first."""
        found = await self.reads.late_writes(before=before, limit=limit)
        names = await self.names.of_late_writes(found)
        return LateWritesView(late_writes=[late_write_view(late, names) for late in found])

    def feed_lag_seconds(self) -> float:
        """How far the slowest open stream is behind what was committed."""
        told = [feed.told_at for feed in self._feeds if feed.told_at]
        behind = self.throughput.newest_at - min(told, default=self.throughput.newest_at)
        return max(0.0, behind / 1000)

    async def stats(self, actor: Actor) -> StatsView:
        """Everything a header shows, in one answer."""
        return await self.read_stats()

    async def read_stats(self) -> StatsView:
        coordinator, now = self.coordinator, self.coordinator.clock.now_ms()
        counts = await self.reads.state_counts()
        queues = await self.reads.queue_work(now)
        waiting_since = [work.oldest_pending_at for work in queues.values()]
        return StatsView(
            now=now,
            counts={state: count for state, count in counts.items()},  # noqa: C416
            runners=await self._runners_by_state(now),
            oldest_pending_at=min((since for since in waiting_since if since), default=0),
            done_buckets=[*await self.reads.finished_per_bucket(now, BUCKET_MS, BUCKETS)],
            done_last_minute=self.throughput.last_minute(),
            last_seq=await self.reads.last_seq(),
            version=self._version,
            started_at=coordinator.started_at,
            coordinator=coordinator.name,
            free_bytes=await self.reads.free_bytes(),
            min_free=coordinator.settings.storage.min_free,
        )

    async def _runners_by_state(self, now: int) -> dict[str, int]:
        work = await self.reads.runner_work(now)
        silence_ms = await self.longest_silence_ms()
        counts = dict.fromkeys((str(state) for state in RUNNER_STATES), 0)
        for runner in self.coordinator.runners():
            counts[self.runner_state(runner, work.get(runner.id), silence_ms)] += 1
        return counts

    async def _job_for_history(self, actor: Actor, text: str) -> int:
        """Row id of a job; what happened to a deleted one is found by its number."""
        if text.isascii() and text.isdigit() and len(text) <= 18:
            return int(text)
        return (await self.find_job(actor, text)).id


@cache
def program_version() -> str:
    """The installed version, or ``unknown`` when run from a bare folder."""
    try:
        return metadata.version("traffic-tui")
    except metadata.PackageNotFoundError:
        return "unknown"
