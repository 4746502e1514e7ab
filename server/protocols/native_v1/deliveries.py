"""Bringing placed jobs to their runners, many at a time, each by one call of its webhook."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from server.errors import Forbidden, InvalidInput, TrafficError
from server.model import Outcome
from server.protocols.native_v1 import codec
from server.protocols.native_v1.health import Refusal
from server.protocols.native_v1.places import webhook_url
from server.protocols.native_v1.webhooks import Webhooks

if TYPE_CHECKING:
    import ssl

    from server.coordinator import Coordinator
    from server.coordinator.placing import Placed
    from server.coordinator.results import Assigned
    from server.protocols.native_v1.health import Health

MAX_AT_ONCE = 256
"""Calls under way; further ones wait for their turn, and their time begins with it."""
SHORTAGE_SECONDS = 1.0
"""Between two tries where we have no file for a connection: that is no fault of the runner."""
STOP_SECONDS = 1.0
"""How long calls under way may still take when the coordinator ends."""

logger = logging.getLogger(__name__)


class Deliveries:
    """Owns the calls under way.

    A call that is cut off when the coordinator ends leaves its attempt as it is: the runner's own
    words, or the end of its time, decide it after the restart.

    Args:
        trusted: whose certificates runners may show.
    """

    def __init__(self, coordinator: Coordinator, health: Health, trusted: ssl.SSLContext) -> None:
        self._coordinator = coordinator
        self._health = health
        self._settings = coordinator.settings.protocols.native_v1
        # An offer goes elsewhere after its own time, so no answer is waited for beyond that.
        offer_ms = coordinator.settings.leases.offer_timeout_ms
        timeout_ms = min(self._settings.webhook_timeout_ms, offer_ms)
        self._webhooks = Webhooks(timeout_ms / 1000, trusted)
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, placed: Placed) -> None:
        """Bring a job to the runner it was given to."""
        task = asyncio.create_task(
            self._deliver(placed), name=f"native-v1 webhook of {placed.runner.name}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Let calls under way end for a moment, then cut them off. Safe to call twice."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._webhooks.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, TrafficError):
            logger.warning("%s: %s", task.get_name(), error.message)
        elif error is not None:  # the boundary of each call: told, and the others go on
            logger.error("%s failed", task.get_name(), exc_info=error)

    async def _deliver(self, placed: Placed) -> None:
        assigned = placed.assigned
        began = self._coordinator.clock.monotonic()
        try:
            body = codec.webhook_body(assigned, self._settings.webhook_values)
        except InvalidInput as error:
            refused = Outcome("refused", error.message, is_retryable=False)
            await self._coordinator.not_taken(assigned.attempt.uuid, refused)
            return
        has_to_wait = self._turns.locked()
        while True:
            async with self._turns:
                if has_to_wait and not await self._is_wanted(assigned):
                    taken_back = Outcome("lost", "it was taken back before it was brought")
                    await self._coordinator.not_taken(assigned.attempt.uuid, taken_back)
                    return
                refusal = await self._call(placed, body)
            if refusal is None or not refusal.is_ours:
                break
            has_to_wait = True
            await asyncio.sleep(SHORTAGE_SECONDS)
        if refusal is None:
            self._coordinator.touch(placed.session.id)
            await self._coordinator.accepted(assigned.attempt.uuid)
            await self._health.worked(placed.runner, placed.session)
        else:
            await self._pass_on(placed, refusal, began)

    async def _pass_on(self, placed: Placed, refusal: Refusal, began: float) -> None:
        """The runner did not take it: others may."""
        runner, session, assigned = placed
        # First the mark, then the job: it must not be placed with the same runner again.
        await self._health.failed(runner, session, refusal, began)
        words = f"{runner.name} did not take it: {refusal.reason}"
        await self._coordinator.not_taken(assigned.attempt.uuid, Outcome("lost", words))

    async def _is_wanted(self, assigned: Assigned) -> bool:
        """Whether a job that waited is still to be brought: it may have been stopped, or given to
        somebody else."""
        now = await self._coordinator.job_with_attempt(assigned.job.uuid)
        if now is None or now.attempt is None:
            return False
        return (now.attempt.uuid, now.attempt.state) == (assigned.attempt.uuid, "offered")

    async def _call(self, placed: Placed, body: bytes) -> Refusal | None:
        if self._coordinator.session(placed.session.uuid) is None:
            return Refusal("it was started anew", False)  # the new life knows nothing of it
        try:
            url = webhook_url(placed.runner, self._settings)
        except Forbidden as error:
            return Refusal(error.message, False)
        coordinator, (runner, session, _) = self._coordinator, placed
        began = coordinator.clock.monotonic()
        refusal = await self._webhooks.call(runner.identity, url, body, life=session.nonce)
        result = "ok" if refusal is None else refusal.result
        coordinator.called.note("webhook", result, coordinator.clock.monotonic() - began)
        return refusal
