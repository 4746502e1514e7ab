"""One execution of a handler: its deadline, its way of being stopped, its outcome."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from traffic_tui.runner.outcome import (
    WAS_CANCELLED,
    ExecutionOutcome,
    outcome_of,
    outcome_of_error,
    settle,
    with_process_of,
)
from traffic_tui.runner.request import ExecutionRequest
from traffic_tui.runner.seam import JobUpdate

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.model import Progress, Stream
    from traffic_tui.runner.registry import Entry
    from traffic_tui.runner.seam import RunState, StartOrder, SupervisorConnector

log = logging.getLogger(__name__)

StopCause: TypeAlias = Literal["cancelled", "timeout"]

TIMEOUT_GRACE_SECONDS = 10.0
"""Between asking and killing a job whose time is over."""
LAST_WAIT_SECONDS = 5.0
"""Given to a handler after it was killed; then it counts as stuck."""


class ConsoleVoice:
    """A handler's words on their way to the connector."""

    __slots__ = ("_connector", "_dropped", "_on_isolated", "_on_progress", "_request_id")

    def __init__(
        self,
        connector: SupervisorConnector,
        request_id: str,
        on_progress: Callable[[Progress], None],
        on_isolated: Callable[[str], None],
    ) -> None:
        self._connector = connector
        self._request_id = request_id
        self._on_progress = on_progress
        self._on_isolated = on_isolated
        self._dropped: dict[Stream, int] = {}

    def say(self, stream: Stream, data: bytes) -> None:
        """Keep what there is room for. A gap is marked as soon as there is room again."""
        if self._dropped.get(stream):
            marked = _gap(self._dropped[stream]) + data
            if self._take(stream, marked) < len(marked):
                self._dropped[stream] += len(data)
                return
            del self._dropped[stream]
            return
        taken = self._take(stream, data)
        if taken < len(data):
            self._dropped[stream] = len(data) - taken

    async def write(self, stream: Stream, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._take(stream, bytes(rest)) :]
            if rest:
                await self._connector.console_room(self._request_id)

    async def finish(self) -> None:
        """Tell of what was dropped and not told yet."""
        for stream, count in self._dropped.items():
            await self.write(stream, _gap(count))
        self._dropped.clear()

    def progress(self, progress: Progress) -> None:
        self._on_progress(progress)

    def isolated(self, words: str) -> None:
        self._on_isolated(words)

    def _take(self, stream: Stream, data: bytes) -> int:
        return self._connector.send_console_bytes(self._request_id, stream, data)


def _gap(count: int) -> bytes:
    return f"\n[{count} bytes or more were printed here faster than they could be kept]\n".encode()


class Execution:
    """Runs one handler as one task. Never raises; whatever happens ends as an outcome."""

    def __init__(
        self,
        order: StartOrder,
        entry: Entry,
        connector: SupervisorConnector,
        on_end: Callable[[Execution], None],
    ) -> None:
        self.request_id = order.key
        """What the supervisor and the connector know it by."""
        self.state: RunState = "initializing"
        self.is_stuck = False
        self.progress: Progress | None = None
        self._entry = entry
        self._connector = connector
        self._on_end = on_end
        self._voice = ConsoleVoice(connector, order.key, self._progressed, self._isolated)
        self.request = ExecutionRequest(
            order.job_id,
            order.request_id,
            order.function_name,
            order.params,
            order.args,
            order.kwargs,
            context=order.context,
            voice=self._voice,
        )
        self._timeout_seconds = order.timeout_seconds
        self._cause: StopCause | None = None
        self._outcome: ExecutionOutcome | None = None
        self._task: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    def start(self) -> asyncio.Task[None]:
        """Begin; the task is handed out so that its owner can wait for it."""
        loop = asyncio.get_running_loop()
        self._set_state("ready")
        self._task = loop.create_task(self._run(), name=f"job {self.request_id}")
        self._task.add_done_callback(self._ended)
        if self._timeout_seconds is not None:
            self._later(self._timeout_seconds, self._time_is_over)
        return self._task

    def stop(self, grace_seconds: float, *, kill: bool, cause: StopCause = "cancelled") -> None:
        """Ask the handler to end; after the grace, or again with ``kill``, insist."""
        assert self._task is not None
        signal = self.request.stopping
        signal.is_asked = True
        signal.is_kill = signal.is_kill or kill
        signal.grace_seconds = grace_seconds
        if self._cause is None:
            self._cause = cause
            self._set_state("terminating")
        self._drop_timers()
        self._task.cancel()
        if signal.is_kill:
            self._later(LAST_WAIT_SECONDS, self._give_up)
        else:
            self._later(grace_seconds, self._insist)

    @property
    def is_killed(self) -> bool:
        return self.request.stopping.is_kill

    # the task ------------------------------------------------------------------------------

    async def _run(self) -> None:
        job_id, request_id = self.request.job_id, self.request.request_id
        try:
            value = await self._entry.handler(self.request)
            self._outcome = outcome_of(value, job_id, request_id)
        except asyncio.CancelledError:
            self._outcome = ExecutionOutcome.cancelled(job_id, request_id)
        except (Exception, SystemExit) as error:  # foreign code: whatever it raises is its outcome
            self._outcome = outcome_of_error(error, job_id, request_id)
            log.debug("job %s raised", self.request_id, exc_info=True)
        await self._voice.finish()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._drop_timers()
        if not task.cancelled() and (error := task.exception()) is not None:
            ids = self.request.job_id, self.request.request_id
            self._outcome = outcome_of_error(error, *ids)
        if not self.is_stuck:
            self._finish(self._outcome)
        self.is_stuck = False
        self._on_end(self)

    def _finish(self, outcome: ExecutionOutcome | None) -> None:
        """Report the outcome. Being stopped colours whatever is not a success."""
        job_id, request_id = self.request.job_id, self.request.request_id
        if outcome is None:
            outcome = ExecutionOutcome.cancelled(job_id, request_id)
        if self._cause is not None and outcome.status != "success":
            outcome = _stopped(outcome, self._cause)
        settled, result = settle(outcome, self._connector.max_result_bytes)
        self.state = "terminated"
        self._connector.update_job_state(
            self.request_id,
            JobUpdate("terminated", "", self.progress, settled, result, self.is_stuck),
        )

    # being stopped ---------------------------------------------------------------------------

    def _time_is_over(self) -> None:
        self.stop(TIMEOUT_GRACE_SECONDS, kill=False, cause="timeout")

    def _insist(self) -> None:
        self.stop(0.0, kill=True)

    def _give_up(self) -> None:
        """The handler ignores being cancelled: report without it, and keep its slot taken."""
        self.is_stuck = True
        log.warning(
            "job %s (%s) does not end although it was cancelled; its slot stays taken",
            self.request_id,
            self.request.function_name,
        )
        ended = ExecutionOutcome.cancelled(
            self.request.job_id,
            self.request.request_id,
            "the handler ignores being cancelled and may run on; its slot stays taken",
        )
        self._finish(ended)

    # what happens meanwhile ----------------------------------------------------------------

    def _progressed(self, progress: Progress) -> None:
        self.progress = progress
        if self.state != "terminated":
            self._connector.update_job_state(
                self.request_id, JobUpdate(self.state, progress=progress)
            )

    def _isolated(self, words: str) -> None:
        if self.state != "terminated":
            self._connector.update_job_state(
                self.request_id, JobUpdate(self.state, progress=self.progress, isolation=words)
            )

    def _set_state(self, state: RunState) -> None:
        self.state = state
        self._connector.update_job_state(self.request_id, JobUpdate(state, progress=self.progress))

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _drop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


def _stopped(outcome: ExecutionOutcome, cause: StopCause) -> ExecutionOutcome:
    """The outcome of something that was told to stop, with what is known of its process."""
    if outcome.status == cause:
        return outcome
    make = ExecutionOutcome.timeout if cause == "timeout" else ExecutionOutcome.cancelled
    stopped = make(outcome.job_id, outcome.request_id)
    if outcome.status == "cancelled" and outcome.error is not None and stopped.error is not None:
        is_own_word = outcome.error.message != WAS_CANCELLED
        if is_own_word:
            error = replace(
                stopped.error, message=f"{stopped.error.message}: {outcome.error.message}"
            )
            stopped = replace(stopped, error=error)
    return with_process_of(outcome, stopped)
