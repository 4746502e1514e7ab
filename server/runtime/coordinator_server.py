"""The composition root of the coordinator: everything it is made of, started and ended in order.

Ending goes the other way round: tell others we leave, end streams and polls, close connections,
commit what is left, close the store, let go of the port.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING

from server.clock import SystemClock
from server.coordinator import Coordinator
from server.discovery import (
    DISCOVERY_FILE,
    Discovery,
    find_running,
    remove_discovery,
    write_discovery,
)
from server.errors import StoreError, TrafficError
from server.folder import FolderProblem, prepare_folder
from server.http.app import HttpApp
from server.keyring import GivenKey, Keyring
from server.operator import OperatorApi
from server.runtime.disk import DiskGuard
from server.runtime.given_keys import configured_keys, filed_keys
from server.runtime.http_server import HttpServer
from server.runtime.open_files import FileRoom, raise_open_files_limit
from server.runtime.problems import RuntimeProblem
from server.runtime.protocols import build_protocols
from server.runtime.reload import changed_settings, merged_settings
from server.runtime.sockets import bind_sockets, exposure_warnings, plain_url, reachable_url
from server.runtime.stores import make_store
from server.tracing.service import build_tracing

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from server.clock import Clock
    from server.protocols.service import ProtocolService
    from server.runtime.logs import CoordinatorLog
    from server.settings import Settings

STEP_SECONDS = 2.5
"""How long one step of stopping may take; what is not done by then is left to the kernel."""

logger = logging.getLogger(__name__)


class CoordinatorServer:
    """A coordinator with its store, its keys and its port, on the running loop.

    Args:
        settings: the configuration.
        folder: the data folder; made where it is missing.
        environment: where configured keys are looked up.
        log: where this process logs to while the coordinator runs; None: as it is set up already.
        clock: for tests.
    """

    coordinator: Coordinator
    operator: OperatorApi
    url: str
    """Where programs of this box reach it."""
    listen_url: str
    """The same with the address as it was asked for."""
    services: Sequence[ProtocolService] = ()
    """What the protocols do on their own account."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        environment: Mapping[str, str] = os.environ,
        log: CoordinatorLog | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.warnings: list[str] = []
        """What whoever started it should know, in words."""
        self._environment = environment
        self._log = log
        self._clock = clock or SystemClock()
        self._exits = contextlib.AsyncExitStack()
        self._is_serving = False
        self._failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Returns once requests are answered; leaves nothing behind when it raises.

        Raises:
            RuntimeProblem: in words for whoever starts it.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything, in bounded time. May be called again."""
        exits, self._exits = self._exits, contextlib.AsyncExitStack()
        if self._is_serving:
            self._is_serving = False
            logger.info("stopping")
        await exits.aclose()

    async def failed(self) -> BaseException:
        """Wait for an end that nobody asked for, and say what it was."""
        return await asyncio.shield(self._failure)

    async def reload(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Take over what can change while running.

        Keys are read anew as well, so that one that was taken out ends at once.

        Returns:
            The settings that changed, and those that need a restart to change.

        Raises:
            RuntimeProblem: a key cannot be read; nothing was changed.
            TrafficError: it cannot be stored; nothing but keys was changed.
        """
        merged = merged_settings(self.settings, settings)
        configured, filed = self._given_keys(merged)
        applied, refused = changed_settings(self.settings, settings)
        self.operator.keyring.set_given(configured=configured, filed=filed)
        await self.coordinator.reload(merged)
        self.settings = merged
        self._guard.min_free = self.settings.storage.min_free
        self._guard.look()
        return applied, refused

    # starting --------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._claim_folder()
        self._start_log()
        room = FileRoom(raise_open_files_limit())
        sockets = self._bind()
        configured, filed = self._given_keys(self.settings)
        self._guard = DiskGuard(
            self.folder,
            self.settings.storage.min_free,
            self._set_submit_problem,
            grant=self._set_output_room,
        )
        self._guard.make_room()
        await self._start_coordinator()
        keyring = Keyring(
            self._clock, configured=configured, filed=filed, stored=self.coordinator.keys
        )
        self.operator = OperatorApi(self.coordinator, self.coordinator.store.reads, keyring)
        self._end_with("the disk guard", self._guard.stop)
        await self._guard.start()
        await self._start_http(sockets, room)
        self._announce()
        for warning in self.warnings:
            logger.warning(warning)
        self._is_serving = True
        logger.info("serving %s from %s", self.listen_url, self.folder)

    def _claim_folder(self) -> None:
        try:
            self.warnings += prepare_folder(self.folder)
        except FolderProblem as error:
            raise RuntimeProblem(str(error)) from error
        if running := find_running(self.folder):
            raise RuntimeProblem(
                f"a coordinator serves {self.folder} already (process {running.pid}): open it with "
                f"`traffic-tui attach {running.url}`, stop it with `kill {running.pid}`, or use "
                "another folder with --data-dir"
            )

    def _start_log(self) -> None:
        if self._log is None:
            return
        try:
            self._log.start()
        except OSError as error:
            raise RuntimeProblem(
                f"the log in {self.folder} cannot be written: {error.strerror}"
            ) from error
        self._exits.callback(self._log.stop)

    def _bind(self) -> list[socket.socket]:
        server = self.settings.server
        sockets = bind_sockets(server.host, server.port)
        for bound in sockets:
            self._exits.callback(bound.close)
        scheme = "https" if server.tls.certificate else "http"
        port = sockets[0].getsockname()[1]
        self.url = reachable_url(scheme, server.host, port)
        self.listen_url = plain_url(scheme, server.host, port)
        self.warnings += exposure_warnings(server, sockets)
        return sockets

    def _given_keys(self, settings: Settings) -> tuple[list[GivenKey], list[GivenKey]]:
        """The keys of the configuration and those of the data folder."""
        configured = configured_keys(settings.keys, self._environment)
        filed = filed_keys(self.folder)
        if not (configured or filed):
            raise RuntimeProblem(
                "there is no key at all, so nobody could use it: remove "
                f"{self.folder}/keys.toml to have keys made, or name some under [keys]"
            )
        return configured, filed

    async def _start_coordinator(self) -> None:
        store = make_store(self.folder, self.settings, self._clock)
        self.coordinator = Coordinator(store, self.settings, self._clock)
        self._end_with("the store", store.close)
        try:
            await self.coordinator.start()
        except StoreError as error:
            raise RuntimeProblem(str(error)) from error
        self._end_with("the coordinator", self.coordinator.stop)

    async def _start_http(self, sockets: list[socket.socket], room: FileRoom) -> None:
        def takes(descriptor: int) -> bool:
            """Whether a connection that came in with this descriptor may stay."""
            if room.takes(descriptor):
                return True
            app.metrics.count_refused_connection()
            return False

        protocols = build_protocols(
            self.operator, self.settings, self.folder, self._environment, takes
        )
        app = HttpApp(self.operator, protocols.surfaces)
        http = HttpServer(
            app,
            sockets,
            self.settings.server.tls,
            takes=takes,
            look=room.look,
            on_end=self._fail,
        )
        self._end_with("the HTTP server", http.stop)
        await http.start()

        async def end_waits() -> None:
            app.close()
            self.coordinator.end_waits()

        self._end_with("streams and polls", end_waits)
        await self._start_services([*self._tracing(), *protocols.services])

    def _tracing(self) -> Sequence[ProtocolService]:
        """What makes spans, where the environment asks for them."""
        tracing = build_tracing(self.coordinator, self._environment)
        if tracing.problem:
            self.warnings.append(tracing.problem)
        return () if tracing.follower is None else (tracing.follower,)

    async def _start_services(self, services: Sequence[ProtocolService]) -> None:
        self.services = services
        for service in services:
            self._end_with(service.name, service.stop)
            try:
                await service.start()
            except TrafficError as error:
                raise RuntimeProblem(f"{service.name}: {error}") from error

    def _announce(self) -> None:
        discovery = Discovery(
            url=self.url,
            pid=os.getpid(),
            started_at=self.coordinator.started_at,
            data_dir=str(self.folder),
        )
        try:
            write_discovery(self.folder, discovery)
        except OSError as error:  # a full disk is when people need a coordinator that answers
            self.warnings.append(
                f"{self.folder / DISCOVERY_FILE} cannot be written: {error.strerror}; "
                f"programs of this box find it with --url {self.url} alone"
            )
        self._exits.callback(remove_discovery, self.folder, discovery)

    def _set_submit_problem(self, problem: str) -> None:
        self.coordinator.submit_problem = problem

    def _set_output_room(self, size: int) -> None:
        self.coordinator.set_output_room(size)

    # ending ----------------------------------------------------------------------------------

    def _end_with(self, what: str, stop: Callable[[], Awaitable[None]]) -> None:
        """Have ``stop`` called when this server ends, after what was started later."""
        self._exits.push_async_callback(_bounded, what, stop)

    def _fail(self, error: BaseException) -> None:
        logger.error("the coordinator cannot go on: %s", error)
        if not self._failure.done():
            self._failure.set_result(error)


async def _bounded(what: str, stop: Callable[[], Awaitable[None]]) -> None:
    """One step of ending: neither its slowness nor its failure keeps the next from being taken."""
    try:
        async with asyncio.timeout(STEP_SECONDS):
            await stop()
    except TimeoutError:
        logger.error("%s did not end within %g s", what, STEP_SECONDS)
    except Exception:  # the boundary of each step: told, and the next ones go on
        logger.exception("%s did not end cleanly", what)
