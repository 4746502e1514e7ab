"""``traffic-tui jobs submit``: a job of any type."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from traffic_tui.cli import completion
from traffic_tui.cli.failures import CommandFailed, WrongUsage
from traffic_tui.cli.submission import Order, ParamsFileOption, ParamsOption, submitting
from traffic_tui.cli.typed import json_of


def declare(app: typer.Typer) -> None:
    """Put the command into the group."""

    @submitting(
        app,
        "submit",
        "jobs submit resize-images --params '{\"set\": 7}' --queue gpu --priority 5",
        "jobs submit report --params-file - --require os=linux --timeout 10m",
    )
    def submit(
        type_name: Annotated[
            str,
            typer.Argument(metavar="TYPE", help="Job type.", autocompletion=completion.job_types),
        ],
        params: ParamsOption = None,
        params_file: ParamsFileOption = None,
    ) -> Order:
        """Submit a job of any type."""
        return Order(type_name, params_of(params, params_file))


def params_of(params: str | None, params_file: str | None) -> bytes:
    """The parameters, wherever they stand. None given: an empty object."""
    if params is not None and params_file is not None:
        raise WrongUsage("--params and --params-file say the same thing; give one")
    if params_file is not None:
        return json_of(_read(params_file), "--params-file")
    return json_of(params if params is not None else "{}", "--params")


def _read(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.buffer.read().decode()
        return Path(name).read_text("utf-8")
    except UnicodeDecodeError as problem:
        raise CommandFailed(f"{name}: not UTF-8, byte {problem.start} is wrong") from problem
    except OSError as problem:
        raise CommandFailed(f"{name}: cannot be read: {problem.strerror}") from problem
