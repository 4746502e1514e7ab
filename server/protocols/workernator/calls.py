"""What both contracts ask of the coordinator: start, stop, look, by a job's xid."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from server.errors import Busy, InvalidInput, NotFound, Refused, TrafficError
from server.model import FINAL_STATES, JobSpec, RetryPolicy
from server.placement import matches_type
from server.protocols.workernator.access import PROTOCOL
from server.protocols.workernator.errors import CannotStart
from server.protocols.workernator.xids import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from server.coordinator import Coordinator
    from server.coordinator.results import JobSnapshot, Submitted
    from server.model import Job, Outcome
    from server.protocols.workernator.access import Caller
    from server.protocols.workernator.watch import JobWatch

START_SECONDS = 30.0
"""How long a start waits for a runner with a free slot."""
ONCE = RetryPolicy(max_losses=0)
"""Nobody of this protocol expects a job to be run again: its output would begin anew."""
NEVER_BEGUN = ("invalid", "not_compatible")
"""Types of errors with which runners turn down what they were asked for."""

logger = logging.getLogger(__name__)


class Calls:
    """Calls of both contracts, with jobs as the coordinator knows them."""

    def __init__(self, coordinator: Coordinator, watch: JobWatch) -> None:
        self._coordinator = coordinator
        self._watch = watch
        self._withdrawals: set[asyncio.Task[None]] = set()

    async def start(self, caller: Caller, job_type: str, params: bytes) -> JobSnapshot:
        """Submit a job; returns once a runner has begun it, or it has ended already.

        Raises:
            Busy: no runner takes such jobs, or none had a slot in time; there is no job then.
            CannotStart: the runner would not begin it.
        """
        self._require_runner(job_type)
        spec = JobSpec(type=job_type, params=params, max_attempts=1, retry=ONCE)
        job = await self._submit(caller, spec)
        try:
            async with asyncio.timeout(START_SECONDS):
                begun = await self._wait(job, _has_begun)
        except TimeoutError:
            self._withdraw(caller, job)
            raise Busy(f"every runner that takes {job_type} is busy") from None
        except BaseException:  # the caller went away: it will never learn the job's id
            self._withdraw(caller, job)
            raise
        if begun.outcome is not None and _was_refused(begun.outcome):
            raise CannotStart(begun.outcome.message or "the runner would not begin it")
        return begun

    async def stop(self, caller: Caller, xid: str) -> JobSnapshot:
        """Have a job stopped; returns once it has ended. An ended one stays as it is."""
        found = await self.find(caller, xid)
        if found.job.state in FINAL_STATES:
            return found
        try:
            await self._coordinator.stop_job(caller.actor, found.job.id)
        except Refused:  # it ended in between
            logger.debug("job %d ended before it was stopped", found.job.id)
        return await self._wait(found.job, _has_ended)

    async def find(self, caller: Caller, xid: str) -> JobSnapshot:
        """A job that the caller may see.

        Raises:
            InvalidInput: the text is no xid.
            NotFound: there is none, or it is somebody else's.
        """
        unknown = NotFound(f"no job found for id '{xid[:40]}'")
        try:
            parts = parts_of(xid)
        except ValueError as error:
            raise InvalidInput(f"invalid job id: {error}") from None
        if parts is None:
            raise unknown
        try:
            job = await self._coordinator.resolve(str(parts.number))
        except TrafficError:
            raise unknown from None
        found = await self._coordinator.job_with_attempt(job.uuid)
        if found is None or (job.created_at // 1000) & 0xFFFFFFFF != parts.created_at_s:
            raise unknown
        is_hidden = caller.scope != "super" and found.details.owner != caller.user
        if found.details.origin != PROTOCOL or is_hidden:
            raise unknown
        return found

    async def close(self) -> None:
        """Wait for starts that are being taken back, in bounded time."""
        if self._withdrawals:
            _, late = await asyncio.wait(set(self._withdrawals), timeout=1.0)
            for task in late:
                task.cancel()

    def _require_runner(self, job_type: str) -> None:
        coordinator = self._coordinator
        for runner in coordinator.runners():
            is_there = coordinator.runner_state(runner) in ("ok", "suspect")
            if is_there and runner.capacity and matches_type(runner.types, job_type):
                return
        raise Busy(f"no runner that takes {job_type} is connected")

    async def _submit(self, caller: Caller, spec: JobSpec) -> Job:
        """Take a job in; should the caller go away meanwhile, it is withdrawn once it is in."""
        submitting = asyncio.ensure_future(self._coordinator.submit(caller.actor, [spec]))
        try:
            return (await asyncio.shield(submitting))[0].job
        except asyncio.CancelledError:
            self._own(self._withdraw_submitted(caller, submitting), "take back a job")
            raise

    async def _withdraw_submitted(
        self, caller: Caller, submitting: asyncio.Future[list[Submitted]]
    ) -> None:
        try:
            job = (await submitting)[0].job
        except TrafficError:
            return  # it was refused, so there is none
        await self._take_back(caller, job)

    async def _wait(self, job: Job, is_reached: Callable[[Job], bool]) -> JobSnapshot:
        with self._watch.news_of(job.id) as news:
            while True:
                news.clear()
                found = await self._coordinator.job_with_attempt(job.uuid)
                if found is None:
                    raise NotFound("the job was deleted meanwhile")
                if is_reached(found.job):
                    return found
                if self._watch.is_closed:
                    raise Busy("the coordinator is stopping")
                await news.wait()

    def _withdraw(self, caller: Caller, job: Job) -> None:
        """Stop a job whose start was given up, outside the call that is being cancelled."""
        self._own(self._take_back(caller, job), f"take back job {job.id}")

    def _own(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._withdrawals.add(task)
        task.add_done_callback(self._withdrawals.discard)

    async def _take_back(self, caller: Caller, job: Job) -> None:
        try:
            await self._coordinator.stop_job(
                caller.actor, job.id, kill=True, reason="its start was given up"
            )
        except TrafficError as error:
            logger.info("job %d was not stopped: %s", job.id, error)


def _was_refused(outcome: Outcome) -> bool:
    """Whether the runner looked at the job and never began it."""
    return outcome.kind == "refused" or outcome.type in NEVER_BEGUN


def _has_begun(job: Job) -> bool:
    return job.state in ("in_progress", "stopping") or job.state in FINAL_STATES


def _has_ended(job: Job) -> bool:
    return job.state in FINAL_STATES
