"""``traffic-tui jobs start``: one command for each job type that is built in."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from traffic_tui.cli.command import group
from traffic_tui.cli.failures import WrongUsage
from traffic_tui.cli.submission import Order, submitting
from traffic_tui.cli.typed import assignments_of, duration_of

app = group("Start a job of a built-in type.", "jobs start wait 30 --follow")


def _order(type_name: str, **params: object) -> Order:
    return Order(type_name, json.dumps(params, ensure_ascii=False).encode())


@submitting(app, "noop", "jobs start noop --wait")
def noop() -> Order:
    """Do nothing, successfully."""
    return _order("noop")


@submitting(app, "fib", "jobs start fib 30 --wait")
def fib(
    number: Annotated[
        int, typer.Argument(metavar="N", help="Which number; 1 gives 0, 2 gives 1.", min=1)
    ],
) -> Order:
    """Compute a Fibonacci number."""
    return _order("fib", n=number)


@submitting(app, "eval", "jobs start eval '2x + 1' x=3 --wait")
def evaluate(
    expression: Annotated[str, typer.Argument(metavar="EXPR", help="What to compute.")],
    variables: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=NUMBER", help="Values of its names.")
    ] = None,
) -> Order:
    """Compute an expression. 2x means 2*x."""
    return _order("eval", expression=expression, args=_numbers(variables or []))


def _numbers(items: list[str]) -> dict[str, float | int]:
    found: dict[str, float | int] = {}
    for item in items:
        name, has_value, text = item.partition("=")
        try:
            value = float(text)
        except ValueError:
            has_value = ""
        if not has_value or not name.isidentifier():
            raise WrongUsage(f"{item!r} gives no name a number; say for example x=1")
        found[name] = int(value) if value.is_integer() and "." not in text else value
    return found


@submitting(app, "wait", "jobs start wait 30 --follow")
def wait(
    seconds: Annotated[str, typer.Argument(metavar="SECONDS", help="How long: 30, 90s, 2m.")],
    post_to: Annotated[
        str, typer.Argument(metavar="[URL]", help="Where to send an empty POST after it.")
    ] = "",
) -> Order:
    """Wait, with progress; then, if a URL is given, send it one empty POST."""
    length = duration_of(seconds, "SECONDS")
    told = {"url": post_to} if post_to else {}
    return _order("wait", seconds=length, **told)


@submitting(
    app,
    "command",
    "jobs start command --follow -- sh -c 'echo hello; sleep 1'",
    "jobs start command --limit memory=64MiB --limit wall=30s -- make test",
)
def command(
    arguments: Annotated[
        list[str], typer.Argument(metavar="-- ARGV...", help="The program and its arguments.")
    ],
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit", metavar="NAME=VALUE", help="Less than its runner allows; repeat it."
        ),
    ] = None,
) -> Order:
    """Run a program on a runner that allows it.

    Limits are memory, pids, cpu (share of a core), io (bytes a second) and wall (time).
    """
    limits = _limits(limit or [])
    return _order("command", argv=arguments, **({"limits": limits} if limits else {}))


def _limits(items: list[str]) -> dict[str, object]:
    """Limits as a job's parameters have them; each is looked at before anything is sent."""
    from server.configuration.limit_kinds import LIMIT_KINDS

    found: dict[str, object] = {}
    for name, text in assignments_of(items, "--limit", "limit").items():
        kind = LIMIT_KINDS.get(name)
        if kind is None:
            raise WrongUsage(f"there is no limit {name!r}; there are {', '.join(LIMIT_KINDS)}")
        value = _number_or_text(text)
        try:
            kind.read(value)
        except ValueError as error:
            raise WrongUsage(f"--limit {name} {error}") from None
        found[name] = value
    return found


def _number_or_text(text: str) -> int | float | str:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
