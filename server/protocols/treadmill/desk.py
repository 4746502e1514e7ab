"""Everything about one supervisor: who it is, its connection, its job, and what is owed to it.

A desk outlives connections. Messages are heard one after the other; a loop of its own gives out
work and sees to what is late, since this protocol acknowledges nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from uuid import uuid4

from server.errors import Busy, DiskFull, InvalidInput, StoreError, UnknownSession
from server.model import Outcome
from server.protocols.treadmill.alignment import align
from server.protocols.treadmill.hearing import Hearing
from server.protocols.treadmill.held import Held, held
from server.protocols.treadmill.jobs import resumed_job, start_message
from server.protocols.treadmill.line import SUPERSEDED
from server.protocols.treadmill.outcomes import dropped
from server.protocols.treadmill.registry import introduction
from server.wire.treadmill import (
    StartJobMessage,
    StatusQuestion,
    StatusRequest,
    StopJob,
    StopJobMessage,
    Undecodable,
    read_by_switchboard,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.coordinator import Coordinator
    from server.model import Runner
    from server.protocols.treadmill.alignment import Move
    from server.protocols.treadmill.line import Line
    from server.protocols.treadmill.registry import Supervisor
    from server.wire.treadmill import Idle, Ongoing, StatusAnswer

START_SECONDS = 15.0
"""A start of which nothing was heard for so long is asked about."""
MAX_STARTS = 3
STOP_AGAIN_SECONDS = 15.0
ANSWER_SECONDS = 10.0
"""A supervisor that does not say what it is at within this is cut off, to come again."""
SETTLE_SECONDS = 2.0
"""Between the two times that a supervisor has to say that it does not have a job."""
REST_SECONDS = 1.0
"""After an error that ended a job: its supervisor may still be clearing up."""
RETRY_SECONDS = 0.5
NONCE = "supervisor"
"""A supervisor's session goes on over all its connections, until its lease runs out."""

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class Question(NamedTuple):
    """A status_request that was not answered yet."""

    id: str
    asked_at: float


class Zombie(NamedTuple):
    """A job that a supervisor has and should not."""

    id: str
    told_at: float


class Desk:
    """One registered supervisor.

    Args:
        is_stopping: whether the coordinator is about to stop, so that sessions are left as they
            are, for the next start to find.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        supervisor: Supervisor,
        runner: Runner,
        is_stopping: Callable[[], bool],
    ) -> None:
        self.supervisor = supervisor
        self.runner = runner
        self.session_id = 0
        self.is_aligned = False
        """Whether this connection's supervisor has said what it is at."""
        self.is_doubtful = False
        """Whether its last word was an error, after which ``idle`` proves nothing."""
        self.jobs: dict[str, Held] = {}
        self.due_at = math.inf
        """When there is something to look after, in the clock's monotonic seconds."""
        self.rest_until = 0.0
        self.coordinator = coordinator
        self._is_stopping = is_stopping
        self._hearing = Hearing(self)
        self._line: Line | None = None
        self._question: Question | None = None
        self._ask_at = math.inf
        self._zombie: Zombie | None = None
        self._lock = asyncio.Lock()

    # connections -------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        return self._line is not None

    def take(self, line: Line) -> None:
        """The newest connection is the one that counts."""
        before, self._line = self._line, line
        if before is not None:
            logger.info("supervisor %s connected anew: its older connection ends", self.name)
            before.end(SUPERSEDED, "superseded")

    def has(self, line: Line) -> bool:
        return self._line is line

    async def greet(self, line: Line, version: str) -> None:
        """Begin, or go on with, its session, and ask what it is at before anything else."""
        async with self._lock:
            who = introduction(self.supervisor, address=line.address, version=version)
            session = await self.persist(
                lambda: self.coordinator.open_session(who, nonce=NONCE, secret=NONCE)
            )
            self.session_id = session.id
            self.is_aligned = self.is_doubtful = False
            self._question, self._zombie = None, None
            await self.look()
            for job in self.jobs.values():
                job.forget_what_was_sent()
            self.ask()

    async def part(self, line: Line) -> None:
        """A connection ended. What it was doing has its lease to come back."""
        if not self.has(line):
            return
        self._line, self.is_aligned, self.due_at = None, False, math.inf
        if self._is_stopping():
            return
        async with self._lock:
            await self.look()
            leave = self.coordinator.doubt if self.jobs else self.coordinator.close_session
            await self.persist(lambda: leave(self.session_id, reason="its connection ended"))

    def hang_up(self, reason: str = "") -> None:
        if self._line is not None:
            self._line.end(reason=reason)

    # what it says ------------------------------------------------------------------------------

    async def hear(self, frame: str | bytes) -> None:
        """Take in one frame; whatever it is, the connection goes on."""
        try:
            if isinstance(frame, bytes):
                raise Undecodable("a frame that is no text")
            message = read_by_switchboard(frame)
            async with self._lock:
                await self._hearing.message(message)
        except Undecodable as error:
            await self.ignored(f"a message that makes no sense: {error}")

    async def answered(self, answer: StatusAnswer) -> None:
        """It says what it is at."""
        if self._question is None or answer.response_to_request_id != self._question.id:
            await self.ignored("a status that nobody asked for")
            return
        self._question, self._ask_at = None, math.inf
        self.is_aligned = True
        await self.look()
        jobs = [job.recorded() for job in self.jobs.values()]
        for move in align(jobs, answer.message, is_doubtful=self.is_doubtful):
            await self._make(move, answer.message)
        if self._zombie is not None and getattr(answer.message, "job_id", "") != self._zombie.id:
            self._zombie = None
        self.wake()

    async def _make(self, move: Move, reported: Idle | Ongoing) -> None:
        job = self.jobs.get(move.id)
        if job is None:
            self.stop_zombie(move.id)
        elif move.act == "start":
            job.sent_at = None  # it did not arrive: it is sent again
        elif move.act == "adopt":
            await self._hearing.adopted(job, reported)
        elif move.act == "ask_again":
            job.was_missed = True
            self._ask_at = self.now + SETTLE_SECONDS
        elif move.act == "drop":
            await self.finish(job, dropped("the supervisor no longer has the job"))
        elif move.act == "free":
            await self.finish(job, dropped("the supervisor no longer has it"))
        elif move.act == "trust":
            logger.warning("%s says idle right after an error: job %s is kept", self.name, job.id)

    async def finish(self, job: Held, outcome: Outcome) -> None:
        """A job has ended on this supervisor."""
        await self.persist(lambda: self.coordinator.report(job.id, outcome))
        self.drop(job)

    def drop(self, job: Held) -> None:
        """It is no concern of this supervisor any more."""
        self.jobs.pop(job.id, None)
        self._hearing.ended(job.id)
        self.wake()

    async def ignored(self, words: str) -> None:
        """Something was said that makes no sense here; it is told, counted, and left out."""
        logger.warning("supervisor %s sent %s; it was ignored", self.name, words)
        await self.persist(lambda: self.coordinator.note_ignored(self.runner.id, words))

    # what it is told ---------------------------------------------------------------------------

    async def work(self) -> None:
        """Give out jobs and see to what is late, as long as there is a connection."""
        while self._line is not None:
            try:
                async with self._lock:
                    await self._round()
                await self.coordinator.wait_for_work(self.session_id, 60.0)
            except UnknownSession:
                self.hang_up("its session has ended")  # it comes again, with a new one
                return
            except (Busy, DiskFull, StoreError):
                if self._is_stopping():
                    return
                await asyncio.sleep(RETRY_SECONDS)

    async def _round(self) -> None:
        """Look once at everything."""
        self.due_at = math.inf
        await self.look()
        if not self._is_answering():
            return
        if self.is_aligned:
            for job in list(self.jobs.values()):
                await self._see_to(job)
            self._see_to_zombie()
            if not self.jobs and self._zombie is None and self._is_rested():
                await self._take_a_job()
        if self._ask_at <= self.now:
            self.ask()
        self._remember(self._ask_at)

    def _is_answering(self) -> bool:
        if self._question is None:
            return True
        late_at = self._question.asked_at + ANSWER_SECONDS
        if self.now >= late_at:
            logger.warning("%s does not say what it is at: it is cut off", self.name)
            self.hang_up("no answer to status_request")
            return False
        self._remember(late_at)
        return True

    def _is_rested(self) -> bool:
        if self.now >= self.rest_until:
            return True
        self._remember(self.rest_until)
        return False

    async def _see_to(self, job: Held) -> None:
        if job.is_given_up or job.is_stopping:
            self._see_to_stop(job)
        elif not job.is_seen:
            await self._see_to_start(job)

    async def _see_to_start(self, job: Held) -> None:
        if job.sent_at is None:
            if job.sends >= MAX_STARTS:
                words = f"the supervisor took no notice of start_job, {job.sends} times"
                await self.finish(job, Outcome("refused", words))
                return
            await self._start(job)
        elif self.now >= job.sent_at + START_SECONDS:
            self.ask()
        else:
            self._remember(job.sent_at + START_SECONDS)

    def _see_to_stop(self, job: Held) -> None:
        """Ask; when its grace is over, or nothing is heard for long, ask again, and what it is at:
        there is no stronger word than stop_job on this wire."""
        wants_emphasis = job.attempt.stop_kill and not job.is_killed
        is_late = job.stop_sent_at is not None and self.now >= job.stop_sent_at + STOP_AGAIN_SECONDS
        if job.stop_sent_at is None or wants_emphasis or is_late:
            self._post_stop(job.id)
            if job.stop_sent_at is not None:
                self.ask()
            job.is_killed = job.attempt.stop_kill
            job.stop_sent_at = self.now
        self._remember(job.stop_sent_at + STOP_AGAIN_SECONDS)

    def stop_zombie(self, wire_id: str) -> None:
        """Stop a job that should not be there; nothing else is started until it has gone."""
        self._zombie = Zombie(wire_id, self.now)
        self._post_stop(wire_id)

    def is_zombie(self, wire_id: str) -> bool:
        return self._zombie is not None and self._zombie.id == wire_id

    def bury_zombie(self) -> None:
        self._zombie = None
        self.wake()

    def _see_to_zombie(self) -> None:
        zombie = self._zombie
        if zombie is None:
            return
        if self.now >= zombie.told_at + STOP_AGAIN_SECONDS:
            self._zombie = zombie._replace(told_at=self.now)
            self.ask()
        self._remember(self.now + STOP_AGAIN_SECONDS)

    async def _take_a_job(self) -> None:
        for assigned in await self.coordinator.claim(self.session_id, 1):
            job = held(assigned.job, assigned.attempt)
            self.jobs[job.id] = job
            await self._start(job)

    async def _start(self, job: Held) -> None:
        snapshot = await self.coordinator.job_with_attempt(job.job.uuid)
        if snapshot is None:  # deleted meanwhile
            self.drop(job)
            return
        try:
            resumed = await self._resumed(snapshot.details.params)
            message = start_message(job.id, snapshot.details, resumed)
        except InvalidInput as error:
            outcome = Outcome("error", error.message, type="invalid_params", is_retryable=False)
            await self.finish(job, outcome)
            return
        job.sent_at = self.now
        job.sends += 1
        self._post(StartJobMessage(message))
        self._remember(self.now + START_SECONDS)

    async def _resumed(self, params: bytes) -> str | None:
        """The wire's id of the job that is to be resumed: that of its newest attempt."""
        wanted = resumed_job(params)
        if not wanted:
            return None
        snapshot = await self.coordinator.job_with_attempt(wanted)
        return snapshot.attempt.uuid if snapshot and snapshot.attempt else None

    def rest(self) -> None:
        """Give out nothing for a moment."""
        self.rest_until = self.now + REST_SECONDS

    def ask_soon(self) -> None:
        """Something does not fit: ask what it is at, but not at every word of it."""
        if self._ask_at == math.inf:
            self._ask_at = self.now + SETTLE_SECONDS
            self.wake()

    def ask(self) -> None:
        """Ask what it is at, unless it was asked already."""
        self._ask_at = math.inf
        if self._question is None and self._line is not None:
            self._question = Question(str(uuid4()), self.now)
            self._post(StatusRequest(StatusQuestion(self._question.id)))
        self._remember(self.now + ANSWER_SECONDS)

    def _post_stop(self, wire_id: str) -> None:
        self._post(StopJobMessage(StopJob(wire_id)))

    def _post(self, message: StartJobMessage | StopJobMessage | StatusRequest) -> None:
        if self._line is not None:
            self._line.post(message)

    # what is known -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.supervisor.name

    @property
    def now(self) -> float:
        return self.coordinator.clock.monotonic()

    def wake(self) -> None:
        """Have the loop look at everything again."""
        if self.session_id:
            self.coordinator.poke(self.session_id)

    async def look(self) -> None:
        """Take over what the store has recorded on this supervisor."""
        recorded = await self.persist(lambda: self.coordinator.recorded(self.session_id))
        found = {attempt.uuid: (job, attempt) for job, attempt in recorded}
        for wire_id, (job, attempt) in found.items():
            known = self.jobs.get(wire_id)
            if known is None:
                self.jobs[wire_id] = held(job, attempt)
            else:
                known.follow(job, attempt)
        for wire_id in self.jobs.keys() - found.keys():
            gone = self.jobs.pop(wire_id)
            self._hearing.ended(wire_id)
            was_delivered = gone.sent_at is not None or gone.is_seen
            if self.is_aligned and was_delivered:  # deleted, or given to somebody else
                self.stop_zombie(wire_id)

    async def persist(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Do what has to be kept; a store that is busy or full is waited for."""
        while True:
            try:
                return await call()
            except (Busy, DiskFull, StoreError):
                if self._is_stopping():
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    def _remember(self, at: float) -> None:
        self.due_at = min(self.due_at, at)
