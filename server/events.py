"""Facts that were committed, in the order they were committed."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

EventKind: TypeAlias = Literal[
    # jobs
    "submitted",
    "claimed",
    "started",
    "completed",
    "failed",
    "stopped",
    "expired",
    "queued",  # back in the line: after a loss, a refusal, a move
    "scheduled",  # put off: a retry, a refusal
    "stop_requested",
    "kill_requested",
    "stop_ignored",
    "abandoned",
    "attempt_ended",  # one that no longer decides its job
    "lease_lost",
    "reassigned",
    "resubmitted",
    "priority_changed",
    "deleted",
    "late_write",
    "exit_declared",  # a workload says how it went, before its attempt ends
    "output_truncated",
    "range_planned",  # what of a cursor range is to be done, and what is left out
    "piece_spent",  # a piece ended without covering its part of a range
    # runners
    "runner_registered",
    "runner_connected",
    "runner_rebooted",
    "runner_suspect",
    "runner_faulty",  # work could not be brought to it
    "runner_recovered",
    "runner_lost",
    "runner_left",  # it ended, and said so
    "runner_draining",
    "runner_drained",
    "runner_resumed",
    "runner_forgotten",
    "runner_renamed",
    "message_ignored",  # what a runner sent made no sense, or concerns nothing of its own
    # queues
    "queue_paused",
    "queue_resumed",
    "queue_limited",
    # schedules
    "schedule_created",
    "schedule_changed",
    "schedule_deleted",
    "schedule_paused",
    "schedule_resumed",
    "schedule_fired",
    "schedule_skipped",
    # the coordinator
    "coordinator_started",
    "coordinator_stopped",
    "key_created",
    "key_revoked",
    "clock_jumped",
    "retention",
]


class Event(NamedTuple):
    """One committed fact. A batch call makes one event that names many jobs in ``members``."""

    seq: int
    """Position in the order of commits; 0 until committed."""
    at: int
    kind: EventKind
    job: int
    """Row id; 0 where no job, or several, are concerned."""
    attempt: int
    runner: int
    queue: str
    actor: str
    """Who did it: a key's name, a runner's name, or ``coordinator``."""
    reason: str
    data: bytes
    """JSON with what else is known (before, after, why), or empty."""
    members: tuple[tuple[int, int], ...]
    """(job, attempt) row ids where one fact concerns many jobs."""

    def jobs(self) -> tuple[int, ...]:
        """Row ids of all jobs concerned."""
        if self.members:
            return tuple(job for job, _ in self.members)
        return (self.job,) if self.job else ()


NoticeKind: TypeAlias = Literal["progress", "output", "runner", "queue"]


class Notice(NamedTuple):
    """Something that changed but is no fact to keep: progress, output, a beat. Never resumed."""

    kind: NoticeKind
    job: int = 0
    attempt: int = 0
    runner: int = 0
