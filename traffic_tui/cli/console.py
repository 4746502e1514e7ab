"""The console: with a coordinator in this process, or on one that runs already."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from traffic_tui.cli.connection import failure_of, find_client
from traffic_tui.cli.failures import CommandFailed, WrongUsage
from traffic_tui.cli.options import Where
from traffic_tui.cli.own_coordinator import OwnCoordinator
from traffic_tui.cli.settings import StartFlags, read_start
from traffic_tui.client.base import ClientError
from traffic_tui.hang_up import HangUp

if TYPE_CHECKING:
    from pathlib import Path

    from traffic_tui.app import Leaving
    from traffic_tui.cli.settings import Start
    from traffic_tui.client.base import Client
    from traffic_tui.config import ConsoleConfig, Place


class ConsoleWish(NamedTuple):
    """How the console is to look and act."""

    is_read_only: bool = False
    is_ascii: bool = False


class Seat(NamedTuple):
    """Which coordinator the console sits at, in words for its screens."""

    name: str
    folder: Path | None = None
    """Its data, where they are on this box and this user's."""
    place: Place = "none"
    """What the console's file calls it."""
    is_demo: bool = False


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
    if find_running(start.folder) is not None:
        attach_console(Where(data_dir=start.folder), wish)
    else:
        run_with_own_coordinator(start, wish)


def attach_console(where: Where, wish: ConsoleWish) -> None:
    """The console alone. Closing it does nothing to the jobs."""
    config = read_console_config()
    name, where, wish = _named_server(config, where, wish)
    try:
        client = find_client(where, role="admin", is_read_only=wish.is_read_only)
    except ClientError as error:
        raise failure_of(error) from error
    place = config.servers[name].place if name in config.servers else "none"
    seat = Seat(name or urlsplit(client.url).netloc, where.data_dir, place)
    with HangUp() as hang_up:
        show(client, wish, seat, config, hang_up)


def _named_server(
    config: ConsoleConfig, where: Where, wish: ConsoleWish
) -> tuple[str, Where, ConsoleWish]:
    """A name out of the console's file in place of a URL, with what the file says of it."""
    if where.url is None:
        return "local", where, wish
    for name, entry in config.servers.items():
        if where.url in (name, entry.url):
            is_read_only = wish.is_read_only or entry.read_only
            return name, where._replace(url=entry.url), wish._replace(is_read_only=is_read_only)
    return "", where, wish


def run_with_own_coordinator(start: Start, wish: ConsoleWish) -> None:
    """Console and coordinator in one process, and what becomes of the second after the first."""
    from traffic_tui.client.embedded import RuntimeProblem, open_embedded

    config = read_console_config()
    own = OwnCoordinator(start)
    with HangUp() as hang_up:
        try:
            client = open_embedded(
                start.settings, start.folder, on_crash=own.crashed, is_read_only=wish.is_read_only
            )
        except RuntimeProblem as problem:
            raise CommandFailed(str(problem)) from problem
        try:
            seat = Seat("local", start.folder)
            leaving = "hangup" if hang_up.came else show(client, wish, seat, config, hang_up)
            if leaving == "hangup" and asyncio.run(_has_work(client)):
                own.stay_without_terminal()
        finally:
            asyncio.run(client.close())
    if leaving == "keep":
        own.hand_over(client.url)
    own.tell_crash()


async def _has_work(client: Client) -> bool:
    """Whether anything waits or runs, which is reason enough to go on without a terminal."""
    from server.model import FINAL_STATES

    try:
        counts = (await client.stats()).counts
    except ClientError:  # it ended by itself, which is told later
        return False
    return any(number for state, number in counts.items() if state not in FINAL_STATES)


def read_console_config() -> ConsoleConfig:
    """What the operator likes, from the console's own file."""
    from traffic_tui.config import ConfigError, load_config

    try:
        return load_config()
    except ConfigError as problem:
        raise CommandFailed(str(problem)) from problem


def show(
    client: Client,
    wish: ConsoleWish,
    seat: Seat,
    config: ConsoleConfig,
    hang_up: HangUp,
) -> Leaving:
    """Run the console to its end and say how it was left."""
    from traffic_tui.app import ConsoleCrashed, run_console

    folder = str(seat.folder) if seat.folder is not None else ""
    try:
        return run_console(
            client,
            config,
            read_only=wish.is_read_only,
            ascii_only=wish.is_ascii,
            server_name=seat.name,
            server_place=seat.place,
            data_folder=folder,
            agent_arguments=("--data-dir", folder) if folder else (),
            hang_up=hang_up,
            is_demo=seat.is_demo,
        )
    except ConsoleCrashed as crash:
        log = f"; coordinator.log in {folder} is the coordinator's log" if folder else ""
        raise CommandFailed(
            f"the console crashed, a bug: {crash}; jobs are not touched, what stands above "
            f"tells where{log}"
        ) from crash
