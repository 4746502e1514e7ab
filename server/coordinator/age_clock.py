"""What retention takes for now: a clock that was set far ahead must not remove everything.

Whether the wall clock is right cannot be known, neither after it was set nor at a start, when the
box may have been off for long. So retention has a time of its own. It is stored, follows the wall
clock, and is not behind it while all is well. Where the wall clock is far ahead of it, it catches
up at a bounded speed, and only while the coordinator runs: people have time to set a clock right
before much is lost, and a laptop that mostly sleeps is kept clean all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from server.clock import Clock

SPEED: Final = 24
"""An hour of running makes up for a day."""


class AgeClock:
    """The time by which things are old, in epoch milliseconds."""

    def __init__(self, clock: Clock, reached: int) -> None:
        """``reached`` is what an earlier run came to; 0: there was none, the clock is believed."""
        self._clock = clock
        self._seen = clock.monotonic()
        self.reached = reached or clock.now_ms()

    @property
    def behind_ms(self) -> int:
        """How far the wall clock is ahead."""
        return max(0, self._clock.now_ms() - self.reached)

    def now_ms(self) -> int:
        """Never later than the wall clock, and never reached faster than at ``SPEED``.

        A wall clock that is behind changes nothing: it may be that one which is wrong.
        """
        monotonic, wall_ms = self._clock.monotonic(), self._clock.now_ms()
        most = self.reached + round((monotonic - self._seen) * 1000) * SPEED
        self._seen = monotonic
        self.reached = max(self.reached, min(wall_ms, most))
        return min(wall_ms, self.reached)
