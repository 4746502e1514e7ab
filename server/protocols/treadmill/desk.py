"""One supervisor: its connection, its session, and the job that we believe it has.

A desk outlives connections. What comes in is heard one message after the other, and a loop of its
own gives out work; :mod:`~server.protocols.treadmill.hearing` knows what messages mean,
:mod:`~server.protocols.treadmill.telling` what has to be said.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, TypeVar

from server.errors import Busy, DiskFull, NotFound, StoreError, UnknownSession
from server.protocols.treadmill.alignment import align
from server.protocols.treadmill.hearing import Hearing
from server.protocols.treadmill.held import Held, held
from server.protocols.treadmill.line import SUPERSEDED
from server.protocols.treadmill.outcomes import dropped
from server.protocols.treadmill.registry import introduction
from server.protocols.treadmill.telling import STOP_AGAIN_SECONDS, Telling
from server.repeats import Repeats
from server.wire.treadmill import Ongoing, Undecodable, read_by_switchboard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.coordinator import Coordinator
    from server.model import Outcome, Runner
    from server.protocols.treadmill.alignment import Move
    from server.protocols.treadmill.line import Line
    from server.protocols.treadmill.registry import Supervisor
    from server.wire.treadmill import Idle, StatusAnswer, ToSupervisor

RETRY_SECONDS = 0.5
WAIT_SECONDS = 60.0
NONCE = "supervisor"
"""A supervisor's session goes on over all its connections, until its lease runs out."""

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


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
        self.coordinator = coordinator
        self.telling = Telling(self)
        self._is_stopping = is_stopping
        self._hearing = Hearing(self)
        self._line: Line | None = None
        self._lock = asyncio.Lock()
        self._repeats = Repeats()

    # connections -------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        return self._line is not None

    def take(self, line: Line) -> None:
        """The newest connection is the one that counts."""
        before, self._line = self._line, line
        if before is not None:
            words = f"supervisor {self.name} connected anew: its older connection ends"
            if self._repeats.is_news(words, self.now):
                logger.info("%s; where that goes on, two processes use one id", words)
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
            await self.look()
            await self.mark_well()
            self.telling.begin_anew()
            self.telling.ask()

    async def part(self, line: Line) -> None:
        """A connection ended. What it was doing has its lease to come back."""
        if not self.has(line):
            return
        self._line, self.is_aligned = None, False
        for job in list(self.jobs.values()):
            await self._hearing.store_console(job)
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
        asked_at = self.telling.asked_at(answer.response_to_request_id)
        if asked_at is None:
            await self.ignored("a status that nobody asked for")
            return
        self.is_aligned = True
        await self.look()
        reported = answer.message
        jobs = [job for job in self.jobs.values() if not job.was_sent_after(asked_at)]
        doubts = self.is_doubtful
        for move in align([job.recorded() for job in jobs], reported, is_doubtful=doubts):
            await self._make(move, reported)
        await self.telling.bury_all_but(reported.job_id if isinstance(reported, Ongoing) else None)
        self.wake()

    async def _make(self, move: Move, reported: Idle | Ongoing) -> None:
        job = self.jobs.get(move.id)
        if job is None:
            await self.telling.stop_zombie(move.id)
        elif move.act == "start":
            job.sent_at = None  # it did not arrive: it is sent again
        elif move.act == "adopt":
            try:
                await self._hearing.adopted(job, reported)
            except NotFound:
                await self.disown(job)
        elif move.act == "miss":
            job.missed_at = self.now
        elif move.act in ("drop", "free"):
            await self.finish(job, dropped("the supervisor no longer has the job"))
        elif move.act == "trust":
            logger.warning("%s says idle right after an error: job %s is kept", self.name, job.id)

    async def finish(self, job: Held, outcome: Outcome) -> None:
        """A job has ended on this supervisor."""
        with contextlib.suppress(NotFound):  # deleted meanwhile
            await self.persist(lambda: self.coordinator.report(job.id, outcome))
        self.drop(job)

    def drop(self, job: Held) -> None:
        """Let go of a job: it is no concern of this supervisor any more."""
        self.jobs.pop(job.id, None)
        self._hearing.ended(job.id)
        self.wake()

    async def disown(self, job: Held) -> None:
        """A job was deleted while it ran: it is stopped, and nothing is begun until it is gone."""
        self.drop(job)
        await self.telling.stop_zombie(job.id)

    async def ignored(self, words: str) -> None:
        """Something was said that makes no sense here; it is told, counted, and left out."""
        if await self.persist(lambda: self.coordinator.note_ignored(self.runner.id, words)):
            logger.warning("supervisor %s sent %s; it was ignored", self.name, words)

    # what it is told ---------------------------------------------------------------------------

    async def work(self) -> None:
        """Give out jobs and see to what is late, as long as there is a connection."""
        while self._line is not None:
            try:
                async with self._lock:
                    await self.telling.round()
                await self.coordinator.wait_for_work(self.session_id, WAIT_SECONDS)
            except UnknownSession:
                self.hang_up("its session has ended")  # it comes again, with a new one
                return
            except (Busy, DiskFull, StoreError):
                if self._is_stopping():
                    return
                await asyncio.sleep(RETRY_SECONDS)

    def post(self, message: ToSupervisor) -> None:
        if self._line is not None:
            self._line.post(message)

    async def mark_faulty(self, words: str) -> None:
        """It cannot be given work; whoever looks at it, or at a waiting job, sees why."""
        mark = self.coordinator.mark_faulty
        await self.persist(lambda: mark(self.runner.id, words, STOP_AGAIN_SECONDS))

    async def mark_well(self) -> None:
        await self.persist(lambda: self.coordinator.mark_well(self.runner.id))

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
                await self.telling.stop_zombie(wire_id)

    async def persist(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Do what has to be kept; a store that is busy or full is waited for."""
        while True:
            try:
                return await call()
            except (Busy, DiskFull, StoreError):
                if self._is_stopping():
                    raise
                await asyncio.sleep(RETRY_SECONDS)
