"""What is usual for a type of job, learned from what the console sees: gaps and run times.

An estimate is a range, and there is none below five samples: a number made of nothing would be
believed.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from traffic_tui.state.formats import age, fraction_done

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import JobView

MIN_SAMPLES = 5
_MAX_SAMPLES = 100
_MAX_TYPES = 1_000
_SHORTEST_LIMIT_MS = 30_000
_TIMES_USUAL = 5


class UsualGaps:
    """How long jobs of a type usually stay silent between two signs of life."""

    def __init__(self) -> None:
        self._gaps = _Samples()
        self._quiet_since: OrderedDict[int, int] = OrderedDict()

    def see(self, job: JobView) -> None:
        """Look at a job's row: a later sign of life than last time is a gap that ended."""
        if job.state != "in_progress" or not job.quiet_since:
            self._quiet_since.pop(job.number, None)
            return
        before = self._quiet_since.get(job.number)
        if before is not None and job.quiet_since > before:
            self._gaps.add(job.type, job.quiet_since - before)
        self._quiet_since[job.number] = job.quiet_since
        self._quiet_since.move_to_end(job.number)
        while len(self._quiet_since) > _MAX_SAMPLES * _MAX_TYPES:
            self._quiet_since.popitem(last=False)

    def limit(self, job: JobView) -> int | None:
        """Milliseconds of silence from which a job of this type is worth a look."""
        gaps = self._gaps.of(job.type)
        if len(gaps) < MIN_SAMPLES:
            return None
        return max(_SHORTEST_LIMIT_MS, _TIMES_USUAL * _quantile(gaps, 0.9))


class UsualRunTimes:
    """How long jobs of a type usually run."""

    def __init__(self) -> None:
        self._times = _Samples()
        self._seen: OrderedDict[int, None] = OrderedDict()

    def see(self, job: JobView) -> None:
        """Look at a job's row: a completed one is a sample, once."""
        if job.state != "completed" or not job.times.started or job.number in self._seen:
            return
        if not job.attempts:  # it was done in pieces, which are the samples
            return
        self._seen[job.number] = None
        while len(self._seen) > _MAX_SAMPLES * _MAX_TYPES:
            self._seen.popitem(last=False)
        self._times.add(job.type, max(0, job.times.ended - job.times.started))

    def left(self, job: JobView, now: int) -> str:
        """What is left of a running job, as a range: ``7 to 9m``; empty: not known."""
        times = self._times.of(job.type)
        if job.state != "in_progress" or not job.times.started or len(times) < MIN_SAMPLES:
            return ""
        if not job.attempts:
            return ""
        ran = max(0, now - job.times.started)
        low, high = _left_by_times(times, ran)
        done = fraction_done(job.progress)
        if done:
            by_progress = ran * (1 - done) / done
            low, high = (low + by_progress) / 2, (high + by_progress) / 2
        if high <= 0:
            return ""
        return range_words(round(low), round(high))

    def sample_count(self, job_type: str) -> int:
        return len(self._times.of(job_type))


def _left_by_times(times: Sequence[int], ran: int) -> tuple[float, float]:
    """Only jobs that ran longer than this one say anything about what it still has before it."""
    longer = [time for time in times if time > ran]
    if not longer:
        return 0.0, 0.0
    return float(_quantile(longer, 0.25) - ran), float(_quantile(longer, 0.75) - ran)


def range_words(low_ms: int, high_ms: int) -> str:
    """Two durations as a range, the unit said once where it is the same: ``7 to 9m``."""
    low, high = age(_rounded(low_ms)), age(_rounded(high_ms))
    if low == high:
        return f"about {high}"
    if low[-1] == high[-1] and low[:-1].isdecimal() and high[:-1].isdecimal():
        return f"{low[:-1]} to {high}"
    return f"{low} to {high}"


def _rounded(milliseconds: int) -> int:
    """Whole minutes from two minutes on: seconds would claim a precision that is not there."""
    step = 60_000 if milliseconds >= 120_000 else 1_000
    return max(step, round(milliseconds / step) * step)


def _quantile(values: Sequence[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Samples:
    """The latest samples by type; the types that were not seen for longest are forgotten."""

    def __init__(self) -> None:
        self._by_type: OrderedDict[str, deque[int]] = OrderedDict()

    def add(self, job_type: str, value: int) -> None:
        samples = self._by_type.setdefault(job_type, deque(maxlen=_MAX_SAMPLES))
        samples.append(value)
        self._by_type.move_to_end(job_type)
        while len(self._by_type) > _MAX_TYPES:
            self._by_type.popitem(last=False)

    def of(self, job_type: str) -> Sequence[int]:
        return self._by_type.get(job_type, ())
