"""Serves a Treadmill switchboard as one of its supervisors: connects, and again for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING

from server.wire.treadmill import (
    Idle,
    JobState,
    Ongoing,
    ProtocolError,
    StartJobMessage,
    StatusAnswer,
    StatusRequest,
    StatusResponse,
    StopJobMessage,
    Undecodable,
    read_by_supervisor,
)
from traffic_tui.runner.connectors.companions import beside
from traffic_tui.runner.connectors.patience import Patience
from traffic_tui.runner.connectors.treadmill_handshake import NotConnected, opened, place_of
from traffic_tui.runner.connectors.treadmill_jobs import declaration, progress_words, reported
from traffic_tui.runner.connectors.treadmill_line import Line, Lost
from traffic_tui.runner.connectors.treadmill_orders import order_of
from traffic_tui.runner.connectors.treadmill_outbox import Outbox
from traffic_tui.runner.connectors.treadmill_progress import Pace
from traffic_tui.runner.errors import JobError, NeverReached
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from server.model import Stream
    from server.wire.treadmill import StartJob, StatusQuestion
    from traffic_tui.runner.connectors.link import Address
    from traffic_tui.runner.journal import Journal
    from traffic_tui.runner.seam import JobUpdate
    from traffic_tui.runner.supervisor import Supervisor

log = logging.getLogger(__name__)

MAX_RESULT_BYTES = 1024 * 1024
RECONNECT_SECONDS = 1.0
JITTER = 0.1
"""Share of that: supervisors whose switchboard was started anew do not march in step."""
STOP_GRACE_SECONDS = 10.0
"""Between a stop_job and killing what does not end."""
STAGES = ("starting", "booting")
"""That a job goes through here: what is done is on this box already, so nothing is fetched."""


class TreadmillConnector:
    """Between one supervisor and one switchboard, over one connection after the other.

    Args:
        supervisor_id: the UUID under which the switchboard knows this supervisor.
        journal: where console output waits.
    """

    max_result_bytes = MAX_RESULT_BYTES

    def __init__(self, address: Address, supervisor_id: str, journal: Journal) -> None:
        self._place = place_of(address, supervisor_id)
        self._journal = journal
        self._outbox = Outbox(journal)
        self._pace = Pace(self._tell_progress)
        self._supervisor: Supervisor | None = None
        self._line: Line | None = None
        self._stopped_by_switchboard: set[str] = set()
        self._is_first_question = True
        """Of this connection."""
        self._was_connected = False
        self._is_draining = False
        self._changed = asyncio.Event()
        self._patience = Patience()
        self._trouble = ""
        self._failures = 0

    @property
    def is_told(self) -> bool:
        return self._outbox.is_empty

    # the seam --------------------------------------------------------------------------------

    async def run(self, supervisor: Supervisor) -> None:
        """Serve until drained, whatever the switchboard does meanwhile."""
        self._supervisor = supervisor
        try:
            async with self._patience.bounding("the switchboard"):
                while not self._is_over():
                    await self._serve_once()
                    await self._pause()
                if not self._was_connected:
                    raise NeverReached(f"{self._place.url} was never reached")
        finally:
            self._pace.close()

    def drain(self) -> None:
        self._is_draining = True
        self._changed.set()

    def stop(self, within_seconds: float) -> None:
        self.drain()
        self._patience.end_within(within_seconds)

    def update_job_state(self, request_id: str, update: JobUpdate) -> None:
        if update.outcome is not None:
            self._ended(request_id, update)
        elif update.state == "terminating":
            self._pace.forget(request_id)
            self._outbox.move(request_id, JobState("terminating"))
        elif not self._outbox.is_ready(request_id):
            self._ready(request_id)
        elif update.progress is not None:
            self._pace.tell(request_id, progress_words(update.progress))
        self._wake()

    def report_job_error(self, request_id: str, error: JobError) -> None:
        log.info("job %s: %s: %s", request_id, error.kind, plain(error.description))
        self._outbox.say(request_id, reported(error))
        self._wake()

    def send_console_bytes(self, request_id: str, stream: Stream, data: bytes) -> int:
        taken = self._outbox.print(request_id, data)
        self._wake()
        return taken

    async def console_room(self, request_id: str) -> None:
        await self._journal.wait_for_room(request_id)

    # states ------------------------------------------------------------------------------------

    def _ready(self, job_id: str) -> None:
        """Its handler runs: that is as ready as a job gets here."""
        for stage in STAGES:
            self._outbox.move(job_id, JobState("initializing", stage))
        self._outbox.move(job_id, JobState("ready"))

    def _ended(self, job_id: str, update: JobUpdate) -> None:
        """What its workload has to say, unless the switchboard ended it: then it says nothing."""
        self._pace.forget(job_id)
        assert update.outcome is not None
        was_stopped = job_id in self._stopped_by_switchboard
        self._stopped_by_switchboard.discard(job_id)
        if not was_stopped or update.outcome.status != "cancelled":
            self._outbox.say(job_id, declaration(update.outcome, update.result))
        self._outbox.move(job_id, JobState("terminated"))

    def _tell_progress(self, job_id: str, words: str) -> None:
        self._outbox.move(job_id, JobState("ready"), words)
        self._wake()

    # connections -------------------------------------------------------------------------------

    async def _serve_once(self) -> None:
        """Connect, and serve until that ends."""
        try:
            socket, keepalive = await opened(self._place)
        except NotConnected as error:
            self._tell_trouble(str(error))
            return
        self._was_connected = self._is_first_question = True
        self._trouble, self._failures = "", 0
        line = Line(socket, self._outbox, keepalive, self._changed.set)
        try:
            await self._serve(line)
        finally:
            self._line = None
            line.abort()
            self._outbox.lost(asyncio.get_running_loop().time())

    async def _serve(self, line: Line) -> None:
        assert self._supervisor is not None
        slots = self._supervisor.slots
        log.info("serving %s as %s, slots: %d", self._place.url, self._place.supervisor, slots)
        self._line = line
        try:
            loops = line.read(self), line.write(), line.keep_alive(), line.expect_pongs()
            async with beside(*loops):
                await self._until_over()
            await line.close()
        except Lost as error:
            self._tell_trouble(str(error))

    async def _until_over(self) -> None:
        while not self._is_over():
            self._changed.clear()
            await self._changed.wait()

    def _is_over(self) -> bool:
        """Drained: nothing runs, and all of it was told."""
        if not self._is_draining or not self._outbox.is_empty or self._supervisor is None:
            return False
        return not set(self._supervisor.running).difference(self._supervisor.stuck)

    async def _pause(self) -> None:
        """A second, less where it is over meanwhile."""
        seconds = RECONNECT_SECONDS * (1 + JITTER * random.uniform(-1, 1))  # noqa: S311
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._until_over()

    # what the switchboard says -------------------------------------------------------------------

    def heard(self, frame: str | bytes) -> None:
        """Take in one frame; what makes no sense is logged, without what stands in it."""
        try:
            if isinstance(frame, bytes):
                raise Undecodable("a frame that is no text")
            message = read_by_supervisor(frame)
        except Undecodable as error:
            log.warning("%s sent what makes no sense; ignored: %s", self._place.url, plain(error))
            return
        if isinstance(message, StatusRequest):
            self._answer(message.message)
        elif isinstance(message, StartJobMessage):
            self._start(message.message)
        elif isinstance(message, StopJobMessage):
            self._stop(message.message.job_id)
        else:
            self._protocol_error(message)

    def _answer(self, question: StatusQuestion) -> None:
        assert self._line is not None
        if self._is_first_question:
            for event in self._outbox.again(asyncio.get_running_loop().time()):
                self._line.answer(event)
        self._is_first_question = False
        at = self._outbox.status()
        status = Idle() if at is None else Ongoing(*at)
        self._line.answer(StatusResponse(StatusAnswer(question.request_id, status)))

    def _start(self, job: StartJob) -> None:
        assert self._supervisor is not None
        is_known = self._outbox.has_begun(job.job_id)
        if not is_known:
            self._outbox.begin(job.job_id)
        try:
            self._supervisor.start(order_of(job, self._supervisor))
        except JobError as error:
            self._refuse(job.job_id, error, is_known=is_known)
        except Exception as error:  # checks are a person's own: whatever they raise is told
            log.exception("job %s cannot be started", job.job_id)
            words = f"the job could not be looked at: {type(error).__name__}"
            self._refuse(job.job_id, JobError("internal", words), is_known=is_known)

    def _refuse(self, job_id: str, error: JobError, *, is_known: bool) -> None:
        if not is_known:
            self._outbox.give_up(job_id)
        self.report_job_error(job_id, error)

    def _stop(self, job_id: str) -> None:
        assert self._supervisor is not None
        if self._outbox.has_ended(job_id):
            return  # its end is on the way, which is the answer
        try:
            self._supervisor.stop(job_id, grace_seconds=STOP_GRACE_SECONDS)
            self._stopped_by_switchboard.add(job_id)
        except JobError as error:
            self.report_job_error(job_id, error)

    def _protocol_error(self, message: ProtocolError) -> None:
        told = message.message
        log.warning("%s says: %s: %s", self._place.url, plain(told.code), plain(told.detail))

    # words -------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._changed.set()
        if self._line is not None:
            self._line.wake()

    def _tell_trouble(self, words: str) -> None:
        """Once for each kind of trouble, and now and then: it is tried again each second."""
        if self._is_over():
            return
        if words != self._trouble or self._failures % 300 == 0:
            log.warning("%s: %s; trying again each second", self._place.url, words)
        self._failures = self._failures + 1 if words == self._trouble else 1
        self._trouble = words
