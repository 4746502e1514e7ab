from __future__ import annotations

import pytest

from server.clock import ManualClock
from server.errors import TooManyRequests
from server.http import limits
from server.http.limits import AuthThrottle, WindowLimiter


def test_a_window_begins_with_the_first_hit_and_ends_as_a_whole() -> None:
    clock = ManualClock()
    limiter = WindowLimiter(2, 60_000, clock)
    start = clock.now_ms()
    assert limiter.hit("a") is None
    clock.advance(59)
    assert limiter.hit("a") is None
    assert limiter.hit("a") == start + 60_000
    assert limiter.hit("b") is None
    clock.advance(1)
    assert limiter.hit("a") is None


def test_refused_hits_do_not_prolong_the_window() -> None:
    clock = ManualClock()
    limiter = WindowLimiter(1, 1_000, clock)
    limiter.hit("a")
    for _ in range(5):
        assert limiter.hit("a") is not None
    clock.advance(1)
    assert limiter.hit("a") is None


def test_zero_is_no_limit_and_keeps_nothing() -> None:
    limiter = WindowLimiter(0, 1_000, ManualClock())
    assert all(limiter.hit(str(number)) is None for number in range(100))
    assert len(limiter) == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 10)
    limiter = WindowLimiter(1, 60_000, ManualClock())
    for number in range(100):
        assert limiter.hit(str(number)) is None
    assert len(limiter) <= 10
    assert limiter.hit("99") is not None


def test_a_clock_set_back_blocks_nobody_for_long() -> None:
    clock = ManualClock()
    limiter = WindowLimiter(1, 1_000, clock)
    limiter.hit("a")
    clock.jump(-3600)
    assert limiter.hit("a") is None


def test_wrong_keys_are_told_to_wait() -> None:
    clock = ManualClock()
    throttle = AuthThrottle(clock, limit=3)
    for _ in range(3):
        throttle.failed("10.0.0.1")
    with pytest.raises(TooManyRequests) as raised:
        throttle.failed("10.0.0.1")
    assert 0 < raised.value.retry_after <= 60
    throttle.failed("10.0.0.2")
    clock.advance(60)
    throttle.failed("10.0.0.1")
