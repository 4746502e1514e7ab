"""What a Traffic Light runner has to say of its jobs. No sockets, and time as it is handed in.

A coordinator of that system notes a job only after its webhook was answered, and takes a word on a
job it does not know yet for good. So the last word on a short job is said twice, the second time
when it is known for sure; a word that was heard before is no news to anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from traffic_tui.runner.words import fitting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from traffic_tui.runner.outcome import ExecutionOutcome

Word: TypeAlias = Literal["running", "completed", "stopped", "error"]

SETTLED_SECONDS = 2.0
"""After this a coordinator knows for sure a job that it brought."""
MAX_MESSAGE = 2_000
MAX_ID = 200
CURSORS = ("cursor_from", "cursor_to")

_WHOLE = re.compile(r"-?[0-9]{1,19}")


class Brought(NamedTuple):
    """A job as it was brought."""

    job_id: str
    params: dict[str, int]


def brought(fields: object) -> Brought:
    """A webhook's content: strings, as the code of that system has it, or numbers, as its README.

    Raises:
        ValueError: in words.
    """
    if not isinstance(fields, dict):
        raise ValueError("a JSON object is expected")
    job_id = fields.get("job_id")
    if isinstance(job_id, bool) or not isinstance(job_id, str | int) or not str(job_id).strip():
        raise ValueError("job_id has to be a text or a number")
    text = str(job_id).strip()
    if len(text) > MAX_ID or not text.isprintable():
        raise ValueError(f"job_id has to have at most {MAX_ID} printable characters")
    return Brought(text, {name: _cursor(fields, name) for name in CURSORS})


def _cursor(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} has to be a whole number")
    return value


class Report(NamedTuple):
    """One thing to say."""

    job_id: str
    word: Word
    message: str


@dataclass(slots=True)
class ToTell:
    """A job of which something is to be said, now or later."""

    brought_at: float
    word: Word | None = None
    """The newest that is to be said; None: nothing at present."""
    message: str = ""
    due_at: float = 0.0
    told: set[Word] = field(default_factory=set)


class Outbox:
    """All jobs of which the last word was not said for sure."""

    def __init__(self) -> None:
        self._jobs: dict[str, ToTell] = {}

    def begin(self, job_id: str, now: float) -> None:
        """A job was taken: say that it runs."""
        self._jobs[job_id] = ToTell(now, "running", due_at=now)

    def refuse(self, job_id: str, message: str, now: float) -> None:
        """A job was not taken: say so too, for those who do not look at answers."""
        self._jobs[job_id] = ToTell(now, "stopped", message, now)

    def end(self, job_id: str, outcome: ExecutionOutcome, now: float) -> None:
        """A job has ended; that it ran needs no saying any more."""
        job = self._jobs.get(job_id)
        if job is None or job.word not in (None, "running"):
            return
        job.word, job.message, job.due_at = _WORDS[outcome.status], _message(outcome), now

    def due(self, now: float) -> list[Report]:
        """What is to be said by now."""
        return [
            Report(job_id, job.word, job.message)
            for job_id, job in self._jobs.items()
            if job.word is not None and job.due_at <= now
        ]

    def next_due(self) -> float | None:
        """When something is to be said; None: nothing is, unless something happens."""
        return min((job.due_at for job in self._jobs.values() if job.word), default=None)

    def told(self, report: Report, now: float) -> None:
        """It was heard. The last word on a short job is said once more."""
        job = self._jobs.get(report.job_id)
        if job is None or job.word != report.word:
            return  # something else is to be said by now
        settled_at = job.brought_at + SETTLED_SECONDS
        if report.word == "running":
            job.word = None
        elif now < settled_at and report.word not in job.told:
            job.told.add(report.word)
            job.due_at = settled_at
        else:
            del self._jobs[report.job_id]

    def drop(self, report: Report) -> None:
        """Nobody wants to hear it."""
        job = self._jobs.get(report.job_id)
        if job is not None and job.word == report.word:
            if report.word == "running":
                job.word = None
            else:
                del self._jobs[report.job_id]

    @property
    def is_empty(self) -> bool:
        return not self._jobs


_WORDS: dict[str, Word] = {
    "success": "completed",
    "error": "error",
    "retry": "error",
    "timeout": "error",
    "cancelled": "stopped",
}


def _message(outcome: ExecutionOutcome) -> str:
    return fitting(outcome.error.message, MAX_MESSAGE) if outcome.error is not None else ""
