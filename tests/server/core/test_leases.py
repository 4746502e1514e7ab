"""Leases: who is alive, and who is not to blame."""

from __future__ import annotations

from server.clock import ManualClock
from server.leases import HiccupDetector, LeaseBook


def test_a_lease_goes_from_ok_over_suspect_to_lost() -> None:
    clock = ManualClock()
    book = LeaseBook(clock, 90)
    book.renew(1)
    assert (book.state(1), book.seconds_left(1)) == ("ok", 90)
    clock.advance(46)
    assert book.state(1) == "suspect"
    assert book.new_suspects() == [1]
    assert book.new_suspects() == []
    assert book.renew(1) is True
    assert book.state(1) == "ok"
    clock.advance(90)
    assert book.state(1) == "lost"
    assert book.expired() == [1]
    book.drop(1)
    assert book.expired() == []
    assert book.seconds_left(1) is None


def test_a_jump_of_the_wall_clock_expires_nothing() -> None:
    clock = ManualClock()
    book = LeaseBook(clock, 90)
    book.renew(1)
    clock.jump(86_400)
    assert book.expired() == []


def test_when_we_were_away_everybody_gets_a_full_lease() -> None:
    clock = ManualClock()
    book = LeaseBook(clock, 90)
    book.renew(1)
    book.renew(2)
    clock.advance(300)
    book.renew_all()
    assert book.expired() == []
    assert book.seconds_left(2) == 90


def test_a_doubt_outlasts_our_being_away_and_is_told_once() -> None:
    clock = ManualClock()
    book = LeaseBook(clock, 90)
    book.renew(1)
    assert book.doubt(1)
    clock.advance(300)
    book.renew_all()
    assert book.state(1) == "suspect"
    clock.advance(46)
    assert book.new_suspects() == []
    assert book.renew(1) is True
    assert book.state(1) == "ok"


def test_a_stall_and_a_jump_are_told_apart() -> None:
    clock = ManualClock()
    detector = HiccupDetector(clock, tolerated_seconds=2)
    clock.advance(1)
    assert detector.look(planned_seconds=1) == (0.0, 0, 1_000)
    clock.advance(301)
    assert detector.look(planned_seconds=1) == (300.0, 0, 301_000)
    clock.advance(1)
    clock.jump(-3_600)
    assert detector.look(planned_seconds=1) == (0.0, -3_600_000, 1_000)
