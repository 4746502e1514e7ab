"""``traffic-tui serve``: the coordinator alone."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (Typer reads annotations)
from typing import Annotated

import typer

from traffic_tui.cli.command import local, standalone
from traffic_tui.cli.failures import EXIT_DONE, CommandFailed
from traffic_tui.cli.settings import StartFlags, read_start

app = standalone()


@local(
    app,
    "serve",
    "serve",
    "serve --config /etc/traffic-tui.toml --host 0.0.0.0 --port 8700",
)
def serve(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Else the user's, the system's.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="Where jobs are kept.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="HOST", help="Address to listen on.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", help="Port; 0: any.", min=0, max=65535),
    ] = None,
) -> None:
    """Run the coordinator without a console. Prints "ready URL" once it serves.

    SIGTERM ends it within 5 seconds, jobs run on; SIGHUP reads the configuration again.
    """
    from server.runtime import RuntimeProblem, Service
    from server.runtime import serve as serve_until_stopped

    flags = StartFlags(config, data_dir, host, port)
    start = read_start(flags)
    service = Service(
        start.settings,
        start.folder,
        start.configuration,
        adjust=flags.over,
        announce=_announce,
    )
    try:
        code = serve_until_stopped(service)
    except RuntimeProblem as problem:
        raise CommandFailed(str(problem)) from problem
    if code != EXIT_DONE:
        raise typer.Exit(code)


def _announce(line: str) -> None:
    typer.echo(line)
