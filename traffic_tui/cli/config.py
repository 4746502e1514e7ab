"""``traffic-tui config``: is this configuration good?"""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 (Typer reads annotations)
from typing import TYPE_CHECKING, Annotated

import typer

from traffic_tui.cli.command import group, local
from traffic_tui.cli.failures import EXIT_FAILED, CommandFailed
from traffic_tui.cli.options import FormatOption, JsonOption  # noqa: TC001 (as above)
from traffic_tui.cli.printing import Printer

if TYPE_CHECKING:
    from server.configuration.problems import Problem

app = group("Look at the configuration.", "config check")


@local(
    app,
    "check",
    "config check",
    "config check /etc/xdg/traffic-tui/config.toml",
    "config check --json",
)
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Else the one that would be used.")
    ] = None,
    output: FormatOption = "table",
    as_json: JsonOption = False,
) -> None:
    """Say everything that is wrong with a configuration, with its place.

    Exits with 1 if something is. As names: the keys that are wrong.
    """
    from server.configuration import (
        ConfigurationError,
        ConfigurationMissing,
        find_configuration,
        load_settings,
    )

    printer = Printer.for_stdout("json" if as_json else output)
    problems: tuple[Problem, ...] = ()
    try:
        found = file if file is not None else find_configuration(None, os.environ)
        load_settings(found)
    except ConfigurationMissing as missing:
        raise CommandFailed(str(missing)) from missing
    except ConfigurationError as error:
        problems = error.problems
    if printer.is_json:
        told = [problem._asdict() for problem in problems]
        printer.document({"file": str(found or ""), "problems": told})
    elif printer.format == "name":
        printer.names(problem.key or problem.source for problem in problems)
    elif problems:
        for problem in problems:
            typer.echo(str(problem), err=True)
    else:
        typer.echo(
            f"good: {found}" if found else "good: there is no file, everything is at its default"
        )
    if problems:
        raise typer.Exit(EXIT_FAILED)
