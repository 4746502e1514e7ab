"""Who is alive: leases on the monotonic clock, kept in memory.

A lease is not stored. After a restart everybody starts with a full one, so a coordinator that
was away never declares a healthy runner dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from server.clock import Clock

LeaseState: TypeAlias = Literal["ok", "suspect", "lost"]

SUSPECT_SHARE = 0.5
"""A lease of which more than this has passed without a beat is suspect."""
JUMP_MS = 2_000
"""The wall clock jumped when it moved this much more or less than the monotonic one."""


class LeaseBook:
    """Leases of one kind of holder (sessions, or attempts), by row id."""

    def __init__(self, clock: Clock, length_seconds: float) -> None:
        self._clock = clock
        self._length = length_seconds
        self._renewed: dict[int, float] = {}
        self._suspects: set[int] = set()
        self._doubted: set[int] = set()

    @property
    def length_seconds(self) -> float:
        return self._length

    def set_length(self, seconds: float) -> None:
        """Change the length of all leases, the running ones included."""
        self._length = seconds

    def renew(self, holder: int) -> bool:
        """A beat arrived, or the holder is new. Tells whether it was suspect before."""
        self._renewed[holder] = self._clock.monotonic()
        was_suspect = holder in self._suspects
        self._suspects.discard(holder)
        self._doubted.discard(holder)
        return was_suspect

    def doubt(self, holder: int) -> bool:
        """There is a reason to suspect the holder before its lease says so. False: no news."""
        if holder not in self._renewed or holder in self._doubted:
            return False
        self._doubted.add(holder)
        self._suspects.add(holder)
        return True

    def renew_all(self) -> list[int]:
        """Give everybody a full lease, because it was us who were away. Doubts have another
        reason, and stay. The answer is who is suspect no more."""
        now = self._clock.monotonic()
        for holder in self._renewed:
            self._renewed[holder] = now
        cleared = sorted(self._suspects - self._doubted)
        self._suspects &= self._doubted
        return cleared

    def drop(self, holder: int) -> None:
        """The holder ended; its lease is of no interest any more."""
        self._renewed.pop(holder, None)
        self._suspects.discard(holder)
        self._doubted.discard(holder)

    def seconds_left(self, holder: int) -> float | None:
        """None: it has no lease. Never below zero."""
        renewed = self._renewed.get(holder)
        if renewed is None:
            return None
        return max(0.0, renewed + self._length - self._clock.monotonic())

    def state(self, holder: int) -> LeaseState:
        left = self.seconds_left(holder)
        if not left:
            return "lost"
        is_late = left < self._length * (1 - SUSPECT_SHARE)
        return "suspect" if is_late or holder in self._doubted else "ok"

    def expired(self) -> list[int]:
        """Holders whose lease ran out."""
        limit = self._clock.monotonic() - self._length
        return [holder for holder, renewed in self._renewed.items() if renewed <= limit]

    def new_suspects(self) -> list[int]:
        """Holders that became suspect since the last call."""
        limit = self._clock.monotonic() - self._length * SUSPECT_SHARE
        late = {holder for holder, renewed in self._renewed.items() if renewed <= limit}
        fresh = late - self._suspects
        self._suspects |= fresh
        return sorted(fresh)

    def __contains__(self, holder: int) -> bool:
        return holder in self._renewed

    def __len__(self) -> int:
        return len(self._renewed)


class Hiccup(NamedTuple):
    """What happened to the coordinator itself since the last look."""

    stalled_seconds: float
    """How much later than planned the look came; 0: in time."""
    jumped_ms: int
    """How far the wall clock moved by itself; 0: it did not."""
    passed_ms: int = 0
    """How long ago the last look was."""


class HiccupDetector:
    """Notices that the coordinator stood still, or that the wall clock was set."""

    def __init__(self, clock: Clock, *, tolerated_seconds: float) -> None:
        self._clock = clock
        self._tolerated = tolerated_seconds
        self._monotonic = clock.monotonic()
        self._wall_ms = clock.now_ms()

    def look(self, *, planned_seconds: float) -> Hiccup:
        """Compare the clocks with the last look, which was to be ``planned_seconds`` ago."""
        monotonic, wall_ms = self._clock.monotonic(), self._clock.now_ms()
        passed = monotonic - self._monotonic
        jump = round(wall_ms - self._wall_ms - passed * 1000)
        self._monotonic, self._wall_ms = monotonic, wall_ms
        late = passed - planned_seconds
        return Hiccup(
            stalled_seconds=late if late > self._tolerated else 0.0,
            jumped_ms=jump if abs(jump) >= JUMP_MS else 0,
            passed_ms=round(passed * 1000),
        )
