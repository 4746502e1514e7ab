"""How many slots of each runner were taken, minute by minute, counted as commits are told.

Slots change with commits alone, and a commit that changes a runner's slots has an event that
names it. So a runner costs nothing while nothing happens to it, and the time between two events
is known without a look in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.clock import Clock
    from server.events import Event

MINUTES = 15
"""Closed minutes that are told."""
MINUTE_SECONDS = 60.0
KEPT_SECONDS = (MINUTES + 1) * MINUTE_SECONDS


class BusyHistory:
    """Means of taken slots over the last minutes, by runner.

    Args:
        clock: its monotonic time is what minutes are made of.
        busy: slots of a runner (row id) that are taken now.
        is_known: whether there is such a runner still.
    """

    def __init__(
        self, clock: Clock, busy: Callable[[int], int], is_known: Callable[[int], bool]
    ) -> None:
        self._clock = clock
        self._busy = busy
        self._is_known = is_known
        self._began = self._tidied_at = clock.monotonic()
        self._lines: dict[int, _Line] = {}

    def note(self, events: Sequence[Event]) -> None:
        """Look at the runners that a commit was about."""
        now = self._clock.monotonic()
        for runner in {event.runner for event in events}:
            busy, line = self._busy(runner), self._lines.get(runner)
            if line is None:
                if runner:
                    self._lines[runner] = _Line(busy, now)
            elif line.busy != busy:
                line.change(busy, now)
        self._tidy(now)

    def minutes(self, runner: int) -> list[float | None]:
        """Mean of taken slots in each of the last closed minutes; None: not measured."""
        now, busy = self._clock.monotonic(), self._busy(runner)
        line = self._lines.get(runner)
        if line is None:  # no event since we began: it was like this all the time
            self._lines[runner] = line = _Line(busy, self._began)
        line.change(busy, now)
        return line.means(int(now // MINUTE_SECONDS))

    def _tidy(self, now: float) -> None:
        """Now and then, forget runners that are gone, and the minutes of idle ones."""
        if now < self._tidied_at + KEPT_SECONDS:
            return
        self._tidied_at = now
        self._lines = {one: line for one, line in self._lines.items() if self._is_known(one)}
        for line in self._lines.values():
            line.forget_until(now - KEPT_SECONDS)


def until_heard(minutes: Sequence[float | None], silent_ms: int) -> list[float | None]:
    """Minutes of a runner that was not heard for so long: of those since then nothing is known."""
    unknown = max(0, min(len(minutes), silent_ms // 60_000))
    return [*minutes[: len(minutes) - unknown], *[None] * unknown]


class _Line:
    """One runner: what it held when, as slot-seconds by minute."""

    def __init__(self, busy: int, since: float) -> None:
        self.busy = busy
        self._minutes: dict[int, tuple[float, float]] = {}
        """By closed minute of the clock: slot-seconds, and the seconds they were counted in."""
        self._begin(since)

    def _begin(self, at: float) -> None:
        """Count from here on, within one minute."""
        self._since = self._began = at
        """Up to when, and from when on, slot-seconds of the open minute were counted."""
        self._taken = 0.0
        self._minute_ends = (at // MINUTE_SECONDS + 1) * MINUTE_SECONDS

    def change(self, busy: int, now: float) -> None:
        """It held what it held until now."""
        if now >= self._minute_ends:
            self._close_minutes(now)
        self._taken += self.busy * (now - self._since)
        self.busy, self._since = busy, now

    def _close_minutes(self, now: float) -> None:
        if self._since < now - KEPT_SECONDS:
            self._begin(now - KEPT_SECONDS)
        while (end := self._minute_ends) <= now:
            taken = self._taken + self.busy * (end - self._since)
            self._minutes[int(end // MINUTE_SECONDS) - 1] = (taken, end - self._began)
            self._begin(end)
        if len(self._minutes) > 2 * MINUTES:
            self.forget_until(now - KEPT_SECONDS)

    def forget_until(self, at: float) -> None:
        """Nobody will ask for the minutes before."""
        first = int(at // MINUTE_SECONDS)
        self._minutes = {one: told for one, told in self._minutes.items() if one >= first}

    def means(self, minute: int) -> list[float | None]:
        """Of the minutes before this one, oldest first."""
        return [self._mean(at) for at in range(minute - MINUTES, minute)]

    def _mean(self, minute: int) -> float | None:
        taken, counted = self._minutes.get(minute, (0.0, 0.0))
        return round(taken / counted, 2) if counted else None
