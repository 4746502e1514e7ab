"""Serves a coordinator over native-v2: one call that says and hears everything, one that waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from server.ids import new_uuid
from server.wire.native_v2 import Hello, SyncAnswer, Welcome
from traffic_tui.runner.connectors.backoff import Backoff
from traffic_tui.runner.connectors.companions import beside
from traffic_tui.runner.connectors.ledger import Budget, Ledger
from traffic_tui.runner.connectors.link import Link, Rejected, Unreachable, decoded
from traffic_tui.runner.connectors.reports import unreadable_report
from traffic_tui.runner.errors import JobError, NeverReached, RunnerError
from traffic_tui.runner.request import ExecutionContext
from traffic_tui.runner.seam import StartOrder
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import Stream
    from server.wire.native_v2 import Assignment, Pace, StopOrder
    from traffic_tui.runner.connectors.ledger import Draft
    from traffic_tui.runner.connectors.link import Address
    from traffic_tui.runner.journal import Journal
    from traffic_tui.runner.seam import JobUpdate
    from traffic_tui.runner.supervisor import Supervisor

log = logging.getLogger(__name__)

PREFIX = "/api/native-v2/runner/"
MAX_RESULT_BYTES = 8 * 1024 * 1024
MAX_OUTPUT_BYTES = 2 * 1024 * 1024
"""How much output goes into one sync, before base64."""
WAKE_SECONDS = 25.0
"""How long a wake call stays parked."""
REFUSED_GRACE_SECONDS = 10.0
"""Given to what runs for an attempt that the coordinator gave up."""
MOST_FRUITLESS_WAKES = 3
SETTLING_TURNS = 3
"""Turns of the loop for what was just started: short jobs then start and end in one sync."""
MIN_SECONDS = 0.01
NO_ENTRY = (401, 403)

_encoder = msgspec.json.Encoder()
_welcome_decoder = msgspec.json.Decoder(Welcome)
_answer_decoder = msgspec.json.Decoder(SyncAnswer)


@dataclass(frozen=True, slots=True)
class Introduction:
    """How a runner presents itself."""

    name: str
    capacity: int
    types: list[str]
    labels: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


class NativeV2Connector:
    """Between one supervisor and one coordinator, for one boot of a runner."""

    max_result_bytes = MAX_RESULT_BYTES

    def __init__(self, address: Address, introduction: Introduction, journal: Journal) -> None:
        self._link = Link(address)
        self._introduction = introduction
        self._journal = journal
        self._ledger = Ledger(journal)
        self._nonce = new_uuid()
        self._welcome: Welcome | None = None
        self._sequence = 0
        self._news = asyncio.Event()
        self._synced = asyncio.Event()
        self._is_urgent = False
        self._was_woken = False
        self._is_draining = False
        self._is_isolating = False
        self._brought_something = False
        self._synced_at = 0.0
        self._give_up: asyncio.Timeout | None = None

    @property
    def is_told(self) -> bool:
        return self._ledger.is_empty

    # the seam --------------------------------------------------------------------------------

    async def run(self, supervisor: Supervisor) -> None:
        """Serve until drained. Raises RunnerError when the coordinator refuses this runner."""
        try:
            async with asyncio.timeout(None) as self._give_up:
                await self._serve(supervisor)
        except TimeoutError:
            log.warning("the coordinator was not told how everything ended: it is not reachable")
        finally:
            self._give_up = None
            await self._link.close()

    def drain(self) -> None:
        self._is_draining = True
        self._hurry()

    def stop(self, within_seconds: float) -> None:
        self.drain()
        if self._give_up is not None:
            self._give_up.reschedule(asyncio.get_running_loop().time() + within_seconds)

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

    # saying hello ----------------------------------------------------------------------------

    async def _hello(self) -> bool:
        """Open the session, however long it takes. False: drained before that worked."""
        backoff = Backoff()
        body = _encoder.encode(
            Hello(
                self._introduction.name,
                self._nonce,
                self._introduction.capacity,
                self._introduction.types,
                dict(self._introduction.labels),
                self._introduction.version,
            )
        )
        while True:
            try:
                _, content = await self._link.call("POST", PREFIX + "hello", body)
                welcome: Welcome = decoded(_welcome_decoder, content)
            except Unreachable as error:
                self._tell_trouble(backoff, f"cannot reach {self._link.url}: {error}")
                seconds = backoff.next_seconds()
            except Rejected as error:
                self._refuse_to_go_on(error)
                self._tell_trouble(backoff, f"{self._link.url} says: {error.message}")
                seconds = backoff.next_seconds()
                seconds = seconds if error.retry_after is None else error.retry_after
            else:
                self._begin_session(welcome)
                return True
            if await self._pause(seconds):
                return False

    def _begin_session(self, welcome: Welcome) -> None:
        if self._welcome is None:
            log.info(
                "serving %s as %r with %d slots", self._link.url, self._introduction.name,
                self._introduction.capacity,
            )  # fmt: skip
        else:
            log.info("the session with %s is open again", self._link.url)
        self._welcome = welcome
        self._ledger.rewind()
        self._is_urgent = True

    def _refuse_to_go_on(self, error: Rejected) -> None:
        """Raise where trying again makes no sense: superseded, or never let in."""
        if error.code == "superseded":
            name = self._introduction.name
            raise RunnerError(f"another runner named {name!r} has taken over: {error.message}")
        if self._welcome is not None or error.is_temporary:
            return
        if error.status in NO_ENTRY:
            raise RunnerError(f"{self._link.url} does not let this runner in: {error.message}")
        raise RunnerError(f"{self._link.url} refuses this runner: {error.message}")

    # the main loop ---------------------------------------------------------------------------

    async def _serve(self, supervisor: Supervisor) -> None:
        if not await self._hello():
            if self._welcome is None:
                raise NeverReached(f"{self._link.url} was never reached")
            return
        async with beside(self._listen()):
            await self._converse(supervisor)

    async def _converse(self, supervisor: Supervisor) -> None:
        while True:
            draft = self._draft(supervisor)
            answer = await self._exchange(draft, supervisor)
            if answer is not None:
                self._obey(draft, answer, supervisor)
            self._synced.set()
            if self._is_over(supervisor):
                return
            await self._wait_for_news()
            for _ in range(SETTLING_TURNS):
                await asyncio.sleep(0)

    def _draft(self, supervisor: Supervisor) -> Draft:
        """Everything there is to say now."""
        assert self._welcome is not None
        now = asyncio.get_running_loop().time()
        pace = self._welcome.pace
        is_beat = now - self._synced_at >= pace.heartbeat_seconds
        self._sequence += 1
        self._synced_at = now
        self._is_urgent = self._was_woken = False
        self._news.clear()
        return self._ledger.draft(
            (self._welcome.session, self._welcome.secret),
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

    async def _exchange(self, draft: Draft, supervisor: Supervisor) -> SyncAnswer | None:
        """Say it until an answer comes; the same number makes repeats harmless.

        None: it has to be said anew, in another session or another way.
        """
        assert self._welcome is not None
        path = f"{PREFIX}{self._welcome.runner_id}/sync"
        body = _encoder.encode(draft.sync)
        backoff = Backoff()
        while True:
            try:
                _, content = await self._link.call("POST", path, body)
                answer: SyncAnswer = decoded(_answer_decoder, content)
            except Unreachable as error:
                self._tell_trouble(backoff, f"lost {self._link.url}: {error}")
                seconds = backoff.next_seconds()
            except Rejected as error:
                if await self._is_to_be_said_anew(error, draft):
                    return None
                self._tell_trouble(backoff, f"{self._link.url} says: {error.message}")
                seconds = backoff.next_seconds()
                seconds = seconds if error.retry_after is None else error.retry_after
            else:
                if backoff.failures:
                    log.info("%s answers again", self._link.url)
                self._is_isolating = False
                return answer
            if await self._pause(seconds) and self._is_over(supervisor):
                return None

    async def _is_to_be_said_anew(self, error: Rejected, draft: Draft) -> bool:
        """What a refused sync calls for, other than saying the same again a little later."""
        self._refuse_to_go_on(error)
        if error.code == "unknown_session":
            log.info("%s does not know this session any more, saying hello again", self._link.url)
            await self._hello()
            return True
        if error.status == 409:
            log.warning("%s refuses a sync: %s", self._link.url, error.message)
            await self._pause(1.0)
            return True
        if error.status in (400, 413, 422):
            self._isolate(draft, error)
            await self._pause(0.1)
            return True
        return False

    def _isolate(self, draft: Draft, error: Rejected) -> None:
        """One part of a sync cannot be read: say things one by one, and leave that one out."""
        log.warning("%s cannot read a sync: %s", self._link.url, error.message)
        if not self._is_isolating:
            self._is_isolating = True
            return
        for attempt in draft.finals:
            self._ledger.replace_final(attempt, unreadable_report(attempt, error.message))

    # doing what is told ----------------------------------------------------------------------

    def _obey(self, draft: Draft, answer: SyncAnswer, supervisor: Supervisor) -> None:
        assert self._welcome is not None
        self._welcome.pace = answer.pace
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
        assert self._welcome is not None
        pace = self._welcome.pace
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

    async def _pause(self, seconds: float) -> bool:
        """Wait; the answer is whether the runner is draining, which also cuts a long wait."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self._is_draining and (left := until - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
            self._news.clear()
        if self._is_draining:
            await asyncio.sleep(min(max(0.0, until - loop.time()), 0.5))
        return self._is_draining

    async def _listen(self) -> None:
        """Keep a wake call parked, so that new work and stop orders are heard of at once."""
        backoff = Backoff()
        fruitless = 0
        while True:
            try:
                status = await self._wake_call()
            except (Unreachable, Rejected):
                # The main loop meets the same trouble and tells of it.
                await asyncio.sleep(backoff.next_seconds())
                continue
            backoff.reset()
            if status != 200:
                continue
            self._synced.clear()
            self._was_woken = True
            self._news.set()
            await self._synced.wait()
            fruitless = 0 if self._brought_something else fruitless + 1
            if fruitless > MOST_FRUITLESS_WAKES:
                await asyncio.sleep(1.0)

    async def _wake_call(self) -> int:
        assert self._welcome is not None
        welcome = self._welcome
        status, _ = await self._link.call(
            "GET",
            f"{PREFIX}{welcome.runner_id}/wake",
            params=[
                ("session", welcome.session),
                ("secret", welcome.secret),
                ("wait_seconds", f"{WAKE_SECONDS:g}"),
            ],
            read_seconds=WAKE_SECONDS + 10,
        )
        return status

    def _tell_trouble(self, backoff: Backoff, words: str) -> None:
        """Once when it begins, then rarely: a log full of the same is of no use."""
        if backoff.failures in (0, 10) or backoff.failures % 100 == 99:
            log.warning("%s; trying again", plain(words))


def _order(assignment: Assignment, runner: str) -> StartOrder:
    """An assignment as an order. Raises JobError where its parameters cannot be read."""
    try:
        params = msgspec.json.decode(assignment.params)
    except (msgspec.DecodeError, RecursionError) as error:
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
