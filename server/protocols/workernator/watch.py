"""Waiting for news of jobs: one subscription for all calls that wait, however many they are."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from server.bus import BusClosed, Lagged
from server.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.bus import Bus, Item

CAPACITY = 10_000


class JobWatch:
    """Wakes whoever waits for a job when something about it changed."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiters: dict[int, set[asyncio.Event]] = {}
        self._has_waiters = asyncio.Event()
        self.is_closed = False
        """The coordinator is stopping: nothing will follow."""

    @contextlib.contextmanager
    def news_of(self, job_id: int) -> Iterator[asyncio.Event]:
        """An event that is set whenever something about the job changed."""
        news = asyncio.Event()
        self._waiters.setdefault(job_id, set()).add(news)
        self._has_waiters.set()
        try:
            yield news
        finally:
            waiters = self._waiters[job_id]
            waiters.discard(news)
            if not waiters:
                del self._waiters[job_id]

    async def run(self) -> None:
        """Listen for as long as anybody waits; nothing is paid for an idle surface."""
        while not self.is_closed:
            await self._has_waiters.wait()
            with self._bus.subscribe(capacity=CAPACITY) as subscription:
                self._wake_all()
                while self._waiters and not self.is_closed:
                    try:
                        self._wake(await subscription.next())
                    except Lagged:
                        self._wake_all()
                    except BusClosed:
                        self.close()
            if not self._waiters:
                self._has_waiters.clear()

    def close(self) -> None:
        """Wake everybody for the last time."""
        self.is_closed = True
        self._wake_all()

    def _wake(self, items: list[Item]) -> None:
        for item in items:
            for job in item.jobs() if isinstance(item, Event) else (item.job,):
                for news in self._waiters.get(job, ()):
                    news.set()

    def _wake_all(self) -> None:
        for waiters in self._waiters.values():
            for news in waiters:
                news.set()
