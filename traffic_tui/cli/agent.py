"""``traffic-tui agent``: our runner on this box."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 (Typer reads annotations)
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from traffic_tui.cli.command import local, standalone
from traffic_tui.cli.failures import EXIT_DONE
from traffic_tui.cli.options import CaOption, DataDirOption, KeyFileOption, UrlOption, Where

if TYPE_CHECKING:
    from server.settings import AgentSettings
    from traffic_tui.client.locate import Located
    from traffic_tui.runner.sandbox.sandbox import SandboxOptions

app = standalone()

Protocol: TypeAlias = Literal["native-v2", "runpack", "rrq", "traffic-light", "treadmill"]
Isolation: TypeAlias = Literal["auto", "require", "off"]


@local(
    app,
    "agent",
    "agent --capacity 4 --label rack=r12",
    "agent --url https://control.example:8700 --key-file lab-07.key --type command",
    "agent --handlers myjobs:registry",
    "agent --protocol rrq --tcp-socket 127.0.0.1:9000",
    "agent --protocol traffic-light --listen 0.0.0.0:3000 --handlers myjobs:registry",
    "agent --protocol treadmill --url ws://control.example:8700 --name SUPERVISOR_UUID",
)
def agent(
    url: UrlOption = None,
    name: Annotated[
        str,
        typer.Option(
            "--name", metavar="NAME", help="Else this host's name. For treadmill: its UUID."
        ),
    ] = "",
    capacity: Annotated[
        int | None,
        typer.Option(
            "--capacity",
            metavar="N",
            help="Jobs at once; else one a processor; for treadmill one.",
            min=1,
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="NAME=VALUE", help="What jobs may ask for; repeat it."),
    ] = None,
    job_type: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only these; command has to be named."),
    ] = None,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    cert: Annotated[
        str | None, typer.Option("--cert", metavar="FILE", help="This runner's certificate.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="FILE", help="That certificate's key.")
    ] = None,
    protocol: Annotated[
        Protocol, typer.Option("--protocol", help="Which kind of coordinator to serve.")
    ] = "native-v2",
    tcp_socket: Annotated[
        str | None,
        typer.Option("--tcp-socket", metavar="HOST:PORT", help="For rrq: where to listen, here."),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="For traffic-light: its webhook."),
    ] = None,
    handlers: Annotated[
        str | None,
        typer.Option("--handlers", metavar="MODULE:REGISTRY", help="Job types of your own."),
    ] = None,
    isolation: Annotated[
        Isolation | None,
        typer.Option("--isolation", help="Of commands; else agent.isolation, which is auto."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Its part is [agent].")
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Run jobs on this box for a coordinator.

    The key comes from --key-file, from TRAFFIC_TUI_KEY, or from the data folder of this user's own
    coordinator; for treadmill it is the supervisor's token. The first SIGINT or SIGTERM lets it
    finish what runs, the second stops that.
    """
    from traffic_tui.cli.settings import StartFlags, read_start
    from traffic_tui.cli.typed import assignments_of
    from traffic_tui.runner.agent import run_agent
    from traffic_tui.runner.options import AgentOptions, NotifyRelay

    labels = assignments_of(label or [], "--label", "label")
    settings = read_start(StartFlags(config)).settings
    where = Where(url, key_file, ca, data_dir)
    located = nowhere() if protocol == "rrq" else locate_coordinator(where, protocol)
    code = run_agent(
        AgentOptions(
            located.url,
            name,
            capacity,
            labels,
            tuple(job_type or ()),
            located.key,
            ca=str(located.trust.ca) if located.trust.ca else None,
            cert=cert,
            key_file=key,
            protocol=protocol,
            handlers=handlers,
            allow_command=settings.agent.allow_command,
            sandbox=sandbox_options(settings.agent, isolation),
            notify_relay=NotifyRelay.from_environment() if protocol == "runpack" else None,
            tcp_socket=tcp_socket,
            listen=listen,
            images=settings.agent.images,
        )
    )
    if code != EXIT_DONE:
        raise typer.Exit(code)


def sandbox_options(settings: AgentSettings, isolation: Isolation | None) -> SandboxOptions:
    """What is put around programs: as configured, unless the command line says otherwise."""
    from traffic_tui.runner.sandbox.sandbox import SandboxOptions

    return SandboxOptions(
        isolation or settings.isolation, settings.limits, settings.show, settings.share
    )


def nowhere() -> Located:
    """Of RRQ's orchestrators nothing has to be known: they come to us."""
    from traffic_tui.client.locate import Located
    from traffic_tui.client.trust import Trust

    return Located("", "", Trust(), is_local=True)


def locate_coordinator(where: Where, protocol: Protocol) -> Located:
    """Where to report to, and the runner's key for it."""
    from traffic_tui.cli.connection import failure_of
    from traffic_tui.client.base import ClientError
    from traffic_tui.client.locate import locate

    try:
        return locate(
            url=as_http(where.url) if protocol == "treadmill" else where.url,
            key_file=where.key_file,
            ca=where.ca,
            data_dir=where.data_dir,
            role="runner",
        )
    except ClientError as error:
        raise failure_of(error) from error


def as_http(url: str | None) -> str | None:
    """A switchboard's address, which begins with ws or wss, as that of the server it is on."""
    from traffic_tui.client.locate import URL_VARIABLE

    named = url or os.environ.get(URL_VARIABLE) or None
    return "http" + named[2:] if named and named.startswith(("ws://", "wss://")) else named
