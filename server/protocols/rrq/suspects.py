"""Jobs that were there when a runner went down, and that are tried again with less company.

A crash with several jobs in flight does not say whose doing it was, so nobody is charged. Each
of them then runs among fewer others, in the end alone, until the one to blame is known.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.clock import Clock

COMPANY_SHIFT = 3
"""Each crash divides by 8 how many others may be in flight with a suspect."""
FORGET_SECONDS = 900.0
"""A suspect that was not seen again for so long was stopped or moved meanwhile."""
MAX_SUSPECTS = 10_000


class Suspects:
    """The suspects of one group of runners, by job."""

    def __init__(self, clock: Clock, max_in_flight: int) -> None:
        self._clock = clock
        self._max_in_flight = max_in_flight
        self._crashes: OrderedDict[int, tuple[int, float]] = OrderedDict()

    def __bool__(self) -> bool:
        self._forget_old()
        return bool(self._crashes)

    def note_crash(self, job: int) -> None:
        """A job was in flight, with others, when its runner went down."""
        crashes, _ = self._crashes.pop(job, (0, 0.0))
        self._crashes[job] = (crashes + 1, self._clock.monotonic())
        if len(self._crashes) > MAX_SUSPECTS:
            self._crashes.popitem(last=False)

    def clear(self, job: int) -> None:
        """A job came to an end without taking its runner along."""
        self._crashes.pop(job, None)

    def company_of(self, job: int) -> int:
        """How many jobs may be in flight where this one is, itself counted."""
        crashes, _ = self._crashes.get(job, (0, 0.0))
        return max(1, self._max_in_flight >> (COMPANY_SHIFT * crashes))

    def _forget_old(self) -> None:
        limit = self._clock.monotonic() - FORGET_SECONDS
        while self._crashes:
            _, noted_at = next(iter(self._crashes.values()))
            if noted_at > limit:
                return
            self._crashes.popitem(last=False)
