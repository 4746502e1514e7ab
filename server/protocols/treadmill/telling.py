"""What a supervisor is told: jobs to start, jobs to stop, questions.

Nothing of it is acknowledged, so everything has a time at which it is said again or asked about.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from server.errors import InvalidInput
from server.model import Outcome
from server.protocols.treadmill.held import held
from server.protocols.treadmill.jobs import resumed_job, start_message
from server.protocols.treadmill.outcomes import dropped
from server.wire.treadmill import (
    StartJobMessage,
    StatusQuestion,
    StatusRequest,
    StopJob,
    StopJobMessage,
)

if TYPE_CHECKING:
    from server.protocols.treadmill.desk import Desk
    from server.protocols.treadmill.held import Held

START_SECONDS = 15.0
"""A start of which nothing was heard for so long is asked about."""
MAX_STARTS = 3
STOP_AGAIN_SECONDS = 15.0
ANSWER_SECONDS = 10.0
"""A supervisor that does not say what it is at within this is cut off, to come again."""
SETTLE_SECONDS = 2.0
"""For how long the end of a job may still be on its way after its supervisor says that it does
not have it; and before a supervisor is asked about something that does not fit."""
REST_SECONDS = 1.0
"""After an error that ended a job: its supervisor may still be clearing up."""

logger = logging.getLogger(__name__)


class Question(NamedTuple):
    """A status_request that was not answered yet."""

    id: str
    asked_at: float


class Zombie(NamedTuple):
    """A job that a supervisor has and should not."""

    id: str
    told_at: float


class Telling:
    """Gives one supervisor its work. Times are the clock's monotonic seconds."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._question: Question | None = None
        self._ask_at = math.inf
        self._rest_until = 0.0
        self._zombie: Zombie | None = None
        self.due_at = math.inf
        """When there is something to look after."""

    def begin_anew(self) -> None:
        """A new connection: what was asked and told on the older one is void."""
        self._question, self._zombie, self._ask_at = None, None, math.inf
        for job in self._desk.jobs.values():
            job.forget_what_was_sent()

    async def round(self) -> None:
        """Look once at everything that may have to be said."""
        desk = self._desk
        self.due_at = math.inf
        await desk.look()
        if not self._is_answering():
            return
        if desk.is_aligned:
            for job in list(desk.jobs.values()):
                await self._see_to(job)
            self._see_to_zombie()
            if not desk.jobs and self._zombie is None and self._is_rested():
                await self._take_a_job()
        if self._ask_at <= desk.now:
            self.ask()
        self._remember(self._ask_at)

    # questions ---------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask what it is at, unless it was asked already."""
        self._ask_at = math.inf
        if self._question is None:
            self._question = Question(str(uuid4()), self._desk.now)
            self._desk.post(StatusRequest(StatusQuestion(self._question.id)))
        self._remember(self._question.asked_at + ANSWER_SECONDS)

    def ask_later(self) -> None:
        """Something does not fit: ask what it is at, but not at every word of it."""
        self._ask_at = min(self._ask_at, self._desk.now + SETTLE_SECONDS)
        self._desk.wake()

    def asked_at(self, request_id: str) -> float | None:
        """When the question was asked that is answered now; None: it was not asked."""
        question = self._question
        if question is None or question.id != request_id:
            return None
        self._question, self._ask_at = None, math.inf
        return question.asked_at

    def _is_answering(self) -> bool:
        if self._question is None:
            return True
        late_at = self._question.asked_at + ANSWER_SECONDS
        if self._desk.now >= late_at:
            logger.warning("%s does not say what it is at: it is cut off", self._desk.name)
            self._desk.hang_up("no answer to status_request")
            return False
        self._remember(late_at)
        return True

    # starts ------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Give out nothing for a moment."""
        self._rest_until = self._desk.now + REST_SECONDS

    def _is_rested(self) -> bool:
        if self._desk.now >= self._rest_until:
            return True
        self._remember(self._rest_until)
        return False

    async def _take_a_job(self) -> None:
        desk = self._desk
        for assigned in await desk.coordinator.claim(desk.session_id, 1):
            job = held(assigned.job, assigned.attempt)
            desk.jobs[job.id] = job
            await self._start(job)

    async def _see_to(self, job: Held) -> None:
        if job.missed_at is not None:
            gone_at = job.missed_at + SETTLE_SECONDS
            if self._desk.now >= gone_at:
                await self._desk.finish(job, dropped("the supervisor no longer has the job"))
                return
            self._remember(gone_at)
        if job.is_given_up or job.is_stopping:
            self._see_to_stop(job)
        elif not job.is_seen:
            await self._see_to_start(job)

    async def _see_to_start(self, job: Held) -> None:
        if job.sent_at is None:
            if job.sends < MAX_STARTS:
                await self._start(job)
                return
            words = f"the supervisor took no notice of start_job, {job.sends} times"
            await self._desk.finish(job, Outcome("refused", words))
        elif self._desk.now >= job.sent_at + START_SECONDS:
            self.ask()
        else:
            self._remember(job.sent_at + START_SECONDS)

    async def _start(self, job: Held) -> None:
        desk = self._desk
        snapshot = await desk.coordinator.job_with_attempt(job.job.uuid)
        if snapshot is None:  # deleted meanwhile
            desk.drop(job)
            return
        try:
            resumed = await self._resumed(snapshot.details.params)
            message = start_message(job.id, snapshot.details, resumed)
        except InvalidInput as error:
            outcome = Outcome("error", error.message, type="invalid_params", is_retryable=False)
            await desk.finish(job, outcome)
            return
        job.sent_at = desk.now
        job.sends += 1
        desk.post(StartJobMessage(message))
        self._remember(desk.now + START_SECONDS)

    async def _resumed(self, params: bytes) -> str | None:
        """The wire's id of the job that is to be resumed: that of its newest attempt."""
        wanted = resumed_job(params)
        if not wanted:
            return None
        snapshot = await self._desk.coordinator.job_with_attempt(wanted)
        return snapshot.attempt.uuid if snapshot and snapshot.attempt else None

    # stops -------------------------------------------------------------------------------------

    def _see_to_stop(self, job: Held) -> None:
        """Ask; when its grace is over, or nothing is heard for long, ask again, and what it is at:
        there is no stronger word than stop_job on this wire."""
        now = self._desk.now
        wants_emphasis = job.attempt.stop_kill and not job.is_killed
        is_late = job.stop_sent_at is not None and now >= job.stop_sent_at + STOP_AGAIN_SECONDS
        if job.stop_sent_at is None or wants_emphasis or is_late:
            self._post_stop(job.id)
            if job.stop_sent_at is not None:
                self.ask()
            job.is_killed = job.attempt.stop_kill
            job.stop_sent_at = now
        self._remember(job.stop_sent_at + STOP_AGAIN_SECONDS)

    async def stop_zombie(self, wire_id: str) -> None:
        """Stop a job that should not be there; nothing else is started until it has gone."""
        is_new = not self.is_zombie(wire_id)
        self._zombie = Zombie(wire_id, self._desk.now)
        self._post_stop(wire_id)
        if is_new:
            await self._desk.mark_faulty(f"it has job {wire_id}, which was told to stop")

    def is_zombie(self, wire_id: str) -> bool:
        return self._zombie is not None and self._zombie.id == wire_id

    async def bury_zombie(self) -> None:
        """It has gone."""
        if self._zombie is not None:
            self._zombie = None
            await self._desk.mark_well()
            self._desk.wake()

    async def bury_all_but(self, wire_id: str | None) -> None:
        """Its status names the only job that it has."""
        if self._zombie is not None and self._zombie.id != wire_id:
            await self.bury_zombie()

    def _see_to_zombie(self) -> None:
        zombie, now = self._zombie, self._desk.now
        if zombie is None:
            return
        if now >= zombie.told_at + STOP_AGAIN_SECONDS:
            self._zombie = zombie = zombie._replace(told_at=now)
            self.ask()
        self._remember(zombie.told_at + STOP_AGAIN_SECONDS)

    def _post_stop(self, wire_id: str) -> None:
        self._desk.post(StopJobMessage(StopJob(wire_id)))

    def _remember(self, at: float) -> None:
        self.due_at = min(self.due_at, at)
