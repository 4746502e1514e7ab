"""What a protocol notices of its runners themselves: who is expected, gone, or talks nonsense."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from server.coordinator import sessions
from server.coordinator.calls import Calls
from server.errors import TrafficError
from server.events import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.clock import Clock
    from server.coordinator.memory import Memory
    from server.coordinator.results import Introduction
    from server.model import Runner
    from server.settings import Settings
    from server.store.base import Store, Tx

TELL_EVERY_MS = 10_000
"""Of one runner's nonsense an event is made this often; all of it is counted."""
MAX_WORDS = 300


class PeerCalls(Calls):
    """Runners that are known before they come, doubts, and messages that were ignored."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        super().__init__(store, settings, clock)
        self._ignored: Counter[str] = Counter()
        self._ignored_of: Counter[int] = Counter()
        self._told_at: dict[int, int] = {}

    @property
    def ignored_messages(self) -> Mapping[str, int]:
        """Messages of runners that were ignored since the start, by protocol."""
        return self._ignored

    async def expect_runner(self, introduction: Introduction) -> Runner:
        """Know a runner that may come; unlike one that did, it was not heard by that."""
        now = self.clock.now_ms()
        return await self._apply(lambda tx: _expect(tx, self._memory, introduction, now))

    async def doubt(self, session_id: int, *, reason: str) -> None:
        """A runner's connection ended, its session lives on: it is suspect until it is heard."""
        leases = self._memory.session_leases
        presence = self._memory.presences.get(session_id)
        if presence is None or not leases.doubt(session_id):
            return
        runner, now = presence.session.runner, self.clock.now_ms()
        self._memory.notify(Notice("runner", runner=runner))
        await self._apply(
            lambda tx: tx.append("runner_suspect", at=now, runner=runner, reason=reason)
        )

    async def note_ignored(self, runner_id: int, words: str) -> bool:
        """A runner sent what makes no sense or is not its to say; it was counted and left out.

        Told at most every ten seconds for each runner, so that a flood of nonsense fills no table.

        Returns:
            Whether it was told.
        """
        self._ignored[self._memory.runners[runner_id].protocol] += 1
        self._ignored_of[runner_id] += 1
        now = self.clock.now_ms()
        told_at = self._told_at.get(runner_id)
        if told_at is not None and told_at <= now < told_at + TELL_EVERY_MS:
            return False
        self._told_at[runner_id] = now
        self._forget_gone()
        data = msgspec.json.encode({"ignored": self._ignored_of[runner_id]})
        actor = self._memory.runners[runner_id].name
        try:
            await self._apply(
                lambda tx: tx.append(
                    "message_ignored",
                    at=now,
                    runner=runner_id,
                    actor=actor,
                    reason=words[:MAX_WORDS],
                    data=data,
                )
            )
        except TrafficError:
            self._told_at.pop(runner_id, None)  # whoever tries again tells it
            raise
        return True

    def _forget_gone(self) -> None:
        for runner_id in self._ignored_of.keys() - self._memory.runners.keys():
            del self._ignored_of[runner_id]
            self._told_at.pop(runner_id, None)


def _expect(tx: Tx, memory: Memory, who: Introduction, now: int) -> Runner:
    known = tx.runner_by_identity(who.protocol, who.identity)
    fresh = sessions.described(memory, who, known, now)
    if known is None:
        fresh = tx.insert_runner(replace(fresh, last_seen_at=0))
        tx.append("runner_registered", at=now, runner=fresh.id, actor=fresh.name)
    else:
        seen_at, is_forgotten = known.last_seen_at, known.is_forgotten
        fresh = replace(fresh, last_seen_at=seen_at, is_forgotten=is_forgotten)
        tx.update_runner(fresh)
    tx.after_commit(partial(memory.put_runner, fresh))
    return fresh
