"""Serves a coordinator over native-v2: one call that says and hears everything, one that waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from server.wire.unreadable import UNREADABLE
from traffic_tui.runner.connectors.backoff import Backoff
from traffic_tui.runner.connectors.companions import beside
from traffic_tui.runner.connectors.ledger import Budget, Ledger
from traffic_tui.runner.connectors.link import Rejected, Unreachable
from traffic_tui.runner.connectors.native_session import NativeSession, Unreadable
from traffic_tui.runner.connectors.patience import Patience
from traffic_tui.runner.connectors.reports import unreadable_report
from traffic_tui.runner.errors import JobError, NeverReached
from traffic_tui.runner.request import ExecutionContext
from traffic_tui.runner.seam import StartOrder

if TYPE_CHECKING:
    from server.model import Stream
    from server.wire.native_v2 import Assignment, Pace, StopOrder, SyncAnswer
    from traffic_tui.runner.connectors.ledger import Draft
    from traffic_tui.runner.connectors.link import Address
    from traffic_tui.runner.connectors.native_session import Introduction
    from traffic_tui.runner.journal import Journal
    from traffic_tui.runner.seam import JobUpdate
    from traffic_tui.runner.supervisor import Supervisor

log = logging.getLogger(__name__)

MAX_RESULT_BYTES = 8 * 1024 * 1024
MAX_OUTPUT_BYTES = 2 * 1024 * 1024
"""How much output goes into one sync, before base64."""
REFUSED_GRACE_SECONDS = 10.0
"""Given to what runs for an attempt that the coordinator gave up."""
MOST_FRUITLESS_WAKES = 3
UNWANTED_PAUSE_SECONDS = 0.05
"""After a wake call for nothing: a coordinator that is stopping may answer them at once."""
SETTLING_TURNS = 3
"""Turns of the loop for what was just started: short jobs then start and end in one sync."""
MIN_SECONDS = 0.01


class NativeV2Connector:
    """Between one supervisor and one coordinator, for one boot of a runner."""

    max_result_bytes = MAX_RESULT_BYTES

    def __init__(self, address: Address, introduction: Introduction, journal: Journal) -> None:
        self._session = NativeSession(address, introduction)
        self._introduction = introduction
        self._journal = journal
        self._ledger = Ledger(journal)
        self._sequence = 0
        self._news = asyncio.Event()
        self._synced = asyncio.Event()
        self._is_urgent = False
        self._was_woken = False
        self._is_draining = False
        self._is_isolating = False
        self._brought_something = False
        self._synced_at = 0.0
        self._patience = Patience()

    @property
    def is_told(self) -> bool:
        return self._ledger.is_empty

    # the seam --------------------------------------------------------------------------------

    async def run(self, supervisor: Supervisor) -> None:
        """Serve until drained. Raises RunnerError when the coordinator refuses this runner."""
        try:
            async with self._patience.bounding("the coordinator"):
                await self._serve(supervisor)
        finally:
            await self._session.close()

    def drain(self) -> None:
        self._is_draining = True
        self._session.end_soon()
        self._hurry()

    def stop(self, within_seconds: float) -> None:
        self.drain()
        self._patience.end_within(within_seconds)

    def update_job_state(self, request_id: str, update: JobUpdate) -> None:
        self._ledger.update(request_id, update)
        if update.outcome is not None:
            self._hurry()
        else:
            self._news.set()

    def report_job_error(self, request_id: str, error: JobError) -> None:
        self._ledger.refuse(request_id, error)
        self._hurry()

    def send_console_bytes(self, request_id: str, stream: Stream, data: bytes) -> int:
        taken = self._ledger.print(request_id, stream, data)
        self._news.set()
        return taken

    async def console_room(self, request_id: str) -> None:
        await self._journal.wait_for_room(request_id)

    # the main loop ---------------------------------------------------------------------------

    async def _serve(self, supervisor: Supervisor) -> None:
        if not await self._session.hello():
            raise NeverReached(f"{self._session.url} was never reached")
        async with beside(self._listen()):
            await self._converse(supervisor)
        await self._session.leave(self._sequence + 1)

    async def _converse(self, supervisor: Supervisor) -> None:
        while True:
            await self._sync(supervisor)
            self._synced.set()
            if self._is_over(supervisor):
                return
            await self._wait_for_news()
            for _ in range(SETTLING_TURNS):
                await asyncio.sleep(0)

    async def _sync(self, supervisor: Supervisor) -> None:
        """Say everything there is, and do what is answered."""
        draft = self._draft(supervisor)
        try:
            answer = await self._session.say(draft.sync, lambda: self._is_over(supervisor))
        except Unreadable as error:
            self._isolate(draft, str(error))
            return
        if answer is not None:
            self._is_isolating = False
            self._obey(draft, answer, supervisor)
        elif not self._is_over(supervisor):
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Nothing of what was said last counts as heard, and all of it is said again."""
        self._is_urgent = True
        self._ledger.rewind()

    def _draft(self, supervisor: Supervisor) -> Draft:
        """Everything there is to say now."""
        now = asyncio.get_running_loop().time()
        pace = self._session.welcome.pace
        is_beat = now - self._synced_at >= pace.heartbeat_seconds
        self._ledger.tells_surroundings = "usage" in self._session.welcome.accepts
        self._sequence += 1
        self._synced_at = now
        self._is_urgent = self._was_woken = False
        self._news.clear()
        return self._ledger.draft(
            (self._session.welcome.session, self._session.welcome.secret),
            self._sequence,
            self._budget(pace),
            capacity=0 if self._is_draining else supervisor.slots,
            stuck=supervisor.stuck,
            with_output=is_beat or not self._ledger.is_stalled,
        )

    def _budget(self, pace: Pace) -> Budget:
        chunk = max(1, pace.max_chunk_bytes)
        if self._is_isolating:
            return Budget(chunk, chunk, reports=1)
        return Budget(chunk, max(chunk, MAX_OUTPUT_BYTES))

    def _isolate(self, draft: Draft, words: str) -> None:
        """One part of a sync cannot be read: say things one by one, and leave that one out."""
        if not self._is_isolating:
            self._is_isolating = True
            return
        for attempt in draft.finals:
            self._ledger.replace_final(attempt, unreadable_report(attempt, words))

    # doing what is told ----------------------------------------------------------------------

    def _obey(self, draft: Draft, answer: SyncAnswer, supervisor: Supervisor) -> None:
        self._brought_something = bool(answer.assign or answer.stop)
        for attempt in self._ledger.heard(draft, answer):
            self._end(supervisor, attempt, REFUSED_GRACE_SECONDS, kill=False)
        for order in answer.stop:
            self._stop(supervisor, order)
        for assignment in answer.assign:
            self._start(supervisor, assignment)

    def _start(self, supervisor: Supervisor, assignment: Assignment) -> None:
        if not self._ledger.begin(assignment.attempt):
            return
        self._is_urgent = True
        try:
            supervisor.start(_order(assignment, self._introduction.name))
        except JobError as error:
            self.report_job_error(assignment.attempt, error)

    def _stop(self, supervisor: Supervisor, order: StopOrder) -> None:
        self._end(supervisor, order.attempt, order.grace_seconds, kill=order.kill)

    def _end(
        self, supervisor: Supervisor, attempt: str, grace_seconds: float, *, kill: bool
    ) -> None:
        try:
            supervisor.stop(attempt, grace_seconds=grace_seconds, kill=kill)
        except JobError as error:
            # Orders are repeated until the end was heard, and may cross it.
            log.debug("told to stop: %s", error)

    # when to speak -----------------------------------------------------------------------------

    def _hurry(self) -> None:
        self._is_urgent = True
        self._news.set()

    async def _wait_for_news(self) -> None:
        """Return when the next sync is due."""
        loop = asyncio.get_running_loop()
        while (seconds := self._due_at() - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            self._news.clear()

    def _due_at(self) -> float:
        pace = self._session.welcome.pace
        if self._is_urgent or self._was_woken or self._ledger.is_urgent:
            return 0.0
        if self._ledger.has_news:
            if self._ledger.unsent_bytes >= pace.max_chunk_bytes and not self._ledger.is_stalled:
                return 0.0
            return self._synced_at + max(MIN_SECONDS, pace.flush_seconds)
        return self._synced_at + max(MIN_SECONDS, pace.heartbeat_seconds)

    def _is_over(self, supervisor: Supervisor) -> bool:
        """Drained: nothing runs, and all of it was told."""
        if not self._is_draining:
            return False
        return self._ledger.is_empty and not set(supervisor.running).difference(supervisor.stuck)

    async def _listen(self) -> None:
        """Keep a wake call parked, so that new work and stop orders are heard of at once."""
        backoff = Backoff()
        fruitless = 0
        while True:
            try:
                is_wanted = await self._session.wake()
            except (Unreachable, Rejected):
                # The main loop meets the same trouble and tells of it.
                await asyncio.sleep(backoff.next_seconds())
                continue
            backoff.reset()
            if not is_wanted:
                await asyncio.sleep(UNWANTED_PAUSE_SECONDS)
                continue
            self._synced.clear()
            self._was_woken = True
            self._news.set()
            await self._synced.wait()
            fruitless = 0 if self._brought_something else fruitless + 1
            if fruitless > MOST_FRUITLESS_WAKES:
                await asyncio.sleep(1.0)


def _order(assignment: Assignment, runner: str) -> StartOrder:
    """An assignment as an order. Raises JobError where its parameters cannot be read."""
    try:
        params = msgspec.json.decode(assignment.params)
    except UNREADABLE as error:
        raise JobError("invalid", f"the parameters cannot be read: {error}") from None
    deadline = None
    if assignment.timeout_seconds is not None:
        deadline = datetime.now(UTC) + timedelta(seconds=assignment.timeout_seconds)
    context = ExecutionContext(
        attempt=assignment.number,
        queue_name=assignment.queue,
        enqueue_time=datetime.fromtimestamp(assignment.enqueued_at / 1000, UTC),
        deadline=deadline,
        trace_context=assignment.trace_context,
        correlation_context=assignment.correlation,
        worker_id=runner,
    )
    return StartOrder(
        assignment.attempt,
        assignment.job,
        assignment.type,
        params,
        assignment.timeout_seconds,
        context,
    )
