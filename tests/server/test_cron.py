"""Due times: what is understood, what is refused in words, what clocks do twice a year."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.cron import MAX_EXPRESSION, Cron, read_cron, zone_of
from server.errors import InvalidInput

BERLIN = "Europe/Berlin"
FIELD_TEXT = st.text("0123456789*/-,#LWSUNMONJAN", min_size=1, max_size=5)


def ms(text: str, zone: str = "UTC", *, fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(moment.timestamp() * 1000)


def runs(expression: str, start: int, count: int, zone: str = "UTC") -> list[str]:
    """The next due times as a clock of that zone shows them, with its distance from UTC."""
    found = islice(read_cron(expression, zone).all_after(start), count)
    return [
        datetime.fromtimestamp(due / 1000, ZoneInfo(zone)).isoformat(" ", "seconds")
        for due in found
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/15 * * * *", ["2026-11-24 00:15:00+00:00", "2026-11-24 00:30:00+00:00"]),
        ("*/20 * * * * *", ["2026-11-24 00:00:20+00:00", "2026-11-24 00:00:40+00:00"]),
        ("  0   12  * *   mon  ", ["2026-11-30 12:00:00+00:00", "2026-12-07 12:00:00+00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00:00+00:00", "2032-02-29 00:00:00+00:00"]),
        ("0 0 L * *", ["2026-11-30 00:00:00+00:00", "2026-12-31 00:00:00+00:00"]),
        ("0 9 * * 1#1", ["2026-12-07 09:00:00+00:00", "2027-01-04 09:00:00+00:00"]),
        ("0 0 1 1 7", ["2026-11-29 00:00:00+00:00"][:0]),
    ],
)
def test_due_times(expression: str, expected: list[str]) -> None:
    assert runs(expression, ms("2026-11-24"), 2)[: len(expected)] == expected


def test_a_due_time_is_later_than_the_moment_asked_for() -> None:
    cron = read_cron("0 * * * *", "UTC")
    assert cron.after(ms("2026-11-24T01:00") - 1) == ms("2026-11-24T01:00")
    assert cron.after(ms("2026-11-24T01:00")) == ms("2026-11-24T02:00")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "has 0 fields; wanted are 5"),
        ("* * * *", "has 4 fields"),
        ("0 0 * * * * 2027", "has 7 fields"),
        ("@daily", "has 1 fields"),
        ("61 * * * *", "field 1 (minute), at character 1: '61'"),
        ("5 24 * * *", "field 2 (hour), at character 3: '24'"),
        ("5  5 5 5 FOO", "field 5 (day-of-week), at character 10: 'FOO'"),
        ("61 5 5 5 5 5", "field 1 (second), at character 1: '61'"),
        ("*/0 * * * *", "field 1 (minute), at character 1: '*/0'"),
        ("* * 5-1 * *", "field 3 (day-of-month), at character 5: '5-1'"),
        ("0 0 31 2 *", "field 3 (day-of-month), at character 5: '31' is not understood or never"),
        ("0 0 */30 2 1#5", "is never due"),
        ("9" * 5_000 + " * * * *", f"more than {MAX_EXPRESSION} characters"),
        ("[red] * * * *", "'[red]'"),
    ],
)
def test_what_is_no_expression_is_told_with_its_place(expression: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_cron(expression, "UTC")
    assert words in caught.value.message


@settings(max_examples=300, deadline=None)
@given(st.lists(FIELD_TEXT, min_size=5, max_size=6).map(" ".join) | st.text(max_size=30))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        cron = read_cron(text, "UTC")
    except InvalidInput:
        return
    first, second = islice(cron.all_after(0), 2)
    assert 0 < first < second


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin"),
        ("utc", "did you mean UTC"),
        ("", "say for example"),
        ("Europe", "there is no 'Europe'"),
        ("../etc/passwd", "there is no"),
        ("/etc/localtime", "there is no"),
        ("a\x00b", "there is no"),
    ],
)
def test_what_is_no_time_zone_is_told(name: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        zone_of(name)
    assert words in caught.value.message


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 30 2 * * *"])
def test_a_time_of_day_that_is_left_out_comes_as_soon_as_the_clock_is_forward(
    expression: str,
) -> None:
    assert runs(expression, ms("2026-03-28T12:00", BERLIN), 3, BERLIN) == [
        "2026-03-29 03:00:00+02:00",
        "2026-03-30 02:30:00+02:00",
        "2026-03-31 02:30:00+02:00",
    ]


def test_several_times_that_are_left_out_come_once() -> None:
    assert runs("0,15,30 2 * * *", ms("2026-03-28T12:00", BERLIN), 2, BERLIN) == [
        "2026-03-29 03:00:00+02:00",
        "2026-03-30 02:00:00+02:00",
    ]


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 30 2 * * *"])
@pytest.mark.parametrize(
    ("start", "fold", "expected"),
    [
        ("2026-10-25T01:00", 0, "2026-10-25 02:30:00+02:00"),
        ("2026-10-25T02:30", 0, "2026-10-26 02:30:00+01:00"),
        ("2026-10-25T02:10", 1, "2026-10-26 02:30:00+01:00"),
    ],
)
def test_a_time_of_day_that_comes_twice_is_due_once(
    expression: str, start: str, fold: int, expected: str
) -> None:
    assert runs(expression, ms(start, BERLIN, fold=fold), 1, BERLIN) == [expected]


def test_a_rhythm_goes_on_whatever_the_clock_shows() -> None:
    assert runs("*/30 * * * *", ms("2026-10-25T02:00", BERLIN), 4, BERLIN) == [
        "2026-10-25 02:30:00+02:00",
        "2026-10-25 02:00:00+01:00",
        "2026-10-25 02:30:00+01:00",
        "2026-10-25 03:00:00+01:00",
    ]
    assert runs("0 * * * *", ms("2026-03-29T00:30", BERLIN), 2, BERLIN) == [
        "2026-03-29 01:00:00+01:00",
        "2026-03-29 03:00:00+02:00",
    ]


def test_half_an_hour_of_summer_time_and_a_quarter_from_utc() -> None:
    assert runs("15 2 * * *", ms("2026-10-03T12:00", "Australia/Lord_Howe"), 2,
                "Australia/Lord_Howe") == [
        "2026-10-04 02:30:00+11:00",
        "2026-10-05 02:15:00+11:00",
    ]  # fmt: skip
    assert runs("0 6 * * *", ms("2026-01-01"), 1, "Asia/Kathmandu") == ["2026-01-01 06:00:00+05:45"]


@settings(max_examples=60, deadline=None)
@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    expression=st.sampled_from(
        ["30 2 * * *", "*/7 * * * *", "0 0 * * *", "15 1-3 * * 0", "5 30 1,2,3 * * *", "0 0 1 * *"]
    ),
    zone=st.sampled_from([BERLIN, "UTC", "America/New_York", "Asia/Tehran", "Pacific/Chatham"]),
)
def test_walking_on_from_a_due_time_leaves_none_out_and_repeats_none(
    start: datetime, expression: str, zone: str
) -> None:
    cron = Cron(expression, zone)
    begin = int(start.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    in_one_go = list(islice(cron.all_after(begin), 12))
    step_by_step = []
    at = begin
    for _ in range(12):
        at = cron.after(at)
        step_by_step.append(at)
    assert in_one_go == step_by_step == sorted(set(step_by_step))


def test_the_last_due_time_before_a_moment() -> None:
    daily = Cron("0 3 * * *", BERLIN)
    now = ms("2026-11-24T10:00", BERLIN)
    assert daily.last(0, now) == ms("2026-11-24T03:00", BERLIN)
    assert daily.last(0, ms("2026-11-24T03:00", BERLIN)) == ms("2026-11-24T03:00", BERLIN)
    assert daily.last(ms("2026-11-24T03:00", BERLIN), now) == 0
    assert Cron("* * * * * *", "UTC").last(0, now) == now
    assert Cron("0 0 1 1 *", "UTC").last(0, now) == 0  # further back than it looks
    week = timedelta(days=6, hours=23) // timedelta(milliseconds=1)
    assert Cron("0 0 17 11 *", "UTC").last(0, ms("2026-11-17") + week) == ms("2026-11-17")
