"""The coordinator's own clockwork: runs the sweeps of :mod:`server.coordinator.sweep`."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from server.coordinator import clock_change, firing, sweep
from server.coordinator.clock_change import ClockChange
from server.errors import TrafficError
from server.events import Notice
from server.leases import HiccupDetector
from server.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.coordinator.memory import Memory
    from server.leases import Hiccup
    from server.store.base import Store, Tx

T = TypeVar("T")

log = logging.getLogger(__name__)

TICK_SECONDS = 0.25
TICKS_PER_ROUND = 4
ROUND_SECONDS = TICKS_PER_ROUND * TICK_SECONDS
ROUNDS_PER_LAST_SEEN = 5
STALL_SECONDS = 2.0
"""A look that comes this much late means that the coordinator stood still."""
STOP_SECONDS = 2.0


class Sweeper:
    """Looks at the clock four times a second and does what time brings."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory
        self._hiccups = HiccupDetector(memory.clock, tolerated_seconds=STALL_SECONDS)
        self._told_drained: set[int] = set()
        self._calm_until = 0.0
        self._ticks = 0
        """Since the last round."""
        self._rounds = 0
        self._round_at = memory.clock.monotonic()
        """Monotonic."""
        self._repeats = Repeats()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; nothing expires until everybody had one lease to come back."""
        self._be_calm()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="sweeper")

    async def stop(self) -> None:
        """End within a bound; safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task], timeout=STOP_SECONDS)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await self.tick()
            except TrafficError as error:
                self._tell("sweep put off", error)
            except Exception:
                # The boundary of the loop: one failing sweep must not end all later ones.
                log.exception("sweep failed")

    async def tick(self) -> None:
        """One look at the clock."""
        self._ticks += 1
        await self._look_for_hiccups(TICK_SECONDS)
        await self._in_steps(lambda: self._store.first_due, sweep.fall_due)
        await self._fire_schedules()
        if self._ticks >= TICKS_PER_ROUND:
            await self._round()
        await self._in_steps(lambda: self._store.first_deadline, sweep.expire_waiting)

    async def _in_steps(
        self, next_at: Callable[[], int], step: Callable[[Tx, Memory, int], object]
    ) -> None:
        """Do one thing until it is not due any more. Where that takes long, all else that time
        brings is looked at meanwhile, and it is not taken for the coordinator standing still."""
        memory, clock = self._memory, self._memory.clock
        while next_at() <= clock.now_ms():
            await self._store.apply(lambda tx: step(tx, memory, clock.now_ms()))
            await self._look_for_hiccups(0)
            if clock.monotonic() >= self._round_at + ROUND_SECONDS:
                await self._round()

    async def _fire_schedules(self) -> None:
        try:
            await self._in_steps(lambda: self._memory.next_schedule_at, firing.fire)
        except TrafficError as error:
            self._tell("schedules put off", error)
        except Exception:
            # The boundary of schedules: leases are watched all the same.
            log.exception("schedules put off")

    def _tell(self, what: str, error: TrafficError) -> None:
        words = f"{what}: {error.message}"
        if self._repeats.is_news(words, self._memory.clock.monotonic()):
            log.warning("%s", words)

    async def _look_for_hiccups(self, planned_seconds: float) -> None:
        """Renew all leases if we stood still. Nothing is awaited after that: what the caller
        reads of the leases next is as of this look."""
        hiccup = self._hiccups.look(planned_seconds=planned_seconds)
        if hiccup.stalled_seconds:
            log.warning("stood still for %.1fs: all leases are renewed", hiccup.stalled_seconds)
            self._be_calm()
        if hiccup.jumped_ms:
            self._be_calm()
            await self._follow_clock(hiccup)
            self._be_calm()

    async def _follow_clock(self, hiccup: Hiccup) -> None:
        """The wall clock was set: times that were reckoned move with it."""
        seconds = hiccup.jumped_ms / 1000
        log.warning("the wall clock was set by %+.1fs: what runs and waits keeps its time", seconds)
        memory, insist = self._memory, self._insist
        now = memory.clock.now_ms()
        change = ClockChange(hiccup.jumped_ms, now - hiccup.passed_ms)
        memory.heard_until(now)
        waiting = await insist(lambda tx: clock_change.move(tx, memory, change))
        for start in range(0, len(waiting), clock_change.BATCH):
            await self._move_waiting(change, waiting[start : start + clock_change.BATCH])
        await insist(lambda tx: firing.after_clock_change(tx, memory, memory.clock.now_ms()))

    async def _move_waiting(self, change: ClockChange, job_ids: list[int]) -> None:
        await self._insist(lambda tx: clock_change.move_waiting(tx, self._memory, change, job_ids))

    async def _insist(self, operation: Callable[[Tx], T]) -> T:
        """Apply what must not be left out, as the clock is set once and nobody asks again."""
        while True:
            try:
                return await self._store.apply(operation)
            except TrafficError as error:
                self._tell("following the clock is put off", error)
                await asyncio.sleep(TICK_SECONDS)

    def _be_calm(self) -> None:
        memory = self._memory
        for session_id in memory.session_leases.renew_all():
            runner_id = memory.presences[session_id].session.runner
            memory.notify(Notice("runner", runner=runner_id))
        memory.attempt_leases.renew_all()
        self._calm_until = (
            memory.clock.monotonic() + memory.settings.leases.heartbeat_timeout_ms / 1000
        )

    async def _round(self) -> None:
        """Look at everything; what memory knows to be nothing is not asked of the store."""
        memory, apply = self._memory, self._store.apply
        now = memory.clock.now_ms()
        self._ticks, self._rounds, self._round_at = 0, self._rounds + 1, memory.clock.monotonic()
        may_expire = memory.clock.monotonic() >= self._calm_until
        if memory.live_count:
            await apply(lambda tx: sweep.watch_attempts(tx, memory, now, may_expire=may_expire))
        await self._watch_leases(now)
        if self._told_drained or any(one.draining_since for one in memory.runners.values()):
            await apply(lambda tx: sweep.watch_drains(tx, memory, self._told_drained, now))
        if memory.presences:
            await apply(lambda tx: sweep.announce_waiting(tx, memory))
        if self._rounds % ROUNDS_PER_LAST_SEEN == 0:
            await self._write_last_seen(now)

    async def _watch_leases(self, now: int) -> None:
        memory, apply = self._memory, self._store.apply
        await self._look_for_hiccups(0)  # we may have been stopped in the middle of this round
        lost = memory.session_leases.expired()
        if lost:
            await apply(lambda tx: sweep.lose_sessions(tx, memory, lost, now))
        suspects = memory.session_leases.new_suspects()
        if suspects:
            await apply(lambda tx: sweep.tell_suspects(tx, memory, suspects, now))
        silent = memory.attempt_leases.expired()
        if silent:
            await apply(lambda tx: sweep.lose_attempts(tx, memory, silent, now))

    async def _write_last_seen(self, now: int) -> None:
        memory = self._memory
        heard = {
            runner.id: min(memory.heard_at.get(runner.id, runner.last_seen_at), now)
            for runner in memory.runners.values()
        }
        stale = {
            runner_id: heard_at
            for runner_id, heard_at in heard.items()
            if not heard_at <= memory.runners[runner_id].last_seen_at <= now
        }
        if stale:
            await self._store.apply(lambda tx: sweep.write_last_seen(tx, memory, stale))
