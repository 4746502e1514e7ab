"""Getting rid of a request: its own time is up, or somebody wants it to end.

Asked once, it may answer whatever it likes. Where nothing comes, the runner is ended if it does
nothing else, and otherwise the attempt is given up, so that others go on undisturbed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from server.model import Outcome
from server.protocols.rrq.requests import cancel_frame
from server.wire.rrq import CANCELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.model import OutcomeKind
    from server.protocols.rrq.connection import Connection
    from server.protocols.rrq.group import Group
    from server.protocols.rrq.in_flight import InFlight, InFlightTable, Wish

RESPONSE_TIMEOUT = "response_timeout"
"""Type of the error of a request that was answered too late, or never."""


class Pace(NamedTuple):
    """How long each rung holds, in seconds."""

    deadline_grace: float = 1.0
    """Runners keep the deadline themselves; so much later it is ours to do."""
    answer: float = 3.0
    """How long an answer to a cancel is waited for after the deadline."""
    kill: float = 1.0
    """The same where somebody wants it to be forced."""


class Ladder:
    """The clocks and rungs of what is in flight on one connection."""

    def __init__(
        self,
        group: Group,
        table: InFlightTable,
        connection: Connection,
        report: Callable[[str, Outcome], None],
        end_runner: Callable[[str], None],
        poke: Callable[[], None],
    ) -> None:
        self._group = group
        self._table = table
        self._connection = connection
        self._report = report
        self._end_runner = end_runner
        self._poke = poke
        self._response_timeout = group.settings.response_timeout_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._to_give_up: list[tuple[InFlight, Outcome]] = []

    def watch(self, entry: InFlight, seconds: float) -> None:
        """A request was sent that has so long, and may have to be answered sooner."""
        wish: Wish = "timeout"
        wait = seconds + self._group.pace.deadline_grace
        if 0 < self._response_timeout < wait:
            wish, wait = "silence", self._response_timeout
        entry.set_timer(self._loop.call_later(wait, self._time_is_up, entry, wish))

    def ask(self, entry: InFlight, wish: Wish) -> None:
        """Ask the runner to end a request; once is enough."""
        if entry.wish:
            return
        entry.wish = wish
        entry.asked_at = self._loop.time()
        version = self._group.settings.protocol
        self._connection.write(cancel_frame(entry.job_id, entry.request_id, version))

    def force(self, entry: InFlight) -> None:
        """See to it that a request ends, now that asking did not help or was not wanted."""
        self.ask(entry, "stop")
        if entry.is_given_up:
            self.end_what_is_left()
            return
        left = entry.asked_at + self._group.pace.kill - self._loop.time()
        if left <= 0:
            self._no_answer(entry)
        else:
            entry.set_timer(self._loop.call_later(left, self._no_answer, entry))

    def in_the_light_of(self, entry: InFlight, outcome: Outcome) -> Outcome:
        """What an answer means, given what was asked of its request. A success is a success."""
        if not entry.wish or outcome.kind == "success":
            return outcome
        if entry.wish == "timeout":
            return outcome._replace(kind="timeout", is_retryable=False)
        if entry.wish == "silence":
            return self._silence() if outcome.type == CANCELLED else outcome
        if entry.wish == "leave":
            return Outcome("lost", "the coordinator was stopped", is_blameless=True)
        return outcome._replace(kind="cancelled")

    def end_what_is_left(self) -> None:
        """Nothing but given-up requests is in flight: the runner is of no more use."""
        if not self._table.live() and len(self._table):
            self._end_runner("nothing was in flight any more but jobs that do not end")

    async def give_up_what_has_to_be(self) -> None:
        """Tell the coordinator of attempts that nobody waits for any more."""
        while self._to_give_up:
            entry, outcome = self._to_give_up[0]
            if entry.request_id not in self._table:  # answered after all
                self._to_give_up.pop(0)
                continue
            await self._group.coordinator.give_up(entry.request_id, outcome, reason=outcome.message)
            self._to_give_up.pop(0)

    def _time_is_up(self, entry: InFlight, wish: Wish) -> None:
        self.ask(entry, wish)
        entry.set_timer(self._loop.call_later(self._group.pace.answer, self._no_answer, entry))

    def _no_answer(self, entry: InFlight) -> None:
        if entry.request_id not in self._table or entry.is_given_up:
            return
        entry.stop_timer()
        if self._table.live() == [entry]:
            words = "it did not end when it was asked to, so its runner was ended"
            self._table.remove(entry)
            self._report(entry.request_id, self._unanswered(entry, words))
            self._end_runner("a job did not end when it was asked to, so the runner was ended")
            return
        entry.is_given_up = True
        words = "it did not end when it was asked to; its runner has other jobs and goes on"
        self._to_give_up.append((entry, self._unanswered(entry, words)))
        self._poke()

    def _unanswered(self, entry: InFlight, words: str) -> Outcome:
        """What it means that a request was asked to end, and nothing came."""
        if entry.wish == "silence":
            return self._silence(f"; {words}")
        kind: OutcomeKind = "timeout" if entry.wish == "timeout" else "cancelled"
        return Outcome(kind, words, is_retryable=False)

    def _silence(self, more: str = "") -> Outcome:
        """No answer in time: the runner's failure, not the job's, so that a try may follow."""
        words = f"the runner did not answer within {self._response_timeout:g} s{more}"
        return Outcome("error", words, type=RESPONSE_TIMEOUT)
