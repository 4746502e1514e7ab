"""Times of day as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from traffic_tui.state.clock_words import moment_of


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


BEGAN, ENDED = at("2026-11-30 22:10:00"), at("2026-12-01 03:20:00")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("22:15", "2026-11-30 22:15:00"),
        ("3:05:30", "2026-12-01 03:05:30"),
        ("22:05", "2026-11-30 22:05:00"),
        ("03:25", "2026-12-01 03:25:00"),
        ("12:00", "2026-12-01 12:00:00"),
    ],
)
def test_the_time_that_is_meant_lies_where_output_came(text: str, moment: str) -> None:
    assert moment_of(text, "utc", BEGAN, ENDED) == at(moment)


def test_the_last_such_time_is_meant_where_there_are_several() -> None:
    week_later = ENDED + 7 * 86_400_000
    assert moment_of("02:00", "utc", BEGAN, week_later) == at("2026-12-08 02:00:00")


def test_it_goes_by_the_zone_that_is_shown() -> None:
    berlin = timezone(timedelta(hours=1))
    assert moment_of("23:15", "local", BEGAN, ENDED, local=berlin) == at("2026-11-30 22:15:00")


@pytest.mark.parametrize("text", ["25:00", "12:60", "99:99:99"])
def test_other_numbers_are_no_times(text: str) -> None:
    assert moment_of(text, "utc", BEGAN, ENDED) is None
