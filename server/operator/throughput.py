"""How many jobs ended lately, counted as commits are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.clock import Clock
    from server.events import Event, EventKind

BUCKET_SECONDS = 120
BUCKETS = 15
SLICE_SECONDS = 5
"""What the last minute is made of."""
MINUTE_SLICES = 12

DONE: frozenset[EventKind] = frozenset({"completed", "failed"})


class Throughput:
    """Jobs that completed or failed, in slices of a clock that never jumps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
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
            oldest = now - (BUCKETS + 1) * BUCKET_SECONDS // SLICE_SECONDS
            self._slices = {at: count for at, count in self._slices.items() if at >= oldest}
        self._slices[now] = self._slices.get(now, 0) + done

    def last_minute(self) -> int:
        now = self._slice()
        return sum(self._slices.get(now - back, 0) for back in range(MINUTE_SLICES))

    def closed_buckets(self) -> list[int | None]:
        """The last closed buckets, oldest first; None: the coordinator did not run yet."""
        per_bucket = BUCKET_SECONDS // SLICE_SECONDS
        current = self._slice() // per_bucket
        return [
            sum(self._slices.get(bucket * per_bucket + at, 0) for at in range(per_bucket))
            if bucket >= 0
            else None
            for bucket in range(current - BUCKETS, current)
        ]

    def _slice(self) -> int:
        """Slices since the start."""
        return int((self._clock.monotonic() - self._began) // SLICE_SECONDS)
