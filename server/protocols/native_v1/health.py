"""Which runners are left alone for a while, and which are given up.

A runner that does not take a job gets no other for a pause that grows with each failure. One whose
webhook nobody listens at is given up when that has been so for a whole ``heartbeat_timeout``, was
seen at least three times, and not a word was heard of it meanwhile: then its work is lost and goes
to others. A runner that listens but is silent keeps its work until the jobs' own timeouts.
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from server.traits import NATIVE_V1

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from server.coordinator.called import CallResult
    from server.model import Runner, Session

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
REMEMBERED_SECONDS = 24 * 3600.0
MIN_UNREACHABLE = 3
"""How often nobody was there, at least, before a runner is given up."""
NOTHING_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What a system says that has no file or memory for a connection."""


class Refusal(NamedTuple):
    """Why a runner did not take a job, or was not found."""

    reason: str
    is_unreachable: bool
    """Whether nobody was there at all."""
    is_ours: bool = False
    """Whether the coordinator could not call: then nothing is known of the runner."""

    @property
    def result(self) -> CallResult:
        if self.is_ours:
            return "not_sent"
        return "unreachable" if self.is_unreachable else "refused"


def no_connection(error: OSError, words: str = "no connection") -> Refusal:
    """What follows from an error of the system in opening a connection."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in NOTHING_LEFT:
        return Refusal(f"the coordinator can open no connection: {reason}", False, is_ours=True)
    return Refusal(f"{words}: {reason}", True)


@dataclass(slots=True)
class Trouble:
    """What is wrong with one life of a runner."""

    failures: int = 0
    failed_at: float = 0.0
    """Monotonic."""
    unreachable: int = 0
    """How often in a row nobody was there."""
    unreachable_since: float = 0.0
    """Monotonic."""
    last_seen_at: int = 0
    """When the runner had been heard by then. Another time than this is a word it said since,
    whichever way the clock was set meanwhile."""


class GivenUp(NamedTuple):
    """A life that counts as lost."""

    runner: Runner
    session: Session
    at: float
    """Monotonic."""


class Health:
    """Failures of each session, and what follows from them."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._troubles: dict[int, Trouble] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._given_up: dict[int, GivenUp] = {}

    def is_unreachable(self, session: Session) -> bool:
        """Whether nobody was there the last time somebody looked."""
        trouble = self._troubles.get(session.id)
        return trouble is not None and trouble.unreachable > 0

    async def failed(
        self, runner: Runner, session: Session, refusal: Refusal, began: float
    ) -> None:
        """A runner did not take what was brought to it at ``began``, or was not there."""
        if self._coordinator.session(session.uuid) is None:
            return  # that life is over; the next one starts without a stain
        trouble = self._troubles.setdefault(session.id, Trouble())
        self._note_reach(trouble, runner, refusal.is_unreachable)
        if self._is_gone(trouble, runner):
            await self._give_up(runner, session, refusal)
            return
        if began < trouble.failed_at and not refusal.is_unreachable:
            return  # one of several that failed together: they count as one failure
        pause = min(FIRST_PAUSE_SECONDS * 2**trouble.failures, LONGEST_PAUSE_SECONDS)
        trouble.failures = min(trouble.failures + 1, 30)
        trouble.failed_at = self._now
        await self._coordinator.mark_faulty(runner.id, refusal.reason, pause)
        self._look_again_in(pause, session)

    async def worked(self, runner: Runner, session: Session) -> None:
        """A runner took a job, so nothing is wrong with it."""
        if self._troubles.pop(session.id, None) is not None:
            self._stop_timer(session.id)
            await self._coordinator.mark_well(runner.id)

    async def is_there(self, runner: Runner, session: Session) -> None:
        """Somebody listens at a runner's webhook; whether jobs are taken is another matter."""
        if self.is_unreachable(session):
            await self.worked(runner, session)

    def given_up(self) -> list[tuple[Runner, Session]]:
        """Runners given up not long ago: nothing but a hello at their boot would bring them back,
        should it have been the network that was gone."""
        since = self._now - REMEMBERED_SECONDS
        self._given_up = {
            runner_id: one
            for runner_id, one in self._given_up.items()
            if one.at > since and not self._coordinator.sessions_of(runner_id)
        }
        return [(one.runner, one.session) for one in self._given_up.values()]

    def forget_gone(self, open_sessions: set[int]) -> None:
        """Drop what is known of lives that are over."""
        for session_id in self._troubles.keys() - open_sessions:
            del self._troubles[session_id]
            self._stop_timer(session_id)

    def stop(self) -> None:
        for session_id in list(self._timers):
            self._stop_timer(session_id)

    @property
    def _now(self) -> float:
        return self._coordinator.clock.monotonic()

    def _note_reach(self, trouble: Trouble, runner: Runner, is_unreachable: bool) -> None:
        if not is_unreachable:
            trouble.unreachable = 0
            return
        if not trouble.unreachable:
            trouble.unreachable_since = self._now
            known = self._coordinator.runner(runner.id)
            trouble.last_seen_at = known.last_seen_at if known is not None else 0
        trouble.unreachable += 1

    def _is_gone(self, trouble: Trouble, runner: Runner) -> bool:
        known = self._coordinator.runner(runner.id)
        lease_seconds = self._coordinator.settings.leases.heartbeat_timeout_ms / 1000
        if trouble.unreachable < MIN_UNREACHABLE or known is None:
            return False
        if known.last_seen_at != trouble.last_seen_at:  # it speaks, it only cannot hear
            trouble.unreachable = 0
            return False
        return self._now - trouble.unreachable_since >= lease_seconds

    async def _give_up(self, runner: Runner, session: Session, refusal: Refusal) -> None:
        self._troubles.pop(session.id, None)
        self._stop_timer(session.id)
        await self._coordinator.lose_session(
            session.id, reason=f"nobody listens at its webhook: {refusal.reason}"
        )
        self._given_up[runner.id] = GivenUp(runner, session, self._now)

    def _look_again_in(self, seconds: float, session: Session) -> None:
        """Wake the placing when the pause is over."""
        self._stop_timer(session.id)
        self._timers[session.id] = asyncio.get_running_loop().call_later(
            seconds, self._look_again, session.id
        )

    def _look_again(self, session_id: int) -> None:
        self._timers.pop(session_id, None)
        self._coordinator.look_again(NATIVE_V1.protocol)

    def _stop_timer(self, session_id: int) -> None:
        timer = self._timers.pop(session_id, None)
        if timer is not None:
            timer.cancel()
