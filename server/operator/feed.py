"""Events as they happen, from any point that is still kept: first from the store, then live.

Listening begins before the store is read, and what was told already is left out by its sequence
number: so nothing is missed and nothing comes twice in between.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from server.bus import BusClosed, Lagged
from server.events import Event
from server.operator.line_views import event_view, notice_view
from server.store.base import EventQuery
from server.wire.operator import EventView, NoticeView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from server.bus import Item, Subscription
    from server.events import Notice
    from server.operator.names import NameBook
    from server.store.base import Reads

REPLAY_PAGE = 500
CAPACITY = 5_000
"""Items that may wait for a slow reader; beyond it they are dropped and it is told to reload."""
KEEP_ALIVE_SECONDS = 2.0
PACE_SECONDS = 0.05
"""Pause between two rounds: what comes up meanwhile is gathered, notices of one kind once."""


class Resync(NamedTuple):
    """Something was missed: the reader has to load everything anew."""

    reason: str


class KeepAlive(NamedTuple):
    """Nothing happened, but the coordinator is there."""


FeedItem: TypeAlias = EventView | NoticeView | Resync | KeepAlive


class Feed:
    """One reader's stream. Iterate over it with :meth:`items`; end it with :meth:`close`.

    Args:
        subscription: opened by the caller, before anything is read.
        after: the last event the reader knows; None: only what happens from now on.
    """

    def __init__(
        self,
        subscription: Subscription,
        reads: Reads,
        names: NameBook,
        after: int | None,
        on_close: Callable[[Feed], None],
    ) -> None:
        self._subscription = subscription
        self._reads = reads
        self._names = names
        self._after = after
        self._last = 0
        self._on_close = on_close
        self._closed = asyncio.Event()
        self.told_at = 0
        """Time of the last event that was handed to the reader."""

    def close(self) -> None:
        """End the stream; a reader that waits gets what is left, then the end."""
        self._subscription.close()
        self._closed.set()
        self._on_close(self)

    async def wait_closed(self) -> None:
        """Until :meth:`close`, or the end of the items."""
        await self._closed.wait()

    async def items(self) -> AsyncIterator[list[FeedItem]]:
        """Rounds of what happened, until the coordinator stops or the feed is closed."""
        try:
            if self._after is not None:
                async for page in self._replay(self._after):
                    yield page
            async for live in self._live():
                yield live
        finally:
            self.close()

    async def _replay(self, after: int) -> AsyncIterator[list[FeedItem]]:
        """Everything after a point, page by page; a point that is not kept asks for a resync."""
        newest = await self._reads.last_seq()
        oldest = await self._reads.first_seq()
        if after > newest or (oldest and after < oldest - 1):
            self._last = newest
            yield [Resync("the events asked for are not kept (any more)")]
            return
        self._last = after
        while True:
            page = await self._reads.events(EventQuery(after=self._last, limit=REPLAY_PAGE))
            if page:
                self._last = page[-1].seq
                yield await self._views(page)
            if len(page) < REPLAY_PAGE:
                return

    async def _live(self) -> AsyncIterator[list[FeedItem]]:
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    arrived = await self._subscription.next()
            except TimeoutError:
                yield [KeepAlive()]
                continue
            except Lagged:
                async for page in self._catch_up():
                    yield page
                continue
            except BusClosed:
                return
            fresh = self._fresh(arrived)
            if fresh:
                yield await self._views(fresh)
            await asyncio.sleep(PACE_SECONDS)

    async def _catch_up(self) -> AsyncIterator[list[FeedItem]]:
        """The buffer overflowed: the reader reloads, and goes on with what follows."""
        self._last = await self._reads.last_seq()
        yield [Resync("the reader was too slow")]

    def _fresh(self, arrived: Sequence[Item]) -> list[Item]:
        """Events not told yet, and each notice once, after the events it came with."""
        events = [item for item in arrived if isinstance(item, Event) and item.seq > self._last]
        notices = dict.fromkeys(item for item in arrived if not isinstance(item, Event))
        if events:
            self._last = events[-1].seq
        return [*events, *notices]

    async def _views(self, items: Sequence[Event | Notice]) -> list[FeedItem]:
        names = await self._names.of_events(items)
        self.told_at = max(
            (item.at for item in items if isinstance(item, Event)), default=self.told_at
        )
        return [
            event_view(item, names) if isinstance(item, Event) else notice_view(item, names)
            for item in items
        ]
