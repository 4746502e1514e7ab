"""What the demo did, in numbers. Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from server.model import FINAL_STATES, JOB_STATES
from traffic_tui.cli.tables import Column, Fact, span
from traffic_tui.state.formats import count
from traffic_tui.state.glyphs import JOB_MARKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from server.wire.operator import JobView


class RunnerTally(NamedTuple):
    """What one runner has to show."""

    name: str
    completed: int
    failed: int
    running: int


class Summary(NamedTuple):
    """The whole demo."""

    submitted: int
    states: Mapping[str, int]
    runners: Sequence[RunnerTally]
    starts_ms: Sequence[int]
    """From submit to start, of each job that started at its first try, sorted."""

    @property
    def finished(self) -> int:
        return sum(number for state, number in self.states.items() if state in FINAL_STATES)


def summarise(jobs: Iterable[JobView]) -> Summary:
    """Count what became of the jobs."""
    states: Counter[str] = Counter()
    tallies: dict[str, Counter[str]] = {}
    starts: list[int] = []
    for job in jobs:
        states[job.state] += 1
        if job.runner is not None:
            tallies.setdefault(job.runner.name, Counter())[job.state] += 1
        if job.attempts == 1 and job.times.started:
            starts.append(max(0, job.times.started - job.times.created))
    runners = [
        RunnerTally(name, tally["completed"], tally["failed"], tally["in_progress"])
        for name, tally in sorted(tallies.items())
    ]
    return Summary(states.total(), states, runners, sorted(starts))


def percentile(sorted_values: Sequence[int], share: float) -> int | None:
    """The smallest value that at least ``share`` of all do not exceed; None of nothing."""
    if not sorted_values:
        return None
    return sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)]


RUNNER_COLUMNS: tuple[Column[RunnerTally], ...] = (
    Column("RUNNER", lambda tally, _: span(tally.name)),
    Column("COMPLETED", lambda tally, _: span(count(tally.completed)), is_right=True),
    Column("FAILED", lambda tally, _: span(count(tally.failed)), is_right=True),
    Column("RUNNING", lambda tally, _: span(count(tally.running)), is_right=True),
)


def summary_facts(summary: Summary) -> list[Fact]:
    """The numbers above the table of runners."""
    states = [
        Fact(JOB_MARKS[state].word, span(count(summary.states[state])))
        for state in JOB_STATES
        if summary.states.get(state)
    ]
    return [Fact("submitted", span(count(summary.submitted))), *states, _start_fact(summary)]


def _start_fact(summary: Summary) -> Fact:
    middle, most = percentile(summary.starts_ms, 0.5), percentile(summary.starts_ms, 0.95)
    if middle is None or most is None:
        return Fact("submit to start", span("nothing started"))
    return Fact("submit to start", span(f"p50 {middle:,} ms, p95 {most:,} ms"))


def progress_line(seconds: float, states: Mapping[str, int], runners: Mapping[str, int]) -> str:
    """How it goes, in a line."""
    counts = "  ".join(
        f"{JOB_MARKS[state].word} {count(states[state])}"
        for state in JOB_STATES
        if states.get(state)
    )
    online = sum(number for state, number in runners.items() if state not in ("lost", "gone"))
    return f"{seconds:4.0f}s  {counts or 'no jobs yet'}  runners {online}"
