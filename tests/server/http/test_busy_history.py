from __future__ import annotations

import pytest

from server.clock import ManualClock
from server.events import Event
from server.operator.busy_history import MINUTES, BusyHistory, until_heard

RUNNER = 7


class Fleet:
    """Runners whose slots a test fills, and what a commit tells of it."""

    def __init__(self) -> None:
        self.clock = ManualClock(monotonic=6_000.0)
        self.held: dict[int, int] = {}
        self.history = BusyHistory(
            self.clock, lambda runner: self.held.get(runner, 0), self.held.__contains__
        )

    def hold(self, slots: int, runner: int = RUNNER) -> None:
        self.held[runner] = slots
        claimed = Event(1, 1, "claimed", 1, 1, runner, "", "", "", b"", ())
        queued = claimed._replace(kind="queued", runner=0)
        self.history.note([queued, claimed])

    def minutes(self, runner: int = RUNNER) -> list[float | None]:
        return self.history.minutes(runner)


def test_a_minute_tells_the_mean_of_its_slots() -> None:
    fleet = Fleet()
    fleet.hold(0)
    fleet.clock.advance(30)
    fleet.hold(4)
    fleet.clock.advance(30)
    assert fleet.minutes() == [None] * 14 + [2.0]
    fleet.hold(1)
    fleet.clock.advance(60)
    assert fleet.minutes() == [None] * 13 + [2.0, 1.0]


def test_only_closed_minutes_are_told() -> None:
    fleet = Fleet()
    fleet.hold(3)
    fleet.clock.advance(59)
    assert fleet.minutes() == [None] * 15
    fleet.clock.advance(1)
    assert fleet.minutes() == [None] * 14 + [3.0]


def test_a_long_job_is_seen_though_nothing_happens() -> None:
    fleet = Fleet()
    fleet.hold(2)
    fleet.clock.advance(3 * 3600)
    assert fleet.minutes() == [2.0] * MINUTES
    fleet.hold(0)
    fleet.clock.advance(120)
    assert fleet.minutes() == [2.0] * 13 + [0.0, 0.0]


def test_a_runner_without_events_was_as_it_is_since_we_began() -> None:
    fleet = Fleet()
    fleet.held[RUNNER] = 1
    fleet.clock.advance(180)
    assert fleet.minutes() == [None] * 12 + [1.0] * 3


def test_runners_that_went_away_are_not_kept_for_ever() -> None:
    fleet = Fleet()
    for runner in range(1, 1_001):
        fleet.hold(1, runner)
        fleet.hold(0, runner)
        del fleet.held[runner]
        fleet.clock.advance(10)
    assert len(fleet.history._lines) < 100


def test_a_runner_that_was_idle_for_long_is_known_to_have_been_idle() -> None:
    fleet = Fleet()
    fleet.hold(0)
    fleet.clock.advance(3600)
    fleet.hold(1, RUNNER + 1)
    assert fleet.history._lines[RUNNER]._minutes == {}
    fleet.hold(2)
    fleet.clock.advance(60)
    assert fleet.minutes() == [0.0] * 14 + [2.0]


def test_what_is_kept_of_a_runner_is_bounded() -> None:
    fleet = Fleet()
    for number in range(2_000):
        fleet.hold(number % 3)
        fleet.clock.advance(7)
        assert len(fleet.history._lines[RUNNER]._minutes) <= 2 * MINUTES


@pytest.mark.parametrize(
    ("silent_ms", "told"),
    [(-5, [1.0, 2.0]), (59_999, [1.0, 2.0]), (60_000, [1.0, None]), (10**9, [None, None])],
)
def test_nothing_is_told_of_the_time_after_a_runner_was_heard_last(
    silent_ms: int, told: list[float | None]
) -> None:
    assert until_heard([1.0, 2.0], silent_ms) == told
