from __future__ import annotations

import math
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire.operator import ProgressView
from traffic_tui.state import formats
from traffic_tui.state.clean_text import cells
from traffic_tui.state.glyphs import ASCII, DRAWN

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (-5, "0s"),
        (4_999, "4s"),
        (59_999, "59s"),
        (12 * MINUTE, "12m"),
        (3 * HOUR + 20 * MINUTE, "3h20"),
        (23 * HOUR + 59 * MINUTE, "23h59"),
        (6 * DAY + 2 * HOUR, "6d02"),
        (99 * DAY, "99d00"),
        (120 * DAY, "120d"),
        (999 * DAY, "999d"),
        (1_100 * DAY, "3y"),
    ],
)
def test_ages(milliseconds: int, words: str) -> None:
    assert formats.age(milliseconds) == words


@given(st.integers(-(10**15), 10**18), st.sampled_from(["", "!", "?"]))
def test_an_age_never_takes_more_than_five_cells(milliseconds: int, mark: str) -> None:
    marked = formats.marked_age(milliseconds, mark)
    assert len(marked) <= formats.AGE_WIDTH
    assert marked.endswith(mark)


def test_a_long_age_drops_its_minutes_for_the_mark() -> None:
    assert formats.marked_age(10 * HOUR + 20 * MINUTE, "!") == "10h!"
    assert formats.marked_age(41 * MINUTE, "!") == "41m!"


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(0, "0s"), (40, "0.1s"), (340, "0.3s"), (41_000, "41s"), (760_000, "12m40"), (HOUR, "1h00")],
)
def test_durations(milliseconds: int, words: str) -> None:
    assert formats.duration(milliseconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (12_480, "12,480"),
        (99_999, "99,999"),
        (120_000, "120k"),
        (999_600, "1.0M"),
        (1_234_567, "1.2M"),
    ],
)
def test_counts(number: int, words: str) -> None:
    assert formats.count(number) == words
    assert formats.count(number, is_estimate=True) == f"~{words}"


@pytest.mark.parametrize(
    ("byte_count", "words"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (1_258_291, "1.2 MB"),
        (64 * 1024**2, "64 MB"),
        (1024**2 - 100, "1.0 MB"),
        (10**18, "909,495 TB"),
    ],
)
def test_sizes(byte_count: int, words: str) -> None:
    assert formats.size(byte_count) == words


@given(st.floats(allow_nan=False), st.integers(0, 40), st.sampled_from([DRAWN, ASCII]))
def test_a_bar_takes_exactly_its_cells(fraction: float, width: int, glyphs: object) -> None:
    assert glyphs in (DRAWN, ASCII)
    drawn = formats.bar(fraction, width, DRAWN if glyphs is DRAWN else ASCII)
    assert cells(drawn) == width


def test_bars() -> None:
    assert formats.bar(0.61, 6) == "███▋  "
    assert formats.bar(1.0, 6) == "██████"
    assert formats.bar(0.0, 6) == "      "
    assert formats.bar(0.7, 6, ASCII) == "####.."


def test_a_share_is_not_whole_before_it_is() -> None:
    assert formats.share(0.999, 1) == "99%"
    assert formats.share(1, 1) == "100%"
    assert formats.share(10**12 - 1, 10**12) == "99%"
    assert formats.share(1, 0) == "-"
    assert formats.share(-1, 3) == "0%"


@pytest.mark.parametrize("whole", [1.0, 100, 1000])
def test_a_share_of_whole_percents_is_exact(whole: float) -> None:
    shown = [formats.share(whole * percent / 100, whole) for percent in range(101)]
    assert shown == [f"{percent}%" for percent in range(101)]


@pytest.mark.parametrize(
    ("current", "total", "text", "fraction", "words"),
    [
        (61.0, 100.0, "", 0.61, "61"),
        (1_200.0, None, "rows", None, "1.2k rows"),
        (None, None, "booting", None, "booting"),
        (5.0, 0.0, "", None, "5"),
        (math.nan, 1.0, "x", None, "x"),
        (math.inf, 1.0, "x", None, "x"),
        (5.0, -1.0, "", 0.0, "5"),
        (200.0, 100.0, "", 1.0, "200"),
    ],
)
def test_progress(
    current: float | None, total: float | None, text: str, fraction: float | None, words: str
) -> None:
    progress = ProgressView(current=current, total=total, text=text)
    assert formats.fraction_done(progress) == fraction
    assert formats.progress_words(progress) == words


def test_the_lowest_mark_is_a_true_zero_and_a_blank_was_not_measured() -> None:
    assert formats.sparkline([0, None, 1, 50, 100]) == "▁ ▂▅█"
    assert formats.sparkline([0, None, 100], ASCII) == ". @"
    assert formats.sparkline([0, 0]) == "▁▁"
    assert formats.sparkline([]) == ""


def test_two_sparklines_can_share_a_scale() -> None:
    assert formats.sparkline([50], top=100) == "▅"


def test_times_of_day_in_both_zones() -> None:
    at = 1_700_000_000_000
    here = timezone(timedelta(hours=2))
    assert formats.clock_time(at) == "22:13:20Z"
    assert formats.clock_time(at, seconds=False) == "22:13Z"
    assert formats.clock_time(at, "local", seconds=False, local=here) == "00:13 +02"
    half = timezone(timedelta(hours=5, minutes=30))
    assert formats.clock_time(at, "local", seconds=False, local=half) == "03:43 +0530"


@pytest.mark.parametrize("at", [0, -1, 10**18, 10**30])
def test_times_that_are_none(at: int) -> None:
    assert formats.clock_time(at) == "-"
    assert formats.day_and_time(at) == "-"


def test_the_day_is_named_when_it_is_not_today() -> None:
    at = 1_700_000_000_000
    assert formats.day_and_time(at, now=at + 1_000) == "22:13:20"
    assert formats.day_and_time(at, now=at + 2 * DAY) == "2023-11-14 22:13:20"
