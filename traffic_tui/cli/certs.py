"""``traffic-tui certs``: certificates for mutual TLS 1.3."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 (Typer reads annotations)
from typing import TYPE_CHECKING, Annotated

import typer

from traffic_tui.cli.command import group, local
from traffic_tui.cli.failures import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

app = group(
    "Make certificates for mutual TLS 1.3.",
    "certs init certs",
    "certs issue certs alice",
)


@local(app, "init", "certs init certs", "certs init certs --host control.example.org")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where they are put.")],
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME", help="The server's name or address; repeatable."),
    ] = None,
) -> None:
    """Make an authority and a server's certificate. Nothing is ever overwritten."""
    from traffic_tui.certificates import CertificateProblem
    from traffic_tui.certificates import init as make

    try:
        written = make(folder, host or [])
    except CertificateProblem as error:
        raise CommandFailed(str(error)) from None
    _tell(written)
    _say(
        f"keep {folder / 'ca.key'} to yourself: whoever has it can be anybody",
        f"next: traffic-tui certs issue {folder} alice",
        "and in the configuration:",
        "  [protocols.workernator]",
        "  enabled = true",
        f'  certificate = "{folder.absolute() / "server.pem"}"',
        f'  key = "{folder.absolute() / "server.key"}"',
        f'  client_ca = "{folder.absolute() / "ca.pem"}"',
        "  [protocols.workernator.users.alice]",
        '  start = "own"',
        '  stop = "own"',
        '  status = "own"',
        '  output = "own"',
    )


@local(app, "issue", "certs issue certs alice", "certs issue certs laptop --user alice")
def issue(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the authority lies.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the files are called.")],
    user: Annotated[
        str, typer.Option("--user", metavar="U", help="Whom the server sees; else NAME.")
    ] = "",
) -> None:
    """Make a client's certificate, signed by the authority in DIR."""
    from traffic_tui.certificates import CertificateProblem
    from traffic_tui.certificates import issue as make

    try:
        written = make(folder, name, user or name)
    except CertificateProblem as error:
        raise CommandFailed(str(error)) from None
    _tell(written)
    _say(
        f"the server sees {user or name}; give both files and {folder / 'ca.pem'} to that user",
        "next: traffic-tui jobs start fib 30 --url grpcs://localhost:25555 "
        f"--ca {folder / 'ca.pem'} --cert {written[0]} --key {written[1]}",
    )


def _tell(written: Sequence[Path]) -> None:
    """The files, a line each, for people and scripts."""
    for path in written:
        typer.echo(str(path))


def _say(*lines: str) -> None:
    """What to do next; beside what a script reads."""
    for line in lines:
        sys.stderr.write(f"{line}\n")
