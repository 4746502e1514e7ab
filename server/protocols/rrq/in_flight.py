"""Requests that a runner was sent and has not answered, each with its clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import asyncio

    from server.coordinator.results import Assigned
    from server.model import Stream

Wish: TypeAlias = Literal["", "stop", "timeout", "silence", "leave"]
"""Somebody wants it to stop, its time is up, the time for its answer is, or the coordinator itself
is stopping."""


@dataclass(slots=True)
class InFlight:
    """One request under way."""

    job: int
    """Row id."""
    job_id: str
    request_id: str
    """The attempt's id."""
    company: int
    """How many may be in flight with it, itself counted."""
    timer: asyncio.TimerHandle | None = None
    """The next time something has to happen to it if it is not answered."""
    wish: Wish = ""
    """Why it was asked to end early; empty: it was not."""
    asked_at: float = 0.0
    """When it was asked to, by the loop's clock."""
    is_given_up: bool = False
    """Nobody waits for it any more, but the runner is still at it."""
    offsets: dict[Stream, int] = field(default_factory=dict)
    """Bytes of console output that are on record for it."""

    def set_timer(self, timer: asyncio.TimerHandle) -> None:
        """Replace the clock that runs for it."""
        self.stop_timer()
        self.timer = timer

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class InFlightTable:
    """What is in flight on one connection."""

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._entries: dict[str, InFlight] = {}
        self._wary: dict[str, int] = {}
        """Those that want less company than there could be, and how much."""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._entries

    @property
    def request_ids(self) -> list[str]:
        return list(self._entries)

    @property
    def free(self) -> int:
        """How many more may be sent, with regard for what wants less company."""
        room = min(self._wary.values(), default=self._max_in_flight)
        return max(0, room - len(self._entries))

    @property
    def is_kept_small(self) -> bool:
        """Whether there could be more, but for what wants less company."""
        return not self.free and len(self._entries) < self._max_in_flight

    @property
    def is_clogged(self) -> bool:
        """Whether nobody waits any more for half of what there can be."""
        given_up = sum(entry.is_given_up for entry in self._entries.values())
        return given_up * 2 >= self._max_in_flight

    def live(self) -> list[InFlight]:
        """All that somebody still waits for."""
        return [entry for entry in self._entries.values() if not entry.is_given_up]

    def only(self) -> InFlight | None:
        """The one in flight where there is just one."""
        return next(iter(self._entries.values())) if len(self._entries) == 1 else None

    def get(self, request_id: str) -> InFlight | None:
        return self._entries.get(request_id)

    def of_job(self, job_id: str) -> list[InFlight]:
        return [entry for entry in self._entries.values() if entry.job_id == job_id]

    def add(self, assigned: Assigned, company: int) -> InFlight:
        """A request is about to be sent."""
        entry = InFlight(
            job=assigned.job.id,
            job_id=assigned.job.uuid,
            request_id=assigned.attempt.uuid,
            company=company,
        )
        self._entries[entry.request_id] = entry
        if company < self._max_in_flight:
            self._wary[entry.request_id] = company
        return entry

    def remove(self, entry: InFlight) -> None:
        """It was answered, or its runner is gone."""
        entry.stop_timer()
        self._entries.pop(entry.request_id, None)
        self._wary.pop(entry.request_id, None)

    def clear(self) -> list[InFlight]:
        """All of them, which are in flight no more."""
        entries = list(self._entries.values())
        for entry in entries:
            self.remove(entry)
        return entries
