"""Trouble that goes on is told once a minute: a full disk stays full for each look at it."""

from __future__ import annotations

from typing import Final

SILENT_SECONDS: Final = 60.0


class Repeats:
    """What was told lately, by its words."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        """When, by the monotonic clock."""

    def is_news(self, words: str, now: float) -> bool:
        """Whether to tell of it: it was not told within the last minute, and counts as told now."""
        self._told = {told: at for told, at in self._told.items() if now - at < SILENT_SECONDS}
        if words in self._told:
            return False
        self._told[words] = now
        return True
