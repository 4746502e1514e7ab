"""The coordinator as everybody else sees it: each method is one use case.

Protocols and the operator API call these and nothing else. All that are asynchronous answer
after the commit that holds their change.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from server.coordinator import admin, firing, schedules, standing
from server.coordinator.admin_calls import AdminCalls
from server.coordinator.attempt_calls import AttemptCalls
from server.coordinator.job_calls import JobCalls
from server.coordinator.named_calls import NamedCalls
from server.coordinator.peer_calls import PeerCalls
from server.coordinator.placed_calls import PlacedCalls
from server.coordinator.reports import COORDINATOR
from server.coordinator.retention import Retention
from server.coordinator.runner_calls import RunnerCalls
from server.coordinator.schedule_calls import ScheduleCalls
from server.coordinator.sweeper import Sweeper
from server.errors import TrafficError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.clock import Clock
    from server.settings import QueueSettings, Settings
    from server.store.base import Committed, Store, Tx

logger = logging.getLogger(__name__)


class Coordinator(
    JobCalls,
    RunnerCalls,
    AttemptCalls,
    PeerCalls,
    NamedCalls,
    PlacedCalls,
    ScheduleCalls,
    AdminCalls,
):
    """Owns the store's only writer, the memory that follows it, and the sweeps."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        super().__init__(store, settings, clock)
        self.started_at = clock.now_ms()
        self._sweeper = Sweeper(store, self._memory)
        self._retention = Retention(store, self._memory)
        self._is_stopped = False

    async def start(self) -> None:
        """Open the store, learn who is there, and let time run."""
        await self.store.open()
        self.store.before_commit(self._serve_standing)
        self.store.on_commit(self._committed)
        self.started_at = self.clock.now_ms()
        await self._apply(self._begin)
        self._sweeper.start()
        self._retention.start()

    def _begin(self, tx: Tx) -> None:
        self._follow_configuration(tx, {}, self.started_at)
        self._memory.load(tx)
        self._retention.load(tx)
        firing.after_clock_change(tx, self._memory, self.started_at)
        tx.append("coordinator_started", at=self.started_at)

    async def sweep(self) -> None:
        """Do what time brought since the last look; the clockwork does this by itself."""
        await self._sweeper.tick()
        await self._retention.look()

    def end_waits(self) -> None:
        """End parked calls and event streams, so that connections can be closed; what else
        arrives is still committed. Safe to call twice."""
        self._is_stopping = True
        for presence in self._memory.presences.values():
            presence.has_news.set()
        for event in self._memory.to_place.values():
            event.set()
        self.bus.close()

    async def stop(self) -> None:
        """End all waiting, commit what is left, close. Safe to call twice."""
        if self._is_stopped:
            return
        self._is_stopped = True
        await self._sweeper.stop()
        await self._retention.stop()
        self.end_waits()
        try:
            await self._apply(lambda tx: tx.append("coordinator_stopped", at=self.clock.now_ms()))
        except TrafficError as error:
            logger.warning("the end of this run is not among the events: %s", error.message)
        finally:
            await self.store.close()

    @property
    def submit_problem(self) -> str:
        """Why no jobs are taken in at present, in words; empty: nothing is in the way."""
        return self._memory.submit_problem

    @submit_problem.setter
    def submit_problem(self, words: str) -> None:
        self._memory.submit_problem = words

    def set_output_room(self, size: int) -> None:
        """So many bytes of output there is space for until this is called again."""
        self._memory.output_room = size

    async def reload(self, settings: Settings) -> None:
        """Take over what can change while running: leases, retry, retention, storage, queues,
        labels, schedules. Where that cannot be stored, all stays as it was."""
        before, now = self.settings, self.clock.now_ms()
        self._use(settings)
        try:
            await self._apply(lambda tx: self._follow_configuration(tx, before.queues, now))
        except BaseException:
            self._use(before)
            raise

    def _use(self, settings: Settings) -> None:
        self.settings = self._memory.settings = settings
        seconds = settings.leases.heartbeat_timeout_ms / 1000
        self._memory.session_leases.set_length(seconds)
        self._memory.attempt_leases.set_length(seconds)

    def _follow_configuration(self, tx: Tx, before: Mapping[str, QueueSettings], now: int) -> None:
        admin.follow_configuration(tx, self._memory, COORDINATOR, before, now)
        schedules.follow_configuration(tx, self._memory, now)

    def _serve_standing(self, tx: Tx) -> None:
        standing.serve(tx, self._memory, self.clock.now_ms())

    def _committed(self, committed: Committed) -> None:
        """Tell subscribers what a commit brought, in its order."""
        if committed.events:
            self.bus.publish(committed.events)
