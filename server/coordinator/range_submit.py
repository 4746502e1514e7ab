"""Taking in jobs over a cursor range: what is left to do of it, and how it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from server.coordinator.range_texts import alike_key, check_range_params
from server.coordinator.ranges import begin, floor_of, gaps_of, is_going_on
from server.errors import InvalidInput, Refused
from server.ranges import Span, normalised, overlap, subtract
from server.secret_parameters import hide
from server.store.base import KeptRange

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.coordinator.ranges import Begun
    from server.model import Actor, Job, JobDetails, JobSpec
    from server.ranges import Range
    from server.store.base import Tx

PIECE_ATTEMPTS: Final = 5
"""How often a piece is tried, where the submit does not say."""
PIECE_LOSSES: Final = 10
"""How often a piece may be lost with its runner, where the submit does not say."""
MAX_ALIKE: Final = 1_000
"""Other ranges that are looked at for what they have done."""


class Taken(NamedTuple):
    """What others see to of a range."""

    ranges: list[Range]
    others: list[int]
    answer: Job | None
    """A job that sees to all of it."""


NOTHING_TAKEN: Final = Taken([], [], None)


class RangeIntake:
    """A job over a range on its way in."""

    def __init__(self, tx: Tx, memory: Memory, spec: JobSpec, whole: Range, now: int) -> None:
        self._tx = tx
        self._memory = memory
        self._now = now
        self._whole = whole
        shown, _ = hide(spec.params, spec.extra)
        self._alike = alike_key(spec.type, spec.namespace, shown)
        self._taken = NOTHING_TAKEN
        if spec.range_policy == "missing":
            self._taken = taken_by_others(tx, self._alike, spec.queue, whole)

    @property
    def answer(self) -> Job | None:
        """An older job that sees to the whole range."""
        return self._taken.answer

    def begin(self, actor: Actor, job: Job) -> Begun:
        """Begin the range of the job, which was just inserted."""
        kept = fresh_range(job.id, self._whole, self._alike)
        known = [Span(one, "elsewhere") for one in self._taken.ranges]
        others = self._taken.others
        return begin(self._tx, self._memory, actor, job, kept, known, others, self._now)


def prepared(memory: Memory, spec: JobSpec, whole: Range, now: int) -> JobSpec:
    """A spec as a range is taken in, or InvalidInput."""
    check_range_params(spec.params)
    floor = floor_of(memory, now)
    if floor is not None and whole.high < floor:
        backfill_ms = memory.settings.protocols.native_v1.max_backfill_ms
        raise InvalidInput(
            f"range: all of {whole} is older than {backfill_ms / 1000:g}s"
            " (protocols.native-v1.max_backfill): nothing is left to do",
            code="too_old",
        )
    if spec.pin:
        raise InvalidInput("range: its pieces go to any runner; it cannot be meant for one")
    return spec._replace(max_attempts=spec.max_attempts or PIECE_ATTEMPTS)


def with_piece_losses(details: JobDetails, spec: JobSpec) -> JobDetails:
    """What was submitted, with the bounds of a range where it does not say."""
    retry = details.retry
    if spec.retry is None:
        retry = replace(retry, max_losses=max(retry.max_losses, PIECE_LOSSES))
    return details._replace(retry=replace(retry, restarts=0))


def taken_by_others(tx: Tx, alike: str, queue: str, whole: Range) -> Taken:
    """What other jobs for the same work have done of a range, or are doing."""
    found = tx.ranges_alike(alike, queue, whole, MAX_ALIKE + 1)
    if len(found) > MAX_ALIKE:
        raise Refused(
            f"range: more than {MAX_ALIKE} other jobs lie over it; ask for a smaller range"
        )
    taken: list[Range] = []
    others: list[int] = []
    for kept in found:
        job = tx.job(kept.job)
        if job is None:
            continue
        common = [both for one in seen_to(tx, job, kept) if (both := overlap(one, whole))]
        if common:
            taken += common
            others.append(kept.job)
        if not subtract(whole, common):
            return Taken(normalised(taken), others, job)
    return Taken(normalised(taken), others, None)


def seen_to(tx: Tx, job: Job, kept: KeptRange) -> list[Range]:
    """What of a range its own pieces have done or will do."""
    spans = tx.spans(kept.job, after=kept.range.low - 1)
    if not kept.is_open or not is_going_on(job, kept):
        return [span.range for span in spans if span.kind == "covered"]
    left_out = [span.range for span in spans if span.kind != "covered"]
    spent = [gap for gap in gaps_of(tx, kept) if gap.low <= kept.cut]
    gaps = [gap._replace(high=min(gap.high, kept.cut)) for gap in spent]
    return subtract(kept.range, left_out + gaps)


def fresh_range(job_id: int, whole: Range, alike: str) -> KeptRange:
    """A range of which nothing is done yet."""
    return KeptRange(job_id, whole, whole.low - 1, 0, 0, 0, alike, True, "")
