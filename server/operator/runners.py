"""Calls about runners and queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.errors import NotFound
from server.operator.busy_history import BusyHistory, until_heard
from server.operator.line_views import (
    FLOW_BUCKET_MINUTES,
    FLOW_BUCKETS,
    RUNNER_STATES,
    queue_view,
    runner_view,
)
from server.operator.parts import OperatorParts
from server.submission import milliseconds
from server.wire.operator import (
    OneQueueView,
    OneRunnerView,
    QueuesView,
    RunnerLogLine,
    RunnersView,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator import Coordinator
    from server.keyring import Keyring
    from server.model import Actor, Queue, Runner, RunnerState
    from server.store.base import Reads, RunnerWork
    from server.wire.operator import (
        DrainRequest,
        LimitRequest,
        QueueView,
        ReasonRequest,
        RunnerView,
    )


class RunnerCalls(OperatorParts):
    """Look at, drain, resume and forget runners."""

    def __init__(self, coordinator: Coordinator, reads: Reads, keyring: Keyring) -> None:
        super().__init__(coordinator, reads, keyring)
        self._history = history = BusyHistory(
            coordinator.clock,
            coordinator.busy,
            is_known=lambda runner: coordinator.runner(runner) is not None,
        )
        coordinator.store.on_commit(lambda committed: history.note(committed.events))

    async def runners(self, actor: Actor) -> RunnersView:
        """All runners, those with problems first."""
        views = await self._runner_views(self.coordinator.runners())
        views.sort(key=lambda view: (RUNNER_STATES.index(view.state), view.name))
        return RunnersView(runners=views)

    async def runner(self, actor: Actor, runner: str) -> OneRunnerView:
        """One runner, with what it printed lately."""
        found = self.find_runner(runner)
        view = await self._one_runner(found)
        lines = self.coordinator.runner_logs.lines(found.id)
        return OneRunnerView(view.runner, [RunnerLogLine(*line) for line in lines])

    async def drain(self, actor: Actor, runner: str, request: DrainRequest) -> OneRunnerView:
        """Give it nothing new; what it does may finish, or is moved."""
        seconds = request.deadline_seconds
        drained = await self.coordinator.drain(
            actor,
            self.find_runner(runner).id,
            deadline_ms=None if seconds is None else milliseconds(seconds),
            move=request.move,
            reason=request.reason,
        )
        return await self._one_runner(drained)

    async def resume_runner(
        self, actor: Actor, runner: str, request: ReasonRequest
    ) -> OneRunnerView:
        resumed = await self.coordinator.resume_runner(
            actor, self.find_runner(runner).id, reason=request.reason
        )
        return await self._one_runner(resumed)

    async def forget(self, actor: Actor, runner: str, request: ReasonRequest) -> None:
        """Take one that is gone off the lists."""
        await self.coordinator.forget(actor, self.find_runner(runner).id, reason=request.reason)

    async def _one_runner(self, runner: Runner) -> OneRunnerView:
        return OneRunnerView(runner=(await self._runner_views([runner]))[0])

    async def _runner_views(self, runners: list[Runner]) -> list[RunnerView]:
        work = await self.reads.runner_work(self.coordinator.clock.now_ms())
        silence_ms = await self.longest_silence_ms()
        phases = await self.coordinator.phases(runners)
        return [
            self._runner_view(runner, work.get(runner.id), silence_ms, phases.get(runner.id, ""))
            for runner in runners
        ]

    def _runner_view(
        self, runner: Runner, work: RunnerWork | None, silence_ms: int, phase: str
    ) -> RunnerView:
        state = self.runner_state(runner, work, silence_ms)
        return runner_view(
            runner,
            state,
            self._connected_at(runner),
            self.coordinator.busy(runner.id),
            work,
            self.coordinator.fault(runner.id),
            phase,
            self._busy_minutes(runner, state),
        )

    def _busy_minutes(self, runner: Runner, state: RunnerState) -> list[float | None]:
        """Of one that is not there, only until it was heard last: what it does is not known."""
        minutes = self._history.minutes(runner.id)
        if state not in ("lost", "gone"):
            return minutes
        return until_heard(minutes, self.coordinator.clock.now_ms() - runner.last_seen_at)

    def _connected_at(self, runner: Runner) -> int:
        sessions = self.coordinator.sessions_of(runner.id)
        return max((session.started_at for session in sessions), default=0)


class QueueCalls(OperatorParts):
    """Look at, pause, resume and limit queues."""

    async def queues(self, actor: Actor) -> QueuesView:
        """All queues, by name."""
        return await self.read_queues()

    async def read_queues(self) -> QueuesView:
        queues = sorted(await self.coordinator.queues(), key=lambda queue: queue.name)
        return QueuesView(queues=await self._queue_views(queues))

    async def queue(self, actor: Actor, name: str) -> OneQueueView:
        found = await self.coordinator.store.apply(lambda tx: tx.queue(name))
        if found is None:
            raise NotFound(f"there is no queue {name[:60]}")
        return await self._one_queue(found)

    async def pause_queue(self, actor: Actor, name: str, request: ReasonRequest) -> OneQueueView:
        """Start no more of its jobs; what runs goes on."""
        return await self._one_queue(
            await self.coordinator.pause_queue(actor, name, reason=request.reason)
        )

    async def resume_queue(self, actor: Actor, name: str, request: ReasonRequest) -> OneQueueView:
        return await self._one_queue(
            await self.coordinator.resume_queue(actor, name, reason=request.reason)
        )

    async def limit_queue(self, actor: Actor, name: str, request: LimitRequest) -> OneQueueView:
        """Let at most so many of its jobs be active."""
        return await self._one_queue(
            await self.coordinator.limit_queue(actor, name, request.limit, reason=request.reason)
        )

    async def _one_queue(self, queue: Queue) -> OneQueueView:
        return OneQueueView(queue=(await self._queue_views([queue]))[0])

    async def _queue_views(self, queues: Sequence[Queue]) -> list[QueueView]:
        now, started_at = self.coordinator.clock.now_ms(), self.coordinator.started_at
        work = await self.reads.queue_work(now)
        flow = await self.reads.queue_flow(now, FLOW_BUCKET_MINUTES * 60_000, FLOW_BUCKETS)
        return [queue_view(queue, work.get(queue.name), flow, started_at) for queue in queues]
