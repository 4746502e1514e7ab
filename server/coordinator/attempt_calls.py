"""What protocols that push work say of single attempts, as their events come in one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.coordinator.calls import Calls
from server.coordinator.outputs import OutputIntake
from server.coordinator.reports import Report, note_late_write
from server.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.events import EventKind
    from server.model import Attempt, Job, Runner, Stream
    from server.store.base import Tx


class AttemptCalls(Calls):
    """Phases, output without offsets, and facts told before an attempt ends."""

    async def recorded(self, session_id: int) -> list[tuple[Job, Attempt]]:
        """The attempts that hold a slot of this session's runner, given-up ones too.

        What changes after this look ends a :meth:`wait_for_work`.
        """
        presence = self._memory.presences.get(session_id)
        if presence is not None:
            presence.has_news.clear()
        return await self._apply(lambda tx: tx.live_attempts(session=session_id))

    async def recorded_on(self, runner_id: int) -> list[tuple[Job, Attempt]]:
        """The attempts that hold a slot of a runner."""
        return await self._apply(lambda tx: tx.live_attempts(runner=runner_id))

    async def phases(self, runners: Iterable[Runner]) -> dict[int, str]:
        """The phase of the newest attempt of each runner whose kind has phases."""
        asked = [one.id for one in runners if self._memory.traits_of(one.protocol).reports_phases]
        if not asked:
            return {}

        def look(tx: Tx) -> dict[int, str]:
            found: dict[int, str] = {}
            for runner_id in asked:
                for _, attempt in tx.live_attempts(runner=runner_id):
                    found[runner_id] = attempt.phase
            return found

        return await self._apply(look)

    async def note_phase(self, attempt_uuid: str, phase: str) -> bool:
        """An attempt runs, and is in this phase. False: it no longer counts."""
        now = self.clock.now_ms()

        def note(tx: Tx) -> bool:
            job, attempt = _known(tx, attempt_uuid)
            if not _counts(job, attempt):
                note_late_write(tx, job, attempt, "running", phase, now)
                return False
            report = Report(tx, self._memory, now, actor=self._runner_name(attempt))
            job, attempt = report.started(job, attempt)
            report.in_phase(job, attempt, phase)
            report.progress(job, attempt, None)
            report.write()
            return True

        return await self._apply(note)

    async def add_output(self, attempt_uuid: str, stream: Stream, data: bytes) -> bool:
        """Take in what follows the output so far. False: the attempt no longer counts."""
        now = self.clock.now_ms()

        def add(tx: Tx) -> bool:
            job, attempt = _known(tx, attempt_uuid)
            if not _counts(job, attempt):
                note_late_write(tx, job, attempt, "output", f"{len(data)} bytes", now)
                return False
            OutputIntake(tx, self._memory, now).extend(job, attempt, stream, data)
            return True

        return await self._apply(add)

    async def note_fact(
        self, attempt_uuid: str, kind: EventKind, *, reason: str, data: bytes
    ) -> bool:
        """Keep what was told of an attempt as an event. False: the attempt no longer counts."""
        now = self.clock.now_ms()

        def note(tx: Tx) -> bool:
            job, attempt = _known(tx, attempt_uuid)
            if not _counts(job, attempt):
                note_late_write(tx, job, attempt, kind, reason, now)
                return False
            tx.append(
                kind,
                at=now,
                job=job.id,
                attempt=attempt.id,
                runner=attempt.runner,
                actor=self._runner_name(attempt),
                reason=reason,
                data=data,
            )
            return True

        return await self._apply(note)

    def _runner_name(self, attempt: Attempt) -> str:
        return self._memory.runners[attempt.runner].name


def _known(tx: Tx, attempt_uuid: str) -> tuple[Job, Attempt]:
    found = tx.attempts_by_uuid([attempt_uuid]).get(attempt_uuid)
    if found is None:
        raise NotFound("there is no such attempt")
    return found


def _counts(job: Job, attempt: Attempt) -> bool:
    return attempt.state not in ("ended", "abandoned") and job.attempt == attempt.id
