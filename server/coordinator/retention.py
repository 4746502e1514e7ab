"""Removing what is old, by a clockwork of its own.

A busy day's worth takes minutes to remove, in many small steps. The sweeps do not wait for that:
leases, timeouts and due times are looked at meanwhile (:mod:`server.coordinator.sweeper`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from server.coordinator.age_clock import AgeClock
from server.errors import TrafficError
from server.repeats import Repeats

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.store.base import Store, Tx

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 5.0
BATCH: Final = 500
"""Things of each kind that one step removes at most: its neighbours wait for it."""
PAUSE_SECONDS: Final = 0.01
"""Between two steps, so that others get their turn."""
STOP_SECONDS: Final = 2.0
AGE_STEP_MS: Final = 3_600_000
"""What retention came to is stored this often: it is read once, at a start."""
TOLD_BEHIND_MS: Final = 24 * 3_600_000
"""Retention that is further behind says so at a start: things are kept longer than people think."""


class Retention:
    """Once a minute, removes what is older than the settings say."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory
        self._age = AgeClock(memory.clock, 0)
        self._age_stored = 0
        self._due_at = 0.0
        """Monotonic."""
        self._repeats = Repeats()
        self._task: asyncio.Task[None] | None = None

    def load(self, tx: Tx) -> None:
        """Learn from the store how far it came."""
        self._age_stored = tx.retention_reached()
        self._age = AgeClock(self._memory.clock, self._age_stored)
        if (behind := self._age.behind_ms) >= TOLD_BEHIND_MS:
            log.warning(
                "the clock is %.0f days past the last look at what is old; if it is right, nothing"
                " need be done: retention makes up for a day in each hour",
                behind / TOLD_BEHIND_MS,
            )

    def start(self) -> None:
        """Begin; the first look is a minute away."""
        self._due_at = self._memory.clock.monotonic() + EVERY_SECONDS
        self._task = asyncio.get_running_loop().create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """End within a bound; safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task], timeout=STOP_SECONDS)

    async def look(self) -> None:
        """Remove all that is old, if the minute is over."""
        monotonic = self._memory.clock.monotonic()
        if monotonic < self._due_at:
            return
        self._due_at = monotonic + EVERY_SECONDS
        await self._prune(self._age.now_ms())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except TrafficError as error:
                words = f"retention put off: {error.message}"
                if self._repeats.is_news(words, self._memory.clock.monotonic()):
                    log.warning("%s", words)
            except Exception:
                # The boundary of the loop: one failing look must not end all later ones.
                log.exception("retention failed")

    async def _prune(self, now: int) -> None:
        if now >= self._age_stored + AGE_STEP_MS:
            await self._store.apply(lambda tx: tx.keep_retention_reached(now))
            self._age_stored = now
        removed = 1
        while removed:
            removed = await self._store.apply(lambda tx: prune_step(tx, self._memory, now))
            await asyncio.sleep(PAUSE_SECONDS)


def prune_step(tx: Tx, memory: Memory, now: int) -> int:
    """One step of retention; how many things went. ``now`` is retention's own."""
    retention = memory.settings.retention
    removed = tx.prune(
        jobs_before=now - retention.jobs_ms,
        output_before=now - retention.output_ms,
        events_before=now - retention.events_ms,
        now=now,
        limit=BATCH,
    )
    removed += tx.prune_unused(BATCH)
    if len(memory.runners) > len(known := {runner.id for runner in tx.runners()}):
        tx.after_commit(lambda: memory.keep_runners(known))
    return removed
