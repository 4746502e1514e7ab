"""What operators do with schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.coordinator import schedules
from server.coordinator.calls import Calls

if TYPE_CHECKING:
    from server.model import Actor, Job
    from server.schedules import Schedule, ScheduleWish
    from server.store.base import Tx


class ScheduleCalls(Calls):
    """Making, changing, pausing and deleting schedules."""

    async def schedules(self) -> list[tuple[Schedule, Job | None]]:
        """All schedules by name, each with the job that it made last, while that is kept."""
        return await self._apply(lambda tx: _with_last_jobs(tx, tx.schedules()))

    async def schedule(self, name: str) -> tuple[Schedule, Job | None]:
        """One schedule with the job that it made last.

        Raises:
            NotFound: there is none of that name.
        """

        def read(tx: Tx) -> tuple[Schedule, Job | None]:
            return _with_last_jobs(tx, [schedules.known_schedule(tx, name)])[0]

        return await self._apply(read)

    async def put_schedule(
        self, actor: Actor, wish: ScheduleWish, *, is_new: bool, reason: str = ""
    ) -> Schedule:
        """Make a schedule, or change one; see :func:`server.coordinator.schedules.put`."""
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: schedules.put(tx, self._memory, actor, wish, reason, now, is_new=is_new)
        )

    async def pause_schedule(self, actor: Actor, name: str, *, reason: str = "") -> Schedule:
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: schedules.pause(tx, self._memory, actor, name, reason, now)
        )

    async def resume_schedule(self, actor: Actor, name: str, *, reason: str = "") -> Schedule:
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: schedules.resume(tx, self._memory, actor, name, reason, now)
        )

    async def delete_schedule(self, actor: Actor, name: str, *, reason: str = "") -> None:
        now = self.clock.now_ms()
        await self._apply(lambda tx: schedules.delete(tx, self._memory, actor, name, reason, now))


def _with_last_jobs(tx: Tx, found: list[Schedule]) -> list[tuple[Schedule, Job | None]]:
    jobs = tx.jobs([schedule.last_job for schedule in found if schedule.last_job])
    ordered = sorted(found, key=lambda schedule: schedule.name)
    return [(schedule, jobs.get(schedule.last_job)) for schedule in ordered]
