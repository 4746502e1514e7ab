from __future__ import annotations

from server.clock import ManualClock
from server.events import Event, EventKind
from server.operator.throughput import Throughput


def event(kind: EventKind, *jobs: int, at: int = 1) -> Event:
    return Event(1, at, kind, 0, 0, 0, "", "", "", b"", tuple((job, 0) for job in jobs))


def test_the_last_minute_moves_on() -> None:
    clock = ManualClock()
    throughput = Throughput(clock)
    throughput.note([event("completed", 1, 2), event("failed", 3), event("submitted", 4)])
    assert throughput.last_minute() == 3
    clock.advance(30)
    throughput.note([event("completed", 5, at=9)])
    assert throughput.last_minute() == 4
    assert throughput.newest_at == 9
    clock.advance(35)
    assert throughput.last_minute() == 1
    clock.advance(3600)
    assert throughput.last_minute() == 0


def test_what_is_remembered_is_bounded() -> None:
    clock = ManualClock()
    throughput = Throughput(clock)
    for _ in range(1_000):
        clock.advance(7)
        throughput.note([event("completed", 1)])
    assert 8 <= throughput.last_minute() <= 9
    assert len(throughput._slices) <= 13
