"""Claims made ahead: whoever waits with room for work gets it by the commit that brings it.

Work that is announced after its commit, then claimed, costs a second commit, and with it a second
sync, before it can begin. A protocol that can start work at once leaves a claim standing instead.
What it is given is offered as by any other claim, and repeated by the next exchange where it got
lost on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from server.coordinator.claim import claim
from server.coordinator.sessions import is_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.coordinator.memory import Memory
    from server.coordinator.results import Assigned
    from server.store.base import Tx


@dataclass(slots=True, eq=False)
class StandingClaim:
    """What a session would take at once."""

    session: int
    room: Callable[[], int]
    """How many jobs it takes, asked when there are some."""
    take: Callable[[list[Assigned]], None]
    """Called after the commit."""


def serve(tx: Tx, memory: Memory, now: int) -> None:
    """Give jobs that became pending to standing claims, of the least busy runner first."""
    if not memory.has_announced:
        return
    memory.has_announced = False
    if not memory.standing:
        return
    for standing in sorted(memory.standing.values(), key=lambda one: _busy(memory, one)):
        presence = memory.presences.get(standing.session)
        if presence is None or not is_open(tx, standing.session):
            continue
        runner, room = memory.runners[presence.session.runner], standing.room()
        taken = claim(tx, memory, runner, standing.session, room, now)
        if taken:
            is_full = len(taken) >= room
            tx.after_commit(partial(_hand_over, memory, standing, taken, is_full))


def _busy(memory: Memory, standing: StandingClaim) -> int:
    presence = memory.presences.get(standing.session)
    return 0 if presence is None else memory.busy(presence.session.runner)


def _hand_over(
    memory: Memory, standing: StandingClaim, taken: list[Assigned], is_full: bool
) -> None:
    presence = memory.presences.get(standing.session)
    if presence is not None:
        presence.free = max(0, presence.free - len(taken))
    if is_full:
        memory.poke(standing.session)  # there may be more, for which it has to come
    standing.take(taken)
