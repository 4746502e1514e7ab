"""An RRQ runner made of a registry: what a person's script starts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from typing import TYPE_CHECKING

from server.wire.rrq import MAX_IN_FLIGHT
from traffic_tui.runner.agent import DONE, REFUSED, Agent
from traffic_tui.runner.connectors.rrq import MAX_CONNECTIONS, RrqConnector
from traffic_tui.runner.connectors.rrq_handlers import as_rrq_reads
from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.own_process import end_now, log_for_people, loop_factory
from traffic_tui.runner.parent_guard import ParentGuard, is_managed
from traffic_tui.runner.supervisor import Supervisor
from traffic_tui.runner.tcp_socket import OPTION, check_loopback, told_tcp_socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from traffic_tui.runner.registry import Registry
    from traffic_tui.runner.tcp_socket import TcpSocket
    from traffic_tui.runner.telemetry import Telemetry

log = logging.getLogger(__name__)

WRONG_USAGE = 2
DRAIN_SECONDS = 3.0
"""An orchestrator kills its runners 5 s after it asked them to end."""


def run_tcp(
    registry: Registry,
    address: TcpSocket | None = None,
    telemetry: Telemetry | None = None,
    *,
    arguments: Sequence[str] | None = None,
) -> None:
    """Serve RRQ orchestrators until a signal ends it. For scripts: trouble is told in words.

    ``--tcp-socket`` on the command line says where to listen; without it ``address`` does, and
    without that the environment variable ``RRQ_RUNNER_TCP_SOCKET``.

    Raises:
        SystemExit: with 1 where it could not be done, with 2 where nobody said where to listen.
    """
    log_for_people()
    try:
        chosen = _chosen(address, sys.argv[1:] if arguments is None else arguments)
        RunnerRuntime().run_tcp(registry, chosen, telemetry)
    except ValueError as error:
        log.error("%s", error)
        raise SystemExit(WRONG_USAGE) from None
    except RunnerError as error:
        log.error("%s", error)
        raise SystemExit(REFUSED) from None


class RunnerRuntime:
    """Serves orchestrators with a registry's handlers.

    Args:
        max_in_flight: requests that are executed at once for one connection; one more is answered
            with "Runner busy".
        max_jobs: the same for all connections together; None: no other bound.
        takes_old_protocol: also understand protocol "1", of RRQ before 0.9.10.
        drain_seconds: when told to end, how long what runs may go on; None: until it is done.
        ends_with_parent: end when whoever started this process is gone; None: when that is an
            orchestrator, see :func:`traffic_tui.runner.parent_guard.is_managed`.
    """

    def __init__(
        self,
        max_in_flight: int = MAX_IN_FLIGHT,
        *,
        max_jobs: int | None = None,
        takes_old_protocol: bool = False,
        drain_seconds: float | None = DRAIN_SECONDS,
        ends_with_parent: bool | None = None,
    ) -> None:
        if not 1 <= max_in_flight <= MAX_IN_FLIGHT:
            raise ValueError(f"max_in_flight is {max_in_flight}; it goes from 1 to {MAX_IN_FLIGHT}")
        self._max_in_flight = max_in_flight
        self._max_jobs = max_in_flight * MAX_CONNECTIONS if max_jobs is None else max_jobs
        self._takes_old_protocol = takes_old_protocol
        self._drain_seconds = drain_seconds
        self._ends_with_parent = ends_with_parent
        self._agents: dict[Agent, asyncio.AbstractEventLoop] = {}

    def run_tcp(
        self, registry: Registry, address: TcpSocket, telemetry: Telemetry | None = None
    ) -> None:
        """Serve until SIGTERM or SIGINT, let what runs end, and return.

        Raises:
            ValueError: the address is not one of this box.
            RunnerError: it cannot be listened on, or an orchestrator was not told everything.
        """
        log_for_people()
        with self._guarded(), asyncio.Runner(loop_factory=loop_factory()) as runner:
            code = runner.run(self._serve(registry, address, telemetry))
        if code != DONE:
            raise RunnerError("not every request could be answered before the end")

    def stop(self) -> None:
        """End a ``run_tcp`` that goes on in another thread, as a signal would; again to hurry."""
        for agent, loop in list(self._agents.items()):
            with contextlib.suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(agent.signalled)

    async def serve_tcp(
        self, registry: Registry, address: TcpSocket, telemetry: Telemetry | None = None
    ) -> None:
        """The same on the caller's loop, which keeps its signals; cancelling it ends it."""
        supervisor, connector = self._parts(registry, address, telemetry)
        async with supervisor:
            await connector.run(supervisor)

    async def _serve(
        self, registry: Registry, address: TcpSocket, telemetry: Telemetry | None
    ) -> int:
        supervisor, connector = self._parts(registry, address, telemetry)
        agent = Agent(supervisor, connector)
        self._agents[agent] = asyncio.get_running_loop()
        try:
            await agent.run()
        finally:
            del self._agents[agent]
        if supervisor.running:
            end_now(REFUSED)  # a handler that cannot be ended would keep the loop from closing
        return DONE if connector.is_told else REFUSED

    def _parts(
        self, registry: Registry, address: TcpSocket, telemetry: Telemetry | None
    ) -> tuple[Supervisor, RrqConnector]:
        if telemetry is not None:
            registry = telemetry.traced(registry)
        connector = RrqConnector(
            check_loopback(address),
            max_in_flight=self._max_in_flight,
            takes_old_protocol=self._takes_old_protocol,
            drain_seconds=self._drain_seconds,
        )
        return Supervisor(as_rrq_reads(registry), connector, slots=self._max_jobs), connector

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Not outliving the parent, where that is wanted."""
        wanted = self._ends_with_parent
        guard = ParentGuard()
        if is_managed(sys.argv[1:]) if wanted is None else wanted:
            guard.start()
        try:
            yield
        finally:
            guard.stop()


def _chosen(address: TcpSocket | None, arguments: Sequence[str]) -> TcpSocket:
    told = told_tcp_socket(arguments, has_default=address is not None)
    chosen = told or address
    if chosen is None:
        raise ValueError(f"nobody said where to listen; start it with {OPTION} 127.0.0.1:9000")
    return chosen
