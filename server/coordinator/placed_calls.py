"""Calls of protocols that bring work to their runners, instead of being asked for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from server.coordinator import brought, sessions
from server.coordinator.calls import Calls
from server.coordinator.memory import Fault
from server.coordinator.placing import place
from server.errors import Busy
from server.events import Notice

if TYPE_CHECKING:
    from server.coordinator.brought import Heard, Speaker
    from server.coordinator.placing import Placed
    from server.model import Outcome, Runner, Session
    from server.store.base import Tx


class PlacedCalls(Calls):
    """Placing, hearing whether it was taken, and runners that are no good for a while."""

    async def wait_for_placing(self, protocol: str) -> None:
        """Wait until there may be work to bring to runners of a protocol.

        Raises:
            Busy: the coordinator is stopping.
        """
        event = self._memory.to_place[protocol]
        await event.wait()
        if self._is_stopping:
            raise Busy("the coordinator is stopping")
        event.clear()

    async def place(self, protocol: str) -> list[Placed]:
        """Give waiting jobs to the least loaded runners of a protocol; it then brings them.

        One caller a protocol: it counts slots as of the last commit.
        """
        now = self.clock.now_ms()
        return await self._apply(lambda tx: place(tx, self._memory, protocol, now))

    def look_again(self, protocol: str) -> None:
        """End a :meth:`wait_for_placing`: a runner is no longer left alone."""
        self._memory.to_place[protocol].set()

    def open_sessions(self, protocol: str) -> list[tuple[Runner, Session]]:
        """Every runner of a protocol that is there, with its life."""
        return list(self._memory.pool(protocol))

    def known_at(self, protocol: str, address: str) -> list[Runner]:
        """Every runner of a protocol that was ever heard from an address, but the forgotten."""
        return [
            runner
            for runner in self._memory.runners.values()
            if runner.address == address and runner.protocol == protocol and not runner.is_forgotten
        ]

    async def accepted(self, attempt_uuid: str) -> bool:
        """A runner took an attempt; False: too late. See :mod:`server.coordinator.brought`."""
        now = self.clock.now_ms()
        return await self._apply(lambda tx: brought.accepted(tx, self._memory, attempt_uuid, now))

    async def not_taken(self, attempt_uuid: str, outcome: Outcome) -> bool:
        """A runner did not take an attempt, which goes on to the next one."""
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: brought.not_taken(tx, self._memory, attempt_uuid, outcome, now)
        )

    async def hear(self, who: Speaker, attempt_uuid: str, outcome: Outcome | None) -> Heard:
        """What somebody says of an attempt; no outcome: it runs."""
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: brought.hear(tx, self._memory, who, attempt_uuid, outcome, now)
        )

    async def set_capacity(self, runner_id: int, capacity: int) -> None:
        """A runner has more or fewer slots; what runs on it goes on."""
        await self._apply(lambda tx: self._set_capacity(tx, runner_id, capacity))

    def _set_capacity(self, tx: Tx, runner_id: int, capacity: int) -> None:
        runner = tx.runner(runner_id)
        if runner is None or runner.capacity == capacity:
            return
        changed = replace(runner, capacity=capacity)
        tx.update_runner(changed)

        def committed() -> None:
            self._memory.put_runner(changed)
            self._memory.slots_changed(runner_id)
            self._memory.notify(Notice("runner", runner=runner_id))

        tx.after_commit(committed)

    async def mark_faulty(self, runner_id: int, reason: str, pause_seconds: float) -> None:
        """Leave a runner alone for a while; it stays marked until :meth:`mark_well`."""
        now = self.clock.now_ms()
        until = self.clock.monotonic() + pause_seconds
        data = msgspec.json.encode({"pause_ms": round(pause_seconds * 1000)})

        def operation(tx: Tx) -> None:
            tx.append("runner_faulty", at=now, runner=runner_id, reason=reason, data=data)
            tx.after_commit(lambda: self._memory.faults.update({runner_id: Fault(reason, until)}))

        await self._apply(operation)

    async def mark_well(self, runner_id: int) -> None:
        """Whatever was wrong with a runner is over."""
        if runner_id not in self._memory.faults:
            return
        now = self.clock.now_ms()

        def operation(tx: Tx) -> None:
            tx.append("runner_recovered", at=now, runner=runner_id)
            tx.after_commit(committed)

        def committed() -> None:
            self._memory.faults.pop(runner_id, None)
            self._memory.slots_changed(runner_id)

        await self._apply(operation)

    def fault(self, runner_id: int) -> str:
        """What is wrong with a runner; empty: nothing that is known."""
        fault = self._memory.faults.get(runner_id)
        return "" if fault is None else fault.reason

    async def revive(self, who: Speaker) -> bool:
        """Whoever counted as lost is heard of again, in the same life. False: nobody such."""
        now = self.clock.now_ms()
        return await self._apply(lambda tx: self._revive(tx, who, now))

    def _revive(self, tx: Tx, who: Speaker, now: int) -> bool:
        revived = [
            sessions.revive(tx, self._memory, runner, who.nonce, self.name, now)
            for runner in tx.runners()
            if (runner.protocol, runner.address) == (who.protocol, who.address)
            and not runner.is_forgotten
        ]
        return any(revived)

    async def lose_session(self, session_id: int, *, reason: str) -> None:
        """A runner is gone without a word: what it was doing is lost and queued again."""
        now = self.clock.now_ms()
        await self._apply(
            lambda tx: sessions.lose(tx, self._memory, session_id, now, reason=reason)
        )
