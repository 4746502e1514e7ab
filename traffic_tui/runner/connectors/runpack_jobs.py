"""What a Runpack runner keeps of the jobs it runs: their console as one text, their progress, their
end. No sockets, and time only as it is handed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from traffic_tui.runner.words import fitting

if TYPE_CHECKING:
    from server.model import Progress
    from traffic_tui.runner.errors import JobError
    from traffic_tui.runner.outcome import ExecutionOutcome
    from traffic_tui.runner.seam import JobUpdate

MAX_CONSOLE_BYTES = 1_000_000
"""A little less than a worker takes; more is refused as a whole, never cut."""
MAX_ERROR = 9_000
BEAT_SECONDS = 30.0
"""At least this often: after 90 s of silence a worker gives a job up."""
NEWS_SECONDS = 5.0
"""At most this often, where there is something new."""
SECONDS_PER_JOB = 0.6
"""A worker takes 120 beats a minute of one runner, whatever number of jobs it has."""


class Console:
    """The head and the tail of everything printed; what lies between is counted."""

    def __init__(self, limit: int = MAX_CONSOLE_BYTES) -> None:
        self._half = limit // 2 - 50
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        room = self._half - len(self._head)
        self._head += data[:room] if room > 0 else b""
        self._tail += data[max(0, room) :]
        # Cutting at every byte would copy the tail each time.
        if len(self._tail) > 2 * self._half:
            self._cut()

    def text(self) -> str:
        if len(self._tail) > self._half:
            self._cut()
        gap = f"\n[{self._left_out} bytes left out]\n".encode() if self._left_out else b""
        return bytes(self._head + gap + self._tail).decode("utf-8", "replace")

    def _cut(self) -> None:
        excess = len(self._tail) - self._half
        del self._tail[:excess]
        self._left_out += excess


class Beat(NamedTuple):
    """A sign of life of one job."""

    job_id: str
    progress: Progress | None
    console: str


class Ending(NamedTuple):
    """How one job ended."""

    job_id: str
    console: str
    output: bytes
    """JSON of the result."""
    error: str | None
    """None: it succeeded."""


@dataclass(slots=True)
class RunpackJob:
    """One claimed job."""

    job_id: str
    beaten_at: float
    console: Console = field(default_factory=Console)
    progress: Progress | None = None
    has_news: bool = True
    ending: Ending | None = None
    is_given_up: bool = False
    """The worker does not know it as ours any more."""


class RunpackJobs:
    """All claimed jobs whose end the worker has not heard of."""

    def __init__(self) -> None:
        self._jobs: dict[str, RunpackJob] = {}

    def begin(self, job_id: str, now: float) -> None:
        self._jobs[job_id] = RunpackJob(job_id, now)

    def update(self, job_id: str, update: JobUpdate) -> None:
        job = self._jobs.get(job_id)
        if job is None:
            return
        if update.progress is not None:
            job.progress, job.has_news = update.progress, True
        if update.outcome is not None and job.ending is None:
            error = _error_text(update.outcome)
            output = b"" if error is not None else update.result
            job.ending = Ending(job_id, job.console.text(), output, error)

    def refuse(self, job_id: str, error: JobError) -> None:
        """It was claimed but cannot be started."""
        job = self._jobs.get(job_id)
        if job is not None and job.ending is None:
            prefix = "Invalid parameters" if error.kind == "invalid" else "Job execution failed"
            words = fitting(f"{prefix}: {error.description}", MAX_ERROR)
            job.ending = Ending(job_id, words, b"", words)

    def print(self, job_id: str, data: bytes) -> None:
        job = self._jobs.get(job_id)
        if job is not None:
            job.console.add(data)
            job.has_news = True

    def replace_ending(self, ending: Ending, words: str) -> None:
        """The worker refuses the result itself, so the job failed."""
        job = self._jobs.get(ending.job_id)
        if job is not None:
            error = fitting(f"Job execution failed: {words}", MAX_ERROR)
            job.ending = Ending(ending.job_id, error, b"", error)

    def give_up(self, job_id: str) -> None:
        job = self._jobs.get(job_id)
        if job is not None:
            job.is_given_up = True

    def forget(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)

    @property
    def is_empty(self) -> bool:
        return not self._jobs

    def endings(self) -> list[Ending]:
        """Ends that are to be told; those of given-up jobs are nobody's business."""
        for job_id in [key for key, job in self._jobs.items() if job.is_given_up and job.ending]:
            self.forget(job_id)
        return [job.ending for job in self._jobs.values() if job.ending is not None]

    def due_beats(self, now: float) -> list[Beat]:
        """Beats that are due; they count as sent."""
        running = self._running()
        beats: list[Beat] = []
        for job in running:
            if self._due_at(job, len(running)) <= now:
                job.beaten_at, job.has_news = now, False
                beats.append(Beat(job.job_id, job.progress, job.console.text()))
        return beats

    def next_beat_at(self) -> float | None:
        """When the next beat is due; None: nothing runs."""
        running = self._running()
        return min((self._due_at(job, len(running)) for job in running), default=None)

    def _running(self) -> list[RunpackJob]:
        return [job for job in self._jobs.values() if job.ending is None and not job.is_given_up]

    def _due_at(self, job: RunpackJob, running: int) -> float:
        pace = NEWS_SECONDS if job.has_news else BEAT_SECONDS
        return job.beaten_at + max(pace, running * SECONDS_PER_JOB)


def _error_text(outcome: ExecutionOutcome) -> str | None:
    """The error message, in the words the Runpack runner uses; None: it succeeded."""
    if outcome.status == "success":
        return None
    words = outcome.error.message if outcome.error is not None else outcome.status
    is_invalid = outcome.error is not None and outcome.error.type in ("ValueError", "invalid")
    prefix = "Invalid parameters" if is_invalid else "Job execution failed"
    return fitting(f"{prefix}: {words}", MAX_ERROR)
