"""Carries jobs to one runner over one connection, and its answers back, as long as it lasts.

All that there is to say goes into one exchange with the coordinator at a time: answers, output,
what is in flight, how much more there may be. So the ends of sixty jobs and the beginnings of
sixty others cost one commit.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from server.coordinator.results import AttemptReport, Said
from server.errors import TrafficError, UnknownSession
from server.model import Outcome
from server.protocols.rrq.answers import (
    broken_answer,
    outcome_of,
    oversized_answer,
)
from server.protocols.rrq.attribution import request_id_in
from server.protocols.rrq.console import Console
from server.protocols.rrq.holds import why_held
from server.protocols.rrq.in_flight import InFlightTable
from server.protocols.rrq.ladder import Ladder
from server.protocols.rrq.requests import Unsendable, request_frame
from server.wire.rrq import ReceivedResponseMessage, read_for_orchestrator
from server.wire.rrq_frames import Oversized
from server.wire.unreadable import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.coordinator import Coordinator
    from server.coordinator.results import Assigned, StopOrder, Told
    from server.model import Session
    from server.protocols.rrq.connection import Connection
    from server.protocols.rrq.group import Group
    from server.protocols.rrq.in_flight import InFlight
    from server.protocols.rrq.loss import Loss
    from server.wire.rrq import ReceivedResponse
    from server.wire.rrq_frames import Frame

CONFIRM_SECONDS = 0.005
"""How long an answer is waited for before a request is reported as begun: most no-op jobs need no
report of their own that way."""
GATHER_SECONDS = 0.01
"""How long further answers are waited for while the runner has more than enough to do."""
PUT_OFF_SECONDS = 1.0
"""How often it is looked whether what was put off has gone elsewhere: nobody tells."""
IDLE_SECONDS = 10.0
"""How often a runner with nothing to say is noted as heard: its connection stands."""
RETRY_SECONDS = 0.2
CLOSE_TRIES = 5
"""After these a session is left open; the next one of its runner ends it."""
MAX_UNHEARD_BYTES = 32 * 1024 * 1024
"""Of results that wait to be stored; above it the runner's answers are left unread."""
MAX_LATE = 256
"""Answers nobody waits for that are taken into one exchange; more are dropped."""
MAX_IGNORED = 16
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Courier:
    """One life of one runner: its session, its connection, and what is in flight on it.

    Args:
        end_runner: called with the reason when the runner has to be ended to get rid of a job.
    """

    def __init__(
        self,
        group: Group,
        session: Session,
        connection: Connection,
        end_runner: Callable[[str], None],
    ) -> None:
        self._group = group
        self._coordinator: Coordinator = group.coordinator
        self._session = session
        self._connection = connection
        self._table = InFlightTable(group.settings.max_in_flight)
        self.console = Console(self._table, self._poke)
        self._ladder = Ladder(group, self._table, connection, self._report, end_runner, self._poke)
        self._reports: list[AttemptReport] = []
        self._unheard: list[AttemptReport] = []
        """Reports of an exchange that is under way, or that failed."""
        self._unheard_bytes = 0
        """Of results that came since the last exchange."""
        self._late = 0
        self._ignored: list[str] = []
        self._put_off: list[Assigned] = []
        """Offered to us, but waiting until there is less company."""
        self._has_unconfirmed = False
        self._wants_more = True
        self._wants_more_soon = False
        """It had its share, but takes on if no other runner of the group does."""
        self._is_closing = False
        self.has_answered = False
        """Whether the runner ever answered over this connection."""

    @property
    def in_flight(self) -> int:
        return len(self._table)

    @property
    def takes_jobs(self) -> bool:
        """Whether it would take more, if there were any."""
        runner = self._coordinator.runner(self._session.runner)
        return runner is not None and not runner.draining_since and self._free() > 0

    async def run(self) -> None:
        """Carry until the connection is lost or the session has ended."""
        self._connection.attend(self._frame_came, self._poke)
        while not self._connection.loss:
            if not await self._exchange():
                return
            if not self._connection.loss:
                await self._wait()
            if 0 < len(self._reports) < len(self._table) // 2:
                await asyncio.sleep(GATHER_SECONDS)

    def stop_placing(self) -> None:
        """Take no more jobs; what is in flight may end."""
        self._is_closing = True

    def cancel_all(self) -> None:
        """Ask for the end of everything in flight."""
        for entry in self._table.live():
            self._ladder.ask(entry, "leave")

    async def close(self, loss: Loss) -> None:
        """The runner is gone: say what that means for its jobs, and end its session."""
        self._is_closing = True
        self._connection.close(loss.reason)
        in_flight = self._table.clear()
        for entry in in_flight:
            if entry.is_given_up:  # decided already, but it may be what ended the runner
                continue
            outcome = self._loss_of(entry, len(in_flight), loss)
            if not outcome.is_blameless:
                # It was sent, whether or not that was told yet: else a job that ends its runner at
                # once would never be charged, and run for ever.
                self._reports.append(AttemptReport(entry.request_id))
            self._reports.append(AttemptReport(entry.request_id, outcome))
        self._put_off.clear()
        for _ in range(CLOSE_TRIES):
            try:
                await self._say(0)
                await self._end_session(loss)
            except UnknownSession:
                return
            except TrafficError as error:
                self._group.tell_put_off(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _end_session(self, loss: Loss) -> None:
        """What was in flight is settled; what was only offered costs nothing."""
        if loss.is_ours:
            await self._coordinator.close_session(
                self._session.id, reason=loss.reason, is_blameless=True
            )
        else:
            await self._coordinator.lose_session(self._session.id, reason=loss.reason)

    def _loss_of(self, entry: InFlight, count: int, loss: Loss) -> Outcome:
        """What it means for one of the requests that were in flight, ``count`` of them."""
        if loss.is_ours:
            return Outcome("lost", loss.reason, is_blameless=True)
        if count > 1:
            self._group.suspects.note_crash(entry.job)
            words = f"{loss.reason}; {count} jobs were in flight, so none is charged"
            return Outcome("lost", words, is_blameless=True)
        return loss.blame or Outcome("lost", loss.reason)

    # the exchange ------------------------------------------------------------------------------

    async def _exchange(self) -> bool:
        """Say all there is to say, and do what is told. False: the session has ended."""
        had_put_off = bool(self._put_off)
        try:
            await self._tell_ignored()
            await self._ladder.give_up_what_has_to_be()
            free = self._free()
            ended = len(self._unheard) + len(self._reports)
            asked = self._group.share_of(self, free, ended)
            told = await self._say(asked)
        except UnknownSession:
            return False
        except TrafficError as error:
            self._group.tell_put_off(error)
            await asyncio.sleep(RETRY_SECONDS)
            return True
        self._obey(told)
        held = why_held(self._table, has_put_off=bool(self._put_off))
        self._coordinator.hold_back(self._session.id, held)
        has_all = len(told.assign) >= asked > 0 and free > asked  # so there may be more
        is_free_again = had_put_off and not self._put_off  # nothing was asked for meanwhile
        self._wants_more = is_free_again or (has_all and asked > 1)
        self._wants_more_soon = has_all
        return True

    async def _tell_ignored(self) -> None:
        while self._ignored:
            await self._coordinator.note_ignored(self._session.runner, self._ignored.pop())

    async def _say(self, asked: int) -> Told:
        """One exchange. What it could not bring is said again by the next: a repeat is harmless."""
        reports, output = [*self._unheard, *self._reports], self.console.take()
        self._unheard, self._reports, self._late = reports, [], 0
        self._has_unconfirmed = False
        said = Said(held=self._table.request_ids, free=asked, reports=reports, output=output)
        try:
            told = await self._coordinator.exchange(self._session.id, said)
        except BaseException:
            self.console.put_back(output)
            raise
        self._unheard, self._unheard_bytes = [], 0
        self.console.taken(output, told.next_offsets)
        self._connection.read_on()
        return told

    def _obey(self, told: Told) -> None:
        self._put_off = []
        self._send(told.assign)
        for order in told.stop:
            self._stop(order)

    def _send(self, jobs: Sequence[Assigned]) -> None:
        if not jobs or not self._connection.is_open or self._connection.is_hung_up:
            return  # nothing is sent, and it all goes back uncharged
        frames: list[bytes] = []
        for assigned in jobs:
            self._take(assigned, frames)
        self._connection.write(*frames)

    def _came_up(self, jobs: Sequence[Assigned]) -> None:
        """Jobs that were submitted while we waited with room for them."""
        self._send(jobs)
        asyncio.get_running_loop().call_later(CONFIRM_SECONDS, self._poke)

    async def _wait(self) -> None:
        """Until there is something to exchange."""
        if self._wants_more:
            return
        is_short = self._has_unconfirmed or self._wants_more_soon
        if is_short:
            seconds = CONFIRM_SECONDS
        else:
            seconds = PUT_OFF_SECONDS if self._put_off else IDLE_SECONDS
        claims = self._coordinator.standing_claim(self._session.id, self._room, self._came_up)
        try:
            with claims:
                while not await self._coordinator.wait_for_work(self._session.id, seconds):
                    if is_short or self._put_off:
                        return
        except TrafficError:  # the session ended, which the next exchange will find out
            return

    def _room(self) -> int:
        """How many jobs it takes while it waits."""
        return self._group.share_of(self, self._free(), 0)

    def _poke(self) -> None:
        self._coordinator.poke(self._session.id)

    def _free(self) -> int:
        is_held = self._put_off or self._table.is_clogged
        if self._is_closing or is_held or not self._connection.is_writable:
            return 0
        return self._table.free

    # jobs out ------------------------------------------------------------------------------------

    def _take(self, assigned: Assigned, frames: list[bytes]) -> None:
        """Add a job to what is sent, or put it off while there is too much company for it."""
        if assigned.attempt.uuid in self._table:
            return
        company = self._group.suspects.company_of(assigned.job.id)
        if self._put_off or self._table.free < 1 or len(self._table) >= company:
            self._put_off.append(assigned)
            return
        timeout_ms = assigned.task.timeout_ms or self._group.settings.job_timeout_ms
        try:
            frame = request_frame(
                assigned,
                deadline_ms=self._coordinator.clock.now_ms() + timeout_ms,
                worker_id=self._group.worker_id,
                version=self._group.settings.protocol,
            )
        except Unsendable as problem:
            self._report(assigned.attempt.uuid, problem.outcome)
            return
        self.console.before_request()
        frames.append(frame)
        entry = self._table.add(assigned, company)
        self._ladder.watch(entry, timeout_ms / 1000)
        self._has_unconfirmed = True

    def _stop(self, order: StopOrder) -> None:
        entry = self._table.get(order.attempt)
        if entry is None:
            return
        if order.kill:
            self._ladder.force(entry)
        else:
            self._ladder.ask(entry, "stop")

    # answers in ----------------------------------------------------------------------------------

    def _frame_came(self, frame: Frame) -> None:
        if isinstance(frame, Oversized):
            self._fail_whose(frame, oversized_answer(frame.size))
            return
        try:
            message = read_for_orchestrator(frame)
        except UNREADABLE as error:
            self._fail_whose(frame, broken_answer(f"the runner's answer is broken: {error}"[:500]))
            return
        if isinstance(message, ReceivedResponseMessage):
            self._answer_came(message.payload)
        else:
            self._ignore("a runner's frame that only we may send")

    def _answer_came(self, answer: ReceivedResponse) -> None:
        if not answer.request_id:
            self._nameless_came(answer)
            return
        entry = self._table.get(answer.request_id)
        if entry is None:
            self._late_came(answer.request_id, outcome_of(answer))
        elif answer.job_id != entry.job_id:
            words = f"runner outcome job_id mismatch: it answered for job {answer.job_id}"
            self._end(entry, broken_answer(words[:300]))
        else:
            self._end(entry, outcome_of(answer))

    def _nameless_came(self, answer: ReceivedResponse) -> None:
        """An answer that does not say to what: charged where it can be only one, else to nobody."""
        live = self._table.of_job(answer.job_id) if answer.job_id else []
        if len(live) != 1 and len(self._table) == 1:
            live = self._table.live()
        if len(live) == 1:
            self._end(live[0], broken_answer("the runner answered without a request_id"))
        elif len(self._table):
            self._connection.close("the runner answered without a request_id")
        else:
            self._ignore("an answer without a request_id")

    def _fail_whose(self, frame: Frame, outcome: Outcome) -> None:
        """An answer that cannot be read fails its own request, where it tells which that is."""
        request_id = request_id_in(frame)
        entry = self._table.get(request_id) if request_id else self._table.only()
        if entry is not None:
            self._end(entry, outcome)
        elif request_id or not len(self._table):
            self._ignore(outcome.message)
        else:
            self._connection.close(f"nobody can tell whose it is: {outcome.message}")

    def _end(self, entry: InFlight, outcome: Outcome) -> None:
        """A request was answered."""
        self.has_answered = True
        self.console.before_end()
        self._table.remove(entry)
        self._group.suspects.clear(entry.job)
        self._report(entry.request_id, self._ladder.in_the_light_of(entry, outcome))
        self._unheard_bytes += len(outcome.result)
        if self._unheard_bytes > MAX_UNHEARD_BYTES:
            self._connection.read_no_further()
        self._ladder.end_what_is_left()

    def _late_came(self, request_id: str, outcome: Outcome) -> None:
        """Nobody waits for it: it goes into the ledger where it names an attempt of ours."""
        if _UUID.fullmatch(request_id) and self._late < MAX_LATE:
            self._late += 1
            self._report(request_id, outcome)
        else:
            self._ignore("an answer to a request that was never made")

    def _ignore(self, words: str) -> None:
        if len(self._ignored) < MAX_IGNORED:
            self._ignored.append(words)
            self._poke()

    def _report(self, request_id: str, outcome: Outcome) -> None:
        self._reports.append(AttemptReport(request_id, outcome))
        self._poke()
