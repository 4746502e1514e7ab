"""What the coordinator keeps in memory: who is there, who is alive, who waits for work.

All of it follows from the store and is loaded at the start; it changes only after a commit.
"""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from server import traits
from server.leases import LeaseBook
from server.placement import Candidate, fits
from server.schedules import NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from server.bus import Bus
    from server.clock import Clock
    from server.coordinator.standing import StandingClaim
    from server.events import Notice
    from server.model import Attempt, Job, JobClass, Runner, Session
    from server.settings import Settings
    from server.store.base import Change, StoredKey, Tx
    from server.traits import Traits

MOST_VERDICTS = 10_000
"""Classes of which it is remembered whether a runner fits: clients make up as many as they like."""


@dataclass(slots=True)
class Presence:
    """An open session: how many slots are free, and whether there is something for it."""

    session: Session
    free: int = 0
    parked: int = 0
    """How many calls of it wait for work."""
    held_back: str = ""
    """Why its protocol gives it nothing new though slots are free; empty: nothing is held back."""
    has_news: asyncio.Event = field(default_factory=asyncio.Event)


class Fault(NamedTuple):
    """What is wrong with a runner that work is brought to, and until when it is left alone."""

    reason: str
    until: float
    """Monotonic."""


class Memory:
    """Runners, sessions, leases and live attempts, as of the last commit."""

    def __init__(self, settings: Settings, clock: Clock, bus: Bus) -> None:
        self.settings = settings
        self.clock = clock
        self.runners: dict[int, Runner] = {}
        self.presences: dict[int, Presence] = {}
        self.keys: tuple[StoredKey, ...] = ()
        """All named keys, by name; another tuple whenever one of them has changed."""
        self.session_leases = LeaseBook(clock, settings.leases.heartbeat_timeout_ms / 1000)
        self.attempt_leases = LeaseBook(clock, settings.leases.heartbeat_timeout_ms / 1000)
        self.submit_problem = ""
        """Why no jobs are taken in at present, in words; empty: nothing is in the way."""
        self.output_room = sys.maxsize
        """Bytes of output that there is space for, as of the last look at the disk."""
        self.next_schedule_at = NEVER
        """When the first schedule is due."""
        self.faults: dict[int, Fault] = {}
        """By runner, until it is heard to be well."""
        self.to_place = {
            protocol: asyncio.Event() for protocol, its in traits.ALL.items() if its.is_placed
        }
        """Set while there may be work to bring to runners of a protocol."""
        self.standing: dict[int, StandingClaim] = {}
        """By session; see :mod:`server.coordinator.standing`."""
        self.has_announced = False
        """Whether jobs became pending since standing claims were last served. It is asked before
        the commit, so operations set it themselves; set for nothing, it costs one look."""
        self.departed: set[int] = set()
        """Runners that have no session because they ended the last one themselves."""
        self._bus = bus
        self._notices: dict[Notice, None] = {}
        self.output_bytes = 0
        """Console bytes taken in since the start."""
        self.heard_at: dict[int, int] = {}
        """When each runner was last heard, where later than what is stored."""
        self._session_ids: dict[str, int] = {}
        self._sessions_of: dict[int, set[int]] = {}
        self._runner_ids: dict[str, int] = {}
        self._live: dict[int, int] = {}
        self._busy: dict[int, int] = {}
        self._fits: dict[int, dict[int, bool]] = {}
        """By runner, by class."""
        self._pools: dict[str, set[int]] = {protocol: set() for protocol in self.to_place}
        """Open sessions of protocols that bring work to their runners."""
        self._random = random.Random()  # noqa: S311  # spreads retries, guards nothing

    # loading -------------------------------------------------------------------------------

    def load(self, tx: Tx) -> None:
        """Learn everything from the store. Every lease starts anew."""
        for runner in tx.runners():
            self.put_runner(runner)
        for session in tx.open_sessions():
            self.put_session(session)
        for runner_id in self.runners:
            last = None if self._sessions_of.get(runner_id) else tx.last_session(runner_id)
            if last is not None and last.is_left:
                self.departed.add(runner_id)
        for _, attempt in tx.live_attempts():
            self.attempts_began(attempt.runner, [attempt.id])
        self.keys = tuple(sorted(tx.keys()))

    def put_key(self, key: StoredKey) -> None:
        others = [one for one in self.keys if one.name != key.name]
        self.keys = tuple(sorted([*others, key]))

    # runners and sessions --------------------------------------------------------------------

    def put_runner(self, runner: Runner) -> None:
        self.runners[runner.id] = runner
        self._runner_ids[runner.uuid] = runner.id
        self._fits.pop(runner.id, None)

    def keep_runners(self, known: Collection[int]) -> None:
        """Only these are in the store still; what is remembered of others goes."""
        for runner_id in [one for one in self.runners if one not in known]:
            self._runner_ids.pop(self.runners.pop(runner_id).uuid, None)
            for remembered in (self._fits, self._busy, self._sessions_of, self.heard_at):
                remembered.pop(runner_id, None)
        self.departed.intersection_update(known)

    def put_runner_seen(self, runner: Runner) -> None:
        """The time a runner was last heard is stored; nothing else about it changed."""
        self.runners[runner.id] = runner

    def runner(self, runner_id: int) -> Runner | None:
        """A runner, with the time it was last heard."""
        runner = self.runners.get(runner_id)
        heard = self.heard_at.get(runner_id)
        if runner is None or heard is None or heard <= runner.last_seen_at:
            return runner
        return replace(runner, last_seen_at=heard)

    def runner_by_uuid(self, uuid: str) -> Runner | None:
        runner_id = self._runner_ids.get(uuid)
        return None if runner_id is None else self.runner(runner_id)

    def introduced(self, uuid: str) -> Runner | None:
        """A runner as it is stored; :meth:`runner_by_uuid` makes a new one at each call."""
        runner_id = self._runner_ids.get(uuid)
        return None if runner_id is None else self.runners.get(runner_id)

    def put_session(self, session: Session) -> None:
        """A session opened or was refreshed."""
        presence = self.presences.get(session.id)
        if presence is None:
            self.presences[session.id] = presence = Presence(session)
            self._session_ids[session.uuid] = session.id
            self._sessions_of.setdefault(session.runner, set()).add(session.id)
            self._pools.get(session.protocol, set()).add(session.id)
        presence.session = session
        self.departed.discard(session.runner)
        self.poke(session.id)
        if self.traits_of(session.protocol).alive_by == "session":
            self.session_leases.renew(session.id)

    def drop_session(self, session: Session) -> None:
        """A session ended: whoever waits for its work is woken."""
        presence = self.presences.pop(session.id, None)
        self._session_ids.pop(session.uuid, None)
        self._sessions_of.get(session.runner, set()).discard(session.id)
        self._pools.get(session.protocol, set()).discard(session.id)
        self.faults.pop(session.runner, None)
        self.session_leases.drop(session.id)
        if session.is_left:
            self.departed.add(session.runner)
        if presence is not None:
            presence.has_news.set()

    def session_by_uuid(self, uuid: str) -> Session | None:
        session_id = self._session_ids.get(uuid)
        return None if session_id is None else self.presences[session_id].session

    def sessions_of(self, runner_id: int) -> list[Session]:
        numbers = sorted(self._sessions_of.get(runner_id, ()))
        return [self.presences[number].session for number in numbers]

    def hear(self, runner_id: int) -> None:
        self.heard_at[runner_id] = self.clock.now_ms()

    def heard_until(self, now: int) -> None:
        """Nobody was heard later than now: the clock was set back."""
        for runner_id, heard_at in self.heard_at.items():
            self.heard_at[runner_id] = min(heard_at, now)

    def is_connected(self, runner: Runner) -> bool:
        """Whether it has an open session, or, where there are none, was heard lately."""
        if self.traits_of(runner.protocol).alive_by == "attempt":
            seen = self.heard_at.get(runner.id, runner.last_seen_at)
            return seen > self.clock.now_ms() - self.settings.leases.runner_active_ms
        return bool(self._sessions_of.get(runner.id))

    @staticmethod
    def traits_of(protocol: str) -> Traits:
        return traits.ALL.get(protocol, traits.OPERATOR_API)

    # attempts --------------------------------------------------------------------------------

    def attempts_began(self, runner_id: int, attempt_ids: Sequence[int]) -> None:
        """Slots of a runner are taken."""
        fresh = [number for number in attempt_ids if number not in self._live]
        self._live.update(dict.fromkeys(fresh, runner_id))
        self._busy[runner_id] = self._busy.get(runner_id, 0) + len(fresh)
        runner = self.runners.get(runner_id)
        if runner is not None and self.traits_of(runner.protocol).alive_by == "attempt":
            for number in fresh:
                self.attempt_leases.renew(number)

    def attempts_ended(self, attempt_ids: Iterable[int]) -> None:
        """Slots are free again."""
        numbers = list(attempt_ids)
        freed = [self._live.pop(number) for number in numbers if number in self._live]
        for runner_id in set(freed):
            self._busy[runner_id] -= freed.count(runner_id)
            self.slots_changed(runner_id)
        if self.attempt_leases:
            for number in numbers:
                self.attempt_leases.drop(number)

    def busy(self, runner_id: int) -> int:
        """Slots taken, by attempts that were given up too."""
        return self._busy.get(runner_id, 0)

    @property
    def live_count(self) -> int:
        return len(self._live)

    def candidate(self, runner: Runner) -> Candidate:
        return Candidate(
            runner,
            self.is_connected(runner),
            self.busy(runner.id),
            self._fault_of(runner.id),
            self.held_back(runner.id),
        )

    def held_back(self, runner_id: int) -> str:
        """Why a runner is given nothing new though slots are free; empty: nothing is held back."""
        sessions = self._sessions_of.get(runner_id, ())
        return next((words for one in sessions if (words := self.presences[one].held_back)), "")

    def _fault_of(self, runner_id: int) -> str:
        fault = self.faults.get(runner_id)
        if fault is None:
            return ""
        seconds_left = fault.until - self.clock.monotonic()
        return f"{fault.reason}; tried again in {seconds_left:.0f}s" if seconds_left > 0 else ""

    def slots_changed(self, runner_id: int) -> None:
        """A runner may take more than before: whoever brings it work looks again."""
        runner = self.runners.get(runner_id)
        if runner is not None and (event := self.to_place.get(runner.protocol)) is not None:
            event.set()

    def fits(self, runner: Runner, job_class: JobClass) -> bool:
        """:func:`server.placement.fits`, remembered: it is asked for every claim."""
        verdicts = self._fits.setdefault(runner.id, {})
        known = verdicts.get(job_class.id)
        if known is None:
            if len(verdicts) >= MOST_VERDICTS:
                verdicts.clear()
            verdicts[job_class.id] = known = fits(runner, job_class)
        return known

    def jitter(self) -> float:
        return self._random.uniform(-1, 1)

    # notices ---------------------------------------------------------------------------------

    @property
    def is_watched(self) -> bool:
        """Whether anybody would hear a notice; whoever comes later reads how things are first."""
        return self._bus.is_heard

    def notify(self, notice: Notice) -> None:
        """Tell of a change that is no fact to keep; the same one is told once a tick."""
        if not self._bus.is_heard:
            return
        if not self._notices:
            asyncio.get_running_loop().call_soon(self._publish_notices)
        self._notices[notice] = None

    def _publish_notices(self) -> None:
        notices, self._notices = self._notices, {}
        self._bus.publish(notices)

    # news ------------------------------------------------------------------------------------

    def poke(self, session_id: int) -> None:
        """There is something for this session, whatever its free slots."""
        presence = self.presences.get(session_id)
        if presence is not None:
            presence.has_news.set()
            self.slots_changed(presence.session.runner)

    def announce(self, job_class: JobClass, count: int) -> None:
        """Jobs of a class became pending: tell at most ``count`` sessions that could take them.

        Those that wait in a parked call go first; others find the news with their next call. Who
        brings work to a pool of runners hears of all that any of them could take.
        """
        self._announce_to_pools(job_class)
        idle: list[Presence] = []
        for presence in self.presences.values():
            if count <= 0:
                return
            if presence.has_news.is_set() or presence.free <= 0:
                continue
            if presence.session.id in self.standing:  # it was served before the commit
                continue
            runner = self.runners[presence.session.runner]
            if runner.draining_since or not self.fits(runner, job_class):
                continue
            if presence.parked:
                presence.has_news.set()
                count -= 1
            else:
                idle.append(presence)
        for presence in idle[:count]:
            presence.has_news.set()

    def _announce_to_pools(self, job_class: JobClass) -> None:
        for protocol, event in self.to_place.items():
            if self._pools[protocol] and not event.is_set():
                if any(self.fits(runner, job_class) for runner, _ in self.pool(protocol)):
                    event.set()

    def pool(self, protocol: str) -> Iterator[tuple[Runner, Session]]:
        """Every runner of a protocol that brings work, with its life."""
        for session_id in self._pools[protocol]:
            session = self.presences[session_id].session
            yield self.runners[session.runner], session

    def asking(self, job_class: JobClass) -> list[Runner]:
        """Runners that ask for work themselves, have room, and will come for such a job."""
        return [
            runner
            for presence in self.presences.values()
            if presence.free > 0
            and (presence.parked or presence.has_news.is_set())
            and not (runner := self.runners[presence.session.runner]).draining_since
            and self.fits(runner, job_class)
        ]


def save(tx: Tx, memory: Memory, changes: Sequence[Change]) -> None:
    """Write changes; memory follows after the commit."""
    tx.save(changes)
    ended = [
        change.attempt.id
        for change in changes
        if change.attempt is not None and change.attempt.state == "ended"
    ]
    if ended:
        tx.after_commit(lambda: memory.attempts_ended(ended))


def save_successes(tx: Tx, memory: Memory, ended: Sequence[tuple[Job, Attempt]], now: int) -> None:
    """Write ends that went well, all of one runner; memory follows after the commit."""
    tx.save_successes(ended, at=now)
    numbers = [attempt.id for _, attempt in ended]
    tx.after_commit(lambda: memory.attempts_ended(numbers))


def save_claims(
    tx: Tx, memory: Memory, before: Sequence[Job], claimed: Sequence[Job], runner_id: int
) -> None:
    """Write claims of one runner; memory follows after the commit."""
    tx.save_claims(before, claimed)
    numbers = [job.attempt for job in claimed]
    tx.after_commit(lambda: memory.attempts_began(runner_id, numbers))


def announce_pending(tx: Tx, memory: Memory, class_ids: Iterable[int]) -> None:
    """Jobs of these classes (one entry a job) became pending; tell runners after the commit."""
    counts: dict[int, int] = {}
    for class_id in class_ids:
        counts[class_id] = counts.get(class_id, 0) + 1
    for class_id, count in counts.items():
        memory.has_announced = True
        tx.after_commit(partial(memory.announce, tx.job_class(class_id), count))
