"""The console's line to its coordinator: connect, listen, notice silence, begin again.

It runs as one task and knows nothing of screens. What it hears is gathered until somebody takes
it (:meth:`Link.take`), so a thousand events between two paints cost one look.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from server.wire.operator import EventView, NoticeView
from traffic_tui.client.base import ClientError, KeepAlive, Resync, Unreachable

if TYPE_CHECKING:
    from server.clock import Clock
    from server.wire.operator import StatsView
    from traffic_tui.client.base import Client, StreamItem

STALE_AFTER_SECONDS = 5.0
"""Silence after which nothing on the screen may be taken for the present."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
MAX_EVENTS_KEPT = 2_000
"""Events held between two looks; beyond it the Events screen loads its page anew."""

LinkState: TypeAlias = Literal["connecting", "live", "lost"]


@dataclass(slots=True)
class Changes:
    """What was heard since the last look."""

    jobs: set[int] = field(default_factory=set)
    """Numbers of jobs about which something changed."""
    finished_or_new: bool = False
    """Whether jobs came, went or changed state, so that lists and counts are out of date."""
    output: set[int] = field(default_factory=set)
    """Numbers of jobs that said something."""
    runners: bool = False
    queues: bool = False
    events: list[EventView] = field(default_factory=list)
    reload: bool = False
    """Whether something was missed: load everything anew."""

    def __bool__(self) -> bool:
        return bool(
            self.jobs
            or self.finished_or_new
            or self.output
            or self.runners
            or self.queues
            or self.events
            or self.reload
        )


class Link:
    """One coordinator, listened to."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._changes = Changes()
        self._heard_at: float | None = None
        self._connected = False
        self.state: LinkState = "connecting"
        self.stats: StatsView | None = None
        """The counts as last loaded."""
        self.problem = ""
        """Why there is no connection, in the client's words."""
        self.next_try_at = 0.0
        """When it tries again, on the monotonic clock."""

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is tried again, ever more slowly."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._begin()
                pause = FIRST_PAUSE_SECONDS
                await self._listen()
            except ClientError as error:
                self._lost(error)
            self.next_try_at = self._clock.monotonic() + pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _begin(self) -> None:
        if not self._connected:
            await self._client.connect()
            self._connected = True
        await self.load_stats()
        self.state, self.problem = "live", ""
        self._changes.reload = True

    async def _listen(self) -> None:
        after = self.stats.last_seq if self.stats else None
        async for item in self._client.follow(after=after):
            self.hear(item)

    def _lost(self, error: ClientError) -> None:
        self.state, self.problem = "lost", error.message
        if not isinstance(error, Unreachable):
            self._heard_at = self._clock.monotonic()

    async def load_stats(self) -> StatsView:
        """Load the counts; an answer is also a sign of life."""
        self.stats = await self._client.stats()
        self._heard_at = self._clock.monotonic()
        return self.stats

    def hear(self, item: StreamItem) -> None:
        """Take in one item of the stream."""
        self._heard_at = self._clock.monotonic()
        self.state = "live"
        if isinstance(item, EventView):
            self._hear_event(item)
        elif isinstance(item, NoticeView):
            self._hear_notice(item)
        elif isinstance(item, Resync):
            self._changes.reload = True
        else:
            assert isinstance(item, KeepAlive)

    def _hear_event(self, event: EventView) -> None:
        changes = self._changes
        if event.jobs:
            changes.jobs.update(event.jobs)
            changes.finished_or_new = True
        if event.kind.startswith("runner_") or event.runner:
            changes.runners = True
        if event.kind.startswith("queue_") or event.jobs:
            changes.queues = True
        if len(changes.events) < MAX_EVENTS_KEPT:
            changes.events.append(event)
        else:
            changes.reload = True

    def _hear_notice(self, notice: NoticeView) -> None:
        if notice.kind == "runner":
            self._changes.runners = True
        elif notice.kind == "queue":
            self._changes.queues = True
        else:
            self._changes.jobs.add(notice.number)
            if notice.kind == "output":
                self._changes.output.add(notice.number)

    def take(self) -> Changes:
        """What was heard since the last call."""
        changes, self._changes = self._changes, Changes()
        return changes

    def silent_seconds(self) -> float:
        """How long nothing was heard; 0 before the first word."""
        if self._heard_at is None:
            return 0.0
        return max(0.0, self._clock.monotonic() - self._heard_at)

    @property
    def was_heard(self) -> bool:
        """Whether the coordinator ever answered."""
        return self._heard_at is not None

    @property
    def is_stale(self) -> bool:
        """Whether what the screen shows may be out of date."""
        return self.state != "live" or self.silent_seconds() > STALE_AFTER_SECONDS

    def seconds_to_next_try(self) -> int:
        return max(0, round(self.next_try_at - self._clock.monotonic()))
