"""The one call of a runner that says everything and is told everything, as one operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.coordinator.claim import claim, whole
from server.coordinator.outputs import OutputIntake
from server.coordinator.reports import Report, why_late
from server.coordinator.results import Assigned, StopOrder, Told
from server.coordinator.sessions import is_open
from server.errors import UnknownSession
from server.model import Outcome

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.coordinator.results import AttemptReport, OutputPiece, Said
    from server.model import Attempt, Job, Runner, Session, Stream
    from server.store.base import Tx

NO_LONGER_HELD = "the runner no longer holds it and never said how it ended"


def exchange(tx: Tx, memory: Memory, session_id: int, said: Said, now: int) -> Told:
    """Take in what a runner says, then tell it what to do.

    Order matters: output before the report that ends its attempt, ends before claims, so that a
    freed slot is filled in the same call.
    """
    presence = memory.presences.get(session_id)
    if presence is None or not is_open(tx, session_id):
        raise UnknownSession("this session has ended; say hello again")
    runner = memory.runners[presence.session.runner]
    told = Exchange(tx, memory, presence.session, runner, said, now).run()
    left = max(0, said.free - len(told.assign))
    tx.after_commit(lambda: setattr(presence, "free", left))
    return told


class Exchange:
    """One exchange, in its steps."""

    def __init__(
        self, tx: Tx, memory: Memory, session: Session, runner: Runner, said: Said, now: int
    ) -> None:
        self._tx = tx
        self._memory = memory
        self._session = session
        self._runner = runner
        self._said = said
        self._now = now
        self._live: dict[str, tuple[Job, Attempt]] = {
            found[1].uuid: found for found in tx.live_attempts(session=session.id)
        }
        self._report = Report(tx, memory, now, actor=runner.name)
        self._offsets: dict[tuple[str, Stream], int] = {}
        self._refused: dict[str, str] = {}
        self._ended: set[str] = set()

    def run(self) -> Told:
        self._take_output()
        self._take_reports()
        held = set(self._said.held)
        self._confirm(held)
        self._settle_what_is_not_held(held)
        self._report.write()
        repeated = self._repeat_offers(held)
        fresh = claim(
            self._tx,
            self._memory,
            self._runner,
            self._session.id,
            self._said.free - len(repeated),
            self._now,
        )
        return Told(
            assign=repeated + fresh,
            stop=self._stop_orders(held),
            next_offsets=[(uuid, stream, at) for (uuid, stream), at in self._offsets.items()],
            refused=list(self._refused.items()),
        )

    # what the runner says ------------------------------------------------------------------

    def _take_output(self) -> None:
        if not self._said.output:
            return
        intake = OutputIntake(self._tx, self._memory, self._now)
        for piece in self._said.output:
            found = self._live.get(piece.attempt) or self._just_ended(piece)
            if found is None or found[1].state == "abandoned":
                self._refuse_late(piece.attempt, "output", f"{len(piece.data)} bytes")
                continue
            job, attempt = found
            self._offsets[piece.attempt, piece.stream] = intake.append(
                job, attempt, piece.stream, piece.offset, piece.data
            )

    def _just_ended(self, piece: OutputPiece) -> tuple[Job, Attempt] | None:
        """An attempt of this session whose last bytes come after its end."""
        found = self._tx.attempts_by_uuid([piece.attempt]).get(piece.attempt)
        if found is None:
            return None
        job, attempt = found
        is_ours = attempt.session == self._session.id and job.attempt == attempt.id
        return found if is_ours and attempt.outcome != "lost" else None

    def _take_reports(self) -> None:
        live, tell = self._live, self._report
        for report in self._said.reports:
            uuid, outcome, progress, surroundings = report
            found = live.get(uuid)
            if found is None:
                self._take_stale(report)
                continue
            job, attempt = found
            if surroundings is not None:
                tell.surrounded(attempt, surroundings)
            if attempt.state == "abandoned":
                self._take_abandoned(report, job, attempt)
            elif outcome is None:
                live[uuid] = tell.started(job, attempt)
                tell.progress(job, attempt, progress)
            else:
                if progress is not None:
                    tell.progress(job, attempt, progress)
                tell.ended(job, attempt, outcome)
                self._end(uuid)

    def _take_abandoned(self, report: AttemptReport, job: Job, attempt: Attempt) -> None:
        if report.outcome is None:
            return
        self._report.heard_of_abandoned(job, attempt, report.outcome)
        self._report.late(job, attempt, report.outcome.kind, report.outcome.message)
        self._refused[report.attempt] = why_late(job, attempt)
        self._end(report.attempt)

    def _take_stale(self, report: AttemptReport) -> None:
        """A report for an attempt that holds no slot: a repeat is harmless, the rest is late."""
        if report.attempt in self._ended:
            return
        found = self._tx.attempts_by_uuid([report.attempt]).get(report.attempt)
        kind = report.outcome.kind if report.outcome else "running"
        if found is not None:
            attempt = found[1]
            is_repeat = attempt.session == self._session.id and attempt.outcome == kind
            if is_repeat or (attempt.state == "ended" and report.outcome is None):
                return
        detail = report.outcome.message if report.outcome else ""
        self._refuse_late(report.attempt, kind, detail)

    def _refuse_late(self, uuid: str, kind: str, detail: str) -> None:
        if uuid in self._refused:
            return
        found = self._live.get(uuid) or self._tx.attempts_by_uuid([uuid]).get(uuid)
        if found is None:
            self._refused[uuid] = "no such attempt"
            return
        job, attempt = found
        self._report.late(job, attempt, kind, detail)
        self._refused[uuid] = why_late(job, attempt)

    def _end(self, uuid: str) -> None:
        del self._live[uuid]
        self._ended.add(uuid)

    # what follows from what it holds ---------------------------------------------------------

    def _confirm(self, held: set[str]) -> None:
        for uuid, (job, attempt) in self._live.items():
            if attempt.state == "offered" and uuid in held:
                self._live[uuid] = self._report.started(job, attempt)

    def _settle_what_is_not_held(self, held: set[str]) -> None:
        """What is not held any more is lost; given-up ones free a slot.

        An offer may simply not have arrived yet, so it is repeated. One that was told to stop
        before it was ever held was never delivered, and ends here.
        """
        for uuid, (job, attempt) in list(self._live.items()):
            if uuid in held or attempt.state == "offered":
                continue
            outcome = Outcome("lost", NO_LONGER_HELD)
            if attempt.state == "abandoned":
                self._report.heard_of_abandoned(job, attempt, outcome)
            else:
                self._report.ended(job, attempt, outcome)
            self._end(uuid)

    # what it is told ---------------------------------------------------------------------------

    def _repeat_offers(self, held: set[str]) -> list[Assigned]:
        """Assignments whose answer was lost: repeated until the runner lists them as held."""
        offers = [
            (job, attempt)
            for uuid, (job, attempt) in self._live.items()
            if attempt.state == "offered" and uuid not in held
        ]
        if not offers:
            return []
        tasks = self._tx.tasks([job.id for job, _ in offers])
        assigned: list[Assigned] = []
        for job, attempt in offers:
            job_class = self._tx.job_class(job.cls)
            task = whole(self._tx, job, tasks[job.id])
            assigned.append(Assigned(job, attempt, job_class.type, job_class.queue, task))
        return assigned

    def _stop_orders(self, held: set[str]) -> list[StopOrder]:
        orders = [
            StopOrder(uuid, attempt.stop_grace, attempt.stop_kill)
            for uuid, (_, attempt) in self._live.items()
            if attempt.stop_at
        ]
        unknown = held - self._live.keys() - self._ended
        orders += [StopOrder(uuid, 0, True) for uuid in unknown]
        return orders
