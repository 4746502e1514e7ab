"""How much, how fast and how often: bounds that keep one client from hurting the others."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from server.errors import TooManyRequests

if TYPE_CHECKING:
    from server.clock import Clock

MIB = 1024 * 1024
MAX_BODY = 1 * MIB
"""Bytes of a body, where a route says nothing else."""
BODY_SECONDS = 20.0
"""How long a client may take to send its body."""

MAX_KEYS = 10_000
"""Windows remembered at once; the oldest go first."""
FAILED_KEYS_PER_MINUTE = 30
"""Wrong keys that one address may show before it is told to wait."""
MINUTE_MS = 60_000


class WindowLimiter:
    """Counts hits in fixed windows that begin with a key's first hit.

    Args:
        limit_per_window: hits that pass; 0: all.
        window_ms: length of a window.
        clock: the wall clock is used, as callers are told when their window ends.
    """

    def __init__(self, limit_per_window: int, window_ms: int, clock: Clock) -> None:
        self._limit = limit_per_window
        self._window_ms = window_ms
        self._clock = clock
        self._windows: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def hit(self, key: str) -> int | None:
        """Count one. None: it passes; else when the window ends, in epoch milliseconds."""
        if self._limit <= 0:
            return None
        now = self._clock.now_ms()
        start, hits = self._window(key, now)
        if hits >= self._limit:
            return start + self._window_ms
        self._windows[key] = (start, hits + 1)
        return None

    def __len__(self) -> int:
        return len(self._windows)

    def _window(self, key: str, now: int) -> tuple[int, int]:
        """The key's running window, or a fresh one that is not kept yet."""
        self._forget(now)
        return self._windows.get(key, (now, 0))

    def _forget(self, now: int) -> None:
        """Drop ended windows, and the oldest when there are too many. They lie in order of start.

        A window from the future means the clock was set back: it would last too long.
        """
        while self._windows:
            start, _ = next(iter(self._windows.values()))
            is_running = start <= now < start + self._window_ms
            if is_running and len(self._windows) < MAX_KEYS:
                return
            self._windows.popitem(last=False)


class AuthThrottle:
    """Answers 429 instead of 401 to an address that has shown too many wrong keys.

    Good keys always pass: secrets are too long to be guessed at any speed, and one program with
    a wrong key must not lock out all others on its box.
    """

    def __init__(self, clock: Clock, *, limit: int = FAILED_KEYS_PER_MINUTE) -> None:
        self._clock = clock
        self._failures = WindowLimiter(limit, MINUTE_MS, clock)

    def failed(self, address: str) -> None:
        """Count a wrong key; raise TooManyRequests when there were too many."""
        until = self._failures.hit(address)
        if until is not None:
            raise TooManyRequests(
                "too many wrong keys came from this address",
                retry_after=max(1.0, (until - self._clock.now_ms()) / 1000),
            )
