"""How long to wait before trying again. Pure, but for the dice handed in."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Backoff:
    """Delays that double up to a bound, each cut by chance so that runners do not march in step."""

    def __init__(
        self,
        first_seconds: float = 0.1,
        most_seconds: float = 5.0,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._first = first_seconds
        self._most = most_seconds
        self._dice = dice
        self.failures = 0

    def next_seconds(self) -> float:
        """The delay after one more failure: between half and the whole of its bound."""
        bound = min(self._most, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return bound * (0.5 + self._dice() / 2)

    @property
    def is_worth_telling(self) -> bool:
        """Whether to tell of the trouble again: a log full of the same is of no use."""
        return self.failures in (0, 10) or self.failures % 100 == 99

    def reset(self) -> None:
        self.failures = 0
