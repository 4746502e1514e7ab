"""What the console knows of the coordinator's jobs.

It is fed with pages (whole rows) and with the event stream (what became of them) and notes which
rows changed. Nothing here costs more than the rows an event names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.model import WAITING_STATES
from server.wire.operator import AttemptRef, EventView, NoticeView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.model import JobState
    from server.wire.operator import JobsView, JobView

STATE_AFTER: Mapping[str, JobState] = {
    "submitted": "pending",
    "resubmitted": "pending",
    "queued": "pending",
    "scheduled": "scheduled",
    "claimed": "claimed",
    "started": "in_progress",
    "stop_requested": "stopping",
    "completed": "completed",
    "failed": "failed",
    "stopped": "stopped",
    "expired": "expired",
}
"""The state of a job after an event; other kinds leave it as it is."""

_ARRIVALS = frozenset({"submitted", "resubmitted"})


@dataclass(slots=True)
class Changes:
    """What changed since somebody last asked."""

    jobs: set[int] = field(default_factory=set)
    """Listed jobs whose row looks different now."""
    outdated: set[int] = field(default_factory=set)
    """Listed jobs of which the stream told only a part: worth fetching when in view."""
    arrived: set[int] = field(default_factory=set)
    """Jobs that are not listed but might belong here: new ones, and ones that changed state."""
    gone: set[int] = field(default_factory=set)
    """Deleted jobs."""
    output: set[int] = field(default_factory=set)
    """Jobs with more output than before."""
    is_reloaded: bool = False
    """A whole list was replaced."""

    def __bool__(self) -> bool:
        return bool(
            self.jobs
            or self.outdated
            or self.arrived
            or self.gone
            or self.output
            or self.is_reloaded
        )


class Mirror:
    """Jobs by number; see the module's words."""

    def __init__(self) -> None:
        self.jobs: dict[int, JobView] = {}
        self.count = 0
        """How many jobs match the filter, listed here or not."""
        self.count_is_exact = True
        self.next_page: str | None = None
        """Where the list goes on; None: all of it is here."""
        self.notes: dict[int, str] = {}
        """One line a job, for rows in view."""
        self.last_seq = 0
        """Number of the last event that was applied."""
        self._changes = Changes()

    # what lists say ---------------------------------------------------------------------------

    def load_jobs(self, page: JobsView) -> None:
        """The first page of a list: it replaces what was listed."""
        self.jobs = {job.number: job for job in page.jobs}
        self.notes = {number: note for number, note in self.notes.items() if number in self.jobs}
        self._take_counts(page)
        self._changes.is_reloaded = True

    def add_page(self, page: JobsView) -> list[int]:
        """A further page; the numbers that were not listed before."""
        added = [job.number for job in page.jobs if job.number not in self.jobs]
        self.put_jobs(page.jobs)
        self._take_counts(page)
        return added

    def _take_counts(self, page: JobsView) -> None:
        self.count, self.count_is_exact = page.count, page.count_is_exact
        self.next_page = page.next

    def put_jobs(self, jobs: Iterable[JobView]) -> None:
        """Fresh rows for jobs, listed before or not."""
        for job in jobs:
            if self.jobs.get(job.number) != job:
                self.jobs[job.number] = job
                self._changes.jobs.add(job.number)
            self._changes.outdated.discard(job.number)
            self._changes.arrived.discard(job.number)

    def drop_jobs(self, numbers: Iterable[int]) -> None:
        """Jobs that no longer belong to the list."""
        for number in numbers:
            self.notes.pop(number, None)
            if self.jobs.pop(number, None) is not None:
                self._changes.gone.add(number)

    def set_note(self, number: int, note: str) -> None:
        """The line under NOTE; an empty one takes it away."""
        if self.notes.get(number, "") == note:
            return
        if note:
            self.notes[number] = note
        else:
            self.notes.pop(number, None)
        if number in self.jobs:
            self._changes.jobs.add(number)

    # what the stream says ---------------------------------------------------------------------

    def apply(self, item: EventView | NoticeView) -> None:
        """One item of the event stream. An event seen before changes nothing."""
        if isinstance(item, NoticeView):
            self._apply_notice(item)
        elif item.seq > self.last_seq:
            self.last_seq = item.seq
            self._apply_event(item)

    @property
    def has_changes(self) -> bool:
        """Whether anything changed since the last :meth:`take_changes`."""
        return bool(self._changes)

    def take_changes(self) -> Changes:
        """What changed since the last call."""
        changes, self._changes = self._changes, Changes()
        return changes

    def _apply_notice(self, notice: NoticeView) -> None:
        if notice.kind in ("runner", "queue"):
            return
        if notice.kind == "output":
            self._changes.output.add(notice.number)
        if notice.number in self.jobs:
            self._changes.outdated.add(notice.number)

    def _apply_event(self, event: EventView) -> None:
        for number in self._numbers(event):
            self._apply_to_job(number, event)

    def _numbers(self, event: EventView) -> Iterable[int]:
        if event.jobs:
            return event.jobs
        return () if event.number is None else (event.number,)

    def _apply_to_job(self, number: int, event: EventView) -> None:
        if event.kind == "deleted":
            self.drop_jobs((number,))
            return
        job = self.jobs.get(number)
        if job is None:
            if event.kind in STATE_AFTER:
                self._changes.arrived.add(number)
            return
        if event.kind in _ARRIVALS and job.state != "pending":
            return
        self._move(job, event)
        self._changes.jobs.add(number)
        self._changes.outdated.add(number)

    def _move(self, job: JobView, event: EventView) -> None:
        """Show at once what the event says, until the whole row is fetched."""
        state = STATE_AFTER.get(event.kind)
        if state is None:
            return
        if job.state != state:
            job.state = state
            job.times.since = event.at
        if state in WAITING_STATES:
            job.runner, job.progress, job.phase, job.quiet_since = None, None, "", 0
            job.times.started = job.times.ended = 0
        elif event.runner is not None:
            job.runner = event.runner
        if state == "in_progress":
            job.quiet_since = max(job.quiet_since, event.at)
        if event.attempt and (job.attempt is None or job.attempt.number != event.attempt):
            job.attempt = AttemptRef(id="", number=event.attempt)
