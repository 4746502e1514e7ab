"""Arithmetic as people write it, and as people who mean harm write it."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic_tui.runner.jobs.expression import evaluate


@pytest.mark.parametrize(
    ("text", "values", "value"),
    [
        ("2x * 3y", {"x": 1, "y": 2}, 12),
        ("2(x+1)", {"x": 3}, 8),
        ("(a)(b)", {"a": 4, "b": 5}, 20),
        ("x y", {"x": 4, "y": 5}, 20),
        ("x(y)2", {"x": 4, "y": 5}, 40),
        ("2x^2", {"x": 3}, 18),
        ("-x^2", {"x": 3}, -9),
        ("2^-1", {}, 0.5),
        ("2**3**2", {}, 512),
        ("7 // 2 + 7 % 4", {}, 6),
        ("1e3 + .5 + 2.", {}, 1002.5),
        ("2e", {"e": 5}, 10),
        ("if + lambda * __class__", {"if": 1, "lambda": 2, "__class__": 3}, 7),
        ("größe / 2", {"größe": 5}, 2.5),
        ("  1\n+\t1 ", {}, 2),
    ],
)
def test_values(text: str, values: dict[str, float], value: float) -> None:
    assert evaluate(text, values) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x + y", "no value was given for x, y"),
        ("2 3", "side by side"),
        ("2 +", "no complete expression"),
        ("()", "no complete expression"),
        ("* 2", "no complete expression"),
        ("(1", "not closed"),
        ("1)", "closes nothing"),
        ("1/0", "divides by zero"),
        ("1 % 0", "divides by zero"),
        ("0 ^ -1", "divides by zero"),
        ("9^9^9^9", "too large"),
        ("1e308 * 10", "not a real, finite number"),
        ("1e999", "too large"),
        ("9" * 400, "too large"),
        ("(0-8)^0.5", "not a real, finite number"),
        ("x.real", "makes no sense"),
        ("'a' * 9", "makes no sense"),
        ("[1]", "makes no sense"),
        ("a if b else c", "no value was given"),
        ("1 << 99", "makes no sense"),
        ("1, 2", "makes no sense"),
        ("(" * 60 + "1" + ")" * 60, "nested deeper"),
        ("+".join("1" * 1999), "parts"),
        ("1" + "0" * 5000, "characters"),
        ("-" * 399 + "1", ""),
        ("\x00", "makes no sense"),
    ],
)
def test_what_cannot_be_evaluated_is_told_quickly(text: str, words: str) -> None:
    begin = time.process_time()
    if words:
        with pytest.raises(ValueError, match=words):
            evaluate(text, {})
    else:
        assert evaluate(text, {}) == -1
    assert time.process_time() - begin < 2


@given(st.text(alphabet="0123456789.xyeE+-*/%^() \n_'[]{}:;,=<>\\\x00é", max_size=60))
def test_whatever_comes_is_a_number_or_a_value_error(text: str) -> None:
    try:
        assert math.isfinite(evaluate(text, {"x": 2.0, "y": -3.0, "e": 0.5}))
    except ValueError as error:
        assert str(error)
