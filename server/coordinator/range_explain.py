"""Where a job over a cursor range stands, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.coordinator.ranges import MAX_SPENT, gaps_of, is_going_on
from server.model import ACTIVE_STATES, JOB_STATES
from server.ranges import in_words

if TYPE_CHECKING:
    from server.model import Job, JobState
    from server.store.base import KeptRange, Tx


def pieces_by_state(tx: Tx, parent: int) -> tuple[dict[JobState, int], Job | None]:
    """Open pieces of a range by state, and the next of those that wait."""
    jobs = tx.jobs([piece.job for piece in tx.open_pieces(parent)]).values()
    counts: dict[JobState, int] = dict.fromkeys(JOB_STATES, 0)
    for job in jobs:
        counts[job.state] += 1
    ready = [job for job in jobs if job.state == "pending"]
    waiting = ready or [job for job in jobs if job.state == "scheduled"]
    return counts, min(waiting, key=lambda job: (job.run_at, job.rank, job.id), default=None)


def range_summary(tx: Tx, job: Job, counts: dict[JobState, int]) -> str:
    """What is done of a range, in work, and still to come."""
    kept = tx.range_of(job.id)
    if kept is None:
        return f"it has ended: {job.state}"
    wanted = kept.range.units - kept.left_out
    done = f"{100 * kept.covered // wanted}% covered" if wanted else "nothing to do"
    if not kept.is_open:
        return f"it has ended: {job.state}, {done}" + (f"; {kept.problem}" if kept.problem else "")
    return "; ".join([done, *_in_work(counts), *_troubles(tx, job, kept)])


def _pieces(number: int) -> str:
    return "1 piece" if number == 1 else f"{number} pieces"


def _in_work(counts: dict[JobState, int]) -> list[str]:
    running = sum(counts[state] for state in ACTIVE_STATES)
    parts = [f"{_pieces(running)} running"] if running else []
    parts += [f"{counts['pending']} waiting for a runner"] if counts["pending"] else []
    parts += [f"{counts['scheduled']} put off until later"] if counts["scheduled"] else []
    return parts


def _troubles(tx: Tx, job: Job, kept: KeptRange) -> list[str]:
    parts: list[str] = []
    if job.wanted == "stop":
        parts.append("it ends when what is running has ended")
    elif not is_going_on(job, kept):
        parts.append(f"{MAX_SPENT} pieces were spent: no more are begun")
    elif kept.cut < kept.range.high:
        parts.append(f"what lies after {kept.cut} is not cut into pieces yet")
    gaps = [gap for gap in gaps_of(tx, kept) if gap.low <= kept.cut]
    if kept.spent and gaps:
        cut_off = [gap._replace(high=min(gap.high, kept.cut)) for gap in gaps]
        were = "was" if kept.spent == 1 else "were"
        parts.append(f"{_pieces(kept.spent)} {were} spent, missing is {in_words(cut_off)}")
    return parts
