"""What a supervisor's messages mean for its desk. Events only take a job forward."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from server.errors import NotFound
from server.model import Progress
from server.protocols.treadmill.console import ConsoleIntake
from server.protocols.treadmill.held import RANKS, phase_of
from server.protocols.treadmill.outcomes import (
    LIVES_ON,
    Declared,
    kept_output,
    of_declaration,
    of_end,
    of_error,
)
from server.store.base import EventQuery
from server.wire.treadmill import (
    ConsoleLog,
    DeclareExitStatus,
    JobError,
    Ongoing,
    StateTransition,
    StatusResponse,
    SupervisorEvent,
    console_pieces,
)

if TYPE_CHECKING:
    from server.model import Outcome
    from server.protocols.treadmill.desk import Desk
    from server.protocols.treadmill.held import Held
    from server.wire.treadmill import Idle, JobHappening, JobState, ReportedError, ToSwitchboard

MAX_REMEMBERED = 64
"""Ended jobs of a supervisor of which late words are expected."""
FIRST_STAGE = "starting"


def _in_words(declared: Declared) -> str:
    lines = (declared.host_output or "").strip().splitlines()
    return f"{declared.status}: {lines[0][:300]}" if lines else declared.status


class Hearing:
    """Takes in what one supervisor says."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ended: OrderedDict[str, None] = OrderedDict()

    def ended(self, wire_id: str) -> None:
        """A job is over here; words about it may still come."""
        self._ended[wire_id] = None
        while len(self._ended) > MAX_REMEMBERED:
            self._ended.popitem(last=False)

    async def message(self, message: ToSwitchboard) -> None:
        if isinstance(message, StatusResponse):
            await self._desk.answered(message.message)
        elif isinstance(message, SupervisorEvent):
            await self._event(message.message.job_id, message.message.event)
        else:
            await self._desk.ignored(f"a protocol_error: {message.message.code[:100]}")

    async def adopted(self, job: Held, reported: Idle | Ongoing) -> None:
        """Its status says that it has the job, and where that is."""
        if isinstance(reported, Ongoing):
            self._desk.is_doubtful = False
            await self._state(job, reported.job_state)

    async def _event(self, wire_id: str, event: JobHappening) -> None:
        if isinstance(event, StateTransition):
            self._desk.is_doubtful = False
        elif isinstance(event, JobError):
            self._desk.is_doubtful = True
        job = self._desk.jobs.get(wire_id)
        if job is None:
            await self._about_none_of_its_own(wire_id, event)
            return
        try:
            if not isinstance(event, ConsoleLog):
                await self.store_console(job)
            await self._about(job, event)
        except NotFound:
            await self._desk.disown(job)

    async def _about(self, job: Held, event: JobHappening) -> None:
        if isinstance(event, ConsoleLog):
            await self._console(job, event)
        elif isinstance(event, StateTransition):
            await self._state(job, event.new_state, event.status_message or "")
        elif isinstance(event, DeclareExitStatus):
            await self._declared(job, event)
        else:
            await self._error(job, event.error)

    async def _state(self, job: Held, state: JobState, words: str = "") -> None:
        desk, rank = self._desk, RANKS[state.state]
        job.missed_at = None
        if state.state == "terminated":
            await desk.finish(job, await self._end_of(job))
            return
        if rank < job.rank or job.is_given_up:
            return  # from before it was known to be further
        job.rank = rank
        phase = phase_of(state)
        if words:
            progress = Progress(None, None, words[:1000])
            await desk.persist(lambda: desk.coordinator.report(job.id, None, progress))
        counts = await desk.persist(lambda: desk.coordinator.note_phase(job.id, phase))
        if not counts:
            desk.wake()  # it was given up or taken away meanwhile: the loop finds out

    async def _end_of(self, job: Held) -> Outcome:
        declared = await self._declaration(job)
        snapshot = await self._desk.coordinator.job_with_attempt(job.job.uuid)
        wanted = snapshot.job.wanted if snapshot else job.job.wanted
        is_stopping = bool(snapshot and snapshot.attempt and snapshot.attempt.stop_at)
        return of_end(declared, wanted=wanted, is_stopping=is_stopping)

    async def _declared(self, job: Held, event: DeclareExitStatus) -> None:
        output = event.host_output and kept_output(event.host_output)
        declared = job.declared = Declared(event.user_exit_status, output)
        job.is_declaration_known = True
        data = msgspec.json.encode(declared._asdict())
        await self._desk.persist(
            lambda: self._desk.coordinator.note_fact(
                job.id,
                "exit_declared",
                reason=_in_words(declared),
                data=data,
            )
        )

    async def _declaration(self, job: Held) -> Declared | None:
        """What the workload declared, even if it was before this coordinator started."""
        if not job.is_declaration_known:
            job.is_declaration_known = True
            query = EventQuery(job=job.job.id, kinds=("exit_declared",), limit=1)
            events = await self._desk.coordinator.store.reads.events(query)
            if events and events[0].attempt == job.attempt.id:
                job.declared = Declared(**msgspec.json.decode(events[0].data))
        return job.declared

    async def _error(self, job: Held, error: ReportedError) -> None:
        if error.kind in LIVES_ON:
            if error.kind == "AlreadyRunning" and not job.is_seen:
                job.rank = RANKS["initializing"]
                await self._desk.persist(
                    lambda: self._desk.coordinator.note_phase(job.id, FIRST_STAGE)
                )
            return
        declared = await self._declaration(job)
        outcome = of_error(error, was_ready=job.rank >= RANKS["ready"])
        if declared is not None and error.kind != "JobNotFound":
            outcome = of_declaration(declared)
        self._desk.telling.rest()
        await self._desk.finish(job, outcome)

    async def _console(self, job: Held, log: ConsoleLog) -> None:
        """Take output in. What is told with its place, and was heard before, is passed over."""
        repeated = 0
        if log.console_offset is not None:
            repeated = max(0, await self._console_end(job) - log.console_offset)
        for piece in console_pieces(log):
            fresh = piece[repeated:]
            repeated -= len(piece) - len(fresh)
            if fresh and not job.is_given_up:
                if job.console_end is not None:
                    job.console_end += len(fresh)
                await self._intake(job).add(fresh)

    async def _console_end(self, job: Held) -> int:
        """How much of a job's output was heard, even if it was before this coordinator started."""
        if job.console_end is None:
            await self.store_console(job)
            reads = self._desk.coordinator.store.reads
            state = (await reads.output(job.attempt.id, "console", 0, 0)).state
            job.console_end = state.size if state is not None else 0
        return job.console_end

    async def store_console(self, job: Held) -> None:
        """Bring what was heard of a job's output into the store."""
        if job.console is not None:
            with contextlib.suppress(NotFound):  # deleted, and its output with it
                await job.console.flush()

    def _intake(self, job: Held) -> ConsoleIntake:
        if job.console is None:
            desk, add = self._desk, self._desk.coordinator.add_output

            async def write(data: bytes) -> None:
                await desk.persist(lambda: add(job.id, "console", data))

            job.console = ConsoleIntake(write)
        return job.console

    async def _about_none_of_its_own(self, wire_id: str, event: JobHappening) -> None:
        """Words about a job that is not on this supervisor, as far as we know."""
        desk = self._desk
        is_over = isinstance(event, JobError) or (
            isinstance(event, StateTransition) and event.new_state.state == "terminated"
        )
        if is_over and desk.telling.is_zombie(wire_id):
            await desk.telling.bury_zombie()
            return
        if wire_id in self._ended:
            if is_over or isinstance(event, ConsoleLog):
                return  # an end after the error that was it; the tail of a console
            await desk.ignored(f"an event of job {wire_id}, which has ended")
            return
        await desk.ignored(f"an event of job {wire_id}, which it was not given")
        if not is_over and desk.is_aligned:
            desk.telling.ask_later()
