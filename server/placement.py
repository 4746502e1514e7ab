"""Which runner may take which job, and why not. Pure, and the only place that knows.

Claiming, explaining, the picker of the console and pushing protocols all ask :func:`verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from server import traits

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from server.model import Job, JobClass, Queue, Runner

VerdictKind: TypeAlias = Literal[
    "eligible",
    "type",
    "label",
    "slot",
    "limit",
    "pause",
    "schedule",
    "pin",
    "draining",
    "disconnected",
    "faulty",
    "withheld",
]


class Verdict(NamedTuple):
    """Whether a runner may take a job now, and if not, the first thing that forbids it."""

    runner: Runner
    kind: VerdictKind
    detail: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runner as placement sees it."""

    runner: Runner
    is_connected: bool
    busy: int
    """Slots taken, by attempts that were given up too."""
    fault: str = ""
    """Why nothing is brought to it at present, in words; empty: nothing is wrong with it."""
    held_back: str = ""
    """Why it is given nothing new though slots are free, in words; empty: nothing is held back."""

    @property
    def free(self) -> int:
        return max(0, self.runner.capacity - self.busy)

    @property
    def load(self) -> float:
        """Share of its slots that are taken."""
        return self.busy / self.runner.capacity if self.runner.capacity else 1.0


class Line(NamedTuple):
    """A queue as placement sees it."""

    queue: Queue
    active: int

    @property
    def room(self) -> int | None:
        """How many more of its jobs may be active; None: no limit."""
        limit = self.queue.limit
        return None if limit is None else max(0, limit - self.active)


def matches_type(patterns: Collection[str], job_type: str) -> bool:
    """Whether one of a runner's types, with a trailing ``*`` as wildcard, covers a job's type."""
    return job_type in patterns or any(
        pattern.endswith("*") and job_type.startswith(pattern[:-1]) for pattern in patterns
    )


def missing_label(labels: Mapping[str, str], requires: Mapping[str, str]) -> str:
    """The first required label that a runner lacks, in words; empty when it has them all."""
    for name, wanted in requires.items():
        has = labels.get(name)
        if has is None:
            return f"needs {name}={wanted}, has no {name}"
        if wanted not in ("*", has):
            return f"needs {name}={wanted}, has {name}={has}"
    return ""


def fits(runner: Runner, job_class: JobClass) -> bool:
    """Whether a runner could ever take jobs of a class, whatever its load and the queues."""
    return (
        job_class.pin in (0, runner.id)
        and matches_type(runner.types, job_class.type)
        and not missing_label(runner.labels, job_class.requires)
    )


def verdict(job_class: JobClass, line: Line, candidate: Candidate) -> Verdict:
    """Why a runner will, or will not, take a job of a class at this moment."""
    kind, detail = _obstacle(job_class, line, candidate)
    return Verdict(candidate.runner, kind, detail)


def _obstacle(job_class: JobClass, line: Line, candidate: Candidate) -> tuple[VerdictKind, str]:
    runner = candidate.runner
    if job_class.pin not in (0, runner.id):
        return "pin", "the job is meant for another runner"
    if not matches_type(runner.types, job_class.type):
        return "type", f"does not do {job_class.type}"
    missing = missing_label(runner.labels, job_class.requires)
    if missing:
        return "label", missing
    if not candidate.is_connected:
        return "disconnected", "is not connected"
    if candidate.fault:
        return "faulty", candidate.fault
    if runner.draining_since:
        return "draining", "takes nothing new: it is draining"
    if line.queue.is_paused:
        return "pause", f"queue {line.queue.name} is paused"
    if line.room == 0:
        return "limit", f"queue {line.queue.name} is at its limit of {line.queue.limit}"
    if candidate.free and candidate.held_back:
        return "withheld", candidate.held_back
    if candidate.free == 0:
        return "slot", f"all {runner.capacity} slots are taken"
    return "eligible", f"{candidate.free} of {runner.capacity} slots free"


class Assignment(NamedTuple):
    """A job and the runner it should go to."""

    job: Job
    runner: Runner


class Placement(NamedTuple):
    """Who gets what, and for each job left over the verdict of every runner."""

    assignments: list[Assignment]
    left_over: list[tuple[Job, list[Verdict]]]


def place(
    jobs: Sequence[Job],
    classes: Mapping[int, JobClass],
    lines: Mapping[str, Line],
    candidates: Sequence[Candidate],
) -> Placement:
    """Give jobs, in the order they come, to the eligible runner with the least relative load."""
    busy = {candidate.runner.id: candidate.busy for candidate in candidates}
    active = {name: line.active for name, line in lines.items()}
    assignments: list[Assignment] = []
    left_over: list[tuple[Job, list[Verdict]]] = []
    for job in jobs:
        job_class = classes[job.cls]
        line = Line(lines[job_class.queue].queue, active[job_class.queue])
        now = [replace(candidate, busy=busy[candidate.runner.id]) for candidate in candidates]
        verdicts = [verdict(job_class, line, candidate) for candidate in now]
        open_to = [
            candidate
            for candidate, found in zip(now, verdicts, strict=True)
            if found.kind == "eligible"
        ]
        if not open_to:
            left_over.append((job, verdicts))
            continue
        chosen = min(open_to, key=lambda candidate: (candidate.load, candidate.runner.id))
        busy[chosen.runner.id] += 1
        active[job_class.queue] += 1
        assignments.append(Assignment(job, chosen.runner))
    return Placement(assignments, left_over)


def suggestion(verdicts: Sequence[Verdict], queue: Queue) -> str:
    """The smallest change that would start a job that nobody takes; empty: none is needed."""
    if not verdicts:
        return "connect a runner: none is known"
    by_kind: dict[str, list[Verdict]] = {}
    for found in verdicts:
        by_kind.setdefault(found.kind, []).append(found)
    if "eligible" in by_kind:
        return ""
    for kind, advice in _ADVICE:
        if kind in by_kind:
            first = by_kind[kind][0]
            if kind == "disconnected" and _is_called(first.runner):
                advice = _NOT_REACHED
            return advice.format(runner=first.runner.name, queue=queue.name, detail=first.detail)
    return ""


def _is_called(runner: Runner) -> bool:
    """Whether it is the coordinator that starts or dials it, so that nobody else can."""
    known = traits.ALL.get(runner.protocol)
    return known is not None and known.alive_by == "connection"


_NOT_REACHED = (
    "{runner} could do this job but is not reached: traffic-tui runners show {runner} says why"
)
_ADVICE: tuple[tuple[VerdictKind, str], ...] = (
    ("slot", "wait for a free slot on {runner}, or give it more capacity"),
    ("withheld", "wait: {detail}"),
    ("faulty", "repair {runner}: {detail}"),
    ("limit", "raise the limit of queue {queue}, or wait for one of its jobs to end"),
    ("pause", "resume queue {queue}"),
    ("draining", "resume {runner}: it could do this job but is draining"),
    ("disconnected", "start {runner} again: it could do this job but is not connected"),
    ("label", "move the job, or give a runner the label: {runner} {detail}"),
    ("pin", "reassign the job: the runner it is meant for cannot take it"),
    ("type", "start a runner that does this type: none of those known does"),
)
