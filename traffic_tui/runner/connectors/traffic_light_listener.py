"""Where a Traffic Light coordinator brings jobs: a small HTTP server with bounds on everything.

It knows one call. A head or body that is too long or too slow ends its connection, and when there
are too many connections, the one that has been silent longest goes.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import h11

from traffic_tui.runner.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

WEBHOOK_PATH = "/internal/traffic-light/job/create"
NONCE_HEADER = b"x-traffic-light-nonce"
"""Our own coordinator says for which boot a job is meant; the original does not."""
MAX_HEAD = 16 * 1024
MAX_BODY = 64 * 1024
MAX_CONNECTIONS = 64
READ_SIZE = 16 * 1024
SILENCE_SECONDS = 15.0
"""How long one request may take to arrive, and how long a connection is kept without one."""
STOP_SECONDS = 1.0


class Answer(NamedTuple):
    """What a caller is told."""

    status: int
    message: str = ""
    """What is wrong; empty: nothing."""

    @property
    def body(self) -> bytes:
        told = {"error": True, "message": self.message} if self.message else {"ok": True}
        return json.dumps(told).encode()


class Call(NamedTuple):
    """A job as it was sent."""

    caller: str
    """Address it came from."""
    life: str
    """The nonce of the boot it is meant for; empty: it does not say."""
    body: bytes


class Listener:
    """Listens until closed, and hands each job to ``take``."""

    def __init__(self, host: str, port: int, take: Callable[[Call], Awaitable[Answer]]) -> None:
        self._host = host
        self._port = port
        self._take = take
        self._server: asyncio.Server | None = None
        self._connections: OrderedDict[asyncio.StreamWriter, asyncio.Task[None]] = OrderedDict()

    async def open(self) -> int:
        """Listen; the answer is the port. Raises RunnerError where that cannot be."""
        try:
            self._server = await asyncio.start_server(
                self._connected, self._host, self._port, limit=READ_SIZE
            )
        except OSError as error:
            raise RunnerError(
                f"cannot listen on {self._host} port {self._port}: {error.strerror or error}"
            ) from None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Listen no more and cut what is open. Safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        tasks = list(self._connections.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(self._connections) >= MAX_CONNECTIONS:
            longest_silent, task = self._connections.popitem(last=False)
            longest_silent.transport.abort()
            task.cancel()
        served = Connection(reader, writer, self._take, self._heard)
        self._connections[writer] = asyncio.get_running_loop().create_task(
            self._serve(served, writer), name="webhook connection"
        )

    def _heard(self, writer: asyncio.StreamWriter) -> None:
        if writer in self._connections:
            self._connections.move_to_end(writer)

    async def _serve(self, served: Connection, writer: asyncio.StreamWriter) -> None:
        try:
            await served.run()
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            log.debug("a connection ended: %s", error)
        except Exception:  # the boundary of each connection: told, and the others go on
            log.exception("a webhook could not be answered")
        finally:
            self._connections.pop(writer, None)
            writer.close()


class Connection:
    """One connection: requests one after the other."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        take: Callable[[Call], Awaitable[Answer]],
        heard: Callable[[asyncio.StreamWriter], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._take = take
        self._heard = heard
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)

    async def run(self) -> None:
        """Answer until the other side has enough, or sends what is no HTTP."""
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    request = await self._next_event()
                    if not isinstance(request, h11.Request):
                        return
                    self._heard(self._writer)
                    answer = await self._answer(request)
            except h11.RemoteProtocolError as error:
                answer = Answer(error.error_status_hint, f"this is no HTTP: {error}")
            if not self._may_answer:
                return
            await self._send(answer)
            if not self._is_done:
                return
            self._http.start_next_cycle()

    @property
    def _may_answer(self) -> bool:
        return self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE)

    @property
    def _is_done(self) -> bool:
        """Whether both sides are through, so that another request may follow."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _answer(self, request: h11.Request) -> Answer:
        path = request.target.partition(b"?")[0].decode("ascii", "replace")
        if path != WEBHOOK_PATH:
            return Answer(404, f"there is nothing here but POST {WEBHOOK_PATH}")
        if request.method != b"POST":
            return Answer(405, "jobs are brought by POST")
        if any(name == b"origin" for name, _ in request.headers):  # its address proves nothing
            return Answer(403, "jobs are brought by a coordinator, not by a page in a browser")
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > MAX_BODY:
                return Answer(413, f"a job has at most {MAX_BODY} bytes")
        peer = self._writer.get_extra_info("peername")
        life = next((value for name, value in request.headers if name == NONCE_HEADER), b"")
        caller = str(peer[0]) if peer else ""
        return await self._take(Call(caller, life.decode("latin-1"), bytes(body)))

    async def _next_event(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(READ_SIZE))

    async def _send(self, answer: Answer) -> None:
        body = answer.body
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        await self._write(h11.Response(status_code=answer.status, headers=headers))
        await self._write(h11.Data(data=body))
        await self._write(h11.EndOfMessage())

    async def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._writer.drain()
