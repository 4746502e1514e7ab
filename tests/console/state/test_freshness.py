from __future__ import annotations

from traffic_tui.state.freshness import FramePace, Freshness
from traffic_tui.state.glyphs import ASCII, DRAWN


def test_silence_turns_live_to_stale_after_five_seconds() -> None:
    freshness = Freshness(100.0)
    assert freshness.span(100.0, DRAWN) == ("○ connecting", "warn")
    freshness.heard(100.0)
    assert freshness.span(105.0, DRAWN) == ("● live", "good")
    assert freshness.reason_to_hold_back(105.0) == ""
    assert freshness.span(114.0, ASCII) == ("o stale 14s", "bad")
    assert "14s" in freshness.reason_to_hold_back(114.0)
    freshness.heard(115.0)
    assert not freshness.is_stale(115.0)


def test_a_cut_connection_is_stale_at_once() -> None:
    freshness = Freshness(0.0)
    freshness.heard(1.0)
    freshness.cut()
    assert freshness.is_stale(1.0)


def test_a_slow_line_gets_fewer_frames_and_a_good_one_more_again() -> None:
    pace = FramePace()
    seen = []
    for second in range(5):
        pace.wrote(0.2, second)
        seen.append(pace.frames_per_second)
    assert seen == [5, 2, 1, 1, 1]
    assert pace.words == "1/s"
    seen.clear()
    for second in range(5, 20):
        pace.wrote(0.001, second)
        seen.append(pace.frames_per_second)
    assert seen == [1] * 4 + [2] * 5 + [5] * 5 + [10]
    assert pace.words == ""


def test_a_slow_write_begins_the_wait_for_more_frames_anew() -> None:
    pace = FramePace()
    pace.wrote(0.2, 0.0)
    pace.wrote(0.001, 4.9)
    pace.wrote(0.2, 4.9)
    pace.wrote(0.001, 9.8)
    assert pace.frames_per_second == 2
    pace.wrote(0.001, 9.9)
    assert pace.frames_per_second == 5
