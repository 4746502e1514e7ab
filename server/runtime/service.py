"""``traffic-tui serve``: the coordinator as the whole of a process, under a person or systemd."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, NamedTuple

from server.configuration import ConfigurationError, load_settings
from server.errors import TrafficError
from server.garbage import collect_seldom
from server.runtime.coordinator_server import CoordinatorServer
from server.runtime.logs import CoordinatorLog
from server.runtime.loops import new_event_loop
from server.runtime.problems import RuntimeProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from server.settings import Settings

STOP_SECONDS = 4.5
"""After this the process ends whatever still waits: everything acknowledged is committed."""

EXIT_DONE = 0
EXIT_FAILED = 1

logger = logging.getLogger(__name__)


class Service(NamedTuple):
    """What to serve, and whom to tell."""

    settings: Settings
    folder: Path
    configuration: Path | None
    """The file the settings came from, read again on SIGHUP."""
    adjust: Callable[[Settings], Settings]
    """Puts the flags of the command line over what the file says."""
    announce: Callable[[str], None]
    """Gets the line ``ready URL`` once requests are answered."""


def serve(service: Service) -> int:
    """Serve until SIGTERM or SIGINT. The answer is the exit code.

    Raises:
        RuntimeProblem: it cannot start, in words.
    """
    os.umask(0o077)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(service))


async def _serve(service: Service) -> int:
    loop = asyncio.get_running_loop()
    stop_wanted, reload_wanted = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_wanted.set)
    loop.add_signal_handler(signal.SIGHUP, reload_wanted.set)
    log = CoordinatorLog(service.folder, to_stderr=True)
    server = CoordinatorServer(service.settings, service.folder, log=log)
    await server.start()
    collect_seldom()
    code = EXIT_FAILED
    try:
        service.announce(f"ready {server.listen_url}")
        notify_systemd("READY=1")
        code = await _until_stopped(server, service, stop_wanted, reload_wanted)
        return code
    finally:
        end_within(STOP_SECONDS, code)
        notify_systemd("STOPPING=1")
        await server.stop()


async def _until_stopped(
    server: CoordinatorServer,
    service: Service,
    stop_wanted: asyncio.Event,
    reload_wanted: asyncio.Event,
) -> int:
    """Wait for a signal or a failure, reloading meanwhile as often as asked."""
    failed = asyncio.ensure_future(server.failed())
    stopped = asyncio.ensure_future(stop_wanted.wait())
    try:
        while True:
            reloaded = asyncio.ensure_future(reload_wanted.wait())
            await asyncio.wait([failed, stopped, reloaded], return_when=asyncio.FIRST_COMPLETED)
            reloaded.cancel()
            if failed.done():
                raise failed.result()
            if stopped.done():
                return EXIT_DONE
            reload_wanted.clear()
            await reload(server, service)
    finally:
        failed.cancel()
        stopped.cancel()


async def reload(server: CoordinatorServer, service: Service) -> None:
    """Read the configuration again; one that is wrong changes nothing."""
    try:
        settings = service.adjust(load_settings(service.configuration))
        applied, refused = await server.reload(settings)
    except ConfigurationError as error:
        for problem in error.problems:
            logger.error("not reloaded: %s", problem)
        return
    except (RuntimeProblem, TrafficError) as error:
        logger.error("not reloaded: %s", error)
        return
    logger.info("reloaded; changed: %s", ", ".join(applied) or "nothing")
    if refused:
        logger.warning("changed only by a restart: %s", ", ".join(refused))


def end_within(seconds: float, exit_code: int) -> None:
    """End the process after a while, should something hold it. What was acknowledged is synced,
    so this is no more than a power cut would be."""

    def give_up() -> None:
        logger.error("something did not end within %g s; leaving without it", seconds)
        os._exit(exit_code)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def notify_systemd(message: str) -> None:
    """Tell the service manager, where there is one; it never matters to us whether it listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
            notifier.sendto(message.encode("ascii"), address)
    except OSError as error:
        logger.warning("systemd could not be told %s: %s", message, error.strerror)
