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
        for runner in {event.runner for event in events}:
            busy, line = self._busy(runner), self._lines.get(runner)
            if line is None:
                if runner:
                    self._lines[runner] = _Line(busy, self._clock.monotonic())
            elif line.busy != busy:
                line.change(busy, self._clock.monotonic())
        self._tidy(self._clock.monotonic())

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
        self.since = since
        """Up to when slot-seconds were counted."""
        self._minutes: dict[int, tuple[float, float]] = {}
        """By minute of the clock: slot-seconds, and the seconds they were counted in."""

    def change(self, busy: int, now: float) -> None:
        """It held what it held until now."""
        at = max(self.since, now - KEPT_SECONDS)
        while at < now:
            minute = int(at // MINUTE_SECONDS)
            end = min(now, (minute + 1) * MINUTE_SECONDS)
            taken, counted = self._minutes.get(minute, (0.0, 0.0))
            self._minutes[minute] = (taken + self.busy * (end - at), counted + end - at)
            at = end
        self.busy, self.since = busy, now
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
