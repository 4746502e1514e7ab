"""What clients and operators do with jobs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from server.coordinator import acts, submit
from server.coordinator.calls import DEFAULT_GRACE_MS, Calls
from server.coordinator.explain import explain
from server.coordinator.lookup import job_snapshot, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator.results import Acted, Explanation, JobSnapshot, Submitted
    from server.model import Actor, Job, JobSpec
    from server.store.base import Tx


class JobCalls(Calls):
    """Submitting, finding, stopping, moving, resubmitting, deleting, explaining."""

    async def submit(
        self, actor: Actor, specs: Sequence[JobSpec], *, idempotency_key: str = ""
    ) -> list[Submitted]:
        """Take all jobs in, or none.

        Raises:
            InvalidInput: a job makes no sense.
            Refused: the idempotency key was used for other jobs.
            DiskFull: there is no room for new jobs.
        """
        now = self.clock.now_ms()
        return await self.store.apply(
            lambda tx: submit.submit(tx, self._memory, actor, specs, idempotency_key, now),
            cache_keys=[spec.cache_key for spec in specs if spec.cache_key is not None],
        )

    async def resolve(self, text: str) -> Job:
        """The job of that number, UUID, or unambiguous beginning of a UUID.

        Raises:
            NotFound: there is none.
            Refused: the beginning fits several.
        """
        return await self._apply(lambda tx: resolve(tx, text))

    async def job(self, uuid: str) -> Job | None:
        return await self._apply(lambda tx: tx.job_by_uuid(uuid))

    async def job_with_attempt(self, uuid: str) -> JobSnapshot | None:
        """A job with what belongs to it, as of the next commit."""
        return await self._apply(lambda tx: job_snapshot(tx, self._memory, uuid))

    async def stop_job(
        self,
        actor: Actor,
        job_id: int,
        *,
        grace_ms: int = DEFAULT_GRACE_MS,
        kill: bool = False,
        abandon: bool = False,
        reason: str = "",
    ) -> Acted:
        """Stop a job; see :func:`server.coordinator.acts.stop`."""
        return await self._apply(
            lambda tx: acts.stop(
                tx,
                self._memory,
                actor,
                job_id,
                grace_ms=grace_ms,
                kill=kill,
                give_up=abandon,
                reason=reason,
                now=self.clock.now_ms(),
            )
        )

    async def resubmit(
        self, actor: Actor, job_id: int, *, params: bytes | None = None, reason: str = ""
    ) -> Acted:
        """Make a new job from an ended one; the answer holds the new one."""
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: acts.resubmit(tx, self._memory, actor, job_id, params, reason, now)
        )

    async def reassign(
        self,
        actor: Actor,
        job_id: int,
        *,
        queue: str | None = None,
        runner: int | None = None,
        grace_ms: int = DEFAULT_GRACE_MS,
        reason: str = "",
    ) -> Acted:
        """Move a job to another queue, or pin it to a runner and bring it there."""
        now = self.clock.now_ms()
        if runner is not None:
            to_runner = partial(acts.reassign_to_runner, grace_ms=grace_ms, reason=reason, now=now)
            return await self._apply(lambda tx: to_runner(tx, self._memory, actor, job_id, runner))
        to_queue = partial(acts.reassign_to_queue, grace_ms=grace_ms, reason=reason, now=now)
        target = queue or "default"
        return await self._apply(lambda tx: to_queue(tx, self._memory, actor, job_id, target))

    async def set_priority(
        self, actor: Actor, job_id: int, priority: int, *, reason: str = ""
    ) -> Acted:
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: acts.set_priority(tx, self._memory, actor, job_id, priority, reason, now)
        )

    async def delete(self, actor: Actor, job_ids: Sequence[int], *, reason: str = "") -> list[int]:
        """Delete jobs in any state; the answer names those that were there."""
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: acts.delete(tx, self._memory, actor, job_ids, reason, now)
        )

    async def explain(self, job_id: int) -> Explanation:
        """Why a job is not running: a verdict for every runner."""
        return await self._apply(lambda tx: explain(tx, self._memory, job_id, self.clock.now_ms()))

    async def cached_job(self, key: str) -> Job | None:
        """The job that answers for a cache key."""

        def read(tx: Tx) -> Job | None:
            cached = tx.cached(key)
            return None if cached is None else tx.job(cached.job)

        return await self._apply(read)
