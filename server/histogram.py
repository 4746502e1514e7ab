"""How often something took how long, in plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Histogram:
    """Counts values by the first bound they do not exceed.

    Args:
        bounds: in ascending order; what exceeds the last is counted, too.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.total = 0.0
        """Of all values."""
        self.counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        self.total += value
        self.counts[sum(value > bound for bound in self.bounds)] += 1

    def cumulated(self) -> list[tuple[str, float]]:
        """Up to each bound, how many there were, as Prometheus wants it."""
        total = 0
        named: list[tuple[str, float]] = []
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            total += count
            named.append((bound, total))
        return named
