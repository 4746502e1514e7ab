"""Knowing when to look again: a coordinator's event stream, with looking now and then beneath it.

The stream only wakes whoever waits. What is true is always asked for, so nothing is lost or
repeated when the stream ends, the coordinator restarts or an event is dropped.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Self, cast

from traffic_tui.client.base import ClientError, KeepAlive, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from traffic_tui.client.base import Client, StreamItem

LOOK_AGAIN_SECONDS = 2.0
"""Longest wait without news: a stream may hang without ending."""
RECONNECT_SECONDS = 0.5
SETTLE_SECONDS = 0.05
"""Shortest time between two looks: a burst of news is one reason to look."""
PATIENCE_SECONDS = 600.0
"""How long a coordinator may be away before a command that waits for it gives up."""


def live_items(client: Client, *, after: int | None = None) -> AsyncGenerator[StreamItem, None]:
    """The event stream as what it is: a generator, to be closed by whoever leaves it early."""
    return cast("AsyncGenerator[StreamItem, None]", client.follow(after=after))


class News:
    """Wakes its one waiter when something happened. Owns the stream while it is entered."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._happened = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listener = asyncio.create_task(self._listen(), name="news")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])

    async def wait(self) -> None:
        """Until there is news, or for a while."""
        await asyncio.sleep(SETTLE_SECONDS)
        try:
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                await self._happened.wait()
        except TimeoutError:
            return
        self._happened.clear()

    async def _listen(self) -> None:
        while True:
            try:
                async with aclosing(live_items(self._client)) as items:
                    async for item in items:
                        if not isinstance(item, KeepAlive):
                            self._happened.set()
            except ClientError:  # the waiter's own calls report what is wrong
                pass
            self._happened.set()
            await asyncio.sleep(RECONNECT_SECONDS)


class Patience:
    """Forgives a coordinator that went away, for a bounded time in one piece.

    One that never answered is not waited for: then it is the address that is wrong.
    """

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self._seconds = seconds
        self._away_since: float | None = None
        self._has_answered = False

    def answered(self) -> None:
        """It is there (again)."""
        self._away_since = None
        self._has_answered = True

    def unanswered(self, error: Unreachable) -> None:
        """It is not; raises ``error`` once that has lasted too long."""
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        if not self._has_answered or now - self._away_since > self._seconds:
            raise error
