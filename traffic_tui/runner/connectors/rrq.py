"""Serves RRQ orchestrators: listens on this box, takes requests, answers each exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from typing import TYPE_CHECKING

from server.wire import rrq
from traffic_tui.runner.connectors import rrq_answers
from traffic_tui.runner.connectors.rrq_connection import RrqConnection
from traffic_tui.runner.connectors.rrq_in_flight import InFlight, Taken
from traffic_tui.runner.connectors.rrq_requests import is_too_late, order_of
from traffic_tui.runner.errors import JobError, RunnerError
from traffic_tui.runner.process_output import ProcessOutput
from traffic_tui.runner.tcp_socket import TcpSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from server.model import Stream
    from server.wire.rrq import Cancel, ReceivedRequest, Response
    from traffic_tui.runner.seam import JobUpdate
    from traffic_tui.runner.supervisor import Supervisor

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 128
CANCEL_GRACE_SECONDS = 5.0
"""Between a cancel and insisting; a handler that ignores both is answered for 5 s later."""
FLUSH_SECONDS = 2.0
"""At the end, how long orchestrators may take to read what they were answered."""


class RrqConnector:
    """Between one supervisor and however many orchestrators connect.

    Args:
        address: where to listen; port 0 is any free one.
        max_in_flight: requests on one connection that are executed at once.
        takes_old_protocol: also read protocol "1", of RRQ before 0.9.10.
        drain_seconds: once draining, how long what runs may go on; None: as long as it takes.
    """

    max_result_bytes = rrq_answers.MAX_RESULT_BYTES

    def __init__(
        self,
        address: TcpSocket,
        *,
        max_in_flight: int = rrq.MAX_IN_FLIGHT,
        takes_old_protocol: bool = False,
        drain_seconds: float | None = None,
    ) -> None:
        self._address = address
        self._max_in_flight = max_in_flight
        self._versions = {rrq.PROTOCOL_VERSION}
        if takes_old_protocol:
            self._versions.add(rrq.OLD_PROTOCOL_VERSION)
        self._drain_seconds = drain_seconds
        self._in_flight = InFlight()
        self._connections: set[RrqConnection] = set()
        self._numbers = itertools.count(1)
        self._output = ProcessOutput()
        self._changed = asyncio.Event()
        self._is_draining = False
        self._has_given_up = False
        self._server: asyncio.Server | None = None
        self._supervisor: Supervisor | None = None
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def is_told(self) -> bool:
        return self._in_flight.is_empty

    @property
    def address(self) -> TcpSocket:
        """Where it listens, with the port that was given to it."""
        return self._address

    # the seam --------------------------------------------------------------------------------

    async def run(self, supervisor: Supervisor) -> None:
        """Serve until drained. Raises RunnerError when the address cannot be listened on."""
        self._supervisor = supervisor
        try:
            await self._listen(supervisor.registry.names)
            await self._until_drained()
        finally:
            self._drop_timers()
            await self._close()

    def drain(self) -> None:
        self._is_draining = True
        if self._server is not None:
            self._server.close()
        if self._drain_seconds is not None:
            self._later(self._drain_seconds, self._stop_all)
        self._changed.set()

    def stop(self, within_seconds: float) -> None:
        self.drain()
        self._later(within_seconds, self._give_up)

    def update_job_state(self, request_id: str, update: JobUpdate) -> None:
        if update.outcome is None:
            return
        taken = self._in_flight.remove(request_id)
        if taken is not None:
            answer = rrq_answers.answer(
                taken.job_id, taken.request_id, update.outcome, update.result
            )
            taken.connection.send(answer)
            self._changed.set()

    def report_job_error(self, request_id: str, error: JobError) -> None:
        taken = self._in_flight.remove(request_id)
        if taken is not None:
            taken.connection.send(
                rrq_answers.refused(taken.job_id, taken.request_id, taken.function_name, error)
            )

    def send_console_bytes(self, request_id: str, stream: Stream, data: bytes) -> int:
        """RRQ has no console: what a job prints, its runner prints."""
        return self._output.take(stream, data)

    async def console_room(self, request_id: str) -> None:
        await self._output.wait_for_room()

    # what connections tell -------------------------------------------------------------------

    def opened(self, connection: RrqConnection) -> None:
        if len(self._connections) >= MAX_CONNECTIONS or self._is_draining:
            log.warning("an orchestrator is turned away: there are %d", len(self._connections))
            connection.abort()
            return
        self._connections.add(connection)

    def take(self, connection: RrqConnection, request: ReceivedRequest) -> None:
        refusal = self._refusal(connection, request)
        if refusal is not None:
            connection.send(refusal)
            return
        order = order_of(request, f"{next(self._numbers)}")
        self._in_flight.add(
            Taken(order.key, request.job_id, request.request_id, request.function_name, connection)
        )
        assert self._supervisor is not None
        try:
            self._supervisor.start(order)
        except JobError as error:
            self.report_job_error(order.key, error)

    def cancel(self, cancel: Cancel) -> None:
        """Ask for the end of what it names. What it does not name, or not in our version, is
        passed over, as it may have ended just now."""
        if cancel.protocol_version not in self._versions:
            return
        if cancel.request_id is None:
            self._stop(self._in_flight.of_job(cancel.job_id), kill=cancel.hard_kill)
        else:
            self._stop(self._in_flight.of_request(cancel.request_id), kill=cancel.hard_kill)

    def closing(self, connection: RrqConnection) -> None:
        """Nobody waits for what runs on it."""
        abandoned = self._in_flight.of_connection(connection)
        for execution_id in abandoned:
            self._in_flight.remove(execution_id)
        self._stop(abandoned)
        self._changed.set()

    def lost(self, connection: RrqConnection) -> None:
        self._connections.discard(connection)
        self._changed.set()

    # requests --------------------------------------------------------------------------------

    def _refusal(self, connection: RrqConnection, request: ReceivedRequest) -> Response | None:
        """What is wrong with a request, whatever it asks for."""
        ids = request.job_id, request.request_id
        if request.protocol_version not in self._versions:
            return rrq_answers.unsupported_version(*ids)
        if self._is_draining or self._in_flight.count(connection) >= self._max_in_flight:
            return rrq_answers.busy(*ids)
        if is_too_late(request):
            return rrq_answers.too_late(*ids)
        return None

    def _stop(self, execution_ids: Iterable[str], *, kill: bool = False) -> None:
        assert self._supervisor is not None
        for execution_id in execution_ids:
            with contextlib.suppress(JobError):  # it is ending already
                self._supervisor.stop(execution_id, grace_seconds=CANCEL_GRACE_SECONDS, kill=kill)

    # beginning and end -----------------------------------------------------------------------

    async def _listen(self, names: list[str]) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: RrqConnection(self), self._address.host, self._address.port
            )
        except OSError as error:
            raise RunnerError(
                f"cannot listen on {self._address}: {error.strerror or error}"
            ) from None
        port = self._server.sockets[0].getsockname()[1]
        self._address = TcpSocket(self._address.host, port)
        log.info("listening on %s for RRQ, with handlers for: %s", self._address, ", ".join(names))

    async def _until_drained(self) -> None:
        while not self._has_given_up and not (self._is_draining and not len(self._in_flight)):
            self._changed.clear()
            await self._changed.wait()

    async def _close(self) -> None:
        """Let go of everything, in bounded time."""
        self._is_draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._until_disconnected()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.to_thread(self._output.close)

    async def _until_disconnected(self) -> None:
        while self._connections:
            self._changed.clear()
            await self._changed.wait()

    def _stop_all(self) -> None:
        assert self._supervisor is not None
        self._supervisor.stop_all(grace_seconds=CANCEL_GRACE_SECONDS)

    def _give_up(self) -> None:
        self._has_given_up = True
        self._changed.set()

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _drop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
