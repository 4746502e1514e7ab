"""Progress at a pace that a switchboard bears: it keeps every word of it for good."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_SECONDS = 2.0
"""Between two words about one job; of what comes meanwhile only the last is told."""


class Pace:
    """Holds words back that come too soon. Owns a timer for each job that has some."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._words: dict[str, str] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def tell(self, job_id: str, words: str) -> None:
        if job_id in self._timers:
            self._words[job_id] = words
            return
        self._say(job_id, words)

    def forget(self, job_id: str) -> None:
        """Nothing more has to be told of it."""
        self._words.pop(job_id, None)
        timer = self._timers.pop(job_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        for job_id in list(self._timers):
            self.forget(job_id)

    def _say(self, job_id: str, words: str) -> None:
        loop = asyncio.get_running_loop()
        self._timers[job_id] = loop.call_later(LEAST_SECONDS, self._is_due, job_id)
        self._tell(job_id, words)

    def _is_due(self, job_id: str) -> None:
        del self._timers[job_id]
        words = self._words.pop(job_id, None)
        if words is not None:
            self._say(job_id, words)
