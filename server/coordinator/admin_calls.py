"""What operators do with runners, queues and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.coordinator import acts, admin, sessions
from server.coordinator.calls import DEFAULT_GRACE_MS, Calls

if TYPE_CHECKING:
    from server.model import Actor, Queue, Role, Runner
    from server.store.base import StoredKey, Tx


class AdminCalls(Calls):
    """Draining and forgetting runners, pausing and limiting queues, making keys."""

    async def drain(
        self,
        actor: Actor,
        runner_id: int,
        *,
        deadline_ms: int | None = None,
        move: bool = False,
        reason: str = "",
    ) -> Runner:
        """Give a runner nothing new; ``move`` brings what it runs elsewhere at once."""
        now = self.clock.now_ms()

        def operation(tx: Tx) -> Runner:
            drained = sessions.drain(tx, self._memory, actor, runner_id, deadline_ms, reason, now)
            if move:
                acts.move_off(
                    tx,
                    self._memory,
                    actor,
                    runner_id,
                    grace_ms=DEFAULT_GRACE_MS,
                    reason=reason,
                    now=now,
                )
            return drained

        return await self._apply(operation)

    async def resume_runner(self, actor: Actor, runner_id: int, *, reason: str = "") -> Runner:
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: sessions.resume(tx, self._memory, actor, runner_id, reason, now)
        )

    async def forget(self, actor: Actor, runner_id: int, *, reason: str = "") -> None:
        """Take a runner that is gone off the lists."""
        now = self.clock.now_ms()
        await self._apply(
            lambda tx: sessions.forget(tx, self._memory, actor, runner_id, reason, now)
        )

    async def pause_queue(self, actor: Actor, name: str, *, reason: str = "") -> Queue:
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: admin.pause_queue(tx, self._memory, actor, name, reason, now)
        )

    async def resume_queue(self, actor: Actor, name: str, *, reason: str = "") -> Queue:
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: admin.resume_queue(tx, self._memory, actor, name, reason, now)
        )

    async def limit_queue(
        self, actor: Actor, name: str, limit: int | None, *, reason: str = ""
    ) -> Queue:
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: admin.limit_queue(tx, self._memory, actor, name, limit, reason, now)
        )

    async def queues(self) -> list[Queue]:
        return await self._apply(lambda tx: tx.queues())

    async def create_key(
        self, actor: Actor, name: str, role: Role, expires_at: int, *, reason: str = ""
    ) -> tuple[StoredKey, str]:
        """Make a named key; its secret is given this once."""
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: admin.create_key(
                tx, self._memory, actor, name, role, expires_at, reason, now
            )
        )

    async def revoke_key(self, actor: Actor, name: str, *, reason: str = "") -> StoredKey:
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: admin.revoke_key(tx, self._memory, actor, name, reason, now)
        )

    def keys(self) -> tuple[StoredKey, ...]:
        """All named keys of the store, revoked ones included; the same tuple until one changes."""
        return self._memory.keys
