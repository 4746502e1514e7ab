"""The console's line to its coordinator: connect, listen, notice silence, begin again.

It runs as one task and knows nothing of screens. What it hears is gathered until somebody takes
it (:meth:`Link.take`), so a thousand events between two paints cost one look.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from traffic_tui.client.base import ClientError, KeepAlive, Resync, Unreachable
from traffic_tui.state.freshness import Freshness

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.clock import Clock
    from server.wire.operator import EventView, NoticeView, StatsView
    from traffic_tui.client.base import Client, StreamItem

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
MAX_ITEMS = 5_000
"""Items held between two looks; beyond it screens load anew instead of catching up."""

LinkState: TypeAlias = Literal["connecting", "live", "lost"]


class Heard(NamedTuple):
    """What was heard since the last look."""

    items: list[EventView | NoticeView]
    is_incomplete: bool
    """Whether something was missed: load everything anew."""

    def __bool__(self) -> bool:
        return bool(self.items) or self.is_incomplete


class Link:
    """One coordinator, listened to."""

    def __init__(
        self, client: Client, clock: Clock, on_news: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self._on_news = on_news
        self._clock = clock
        self._items: list[EventView | NoticeView] = []
        self._is_incomplete = False
        self._is_connected = False
        self.freshness = Freshness(clock.monotonic())
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
        if not self._is_connected:
            await self._client.connect()
            self._is_connected = True
        await self.load_stats()
        self.state, self.problem = "live", ""
        self._is_incomplete = True
        self._on_news()

    async def _listen(self) -> None:
        after = self.stats.last_seq if self.stats else None
        async for item in self._client.follow(after=after):
            self.hear(item)
        raise Unreachable("the coordinator ended the stream of events")

    def _lost(self, error: ClientError) -> None:
        self.state, self.problem = "lost", error.message
        self.freshness.cut()

    async def load_stats(self) -> StatsView:
        """Load the counts; an answer is also a sign of life."""
        self.stats = await self._client.stats()
        self.freshness.heard(self._clock.monotonic())
        return self.stats

    def hear(self, item: StreamItem) -> None:
        """Take in one item of the stream."""
        self.freshness.heard(self._clock.monotonic())
        if isinstance(item, KeepAlive):
            return
        if isinstance(item, Resync) or len(self._items) >= MAX_ITEMS:
            self._is_incomplete = True
            self._items.clear()
        else:
            self._items.append(item)
        self._on_news()

    def take(self) -> Heard:
        """What was heard since the last call."""
        heard = Heard(self._items, self._is_incomplete)
        self._items, self._is_incomplete = [], False
        return heard

    @property
    def is_stale(self) -> bool:
        """Whether what the screen shows may be out of date."""
        return self.freshness.is_stale(self._clock.monotonic())

    def reason_to_hold_back(self) -> str:
        """Why nothing may be changed now; empty: it may."""
        if self.state == "lost" and self.problem:
            return f"not connected: {self.problem}"
        return self.freshness.reason_to_hold_back(self._clock.monotonic())

    def seconds_to_next_try(self) -> int:
        return max(0, round(self.next_try_at - self._clock.monotonic()))
