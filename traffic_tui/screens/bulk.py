"""One act on several jobs, one by one, with each job's outcome kept.

A refusal of one job says nothing about its neighbours, so the loop goes on; only a coordinator
that does not answer ends it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from traffic_tui.client.base import ClientError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.wire.operator import JobView, OneJobView

MAX_TOLD = 3
"""How many refusals are told by name in a summary."""


@dataclass(slots=True)
class Outcomes:
    """What became of each job."""

    verb: str
    """What was asked, as in "52118: stop asked for"."""
    done: list[OneJobView] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Job number and the coordinator's words."""
    not_reached: int = 0
    """Jobs that were not asked about, because the coordinator went away."""

    @property
    def is_clean(self) -> bool:
        return not self.refused and not self.not_reached

    @property
    def warnings(self) -> list[str]:
        return [answer.warning for answer in self.done if answer.warning]

    def summary(self) -> str:
        """The outcome in a sentence or two."""
        if len(self.done) == 1 and self.is_clean:
            job = self.done[0].job
            return "; ".join([f"{job.number}: {self.verb}", *self.warnings])
        parts = [f"{self.verb}: {len(self.done)}"]
        if self.refused:
            parts.append(f"refused: {len(self.refused)} ({self._refusals()})")
        if self.not_reached:
            parts.append(f"not reached: {self.not_reached}")
        return "; ".join([", ".join(parts), *self._warned()])

    def _refusals(self) -> str:
        told = [_about(number, words) for number, words in self.refused]
        return "; ".join(_first(told))

    def _warned(self) -> list[str]:
        """Each warning once, and which jobs it is about."""
        numbers: dict[str, list[str]] = {}
        for answer in self.done:
            if answer.warning:
                numbers.setdefault(answer.warning, []).append(str(answer.job.number))
        return [f"{', '.join(_first(about))}: {words}" for words, about in numbers.items()]


def _about(number: int, words: str) -> str:
    """What was said of a job, and of which, unless that is said already."""
    return words if words.startswith(f"job {number} ") else f"{number} {words}"


def _first(told: list[str]) -> list[str]:
    """As many as are told by name, and how many more there are."""
    more = len(told) - MAX_TOLD
    return [*told[:MAX_TOLD], f"and {more} more"] if more > 0 else told


async def act_on_each(
    jobs: Sequence[JobView],
    call: Callable[[JobView], Awaitable[OneJobView]],
    *,
    verb: str,
    tell: Callable[[int, int], None],
) -> Outcomes:
    """Call for each job in turn; ``tell`` hears how far it is before each."""
    outcomes = Outcomes(verb)
    for index, job in enumerate(jobs):
        tell(index, len(jobs))
        try:
            outcomes.done.append(await call(job))
        except Unreachable:
            outcomes.not_reached = len(jobs) - index
            break
        except ClientError as error:
            outcomes.refused.append((job.number, error.message))
    return outcomes
