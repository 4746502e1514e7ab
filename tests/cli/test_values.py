"""What people type: durations, times, labels, limits."""

from __future__ import annotations

from datetime import datetime

import pytest

from traffic_tui.cli.failures import EXIT_USAGE, WrongUsage, one_line
from traffic_tui.cli.typed import duration_of, json_of
from traffic_tui.cli.values import (
    BadValue,
    assignments,
    cursor_us,
    duration_seconds,
    limit_or_none,
    moment_ms,
    pairs,
)

NOON_MS = round(datetime(2030, 1, 31, 12, 0).astimezone().timestamp() * 1000)
MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0", 0), ("1.5", 1.5), ("90s", 90), ("10m", 600), ("1h30m", 5400),
     ("2D", 172_800), ("250ms", 0.25)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10 m", "-5", "ten", "1e3", "nan", "inf", "99w", "5x"])
def test_what_is_no_duration_is_told_in_words(text: str) -> None:
    with pytest.raises(BadValue, match=r"duration|longer"):
        duration_seconds(text)


def test_moments_count_from_now_in_the_meant_direction() -> None:
    assert moment_ms("10m", NOON_MS, is_past=True) == NOON_MS - 10 * MINUTE_MS
    assert moment_ms("10m", NOON_MS, is_past=False) == NOON_MS + 10 * MINUTE_MS
    assert moment_ms("+10m", NOON_MS, is_past=False) == NOON_MS + 10 * MINUTE_MS


def test_times_of_day_are_local_and_the_nearest_in_the_meant_direction() -> None:
    assert moment_ms("11:30", NOON_MS, is_past=True) == NOON_MS - 30 * MINUTE_MS
    assert moment_ms("12:30", NOON_MS, is_past=False) == NOON_MS + 30 * MINUTE_MS
    assert moment_ms("12:30", NOON_MS, is_past=True) == NOON_MS - (24 * 60 - 30) * MINUTE_MS
    assert moment_ms("11:30", NOON_MS, is_past=False) == NOON_MS + (24 * 60 - 30) * MINUTE_MS


def test_dates_may_have_a_zone() -> None:
    assert moment_ms("1970-01-01T00:01Z", NOON_MS, is_past=True) == MINUTE_MS
    assert moment_ms("2030-01-31T12:00", 0, is_past=True) == NOON_MS


@pytest.mark.parametrize("text", ["yesterday", "25:00", "2030-13-01", "", "14:99"])
def test_what_is_no_time_is_told_in_words(text: str) -> None:
    with pytest.raises(BadValue, match="no time"):
        moment_ms(text, NOON_MS, is_past=True)


def test_pairs() -> None:
    assert pairs(["os=linux", "gpu", "a=b=c"], "label") == {"os": "linux", "gpu": "*", "a": "b=c"}
    with pytest.raises(BadValue, match="no label"):
        pairs(["=x"], "label")


def test_an_assignment_has_a_value() -> None:
    assert assignments(["tenant=42", "empty="], "correlation") == {"tenant": "42", "empty": ""}
    with pytest.raises(BadValue, match="'tenant' is no correlation; say NAME=VALUE"):
        assignments(["tenant"], "correlation")


def test_limits() -> None:
    assert limit_or_none("4") == 4
    assert limit_or_none("None") is None
    with pytest.raises(BadValue, match="queues pause"):
        limit_or_none("0")
    with pytest.raises(BadValue, match="no limit"):
        limit_or_none("-1")


def test_an_option_is_named_in_what_is_wrong_with_it() -> None:
    with pytest.raises(WrongUsage, match=r"--grace: 'soon' is no duration") as raised:
        duration_of("soon", "--grace")
    assert raised.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "{'a': 1}", "\ud800", ""])
def test_what_is_no_json_is_wrong_usage(text: str) -> None:
    with pytest.raises(WrongUsage, match="--params"):
        json_of(text, "--params")


def test_json_is_passed_on_as_it_came() -> None:
    assert json_of('{"a": 1.0, "b": "ä"}', "--params") == '{"a": 1.0, "b": "ä"}'.encode()


def test_errors_take_one_harmless_line() -> None:
    assert one_line("a\n\x1b[31mb\tc") == "a [31mb c"
    assert one_line("\n") == "no further words"


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        ("0", 0),
        ("-5", -5),
        ("1_704_067_200_000_000", 1_704_067_200_000_000),
        ("now", NOON_MS * 1000),
        ("10m", (NOON_MS - 10 * MINUTE_MS) * 1000),
        ("2024-01-01T00:00Z", 1_704_067_200_000_000),
        ("9" * 30, int("9" * 30)),
    ],
)
def test_places_of_a_cursor_are_microseconds_or_times(text: str, cursor: int) -> None:
    assert cursor_us(text, NOON_MS) == cursor


@pytest.mark.parametrize("text", ["", "x", "1.5.2", "2024-13-01", "9" * 31, "٣"])
def test_what_is_no_place_of_a_cursor_is_told_in_words(text: str) -> None:
    with pytest.raises(BadValue, match="no place of a cursor"):
        cursor_us(text, NOON_MS)
