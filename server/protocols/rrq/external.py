"""A runner that somebody else starts: dialled until it is there, and again whenever it was not."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from server.protocols.rrq.connection import dial
from server.protocols.rrq.courier import Courier
from server.protocols.rrq.loss import Loss
from server.protocols.rrq.pauses import Pauses

if TYPE_CHECKING:
    from server.protocols.rrq.connection import Connection
    from server.protocols.rrq.group import Group
    from server.wire.rrq_address import Address

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
LONGEST_BREAK_SECONDS = 30.0
"""Longest pause after connections that broke soon and never brought an answer: whatever listens
there is no runner, and each of its lives stands in the events."""
DIAL_SECONDS = 5.0
TRIAL_FACTOR = 2.0
"""A connection that follows one that broke with jobs on it, and never an answer, has to hold so
many times as long before it is given any: where it breaks with nothing on it too, it is the
network, or a tunnel to nowhere, and no job is to pay for that."""
LONGEST_TRIAL_SECONDS = 5.0

logger = logging.getLogger(__name__)


class ExternalRunner:
    """One runner of a group, wherever it listens."""

    def __init__(self, group: Group, address: Address) -> None:
        self._group = group
        self._address = address
        self._introduction = group.introduction(0, address)
        self._told = ""
        self._trial = 0.0
        """Seconds that the next connection has to hold before it is given jobs."""

    async def run(self) -> None:
        """Dial, carry, and dial again, until cancelled."""
        runner = await self._group.coordinator.expect_runner(self._introduction)
        pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        breaks = Pauses(FIRST_PAUSE_SECONDS, LONGEST_BREAK_SECONDS)
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection = await dial(self._address, seconds=DIAL_SECONDS)
            except OSError as error:
                self._tell(runner.id, f"cannot be reached: {error or 'no answer in time'}")
                await asyncio.sleep(pauses.next())
                continue
            pauses.reset()
            began = loop.time()
            has_answered = False
            if await self._holds(connection):
                self._tell(runner.id, "connected")
                has_answered = await self._serve(connection)
            if has_answered or loop.time() - began > LONGEST_BREAK_SECONDS:
                breaks.reset()
            self._tell(runner.id, connection.loss)
            await asyncio.sleep(breaks.next())

    async def _holds(self, connection: Connection) -> bool:
        """Whether a connection outlasts its trial, with nothing on it."""
        try:
            async with asyncio.timeout(self._trial):
                await connection.lost.wait()
        except TimeoutError:
            return True
        except asyncio.CancelledError:
            connection.close("the coordinator ended the connection")
            raise
        return False

    async def _serve(self, connection: Connection) -> bool:
        """Carry until the connection is lost; whether it answered anything meanwhile."""
        group = self._group
        session = await group.open_session(self._introduction, connection)
        ended: list[str] = []

        def end_runner(reason: str) -> None:
            ended.append(reason)
            connection.close(reason)

        courier = Courier(group, session, connection, end_runner)
        group.join(courier)
        loop = asyncio.get_running_loop()
        began = loop.time()
        is_ours = True  # where we are cancelled
        try:
            await courier.run()
            is_ours = bool(ended)
            self._judge(courier, self._trial + loop.time() - began)
        finally:
            group.leave(courier)
            reason = connection.loss or "the coordinator ended the connection"
            await courier.close(Loss(reason, is_ours=is_ours))
        return courier.has_answered

    def _judge(self, courier: Courier, lasted: float) -> None:
        """A connection ended: say what the next one has to stand, in seconds."""
        if courier.has_answered:
            self._trial = 0.0
        elif courier.in_flight:
            longer = max(self._trial, TRIAL_FACTOR * lasted)
            self._trial = min(longer, LONGEST_TRIAL_SECONDS)

    def _tell(self, runner_id: int, words: str) -> None:
        """Once for each change, for the log and for whoever looks at the runner."""
        if words != self._told:
            self._told = words
            logger.info("%s at %s: %s", self._introduction.name, self._address, words)
            self._group.coordinator.runner_logs.say(runner_id, f"{self._address}: {words}")
