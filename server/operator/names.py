"""What row ids are called outside, remembered, since ids of jobs and attempts never change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.errors import Busy
from server.events import Event
from server.operator.line_views import Names, runner_ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.coordinator import Coordinator
    from server.events import Notice
    from server.model import Attempt, Job
    from server.store.base import LateWrite, Tx
    from server.wire.operator import RunnerRef

MAX_REMEMBERED = 20_000


class NameBook:
    """UUIDs of jobs, numbers of attempts and names of runners, by row id."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._jobs: dict[int, str] = {}
        self._attempts: dict[int, int] = {}

    async def of_events(self, events: Iterable[Event | Notice]) -> Names:
        """Names of everything that events and notices speak of."""
        jobs, attempts, runners = set[int](), set[int](), set[int]()
        for event in events:
            jobs.add(event.job)
            attempts.add(event.attempt)
            runners.add(event.runner)
            if isinstance(event, Event) and len(event.members) == 1:
                jobs.add(event.members[0][0])
        return await self._names(jobs, attempts, runners)

    async def of_late_writes(self, late_writes: Iterable[LateWrite]) -> Names:
        rows = list(late_writes)
        return await self._names(
            {row.job for row in rows}, {row.attempt for row in rows}, {row.runner for row in rows}
        )

    def learn(self, job: Job, attempts: Iterable[Attempt]) -> None:
        """Remember what was read anyway."""
        self._jobs[job.id] = job.uuid
        for attempt in attempts:
            self._attempts[attempt.id] = attempt.number
        self._bound()

    async def _names(self, jobs: set[int], attempts: set[int], runners: set[int]) -> Names:
        new_jobs = [job for job in jobs if job and job not in self._jobs]
        new_attempts = [row for row in attempts if row and row not in self._attempts]
        if new_jobs or new_attempts:
            await self._look_up(new_jobs, new_attempts)
        names = Names(
            {job: self._jobs[job] for job in jobs if job in self._jobs},
            {row: self._attempts[row] for row in attempts if row in self._attempts},
            self._runner_refs(runners),
        )
        self._bound()
        return names

    async def _look_up(self, jobs: list[int], attempts: list[int]) -> None:
        def read(tx: Tx) -> tuple[dict[int, Job], dict[int, tuple[Job, Attempt]]]:
            return tx.jobs(jobs), tx.attempts(attempts)

        try:
            found_jobs, found_attempts = await self._coordinator.store.apply(read)
        except Busy:
            return  # rather events without these names than none at all
        for job in found_jobs.values():
            self._jobs[job.id] = job.uuid
        for job, attempt in found_attempts.values():
            self._jobs[job.id] = job.uuid
            self._attempts[attempt.id] = attempt.number

    def _runner_refs(self, runners: set[int]) -> dict[int, RunnerRef]:
        found = {row: self._coordinator.runner(row) for row in runners if row}
        return {row: runner_ref(runner) for row, runner in found.items() if runner is not None}

    def _bound(self) -> None:
        """Forget the oldest half when there are too many."""
        for book in (self._jobs, self._attempts):
            if len(book) > MAX_REMEMBERED:
                for row in list(book)[: MAX_REMEMBERED // 2]:
                    del book[row]
