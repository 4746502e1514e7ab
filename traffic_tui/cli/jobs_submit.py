"""``traffic-tui jobs submit``: a job of any type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from traffic_tui.cli import completion
from traffic_tui.cli.asking import stdin_text
from traffic_tui.cli.failures import CommandFailed, WrongUsage
from traffic_tui.cli.submission import Order, ParamsFileOption, ParamsOption, submitting
from traffic_tui.cli.typed import cursor_of, json_of

RangeOption: TypeAlias = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--range",
        metavar="FROM TO",
        help="Do this stretch of a cursor in pieces, ends included: microseconds, or dates.",
    ),
]
RangePolicyOption: TypeAlias = Annotated[
    Literal["all", "missing"],
    typer.Option("--range-policy", help="missing: only what no other job did or is doing."),
]


def declare(app: typer.Typer) -> None:
    """Put the command into the group."""

    @submitting(
        app,
        "submit",
        "jobs submit resize-images --params '{\"set\": 7}' --queue gpu --priority 5",
        "jobs submit report --params-file - --require os=linux --timeout 10m",
        "jobs submit range --range 2024-01-01 2024-02-01 --range-policy missing",
    )
    def submit(
        type_name: Annotated[
            str,
            typer.Argument(metavar="TYPE", help="Job type.", autocompletion=completion.job_types),
        ],
        params: ParamsOption = None,
        params_file: ParamsFileOption = None,
        ends: RangeOption = None,
        policy: RangePolicyOption = "all",
    ) -> Order:
        """Submit a job of any type."""
        return Order(type_name, params_of(params, params_file), range_of(ends), policy)


def range_of(ends: tuple[str, str] | None) -> tuple[int, int] | None:
    """Both ends of a range of a cursor in microseconds."""
    from server.clock import SystemClock

    if ends is None:
        return None
    now = SystemClock().now_ms()
    return cursor_of(ends[0], now, "--range"), cursor_of(ends[1], now, "--range")


def params_of(params: str | None, params_file: str | None) -> bytes:
    """The parameters, wherever they stand. None given: an empty object."""
    if params is not None and params_file is not None:
        raise WrongUsage("--params and --params-file say the same thing; give one")
    if params_file is not None:
        return json_of(_read(params_file), "--params-file")
    return json_of(params if params is not None else "{}", "--params")


def _read(name: str) -> str:
    if name == "-":
        return stdin_text()
    try:
        return Path(name).read_text("utf-8")
    except UnicodeDecodeError as problem:
        raise CommandFailed(f"{name}: not UTF-8, byte {problem.start} is wrong") from problem
    except OSError as problem:
        raise CommandFailed(f"{name}: cannot be read: {problem.strerror}") from problem
