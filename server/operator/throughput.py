"""How many jobs ended in the last minute, counted as commits are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.clock import Clock
    from server.events import Event, EventKind

SLICE_SECONDS = 5
SLICES = 12
"""What the last minute is made of."""

DONE: frozenset[EventKind] = frozenset({"completed", "failed"})


class Throughput:
    """Jobs that completed or failed, in slices of a clock that never jumps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slices: dict[int, int] = {}
        self.newest_at = 0
        """Time of the newest event."""

    def note(self, events: Sequence[Event]) -> None:
        """Count what a commit brought."""
        if events:
            self.newest_at = events[-1].at
        done = sum(len(event.jobs()) for event in events if event.kind in DONE)
        if not done:
            return
        now = self._slice()
        if now not in self._slices:
            self._slices = {at: n for at, n in self._slices.items() if at > now - SLICES}
        self._slices[now] = self._slices.get(now, 0) + done

    def last_minute(self) -> int:
        now = self._slice()
        return sum(self._slices.get(now - back, 0) for back in range(SLICES))

    def _slice(self) -> int:
        return int(self._clock.monotonic() // SLICE_SECONDS)
