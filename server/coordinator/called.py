"""Runners that were called, rather than calling: how often, what came of it, how long it took."""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal, TypeAlias

from server.histogram import Histogram

CallKind: TypeAlias = Literal["webhook", "knock"]
"""Bringing a job; looking whether anybody is there."""
CallResult: TypeAlias = Literal["ok", "refused", "unreachable", "not_sent"]
"""``refused``: somebody was there, and did not take it. ``not_sent``: it was for us to call, and
we could not."""

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""


class CallTally:
    """Numbers that grow while the coordinator serves."""

    def __init__(self) -> None:
        self.results: Counter[tuple[CallKind, CallResult]] = Counter()
        self.seconds: dict[CallKind, Histogram] = {}

    def note(self, kind: CallKind, result: CallResult, seconds: float) -> None:
        self.results[kind, result] += 1
        taken = self.seconds.get(kind)
        if taken is None:
            self.seconds[kind] = taken = Histogram(BOUNDS)
        taken.add(seconds)
