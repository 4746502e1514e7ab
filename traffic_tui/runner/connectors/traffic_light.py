"""Serves a Traffic Light coordinator as a well-behaved runner does: says hello, listens for jobs,
tells how they are."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING

from traffic_tui.runner.connectors.backoff import Backoff
from traffic_tui.runner.connectors.companions import beside
from traffic_tui.runner.connectors.link import Link, Rejected, Unreachable, is_loopback
from traffic_tui.runner.connectors.patience import Patience
from traffic_tui.runner.connectors.traffic_light_callers import Callers
from traffic_tui.runner.connectors.traffic_light_calls import TrafficLightCalls
from traffic_tui.runner.connectors.traffic_light_jobs import Outbox, brought
from traffic_tui.runner.connectors.traffic_light_listener import Answer, Listener
from traffic_tui.runner.errors import JobError, NeverReached, RunnerError
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.seam import StartOrder
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from server.model import Stream
    from traffic_tui.runner.connectors.link import Address
    from traffic_tui.runner.connectors.traffic_light_jobs import Brought, Report
    from traffic_tui.runner.connectors.traffic_light_listener import Call
    from traffic_tui.runner.listen_address import ListenAddress
    from traffic_tui.runner.registry import Registry
    from traffic_tui.runner.seam import JobUpdate
    from traffic_tui.runner.supervisor import Supervisor

log = logging.getLogger(__name__)

RANGE = "range"
"""The one type of job this protocol has."""
MAX_RESULT_BYTES = 64 * 1024 * 1024
"""No result is sent, so none is too large; but it is made JSON of."""
BEAT_SECONDS = 30.0
IDLE_SECONDS = 60.0


def range_handler(registry: Registry) -> str:
    """The type that ranges are done by: ``range``, or the only one there is.

    Raises:
        RunnerError: there is no such handler.
    """
    if RANGE in registry:
        return RANGE
    if len(registry.names) == 1:
        return registry.names[0]
    raise RunnerError(
        "Traffic Light brings cursor ranges and nothing else, and there is no handler for 'range': "
        "name yours with --handlers MODULE:REGISTRY"
    )


class TrafficLightConnector:
    """Between one supervisor and one Traffic Light coordinator."""

    max_result_bytes = MAX_RESULT_BYTES

    def __init__(self, address: Address, listen: ListenAddress, *, function_name: str) -> None:
        self._link = Link(address)
        self._calls = TrafficLightCalls(self._link)
        self._callers = Callers(self._link.url)
        self.port = 0
        """Where it listens; 0: nowhere yet."""
        self._listen = listen
        self._listener = Listener(listen.host, listen.port, self._take)
        self._function_name = function_name
        self._outbox = Outbox()
        self._supervisor: Supervisor | None = None
        self._is_draining = False
        self._is_known = False
        """Whether the coordinator heard our hello."""
        self._is_parked = False
        """Whether it was told, or cannot be told, to bring nothing more."""
        self._news = asyncio.Event()
        self._drained = asyncio.Event()
        self._patience = Patience()

    @property
    def is_told(self) -> bool:
        return self._outbox.is_empty

    # the seam --------------------------------------------------------------------------------

    async def run(self, supervisor: Supervisor) -> None:
        """Serve until drained. Raises RunnerError when the coordinator refuses this runner."""
        self._supervisor = supervisor
        try:
            async with self._patience.bounding("the coordinator"):
                self.port = await self._listener.open()
                self._tell_place()
                async with beside(self._introduce_and_beat(supervisor)):
                    await self._report(supervisor)
                if not self._is_known:
                    raise NeverReached(f"{self._link.url} was never reached")
        finally:
            await self._listener.close()
            await self._link.close()

    def drain(self) -> None:
        self._is_draining = True
        self._drained.set()
        self._news.set()

    def stop(self, within_seconds: float) -> None:
        self.drain()
        self._patience.end_within(within_seconds)

    def update_job_state(self, request_id: str, update: JobUpdate) -> None:
        if update.outcome is not None:
            self._outbox.end(request_id, update.outcome, self._now)
            self._news.set()

    def report_job_error(self, request_id: str, error: JobError) -> None:
        outcome = ExecutionOutcome.failure(request_id, request_id, error.description, error.kind)
        self._outbox.end(request_id, outcome, self._now)
        self._news.set()

    def send_console_bytes(self, request_id: str, stream: Stream, data: bytes) -> int:
        """This protocol carries no console; what is printed goes nowhere."""
        return len(data)

    async def console_room(self, request_id: str) -> None:
        """There always is."""

    # being brought jobs ----------------------------------------------------------------------

    async def _take(self, call: Call) -> Answer:
        """A webhook came."""
        if not await self._callers.admit(call.caller):
            return Answer(403, "jobs are taken from this runner's coordinator only")
        if call.life not in ("", self._calls.nonce):
            return Answer(409, "this job was meant for a boot of this runner that is over")
        try:
            job = brought(json.loads(call.body))
        except (ValueError, RecursionError) as error:
            return Answer(400, f"this is no job: {plain(error)}")
        return self._start(job)

    def _start(self, job: Brought) -> Answer:
        assert self._supervisor is not None, "the listener is opened by run"
        order = StartOrder(job.job_id, job.job_id, self._function_name, job.params)
        self._news.set()
        try:
            self._supervisor.start(order)
        except JobError as error:
            return self._not_started(job, error)
        self._outbox.begin(job.job_id, self._now)
        return Answer(200)

    def _not_started(self, job: Brought, error: JobError) -> Answer:
        if error.kind == "already_running":
            return Answer(200)
        if error.kind == "job_already_exists":
            return Answer(409, error.description)
        if error.kind == "maximum_concurrent_jobs":
            self._outbox.refuse(job.job_id, error.description, self._now)
            return Answer(503, error.description)
        self._outbox.begin(job.job_id, self._now)  # no other runner could do it either
        self.report_job_error(job.job_id, error)
        return Answer(200)

    # being there -----------------------------------------------------------------------------

    async def _introduce_and_beat(self, supervisor: Supervisor) -> None:
        await self._introduce(supervisor)
        while not self._is_parked:
            await self._drained_within(BEAT_SECONDS)
            is_last = self._is_draining
            if self._is_known:
                await self._tell_capacity(0 if is_last else supervisor.slots)
            self._is_parked = is_last
        self._news.set()

    async def _tell_capacity(self, slots: int) -> None:
        try:
            await self._calls.capacity(slots)
        except (Unreachable, Rejected) as error:
            log.warning("%s was not told of %d slots: %s", self._link.url, slots, error)

    async def _drained_within(self, seconds: float) -> None:
        """Wait that long, or until drained."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._drained.wait()

    async def _introduce(self, supervisor: Supervisor) -> None:
        """Say hello until it was heard. Jobs may be brought before its answer is here."""
        backoff = Backoff()
        while not self._is_draining:
            try:
                await self._calls.hello(capacity=supervisor.slots, port=self.port)
                self._is_known = True
                log.info("serving %s with %d slots", self._link.url, supervisor.slots)
                return
            except Unreachable as error:
                self._tell_trouble(backoff, f"cannot reach {self._link.url}: {error}")
            except Rejected as error:
                if not error.is_temporary:
                    raise RunnerError(
                        f"{self._link.url} refuses this runner: {error.message}"
                    ) from None
                self._tell_trouble(backoff, f"{self._link.url} says: {error.message}")
            await self._drained_within(backoff.next_seconds())

    # telling ---------------------------------------------------------------------------------

    async def _report(self, supervisor: Supervisor) -> None:
        """Say what there is to say of jobs, until drained and everything was said."""
        backoff = Backoff()
        while True:
            self._news.clear()
            try:
                trouble = await self._tell_due()
            except Unreachable as error:
                self._tell_trouble(backoff, f"lost {self._link.url}: {error}")
                await asyncio.sleep(backoff.next_seconds())
                continue
            if trouble is not None:
                self._tell_trouble(backoff, f"{self._link.url} says: {trouble.message}")
                await asyncio.sleep(max(backoff.next_seconds(), trouble.retry_after or 0.0))
                continue
            backoff.reset()
            if self._is_over(supervisor):
                return
            await self._wait_for_news()

    async def _tell_due(self) -> Rejected | None:
        """Say what is due; what has to be said again later comes back as the reason."""
        trouble: Rejected | None = None
        for report in self._outbox.due(self._now):
            try:
                await self._calls.job(report)
            except Rejected as error:
                if error.is_temporary or error.status in (401, 403):
                    trouble = error
                else:
                    self._refused(report, error)
            else:
                self._outbox.told(report, self._now)
        return trouble

    def _refused(self, report: Report, error: Rejected) -> None:
        log.warning("job %s: %s was not taken: %s", report.job_id, report.word, error.message)
        self._outbox.drop(report)

    async def _wait_for_news(self) -> None:
        due_at = self._outbox.next_due()
        seconds = IDLE_SECONDS if due_at is None else max(0.0, due_at - self._now)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    def _is_over(self, supervisor: Supervisor) -> bool:
        if not self._is_parked or not self._outbox.is_empty:
            return False
        return not set(supervisor.running).difference(supervisor.stuck)

    # words -----------------------------------------------------------------------------------

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _tell_place(self) -> None:
        place = self._listen._replace(port=self.port)
        log.info("listening on %s for jobs of %s", place, self._link.url)
        if place.is_loopback and not is_loopback(self._link.url):
            log.warning("%s can be reached from this box only; the coordinator is elsewhere", place)

    def _tell_trouble(self, backoff: Backoff, words: str) -> None:
        if backoff.is_worth_telling:
            log.warning("%s; trying again", words)
