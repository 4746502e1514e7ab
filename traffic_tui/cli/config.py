"""``traffic-tui config``: is this configuration good?"""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 (Typer reads annotations)
from typing import Annotated

import typer

from traffic_tui.cli.command import group, local
from traffic_tui.cli.failures import EXIT_FAILED, CommandFailed

app = group("Look at the configuration.", "config check")


@local(app, "check", "config check", "config check /etc/xdg/traffic-tui/config.toml")
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Else the one that would be used.")
    ] = None,
) -> None:
    """Say everything that is wrong with a configuration, with its place."""
    from server.configuration import (
        ConfigurationError,
        ConfigurationMissing,
        find_configuration,
        load_settings,
    )

    try:
        found = file if file is not None else find_configuration(None, os.environ)
        load_settings(found)
    except ConfigurationMissing as missing:
        raise CommandFailed(str(missing)) from missing
    except ConfigurationError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(EXIT_FAILED) from error
    typer.echo(
        f"good: {found}" if found else "good: there is no file, everything is at its default"
    )
