"""What to do when a supervisor says what it is at: the reconciliation table. Pure.

Its status is the truth about now, our record the truth about what was wanted. Events of jobs that
ended while it was offline may still be on their way when it says that it is idle, so a job that
was seen running is missed at the first such answer; it is dropped at the second, or when nothing
was heard of it for a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from server.wire.treadmill import Ongoing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.wire.treadmill import Idle

Act: TypeAlias = Literal["start", "stop", "adopt", "miss", "drop", "free", "trust"]


class Recorded(NamedTuple):
    """A job that we believe to be on a supervisor."""

    id: str
    is_seen: bool
    """Something was heard of it since it was sent."""
    is_given_up: bool
    """We no longer count on it, but it may be there."""
    was_missed: bool
    """The supervisor has said once already that it does not have it."""


class Move(NamedTuple):
    """One thing to do about one job."""

    act: Act
    id: str


def align(
    recorded: Iterable[Recorded], reported: Idle | Ongoing, *, is_doubtful: bool
) -> list[Move]:
    """The moves that bring our record and a supervisor together.

    Args:
        is_doubtful: its last word was an error, after which the original says ``idle`` whatever
            it is doing, until the next change of state.
    """
    jobs = list(recorded)
    ongoing = reported.job_id if isinstance(reported, Ongoing) else None
    moves = [_about(job, ongoing, is_doubtful) for job in jobs]
    if isinstance(reported, Ongoing) and reported.job_id not in {job.id for job in jobs}:
        moves.append(Move("stop", reported.job_id))
    return moves


def _about(job: Recorded, ongoing: str | None, is_doubtful: bool) -> Move:
    if ongoing == job.id:
        return Move("stop" if job.is_given_up else "adopt", job.id)
    if job.is_given_up:
        return Move("free", job.id)
    if not job.is_seen:
        return Move("start" if ongoing is None else "drop", job.id)
    if ongoing is None and is_doubtful:
        return Move("trust", job.id)
    return Move("drop" if job.was_missed else "miss", job.id)
