"""What runners say and ask."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from server.coordinator import claim, sessions
from server.coordinator.calls import Calls
from server.coordinator.exchange import exchange
from server.coordinator.reports import Report, note_late_write
from server.coordinator.results import LeaseView
from server.coordinator.standing import StandingClaim
from server.errors import Busy, NotFound, UnknownSession
from server.events import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.coordinator.memory import Presence
    from server.coordinator.results import Assigned, Introduction, Said, Told
    from server.model import Attempt, Outcome, Progress, Runner, RunnerState, Session
    from server.store.base import Tx


class RunnerCalls(Calls):
    """Sessions, beats, exchanges, claims and reports."""

    async def register_runner(self, introduction: Introduction) -> Runner:
        """Know a runner that has no sessions, or know it better."""
        return await self._apply(
            lambda tx: sessions.register(tx, self._memory, introduction, self.clock.now_ms())
        )

    async def open_session(
        self, introduction: Introduction, *, nonce: str, secret: str = ""
    ) -> Session:
        """Begin, or go on with, one life of a runner.

        Raises:
            Refused: ``superseded``: a newer process has the name.
        """
        return await self._apply(
            lambda tx: sessions.open_session(
                tx, self._memory, introduction, nonce, secret, self.name, self.clock.now_ms()
            )
        )

    async def close_session(
        self, session_id: int, *, reason: str, is_blameless: bool = False
    ) -> None:
        """A runner leaves: what it was doing is lost and queued again.

        Args:
            is_blameless: its jobs had no part in that, so it counts against none of them.
        """
        now = self.clock.now_ms()
        await self._apply(
            lambda tx: sessions.close(
                tx, self._memory, session_id, reason, now, is_blameless=is_blameless
            )
        )

    async def leave(self, session_id: int) -> None:
        """A runner ends, and says so: it is gone, not lost."""
        now = self.clock.now_ms()
        await self._apply(lambda tx: sessions.leave(tx, self._memory, session_id, now))

    def session(self, uuid: str) -> Session | None:
        """An open session."""
        return self._memory.session_by_uuid(uuid)

    def runner(self, runner_id: int) -> Runner | None:
        return self._memory.runner(runner_id)

    def runner_by_uuid(self, uuid: str) -> Runner | None:
        return self._memory.runner_by_uuid(uuid)

    def introduced(self, uuid: str) -> Runner | None:
        """A runner as it introduced itself, for hot calls: without when it was last heard."""
        return self._memory.introduced(uuid)

    def runners(self) -> list[Runner]:
        """All known runners but the forgotten, by row id."""
        return [
            runner
            for runner_id in sorted(self._memory.runners)
            if (runner := self._memory.runner(runner_id)) is not None and not runner.is_forgotten
        ]

    def sessions_of(self, runner_id: int) -> list[Session]:
        return self._memory.sessions_of(runner_id)

    def busy(self, runner_id: int) -> int:
        """Slots of a runner that are taken, by attempts that were given up too."""
        return self._memory.busy(runner_id)

    def runner_state(self, runner: Runner) -> RunnerState:
        """Where a runner stands, as far as leases and drains tell."""
        memory = self._memory
        if runner.draining_since and not memory.busy(runner.id):
            return "drained"
        if not memory.is_connected(runner):
            return "gone" if runner.id in memory.departed else "lost"
        if runner.draining_since:
            return "draining"
        if runner.id in memory.faults:
            return "faulty"
        states = {
            memory.session_leases.state(session.id)
            for session in memory.sessions_of(runner.id)
            if session.id in memory.session_leases
        }
        # a lease that ran out is looked at within a second; until then it is no sign of life
        return "ok" if "ok" in states or not states else "suspect"

    def lease(self, attempt: Attempt) -> LeaseView:
        """Whether the runner of a live attempt is alive."""
        memory = self._memory
        if attempt.state == "ended":
            return LeaseView("", None)
        if attempt.id in memory.attempt_leases:
            book, holder = memory.attempt_leases, attempt.id
        elif attempt.session in memory.session_leases:
            book, holder = memory.session_leases, attempt.session
        else:
            return LeaseView("", None)
        return LeaseView(book.state(holder), book.seconds_left(holder))

    def touch(self, session_id: int) -> None:
        """A beat: the session's lease is renewed."""
        presence = self._memory.presences.get(session_id)
        if presence is None:
            return
        runner_id = presence.session.runner
        self._memory.hear(runner_id)
        if session_id in self._memory.session_leases and self._memory.session_leases.renew(
            session_id
        ):
            self._memory.notify(Notice("runner", runner=runner_id))

    async def touch_runner(self, runner_id: int) -> None:
        """A runner without sessions was heard; stored with the next sweep."""
        self._memory.hear(runner_id)

    async def exchange(self, session_id: int, said: Said) -> Told:
        """All that a runner has to say, and all that it needs to know, in one operation.

        Raises:
            UnknownSession: the session has ended.
        """
        presence = self._presence(session_id)
        presence.has_news.clear()
        self.touch(session_id)
        now = self.clock.now_ms()
        return await self._apply(lambda tx: exchange(tx, self._memory, session_id, said, now))

    async def wait_for_work(self, session_id: int, timeout: float) -> bool:  # noqa: ASYNC109
        """Wait until an exchange would bring something; False: nothing came up in time.

        Raises:
            UnknownSession: the session has ended.
            Busy: the coordinator is stopping.
        """
        presence = self._presence(session_id)
        self.touch(session_id)
        presence.parked += 1
        try:
            async with asyncio.timeout(timeout):
                await presence.has_news.wait()
        except TimeoutError:
            return False
        finally:
            presence.parked -= 1
        if self._is_stopping:
            raise Busy("the coordinator is stopping")
        self._presence(session_id)
        return True

    @contextmanager
    def standing_claim(
        self, session_id: int, room: Callable[[], int], take: Callable[[list[Assigned]], None]
    ) -> Iterator[None]:
        """As long as this lasts, as many jobs as there is ``room`` for are given to ``take`` as
        they come, by the commit that brings them, and do not end a :meth:`wait_for_work`."""
        self._memory.standing[session_id] = StandingClaim(session_id, room, take)
        try:
            yield
        finally:
            self._memory.standing.pop(session_id, None)

    def hold_back(self, session_id: int, reason: str) -> None:
        """A protocol gives a runner nothing new though slots are free; no reason: it does again."""
        presence = self._memory.presences.get(session_id)
        if presence is not None:
            presence.held_back = reason

    def poke(self, session_id: int) -> None:
        """End a :meth:`wait_for_work` of this session: its protocol has something to exchange."""
        self._memory.poke(session_id)

    async def give_up(self, attempt_uuid: str, outcome: Outcome, *, reason: str) -> None:
        """A live attempt is given up by its protocol: its runner may go on, and keeps the slot."""
        now = self.clock.now_ms()
        await self._apply(lambda tx: self._give_up(tx, attempt_uuid, outcome, reason, now))

    def _give_up(self, tx: Tx, uuid: str, outcome: Outcome, reason: str, now: int) -> None:
        found = tx.attempts_by_uuid([uuid]).get(uuid)
        if found is None:
            return
        job, attempt = found
        if attempt.state in ("ended", "abandoned") or job.attempt != attempt.id:
            return
        report = Report(tx, self._memory, now, actor=self._memory.runners[attempt.runner].name)
        report.abandoned(job, attempt, outcome, reason=reason)
        report.write()

    def _presence(self, session_id: int) -> Presence:
        presence = self._memory.presences.get(session_id)
        if presence is None:
            raise UnknownSession("this session has ended; say hello again")
        return presence

    async def claim(self, session_id: int, count: int) -> list[Assigned]:
        """Take at most ``count`` jobs for a session whose protocol pushes them.

        What is not filled stays known as free, so that :meth:`wait_for_work` ends for new jobs.

        Raises:
            UnknownSession: the session has ended.
        """
        presence = self._presence(session_id)
        runner = self._memory.runners[presence.session.runner]
        now = self.clock.now_ms()

        def take(tx: Tx) -> list[Assigned]:
            if not sessions.is_open(tx, session_id):
                raise UnknownSession("this session has ended; say hello again")
            taken = claim.claim(tx, self._memory, runner, session_id, count, now)
            left = max(0, count - len(taken))
            tx.after_commit(lambda: setattr(presence, "free", left))
            return taken

        return await self._apply(take)

    async def report(
        self, attempt_uuid: str, outcome: Outcome | None, progress: Progress | None = None
    ) -> bool:
        """A runner says that an attempt runs (no outcome) or has ended. False: too late."""
        now = self.clock.now_ms()
        return await self._apply(
            lambda tx: self._take_report(tx, attempt_uuid, outcome, progress, now)
        )

    def _take_report(
        self, tx: Tx, uuid: str, outcome: Outcome | None, progress: Progress | None, now: int
    ) -> bool:
        found = tx.attempts_by_uuid([uuid]).get(uuid)
        if found is None:
            raise NotFound("there is no such attempt")
        job, attempt = found
        report = Report(tx, self._memory, now, actor=self._memory.runners[attempt.runner].name)
        kind = outcome.kind if outcome else "running"
        if attempt.state == "ended" or job.attempt != attempt.id:
            note_late_write(tx, job, attempt, kind, outcome.message if outcome else "", now)
            return False
        if attempt.state == "abandoned":
            if outcome is not None:
                report.heard_of_abandoned(job, attempt, outcome)
            report.late(job, attempt, kind, "")
        elif outcome is None:
            report.started(job, attempt)
            report.progress(job, attempt, progress)
        else:
            report.ended(job, attempt, outcome)
        report.write()
        return attempt.state != "abandoned"
