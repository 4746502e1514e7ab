"""Durations as operators write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.configuration.kinds import Duration
from server.durations import duration_words, parse_duration_ms
from server.filters import parse
from server.filters.terms import AgeTerm
from traffic_tui.cli.values import duration_seconds
from traffic_tui.state.formats import age, duration

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("90", 90_000),
        ("90s", 90_000),
        ("1h30m", 5_400_000),
        ("1H30M", 5_400_000),
        ("250ms", 250),
        ("0.4ms", 1),
        ("0s", 0),
        ("1.5d", 129_600_000),
        ("2w", 1_209_600_000),
        ("1m30", 90_000),
        ("3h20", 3 * HOUR + 20 * 60_000),
        ("6d02", 6 * 24 * HOUR + 2 * HOUR),
        ("", None),
        ("x", None),
        ("5 m", None),
        ("5s3", None),
        ("2w3", None),
        ("30 1m", None),
        ("-5s", None),
        ("9" * 30, None),
        ("99999999999w", None),
        ("\u0663s", None),
    ],
)
def test_durations(text: str, milliseconds: int | None) -> None:
    assert parse_duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(0, "0s"), (250, "250ms"), (90_000, "1m30s"), (5_400_000, "1h30m"), (30 * 24 * HOUR, "30d")],
)
def test_durations_in_words(milliseconds: int, words: str) -> None:
    assert duration_words(milliseconds) == words


@given(st.integers(0, 10**15))
def test_words_are_read_as_the_same_duration(milliseconds: int) -> None:
    assert parse_duration_ms(duration_words(milliseconds)) == milliseconds


@pytest.mark.parametrize("shown", [age, duration])
@given(seconds=st.integers(60, 8_639_999))
def test_what_lists_show_is_read_as_it_was_meant(shown: Callable[[int], str], seconds: int) -> None:
    text = shown(seconds * 1000)
    read = parse_duration_ms(text)
    assert read is not None
    assert 0 <= seconds * 1000 - read < HOUR
    assert shown(read) == text


def test_a_duration_means_the_same_wherever_it_is_written() -> None:
    [condition] = parse("age>3h20").conditions
    assert isinstance(condition.term, AgeTerm)
    assert condition.term.milliseconds == Duration().read("3h20") == 12_000_000
    assert duration_seconds("3h20") == 12_000


@pytest.mark.parametrize("value", [0.0001, "0.0001s", "0.1ms"])
def test_the_shortest_that_is_configured_is_not_none_at_all(value: object) -> None:
    assert Duration().read(value) == 1


def test_less_than_none_at_all_is_refused_however_little_it_is() -> None:
    for value in (-1, -0.0001):
        with pytest.raises(ValueError, match="has to be from"):
            Duration().read(value)
    assert Duration().read(0) == 0
