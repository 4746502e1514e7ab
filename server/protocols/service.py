"""What a protocol does on its own account: pushing work, dialling runners, keeping sessions.

A service lives as long as the coordinator. Its loops are owned by an :class:`Upkeep`, so that one
that fails is told of and begun again, and never takes another protocol down with it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from server.errors import TrafficError
from server.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 60.0
"""A loop that held this long begins anew with the first pause."""

logger = logging.getLogger(__name__)


class ProtocolService(Protocol):
    """A part of a protocol that lives as long as the coordinator does."""

    @property
    def name(self) -> str:
        """For the log, for example ``native-v1 webhooks``."""
        ...

    async def start(self) -> None:
        """Begin; returns soon, whoever the peers are and wherever they may be.

        Raises:
            TrafficError: it can never work as it is configured, in words.
        """
        ...

    async def stop(self) -> None:
        """End within two seconds, leaving no task, connection or process. Safe to call twice."""
        ...


class Upkeep:
    """Owns the loops of a service: each runs until it is ended, however often it fails."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._repeats = Repeats()

    def keep(self, what: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Run ``loop`` under this name; after a failure again, after its return no more."""
        if what in self._loops:
            raise ValueError(f"{self._name}: {what} runs already")
        task = asyncio.create_task(self._run(what, loop), name=f"{self._name}: {what}")
        self._loops[what] = task
        task.add_done_callback(lambda done: self._forget(what, done))

    async def end(self, what: str) -> None:
        """End one loop and wait for it; nothing happens where none has this name."""
        task = self._loops.pop(what, None)
        if task is not None:
            await _ended([task])

    async def stop(self) -> None:
        """End all loops and wait for them."""
        tasks, self._loops = list(self._loops.values()), {}
        await _ended(tasks)

    def _forget(self, what: str, done: asyncio.Task[None]) -> None:
        if self._loops.get(what) is done:
            del self._loops[what]

    async def _run(self, what: str, loop: Callable[[], Awaitable[None]]) -> None:
        pause = FIRST_PAUSE_SECONDS
        clock = asyncio.get_running_loop()
        while True:
            began = clock.time()
            try:
                await loop()
                return
            except TrafficError as error:
                words = f"{self._name}: {what} begins again: {error.message}"
                if self._repeats.is_news(words, clock.time()):
                    logger.warning("%s", words)
            except Exception:  # the boundary of each protocol: told, and begun again
                logger.exception("%s: %s failed and begins again", self._name, what)
            if clock.time() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
