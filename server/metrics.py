"""Figures for Prometheus.

Hot paths only add to plain numbers; the text is made when somebody asks. Labels are bounded:
routes are those of the tables, queues beyond the first hundred are told as one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from http import HTTPMethod
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from server.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client.core import Metric

    from server.coordinator.called import CallTally
    from server.operator import OperatorApi
    from server.store.base import Committed
    from server.wire.operator import QueueView, StatsView

MAX_QUEUES = 100
OTHER_QUEUES = "(others)"
METHODS = frozenset(method.value for method in HTTPMethod)
COMMIT_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
PREFIX = "traffic"


Request: TypeAlias = "tuple[str, str, int]"
"""What requests are counted by: route, method, status."""


class Tally:
    """Numbers that grow while the coordinator serves."""

    def __init__(self) -> None:
        self.requests: Counter[Request] = Counter()
        self.events: Counter[str] = Counter()
        self.refused_connections = 0
        self.commits = 0
        self.commit_seconds = Histogram(COMMIT_BUCKETS)

    def note_commit(self, committed: Committed) -> None:
        self.commits += 1
        self.commit_seconds.add(committed.seconds)
        for event in committed.events:
            self.events[event.kind] += 1


class Snapshot(NamedTuple):
    """What was read for one answer."""

    stats: StatsView
    queues: Sequence[QueueView]
    output_bytes: int
    ignored: Mapping[str, int]
    """Messages of runners that were left out, by protocol."""
    called: CallTally
    feeds: int
    feed_lag_seconds: float


class Metrics:
    """Counts, and tells it in Prometheus' text form."""

    def __init__(self, api: OperatorApi) -> None:
        self._api = api
        self.tally = Tally()
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        api.coordinator.store.on_commit(self.tally.note_commit)

    def count_request(self, route: str, method: str, status: int) -> None:
        self.tally.requests[route, _known_method(method), status] += 1

    def count_refused_connection(self) -> None:
        self.tally.refused_connections += 1

    async def text(self) -> bytes:
        """All figures, as of now."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Figures(self.tally, await self._snapshot()))
        # In a thread: a process with many connections has many files to be counted.
        of_process = await asyncio.to_thread(generate_latest, self._process)
        return generate_latest(registry) + of_process

    async def _snapshot(self) -> Snapshot:
        api = self._api
        stats = await api.read_stats()
        queues = (await api.read_queues()).queues
        coordinator = api.coordinator
        return Snapshot(
            stats,
            queues,
            coordinator.output_bytes,
            coordinator.ignored_messages,
            coordinator.called,
            api.feed_count,
            api.feed_lag_seconds(),
        )


class _Figures(Collector):
    """One answer's figures."""

    def __init__(self, tally: Tally, snapshot: Snapshot) -> None:
        self._tally = tally
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        yield from self._store()
        yield from self._queues()
        yield from self._called()
        yield from self._server()

    def _store(self) -> Iterable[Metric]:
        stats, tally = self._snapshot.stats, self._tally
        yield _gauges("jobs", "Jobs by state.", "state", stats.counts)
        yield _gauges("runners", "Runners by state.", "state", stats.runners)
        yield _counter("commits", "Commits that changed something.", tally.commits)
        yield HistogramMetricFamily(
            f"{PREFIX}_commit_seconds",
            "How long commits took.",
            buckets=tally.commit_seconds.cumulated(),
            sum_value=tally.commit_seconds.total,
        )
        yield _counters("events", "Events by kind.", "kind", tally.events)
        yield _counter(
            "late_writes",
            "What came for attempts that no longer counted.",
            tally.events["late_write"],
        )
        if stats.free_bytes is not None:
            yield _gauge("storage_free_bytes", "Space left for the store.", stats.free_bytes)

    def _queues(self) -> Iterable[Metric]:
        stats = self._snapshot.stats
        jobs = GaugeMetricFamily(
            f"{PREFIX}_queue_jobs", "Jobs of a queue.", labels=["queue", "state"]
        )
        ages = GaugeMetricFamily(
            f"{PREFIX}_queue_oldest_pending_seconds",
            "Age of a queue's oldest pending job.",
            labels=["queue"],
        )
        paused = GaugeMetricFamily(
            f"{PREFIX}_queue_paused", "1 while a queue is paused.", labels=["queue"]
        )
        by_size = sorted(self._snapshot.queues, key=lambda queue: -(queue.waiting + queue.active))
        for queue in by_size[:MAX_QUEUES]:
            _add_counts(jobs, queue.name, [queue])
            paused.add_metric([queue.name], 1 if queue.paused_at else 0)
            ages.add_metric([queue.name], _age(stats.now, [queue]))
        others = by_size[MAX_QUEUES:]
        if others:
            _add_counts(jobs, OTHER_QUEUES, others)
            ages.add_metric([OTHER_QUEUES], _age(stats.now, others))
        yield from (jobs, ages, paused)

    def _called(self) -> Iterable[Metric]:
        called = self._snapshot.called
        calls = CounterMetricFamily(
            f"{PREFIX}_runner_calls",
            "Calls of runners' webhooks, and knocks at them, by what came of it.",
            labels=["call", "result"],
        )
        for (kind, result), count in called.results.items():
            calls.add_metric([kind, result], count)
        seconds = HistogramMetricFamily(
            f"{PREFIX}_runner_call_seconds", "How long these calls took.", labels=["call"]
        )
        for kind, taken in called.seconds.items():
            seconds.add_metric([kind], buckets=taken.cumulated(), sum_value=taken.total)
        yield from (calls, seconds)

    def _server(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            f"{PREFIX}_http_requests",
            "Requests answered; status 0: the client was gone first.",
            labels=["route", "method", "status"],
        )
        for (route, method, status), count in self._tally.requests.items():
            requests.add_metric([route, method, str(status)], count)
        yield requests
        yield _counter(
            "connections_refused",
            "Connections refused as too many files were open.",
            self._tally.refused_connections,
        )
        snapshot = self._snapshot
        yield _counter("output_bytes", "Console bytes taken in.", snapshot.output_bytes)
        yield _counters(
            "runner_messages_ignored",
            "What runners sent that made no sense, or was not theirs to say.",
            "protocol",
            snapshot.ignored,
        )
        yield _gauge("event_streams", "Event streams that are open.", snapshot.feeds)
        yield _gauge(
            "event_lag_seconds",
            "How far the slowest open stream is behind the newest event.",
            snapshot.feed_lag_seconds,
        )
        yield _gauge("event_sequence", "Number of the newest event.", snapshot.stats.last_seq)
        yield _gauge(
            "started_seconds", "When the coordinator started.", snapshot.stats.started_at / 1000
        )


def _known_method(method: str) -> str:
    """Methods come from outside, and labels must not grow with what is sent."""
    return method if method in METHODS else "other"


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", words, value=value)


def _gauges(name: str, words: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", words, value=value)


def _counters(name: str, words: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", words, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _add_counts(family: GaugeMetricFamily, name: str, queues: Sequence[QueueView]) -> None:
    for state in ("waiting", "scheduled", "active"):
        count = sum(getattr(queue, state) for queue in queues)
        family.add_metric([name, state], count)


def _age(now: int, queues: Iterable[QueueView]) -> float:
    """Seconds since the oldest pending job of these came into the line."""
    oldest = min(
        (queue.oldest_pending_at for queue in queues if queue.oldest_pending_at), default=0
    )
    return max(0.0, (now - oldest) / 1000) if oldest else 0.0
