"""A job that we believe to be on a supervisor, and what was said to and heard from it about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.protocols.treadmill.alignment import Recorded
from server.wire.treadmill import STAGES

if TYPE_CHECKING:
    from server.model import Attempt, Job
    from server.protocols.treadmill.console import ConsoleIntake
    from server.protocols.treadmill.outcomes import Declared
    from server.wire.treadmill import JobState

UNSEEN = -1
RANKS = {"initializing": 0, "ready": 1, "terminating": 2, "terminated": 3}
"""A job only goes forward; what says otherwise is old."""


@dataclass(slots=True)
class Held:
    """Times are the clock's monotonic seconds; None: not on this connection."""

    job: Job
    attempt: Attempt
    rank: int
    """Where it is, as an index of :data:`RANKS`; -1: nothing was heard of it."""
    declared: Declared | None = None
    is_declaration_known: bool = False
    """Whether it was looked up what the workload declared before we were started."""
    sent_at: float | None = None
    sends: int = 0
    stop_sent_at: float | None = None
    is_killed: bool = False
    """Whether it was told again to stop, with emphasis."""
    missed_at: float | None = None
    """When the supervisor said that it does not have it."""
    console: ConsoleIntake | None = None
    """Its output on the way into the store."""
    console_end: int | None = None
    """How much of its output was heard; None: it was not looked up yet."""

    @property
    def id(self) -> str:
        """What the wire calls the job's id."""
        return self.attempt.uuid

    @property
    def is_given_up(self) -> bool:
        return self.attempt.state == "abandoned"

    @property
    def is_stopping(self) -> bool:
        return self.attempt.stop_at > 0

    @property
    def is_seen(self) -> bool:
        return self.rank > UNSEEN

    def was_sent_after(self, at: float) -> bool:
        """What a supervisor says of an earlier moment does not concern it."""
        return not self.is_seen and self.sent_at is not None and self.sent_at > at

    def recorded(self) -> Recorded:
        was_missed = self.missed_at is not None
        return Recorded(self.id, self.is_seen, self.is_given_up, was_missed)

    def follow(self, job: Job, attempt: Attempt) -> None:
        """The store knows more, for example that it is to stop."""
        self.job, self.attempt = job, attempt

    def forget_what_was_sent(self) -> None:
        """A new connection: nothing that was sent before counts."""
        self.sent_at = self.stop_sent_at = self.missed_at = None
        self.is_killed = False


def held(job: Job, attempt: Attempt) -> Held:
    """An attempt as the store has it."""
    return Held(job, attempt, rank_of(attempt))


def rank_of(attempt: Attempt) -> int:
    """Where an attempt was when it was last heard of."""
    if attempt.started_at == 0:
        return UNSEEN
    return RANKS.get(attempt.phase, RANKS["initializing"])


def phase_of(state: JobState) -> str:
    """Our word for where a job is: the stage while it initializes, else the state."""
    return (state.stage or state.state) if state.state == "initializing" else state.state


def state_of(phase: str) -> tuple[str, str | None]:
    """State and stage of a phase, as Treadmill's REST tells them."""
    if phase in RANKS and phase != "initializing":
        return phase, None
    return "initializing", phase if phase in STAGES else STAGES[0]
