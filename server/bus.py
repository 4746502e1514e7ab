"""Fan-out of what happened to whoever listens, with a bounded buffer each.

A subscriber that does not keep up loses its buffer and is told so once (:class:`Lagged`); it
never slows the coordinator or its neighbours down.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from server.events import Event, Notice

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

Item: TypeAlias = Event | Notice


class Lagged(Exception):
    """The subscriber was too slow and missed something; it has to load everything anew."""


class BusClosed(Exception):
    """The coordinator is stopping; nothing will follow."""


class Subscription:
    """One listener's buffer. Leave it with :meth:`close`, or use it as a context manager."""

    def __init__(self, bus: Bus, capacity: int) -> None:
        self._bus = bus
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._arrived = asyncio.Event()
        self._has_lagged = False
        self._is_closed = False

    async def next(self) -> list[Item]:
        """Everything that arrived since the last call, at least one item.

        Raises:
            Lagged: once after an overflow.
            BusClosed: the coordinator is stopping, or this subscription was closed.
        """
        await self._arrived.wait()
        if self._has_lagged:
            self._has_lagged = False
            if not (self._items or self._is_closed):
                self._arrived.clear()
            raise Lagged
        if self._items:
            items = list(self._items)
            self._items.clear()
            if not self._is_closed:
                self._arrived.clear()
            return items
        raise BusClosed

    def close(self) -> None:
        """Stop listening; a waiting :meth:`next` ends with BusClosed."""
        self._is_closed = True
        self._bus.drop(self)
        self._arrived.set()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def offer(self, items: list[Item]) -> None:
        """Take items in, or drop all that waits when they do not fit."""
        if len(self._items) + len(items) > self._capacity:
            self._items.clear()
            self._has_lagged = True
        else:
            self._items.extend(items)
        self._arrived.set()


class Bus:
    """Where the coordinator tells what happened. Belongs to the coordinator's loop."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self.is_heard = False
        """Whether anybody listens; asked for every change."""
        self._is_closed = False

    @property
    def subscriber_count(self) -> int:
        return len(self._subscriptions)

    def subscribe(self, *, capacity: int = 1_000) -> Subscription:
        """Listen from now on.

        Args:
            capacity: how many items may wait; a batch event that names many jobs is one item.
        """
        subscription = Subscription(self, capacity)
        self._subscriptions.add(subscription)
        self.is_heard = True
        if self._is_closed:
            subscription.close()
        return subscription

    def publish(self, items: Iterable[Item]) -> None:
        """Hand items to every subscriber; returns at once."""
        if not self.is_heard:
            return
        batch = list(items)
        for subscription in self._subscriptions:
            subscription.offer(batch)

    def drop(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
        self.is_heard = bool(self._subscriptions)

    def close(self) -> None:
        """End every subscription; what waits in a buffer can still be read."""
        self._is_closed = True
        for subscription in list(self._subscriptions):
            subscription.close()
