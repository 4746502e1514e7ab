"""``eval``: the value of an arithmetic expression with named arguments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from traffic_tui.runner.jobs.parameters import known, text
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from traffic_tui.runner.request import ExecutionRequest

MAX_ARGUMENTS = 200
MAX_CHARACTERS = 4_000


def check(params: object) -> None:
    """All but what the numbers themselves lead to."""
    from traffic_tui.runner.jobs import expression

    text_given, values = _read(params)
    try:
        expression.check(text_given, values)
    except ValueError as error:
        raise ValueError(_words(text_given, error)) from None


async def run(request: ExecutionRequest) -> float | ExecutionOutcome:
    from traffic_tui.runner.jobs.expression import evaluate

    expression, values = _read(request.params)
    try:
        return evaluate(expression, values)
    except ValueError as error:
        return ExecutionOutcome.failure(
            request.job_id, request.request_id, _words(expression, error), "expression"
        )


def _words(expression: str, error: ValueError) -> str:
    return f"the expression {plain(expression, 100)!r} cannot be evaluated: {error}"


def _read(params: object) -> tuple[str, dict[str, float]]:
    given = known(params, ("expression", "args"))
    expression = text(given, "expression", longest=MAX_CHARACTERS)
    values = given.get("args") or {}
    if not isinstance(values, dict):
        raise ValueError('args is no object; it looks like {"x": 1}')
    if len(values) > MAX_ARGUMENTS:
        raise ValueError(f"args has {len(values)} values, at most {MAX_ARGUMENTS} are taken")
    return expression, {name: _value(name, value) for name, value in values.items()}


def _value(name: str, value: object) -> float:
    try:
        if not isinstance(value, bool) and isinstance(value, int | float):
            number = float(value)
            if math.isfinite(number):
                return number
    except OverflowError:
        pass
    raise ValueError(f"the argument {plain(name, 60)!r} is not a number that can be used")
