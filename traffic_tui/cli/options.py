"""Options that many commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeAlias

import typer

Format: TypeAlias = Literal["table", "wide", "json", "name"]

UrlOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Coordinator; else TRAFFIC_TUI_URL, else yours."),
]
KeyFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", help="File that holds the key."),
]
CaOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Certificate authority of the coordinator."),
]
CertificateOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--cert", metavar="FILE", help="Your certificate, where one is asked for."),
]
CertificateKeyOption: TypeAlias = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="The key of that certificate.")
]
DataDirOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Or the one that serves this data folder."),
]
DebugOption: TypeAlias = Annotated[
    bool, typer.Option("--debug", help="Show where an error came from.")
]
FormatOption: TypeAlias = Annotated[
    Format, typer.Option("--output", "-o", metavar="table|wide|json|name", help="How to print.")
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Same as -o json.")]

ReasonOption: TypeAlias = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; goes into the audit log.")
]
YesOption: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


class Where(NamedTuple):
    """What the command line says about the coordinator to talk to."""

    url: str | None = None
    key_file: Path | None = None
    ca: Path | None = None
    data_dir: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None
