"""Bringing waiting jobs to a pool of runners: each to the one with the least relative load.

Runners that ask for work themselves are counted in, so that both kinds fill up evenly: a fresh job
whose best place is with one of them is left for it to fetch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.coordinator.claim import hand_out, line_of, next_in_line
from server.coordinator.sessions import is_open
from server.placement import Line, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.coordinator.memory import Memory
    from server.coordinator.results import Assigned
    from server.model import Job, JobClass, Runner, Session, Task
    from server.store.base import Tx

BATCH = 200
"""Jobs placed in one transaction at most; its neighbours wait for it."""
PATIENCE_MS = 500
"""How long a job is left to runners that ask for work, but do not come."""


class Placed(NamedTuple):
    """A job, and the life of a runner it is to be brought to."""

    runner: Runner
    session: Session
    assigned: Assigned


def place(tx: Tx, memory: Memory, protocol: str, now: int) -> list[Placed]:
    """Give waiting jobs to runners of a protocol: highest priority first, then oldest."""
    return _Placing(tx, memory, protocol, now).run()


class _Placing:
    """One look at what waits and who has room."""

    def __init__(self, tx: Tx, memory: Memory, protocol: str, now: int) -> None:
        self._tx = tx
        self._memory = memory
        self._now = now
        self._sessions = {
            runner.id: session
            for runner, session in memory.pool(protocol)
            if is_open(tx, session.id)
        }
        self._busy: dict[int, int] = {}
        self._lines: dict[str, Line] = {}
        self._takers: dict[int, list[Runner]] = {}
        self._askers: dict[int, list[Runner]] = {}
        self._left_alone: set[int] = set()
        self._called: set[int] = set()
        self._given: dict[int, list[tuple[Job, Task]]] = {}

    def run(self) -> list[Placed]:
        left = BATCH
        while left > 0 and (placed := self._round(left)):
            left -= placed
        self._tx.after_commit(self._call_askers)
        return [
            Placed(self._memory.runners[runner_id], self._sessions[runner_id], assigned)
            for runner_id, jobs in self._given.items()
            for assigned in self._hand_out(runner_id, jobs)
        ]

    def _call_askers(self) -> None:
        for runner_id in self._called:
            for session in self._memory.sessions_of(runner_id):
                self._memory.poke(session.id)

    def _hand_out(self, runner_id: int, jobs: Sequence[tuple[Job, Task]]) -> list[Assigned]:
        runner, session = self._memory.runners[runner_id], self._sessions[runner_id]
        return hand_out(self._tx, self._memory, runner, session.id, jobs, self._now)

    def _round(self, most: int) -> int:
        """Place what those with room can take; again, as one may fill up while others do not."""
        classes = [
            job_class.id
            for job_class in self._tx.waiting_classes()
            if self._line(job_class.queue).room != 0
            and any(self._room(runner) for runner in self._takers_of(job_class))
        ]
        given = {job.id for jobs in self._given.values() for job, _ in jobs}
        seen = len(given) + len(self._left_alone)
        waiting = next_in_line(self._tx, classes, most + seen, self._now)
        fresh = [one for one in waiting if one[0].id not in given | self._left_alone]
        return sum(self._give(job, task) for job, task in fresh)

    def _give(self, job: Job, task: Task) -> bool:
        """Find the best place for a job. False: there is none, or not with us."""
        job_class = self._tx.job_class(job.cls)
        line = self._line(job_class.queue)
        chosen = self._least_loaded(self._takers_of(job_class))
        if chosen is None or line.room == 0:
            return False
        if self._now - job.since < PATIENCE_MS:
            asker = self._least_loaded(self._askers_of(job_class))
            if asker is not None and self._rank(asker) < self._rank(chosen):
                self._take_slot(asker, line)
                self._left_alone.add(job.id)
                self._called.add(asker.id)
                return False
        self._take_slot(chosen, line)
        self._given.setdefault(chosen.id, []).append((job, task))
        return True

    def _take_slot(self, runner: Runner, line: Line) -> None:
        self._busy[runner.id] = self._busy_of(runner) + 1
        self._lines[line.queue.name] = line._replace(active=line.active + 1)

    def _takers_of(self, job_class: JobClass) -> list[Runner]:
        """Runners of ours that may take jobs of a class, leaving aside how busy they are."""
        known = self._takers.get(job_class.id)
        if known is None:
            line = self._line(job_class.queue)
            known = [
                self._memory.runners[runner_id]
                for runner_id in self._sessions
                if self._may_take(job_class, line, self._memory.runners[runner_id])
            ]
            self._takers[job_class.id] = known
        return known

    def _may_take(self, job_class: JobClass, line: Line, runner: Runner) -> bool:
        if not self._memory.fits(runner, job_class):
            return False
        return verdict(job_class, line, self._memory.candidate(runner)).kind == "eligible"

    def _askers_of(self, job_class: JobClass) -> list[Runner]:
        known = self._askers.get(job_class.id)
        if known is None:
            self._askers[job_class.id] = known = self._memory.asking(job_class)
        return known

    def _least_loaded(self, runners: Iterable[Runner]) -> Runner | None:
        with_room = [runner for runner in runners if self._room(runner)]
        return min(with_room, key=self._rank, default=None)

    def _rank(self, runner: Runner) -> tuple[float, int]:
        return self._busy_of(runner) / runner.capacity, runner.id

    def _room(self, runner: Runner) -> bool:
        return self._busy_of(runner) < runner.capacity

    def _busy_of(self, runner: Runner) -> int:
        return self._busy.get(runner.id, self._memory.busy(runner.id))

    def _line(self, queue: str) -> Line:
        known = self._lines.get(queue)
        if known is None:
            self._lines[queue] = known = line_of(self._tx, queue)
        return known
