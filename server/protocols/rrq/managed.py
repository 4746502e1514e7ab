"""A runner that we start: spawned, waited for, dialled, and started anew when it goes down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, NamedTuple

from server.model import Outcome
from server.protocols.rrq.connection import dial
from server.protocols.rrq.courier import Courier
from server.protocols.rrq.loss import Loss
from server.protocols.rrq.pauses import Pauses
from server.protocols.rrq.ports import PortBusy
from server.protocols.rrq.process import Launch, RunnerProcess
from server.wire.rrq import ENV_RUNNER_TCP_SOCKET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import Stream
    from server.protocols.rrq.connection import Connection
    from server.protocols.rrq.group import Group
    from server.protocols.rrq.guard import Guard
    from server.protocols.rrq.leftovers import Leftovers
    from server.protocols.rrq.ports import PortPlan
    from server.protocols.rrq.process import Exit
    from server.wire.rrq_address import Address

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
"""Between starts of a runner that does not come up or goes down again."""
STEADY_SECONDS = 10.0
"""A runner that held so long is started anew at once."""
FIRST_DIAL_SECONDS = 0.01
LONGEST_DIAL_SECONDS = 0.2
EXIT_SECONDS = 0.5
"""A process that lost its connection is given so long to be found dead."""
MAX_LAST_WORDS = 300
STARTED = "started as process"
STOP_SECONDS = 0.5
"""From SIGTERM to SIGKILL when the coordinator itself stops."""

logger = logging.getLogger(__name__)


class NotReady(Exception):
    """A runner did not come up; the text says why."""


class House(NamedTuple):
    """What all runners we start have in common."""

    guard: Guard
    leftovers: Leftovers
    environment: Mapping[str, str]
    """Of the coordinator, without its secrets."""


class Started(NamedTuple):
    """A runner that listens."""

    process: RunnerProcess
    connection: Connection
    address: Address


class ManagedRunner:
    """One process of a group's pool, and those that come after it in its place."""

    def __init__(self, group: Group, index: int, ports: PortPlan, house: House) -> None:
        self._group = group
        self._index = index
        self._ports = ports
        self._house = house
        self._runner_id = 0
        self._courier: Courier | None = None
        self._name = ""

    async def run(self) -> None:
        """Start, carry, and start anew, until cancelled."""
        first = self._group.settings.tcp_socket
        assert first is not None  # the configuration was checked
        introduction = self._group.introduction(self._index, first)
        self._name = introduction.name
        self._runner_id = (await self._group.coordinator.expect_runner(introduction)).id
        pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._live_once()
            except (NotReady, PortBusy, OSError) as problem:
                self._say(f"could not be started: {problem}{self._last_words()}", logging.WARNING)
            if loop.time() - began >= STEADY_SECONDS:
                pauses.reset()
            await asyncio.sleep(pauses.next())

    async def _live_once(self) -> None:
        """One process, from its start to its end."""
        address = self._ports.choose(self._index)
        process = self._start(address)
        grace = STOP_SECONDS  # where we are cancelled
        try:
            connection: Connection | None = await self._ready(process, address)
            while connection is not None:
                connection = await self._serve(Started(process, connection, address))
            grace = self._group.settings.stop_grace_ms / 1000
        except NotReady:
            grace = self._group.settings.stop_grace_ms / 1000
            raise
        finally:
            await self._end(process, grace)

    def _start(self, address: Address) -> RunnerProcess:
        settings = self._group.settings
        environment = {
            **self._house.environment,
            "PYTHONUNBUFFERED": "1",
            **settings.env,
            ENV_RUNNER_TCP_SOCKET: str(address),
        }
        argv = [*settings.cmd, "--tcp-socket", str(address)]
        self._house.guard.ready()
        process = RunnerProcess(Launch(argv, environment, settings.cwd or None), self._printed)
        self._house.leftovers.add(process.pid, self._name)
        self._house.guard.remember(process.pid)
        self._say(f"{STARTED} {process.pid} on {address}")
        return process

    def _printed(self, stream: Stream, data: bytes) -> None:
        self._group.coordinator.runner_logs.add(self._runner_id, stream, data)
        if self._courier is not None:
            self._courier.console.came(stream, data)

    async def _ready(self, process: RunnerProcess, address: Address) -> Connection:
        """Dial until it listens. What it refuses is tried again, its exit or the time ends it."""
        timeout = self._group.settings.ready_timeout_ms / 1000
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        pauses = Pauses(FIRST_DIAL_SECONDS, LONGEST_DIAL_SECONDS)
        while loop.time() < until:
            with contextlib.suppress(OSError):
                return await dial(address, seconds=max(0.01, until - loop.time()))
            if await _exits_within(process, pauses.next()):
                raise NotReady(f"it ended {process.close().words} before it listened on {address}")
        raise NotReady(f"it did not listen on {address} within {timeout:g} s")

    async def _serve(self, started: Started) -> Connection | None:
        """Carry over one connection; the next one, where only the connection was lost."""
        group, (process, connection, address) = self._group, started
        session = await group.open_session(group.introduction(self._index, address), connection)
        ended: list[str] = []

        def end_runner(reason: str) -> None:
            ended.append(reason)
            connection.close(reason)

        courier = self._courier = Courier(group, session, connection, end_runner)
        courier.console.listen_to(process)
        group.join(courier)
        watch = asyncio.create_task(
            _cut_when_gone(process, connection), name=f"{self._name}: watch its process"
        )
        loss = Loss("the coordinator ended the connection", is_ours=True)
        try:
            await courier.run()
            loss = await self._find_out(started, ended)
        finally:
            watch.cancel()
            group.leave(courier)
            self._courier = None
            if loss.is_ours and not ended:
                await self._end(process, STOP_SECONDS)
            await courier.close(loss)
        self._say(loss.reason)
        return await self._again(started, bool(ended))

    async def _find_out(self, started: Started, ended: list[str]) -> Loss:
        """Why the connection was lost, and whose doing it was."""
        if ended:
            return Loss(ended[0], is_ours=True)
        if not await _exits_within(started.process, EXIT_SECONDS):
            return Loss(started.connection.loss or "the session was ended")
        return _after_exit(started.process.close())

    async def _again(self, started: Started, is_to_end: bool) -> Connection | None:
        """Another connection to the same process; None: it is of no more use."""
        if is_to_end or started.process.exited.is_set():
            return None
        with contextlib.suppress(OSError, NotReady):
            return await self._ready(started.process, started.address)
        return None

    async def _end(self, process: RunnerProcess, grace: float) -> None:
        if process.exit is None:
            self._say(f"process {process.pid} ended {(await process.end(grace)).words}")
        self._group.coordinator.runner_logs.end_lines(self._runner_id)
        self._house.guard.forget(process.pid)
        self._house.leftovers.remove(process.pid)

    def _last_words(self) -> str:
        """The last line that the process printed, which mostly says what was wrong."""
        for line in reversed(self._group.coordinator.runner_logs.lines(self._runner_id, 20)):
            if line.stream != "coordinator" and line.text.strip():
                return f"; it said: {line.text.strip()[:MAX_LAST_WORDS]!r}"
            if line.text.startswith(STARTED):
                break
        return ""

    def _say(self, words: str, level: int = logging.INFO) -> None:
        """For the log, and for whoever looks at the runner."""
        logger.log(level, "%s: %s", self._name, words)
        self._group.coordinator.runner_logs.say(self._runner_id, words)


def environment_without(secrets: set[str]) -> dict[str, str]:
    """Our own environment for a runner, but for the variables that hold our keys."""
    return {name: text for name, text in os.environ.items() if name not in secrets}


async def _exits_within(process: RunnerProcess, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await process.exited.wait()
    return process.exited.is_set()


async def _cut_when_gone(process: RunnerProcess, connection: Connection) -> None:
    """End the connection of a process that is gone, once its last answers are read: a child of
    it may hold that open, and we would wait for answers that nobody gives."""
    await process.exited.wait()
    await asyncio.sleep(EXIT_SECONDS)
    connection.close("its process has ended")


def _after_exit(exit_: Exit) -> Loss:
    """What a process that went down by itself means for the only job that was on it."""
    reason = f"the runner's process ended {exit_.words}"
    if not exit_.is_crash:
        return Loss(reason)
    words = f"{reason} while this job was the only one on it"
    blame = Outcome(
        "error", words, type="runner_crashed", exit_code=exit_.code, signal=exit_.signal
    )
    return Loss(reason, blame)
