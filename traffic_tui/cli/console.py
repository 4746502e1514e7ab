"""The console: with a coordinator in this process, or on one that runs already."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, NamedTuple

from traffic_tui.cli.connection import failure_of, find_client
from traffic_tui.cli.failures import CommandFailed, WrongUsage
from traffic_tui.cli.options import Where
from traffic_tui.cli.own_coordinator import OwnCoordinator
from traffic_tui.cli.settings import StartFlags, read_start
from traffic_tui.client.base import ClientError

if TYPE_CHECKING:
    from traffic_tui.app import Leaving
    from traffic_tui.cli.settings import Start
    from traffic_tui.client.base import Client


class ConsoleWish(NamedTuple):
    """How the console is to look and act."""

    is_read_only: bool = False
    is_ascii: bool = False


def require_terminal() -> None:
    """The console cannot be without one; a coordinator can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WrongUsage(
            "the console needs a terminal, and this is none; "
            "'traffic-tui serve' runs the coordinator without one"
        )


def open_console(flags: StartFlags, wish: ConsoleWish) -> None:
    """The console of this user: on the coordinator that serves these data, else with its own."""
    from server.discovery import find_running

    require_terminal()
    start = read_start(flags)
    running = find_running(start.folder)
    if running is not None:
        attach_console(Where(url=running.url, data_dir=start.folder), wish)
        return
    run_with_own_coordinator(start, wish)


def attach_console(where: Where, wish: ConsoleWish) -> None:
    """The console alone. Closing it does nothing to the jobs."""
    try:
        client = find_client(where, role="admin", is_read_only=wish.is_read_only)
    except ClientError as error:
        raise failure_of(error) from error
    show(client, wish)


def run_with_own_coordinator(start: Start, wish: ConsoleWish) -> None:
    """Console and coordinator in one process, and what becomes of the second after the first."""
    from traffic_tui.client.embedded import RuntimeProblem, open_embedded

    own = OwnCoordinator(start)
    try:
        client = open_embedded(
            start.settings, start.folder, on_crash=own.crashed, is_read_only=wish.is_read_only
        )
    except RuntimeProblem as problem:
        raise CommandFailed(str(problem)) from problem
    try:
        leaving = show(client, wish)
        if leaving == "hangup":
            own.stay_without_terminal()
    finally:
        asyncio.run(client.close())
    if leaving == "keep":
        own.hand_over(client.url)
    own.tell_crash()


def show(client: Client, wish: ConsoleWish) -> Leaving:
    """Run the console to its end and say how it was left."""
    from traffic_tui.app import run_console
    from traffic_tui.config import ConfigError, load_config

    try:
        config = load_config()
    except ConfigError as problem:
        raise CommandFailed(str(problem)) from problem
    return run_console(client, config, read_only=wish.is_read_only, ascii_only=wish.is_ascii)
