"""Serves a Runpack worker as its own Python runner does: asks, claims, beats, tells ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, TypeVar

from traffic_tui.runner.connectors.backoff import Backoff
from traffic_tui.runner.connectors.companions import beside
from traffic_tui.runner.connectors.link import Link, Rejected, Unreachable
from traffic_tui.runner.connectors.notify_relay import RelayListener
from traffic_tui.runner.connectors.patience import Patience
from traffic_tui.runner.connectors.runpack_calls import (
    RegistrationFile,
    RunpackCalls,
    new_name,
)
from traffic_tui.runner.connectors.runpack_jobs import RunpackJobs
from traffic_tui.runner.errors import JobError, NeverReached, RunnerError
from traffic_tui.runner.seam import StartOrder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from server.model import Stream
    from traffic_tui.runner.connectors.link import Address
    from traffic_tui.runner.connectors.runpack_calls import ClaimedJob, Registration
    from traffic_tui.runner.connectors.runpack_jobs import Ending
    from traffic_tui.runner.options import NotifyRelay
    from traffic_tui.runner.seam import JobUpdate
    from traffic_tui.runner.supervisor import Supervisor

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_RESULT_BYTES = 512_000
MIN_POLL_SECONDS = 6.0
POLL_STEP_SECONDS = 2.0
MAX_POLL_SECONDS = 60.0
RELAYED_POLL_SECONDS = 300.0
"""Between polls where a relay tells of new jobs."""
GIVEN_UP_GRACE_SECONDS = 10.0


class RunpackConnector:
    """Between one supervisor and one Runpack worker."""

    max_result_bytes = MAX_RESULT_BYTES

    def __init__(
        self,
        address: Address,
        types: Sequence[str],
        *,
        folder: Path,
        name: str = "",
        notify_relay: NotifyRelay | None = None,
    ) -> None:
        self._link = Link(address)
        self._calls = RunpackCalls(self._link)
        self._types = list(types)
        self._file = RegistrationFile(folder, self._link.url)
        self._name = name
        self._jobs = RunpackJobs()
        self._is_draining = False
        self._poll_now = asyncio.Event()
        self._report_now = asyncio.Event()
        self._patience = Patience()
        self._relay = (
            None if notify_relay is None else RelayListener(notify_relay, self._poll_now.set)
        )

    @property
    def is_told(self) -> bool:
        return self._jobs.is_empty

    # the seam --------------------------------------------------------------------------------

    async def run(self, supervisor: Supervisor) -> None:
        """Serve until drained. Raises RunnerError when the worker refuses this runner."""
        try:
            async with self._patience.bounding("the worker"):
                await self._introduce()
                await self._serve(supervisor)
        finally:
            await self._link.close()

    def drain(self) -> None:
        self._is_draining = True
        self._poll_now.set()
        self._report_now.set()

    def stop(self, within_seconds: float) -> None:
        self.drain()
        self._patience.end_within(within_seconds)

    def update_job_state(self, request_id: str, update: JobUpdate) -> None:
        self._jobs.update(request_id, update)
        if update.outcome is not None:
            self._report_now.set()

    def report_job_error(self, request_id: str, error: JobError) -> None:
        self._jobs.refuse(request_id, error)
        self._report_now.set()

    def send_console_bytes(self, request_id: str, stream: Stream, data: bytes) -> int:
        """Everything is taken: the console is one text whose middle is left out when it is long."""
        self._jobs.print(request_id, data)
        return len(data)

    async def console_room(self, request_id: str) -> None:
        """There always is."""

    # registration ----------------------------------------------------------------------------

    async def _introduce(self) -> None:
        """Be somebody the worker knows, however long it takes to reach it."""
        known = self._file.load()
        if known is not None:
            self._calls.act_as(known)
            if await self._at_first(self._calls.is_known):
                log.info("serving %s as %s", self._link.url, known.runner_name)
                return
            log.warning(
                "%s does not know the runner in %s any more, registering anew",
                self._link.url,
                self._file.path,
            )
        name = self._name or (known.runner_name if known is not None else new_name())

        async def register() -> Registration:
            return await self._calls.register(name, self._types)

        registration = await self._at_first(register)
        self._file.save(registration)
        self._calls.act_as(registration)
        log.info("registered at %s as %s", self._link.url, name)

    async def _at_first(self, call: Callable[[], Awaitable[T]]) -> T:
        """Try until the worker is reached. Raises RunnerError when it does not let us in."""
        backoff = Backoff()
        while True:
            try:
                return await call()
            except Unreachable as error:
                self._tell_trouble(backoff, f"cannot reach {self._link.url}: {error}")
                seconds = backoff.next_seconds()
            except Rejected as error:
                if not error.is_temporary:
                    raise RunnerError(
                        f"{self._link.url} refuses this runner: {error.message}"
                    ) from None
                self._tell_trouble(backoff, f"{self._link.url} says: {error.message}")
                seconds = error.retry_after or backoff.next_seconds()
            await self._pause(self._poll_now, seconds)
            if self._is_draining:
                raise NeverReached(f"{self._link.url} was never reached")

    # serving ---------------------------------------------------------------------------------

    async def _serve(self, supervisor: Supervisor) -> None:
        loops = [self._ask_for_jobs(supervisor)]
        if self._relay is not None:
            loops.append(self._relay.run())
        async with beside(*loops):
            await self._report(supervisor)

    async def _ask_for_jobs(self, supervisor: Supervisor) -> None:
        """Poll: at once when there is reason to, else ever more slowly."""
        interval = MIN_POLL_SECONDS
        backoff = Backoff()
        while not self._is_draining:
            self._poll_now.clear()
            try:
                found = await self._claim_some(supervisor)
                backoff.reset()
            except (Unreachable, Rejected) as error:
                found = False
                self._tell_trouble(backoff, f"{self._link.url} cannot be asked for jobs: {error}")
                backoff.failures += 1
            if found:
                interval = MIN_POLL_SECONDS
            pause = RELAYED_POLL_SECONDS if self._is_relayed else interval
            if not found:
                interval = min(interval + POLL_STEP_SECONDS, MAX_POLL_SECONDS)
            await self._pause(self._poll_now, pause)

    @property
    def _is_relayed(self) -> bool:
        return self._relay is not None and self._relay.is_connected

    async def _claim_some(self, supervisor: Supervisor) -> bool:
        """Claim a job for every free slot; whether there was any."""
        found = False
        while supervisor.free and not self._is_draining:
            offered = await self._calls.available(self._types)
            claimed = 0
            for job in offered:
                if not supervisor.free or self._is_draining:
                    break
                claim = await self._calls.claim(job.job_id)
                if claim is not None:
                    self._start(supervisor, claim)
                    claimed += 1
            found = found or claimed > 0
            if not claimed:
                break
        return found

    def _start(self, supervisor: Supervisor, job: ClaimedJob) -> None:
        self._jobs.begin(job.job_id, asyncio.get_running_loop().time())
        try:
            supervisor.start(StartOrder(job.job_id, job.job_id, job.job_type, job.input_params))
        except JobError as error:
            self.report_job_error(job.job_id, error)
        self._report_now.set()

    # telling ---------------------------------------------------------------------------------

    async def _report(self, supervisor: Supervisor) -> None:
        """Beats and ends, until drained and everything was told."""
        backoff = Backoff()
        while True:
            self._report_now.clear()
            try:
                trouble = [*await self._send_beats(supervisor), *await self._tell_endings()]
            except Unreachable as error:
                self._tell_trouble(backoff, f"lost {self._link.url}: {error}")
                await asyncio.sleep(backoff.next_seconds())
                continue
            if self._is_over(supervisor):
                return
            await self._pause(self._report_now, self._seconds_to_report(trouble, backoff))

    def _seconds_to_report(self, trouble: list[Rejected], backoff: Backoff) -> float:
        """How long there is nothing to say, unless something happens."""
        if trouble:
            self._tell_trouble(backoff, f"{self._link.url} says: {trouble[0].message}")
            return max(backoff.next_seconds(), *(error.retry_after or 0.0 for error in trouble))
        backoff.reset()
        if self._jobs.endings():
            return 0.0
        due = self._jobs.next_beat_at()
        if due is None:
            return MAX_POLL_SECONDS
        return max(0.0, due - asyncio.get_running_loop().time())

    async def _tell_endings(self) -> list[Rejected]:
        """Tell every end; the result is what has to be tried again. One job holds up no other."""
        trouble: list[Rejected] = []
        for ending in self._jobs.endings():
            try:
                await self._calls.end(ending)
            except Rejected as error:
                if error.is_temporary or error.status in (401, 403):
                    trouble.append(error)
                else:
                    self._end_was_refused(ending, error)
            else:
                self._jobs.forget(ending.job_id)
                self._poll_now.set()
        return trouble

    def _end_was_refused(self, ending: Ending, error: Rejected) -> None:
        """Too large a result is a failure of the job; anything else, and it is ours no more."""
        log.warning("job %s: %s", ending.job_id, error.message)
        if ending.error is None and "size limit" in error.message:
            self._jobs.replace_ending(ending, error.message)
        else:
            self._jobs.forget(ending.job_id)
            self._poll_now.set()

    async def _send_beats(self, supervisor: Supervisor) -> list[Rejected]:
        """Send what is due; a beat that was not taken is followed by the next one anyway."""
        trouble: list[Rejected] = []
        for beat in self._jobs.due_beats(asyncio.get_running_loop().time()):
            try:
                await self._calls.beat(beat)
            except Rejected as error:
                if error.status not in (400, 404):
                    trouble.append(error)
                    continue
                log.warning("job %s is given up: %s", beat.job_id, error.message)
                self._jobs.give_up(beat.job_id)
                with contextlib.suppress(JobError):
                    supervisor.stop(beat.job_id, grace_seconds=GIVEN_UP_GRACE_SECONDS)
        return trouble

    def _is_over(self, supervisor: Supervisor) -> bool:
        if not self._is_draining:
            return False
        self._jobs.endings()
        return self._jobs.is_empty and not set(supervisor.running).difference(supervisor.stuck)

    async def _pause(self, reason: asyncio.Event, seconds: float) -> None:
        """Wait that long, or until there is a reason not to."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await reason.wait()

    def _tell_trouble(self, backoff: Backoff, words: str) -> None:
        if backoff.is_worth_telling:
            log.warning("%s; trying again", words)
