"""``traffic-tui attach``: the console alone, on a coordinator that runs elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from traffic_tui.cli.command import local, standalone
from traffic_tui.cli.options import (
    CaOption,
    CertificateKeyOption,
    CertificateOption,
    DataDirOption,
    KeyFileOption,
    Where,
)

app = standalone()


@local(app, "attach", "attach", "attach https://control.example:8700 --read-only")
def attach(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="Or a name from the console's file; else as usual."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Look, change nothing.")] = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Plain letters, no glyphs.")] = False,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    data_dir: DataDirOption = None,
    certificate: CertificateOption = None,
    certificate_key: CertificateKeyOption = None,
) -> None:
    """Open the console on a running coordinator. Closing it ends nothing there."""
    from traffic_tui.cli.console import ConsoleWish, attach_console, require_terminal

    require_terminal()
    where = Where(url, key_file, ca, data_dir, certificate, certificate_key)
    attach_console(where, ConsoleWish(read_only, ascii_only))
