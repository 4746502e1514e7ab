"""The slots of a runner: starts, stops and knows every execution."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from traffic_tui.runner.errors import JobError
from traffic_tui.runner.execution import LAST_WAIT_SECONDS, Execution
from traffic_tui.runner.seam import JobUpdate

if TYPE_CHECKING:
    from types import TracebackType

    from traffic_tui.runner.registry import Entry, Registry
    from traffic_tui.runner.seam import StartOrder, SupervisorConnector

log = logging.getLogger(__name__)

REMEMBERED_IDS = 10_000
"""How many ended executions are known by id, so that an order that comes twice runs once."""
DEFAULT_GRACE_SECONDS = 10.0


class Supervisor:
    """Runs what a connector orders, at most ``slots`` at a time.

    It owns the tasks of all executions. They are not in a TaskGroup: a group cannot be left
    while one handler ignores its cancellation, and that must hold up nobody else.
    """

    def __init__(self, registry: Registry, connector: SupervisorConnector, *, slots: int) -> None:
        if slots < 0:
            raise ValueError(f"a runner cannot have {slots} slots")
        self.registry = registry
        self.slots = slots
        self._connector = connector
        self._executions: dict[str, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._is_draining = False

    async def __aenter__(self) -> Supervisor:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # orders ----------------------------------------------------------------------------------

    def start(self, order: StartOrder) -> None:
        """Start an execution. Raises JobError where that cannot be, before anything has begun."""
        self._refuse_known(order.key)
        entry = self._entry(order)
        if self._is_draining:
            raise JobError("maximum_concurrent_jobs", "this runner is draining")
        if len(self._executions) >= self.slots:
            raise JobError("maximum_concurrent_jobs", f"all {self.slots} slots are taken")
        execution = Execution(order, entry, self._connector, self._forget)
        self._executions[order.key] = execution
        task = execution.start()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(
        self,
        request_id: str,
        *,
        grace_seconds: float = DEFAULT_GRACE_SECONDS,
        kill: bool = False,
    ) -> None:
        """Ask an execution to end, with ``kill`` at once. Raises JobError where it cannot be."""
        execution = self._executions.get(request_id)
        if execution is None:
            raise JobError("job_not_found", f"no job {request_id} is running here")
        if execution.state == "terminated" or execution.is_killed:
            raise JobError("already_stopping", f"job {request_id} is being killed already")
        if execution.state == "terminating" and not kill:
            raise JobError("already_stopping", f"job {request_id} is stopping already")
        execution.stop(grace_seconds, kill=kill)

    def resume(self, request_id: str) -> None:
        """Go on with a job that ended before. Nothing is kept of those, so it never can."""
        if request_id in self._executions:
            raise JobError("already_running", f"job {request_id} is running")
        raise JobError("cannot_resume", f"nothing of job {request_id} is kept here to go on with")

    def status(self, request_id: str) -> JobUpdate | None:
        """Where an execution stands; None: it is not known, or has ended."""
        execution = self._executions.get(request_id)
        if execution is None:
            return None
        return JobUpdate(execution.state, "", execution.progress, is_stuck=execution.is_stuck)

    # the whole -------------------------------------------------------------------------------

    @property
    def running(self) -> list[str]:
        """Ids of all executions that hold a slot."""
        return list(self._executions)

    @property
    def stuck(self) -> list[str]:
        """Ids of those whose handlers ignore being cancelled."""
        return [key for key, execution in self._executions.items() if execution.is_stuck]

    @property
    def free(self) -> int:
        return 0 if self._is_draining else max(0, self.slots - len(self._executions))

    @property
    def is_draining(self) -> bool:
        return self._is_draining

    def drain(self) -> None:
        """Take nothing new; what runs goes on."""
        self._is_draining = True

    def stop_all(self, *, grace_seconds: float = DEFAULT_GRACE_SECONDS, kill: bool = False) -> None:
        """Ask everything that is not being stopped yet to end."""
        for execution in list(self._executions.values()):
            may_ask = execution.state == "ready" or (kill and execution.state == "terminating")
            if may_ask and not execution.is_killed:
                execution.stop(grace_seconds, kill=kill)

    async def close(self, *, grace_seconds: float = 0.5) -> None:
        """Stop everything, in bounded time. Handlers that ignore it are named in the log."""
        self.drain()
        self.stop_all(grace_seconds=grace_seconds)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace_seconds + LAST_WAIT_SECONDS + 1)
        for request_id in self._executions:
            log.warning("job %s still runs although the runner ends", request_id)

    # inside ------------------------------------------------------------------------------------

    def _refuse_known(self, request_id: str) -> None:
        if request_id in self._executions:
            raise JobError("already_running", f"job {request_id} is running")
        if request_id in self._ended:
            raise JobError("job_already_exists", f"job {request_id} has run here already")

    def _entry(self, order: StartOrder) -> Entry:
        entry = self.registry.get(order.function_name)
        if entry is None:
            known = ", ".join(self.registry.names) or "none"
            raise JobError(
                "image_not_found",
                f"this runner has no handler for {order.function_name!r}; it has: {known}",
            )
        if entry.check is not None:
            try:
                entry.check(order.params)
            except ValueError as error:
                raise JobError("invalid", str(error)) from None
        return entry

    def _forget(self, execution: Execution) -> None:
        self._executions.pop(execution.request_id, None)
        self._ended[execution.request_id] = None
        if len(self._ended) > REMEMBERED_IDS:
            self._ended.popitem(last=False)
