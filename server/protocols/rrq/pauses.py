"""Pauses between tries, longer each time, until something held for a while."""

from __future__ import annotations


class Pauses:
    """Each pause is twice the last, up to a longest one."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._next = first_seconds

    def next(self) -> float:
        """How long to pause now, in seconds."""
        pause = self._next
        self._next = min(pause * 2, self._longest)
        return pause

    def reset(self) -> None:
        """What was tried works: begin anew with the first pause."""
        self._next = self._first
