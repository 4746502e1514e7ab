"""One connection to a switchboard: reading, writing, and knowing that the other side is there."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Protocol

from websockets.exceptions import ConnectionClosed

from server.wire.treadmill import encode
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.wire.treadmill import ToSwitchboard
    from traffic_tui.runner.connectors.treadmill_handshake import Keepalive
    from traffic_tui.runner.connectors.treadmill_outbox import Outbox
    from traffic_tui.runner.connectors.treadmill_socket import PingedConnection

PING_SECONDS = 10.0
"""How often a switchboard is pinged that does not ping us."""
PONG_SECONDS = 60.0
"""A switchboard that did not answer a ping by then is gone."""
ASK_SECONDS = 2.0
"""A switchboard that wants to know what this supervisor is at has asked by then."""
MOST_ANSWERS = 64
"""Answers that wait to be written; meanwhile nothing more is read."""


class Lost(Exception):
    """The connection is no more; its words say why."""


class Listener(Protocol):
    """Who is told what came."""

    def heard(self, frame: str | bytes) -> None: ...


class Line:
    """One connection. What it says comes from the outbox; answers to questions go before that."""

    def __init__(
        self,
        socket: PingedConnection,
        outbox: Outbox,
        keepalive: Keepalive,
        on_received: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._outbox = outbox
        self._keepalive = keepalive
        self._on_received = on_received
        self._answers: deque[ToSwitchboard] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._was_asked = asyncio.Event()
        self._pinged_at: float | None = None
        """Since when a pong is waited for."""

    def wake(self) -> None:
        """There may be something to say."""
        self._news.set()

    def answer(self, message: ToSwitchboard) -> None:
        """Say this before everything that waits."""
        self._answers.append(message)
        self._was_asked.set()
        self._news.set()

    async def close(self) -> None:
        """End it, in bounded time."""
        with contextlib.suppress(ConnectionClosed):
            await self._socket.close()

    def abort(self) -> None:
        """End it without a word; the other side may not be there to hear one."""
        self._socket.transport.abort()

    # loops; each raises Lost -------------------------------------------------------------------

    async def read(self, listener: Listener) -> None:
        """Hand on what comes."""
        while True:
            try:
                frame = await self._socket.recv()
            except ConnectionClosed as error:
                raise Lost(_why(error)) from None
            listener.heard(frame)
            while len(self._answers) >= MOST_ANSWERS:
                self._room.clear()
                await self._room.wait()

    async def write(self) -> None:
        """Say what there is to say, and ask whether it came."""
        try:
            await self._let_it_ask()
            while True:
                self._news.clear()
                while (message := self._next()) is not None:
                    await self._socket.send(encode(message))
                    await self._ask_whether_it_came()
                await self._ask_whether_it_came()
                await self._news.wait()
        except ConnectionClosed as error:
            raise Lost(_why(error)) from None

    async def keep_alive(self) -> None:
        """Look whether the switchboard is there, in the way that it said at the beginning."""
        within = self._keepalive.ping_within_seconds
        if within is None:
            await self._ping_it()
        else:
            await self._expect_pings(within)

    async def expect_pongs(self) -> None:
        """Whoever does not answer a ping is gone, whether or not pings come from there."""
        while True:
            await asyncio.sleep(PONG_SECONDS / 4)
            if self._pinged_at is not None and self._now - self._pinged_at >= PONG_SECONDS:
                raise Lost(f"it did not answer a ping for {PONG_SECONDS:g} s")

    # inside ------------------------------------------------------------------------------------

    def _next(self) -> ToSwitchboard | None:
        if self._answers:
            self._room.set()
            return self._answers.popleft()
        return self._outbox.next()

    async def _let_it_ask(self) -> None:
        """What is told again goes with the first answer, and has to come before what follows it."""
        if self._outbox.is_doubtful:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_SECONDS):
                    await self._was_asked.wait()

    async def _expect_pings(self, within: float) -> None:
        """As the original does: once in that time, whether one came in that time."""
        while True:
            await asyncio.sleep(within)
            if self._now - self._socket.pinged_at > within:
                raise Lost(f"no ping came for {within:g} s")

    async def _ping_it(self) -> None:
        try:
            while True:
                await self._ping()
                await asyncio.sleep(PING_SECONDS)
        except ConnectionClosed as error:
            raise Lost(_why(error)) from None

    async def _ask_whether_it_came(self) -> None:
        if self._outbox.is_unreceived:
            await self._ping()

    async def _ping(self) -> None:
        """One at a time, and without content: that is how they are sent on this wire."""
        if self._pinged_at is not None:
            return
        self._pinged_at = self._now
        mark = self._outbox.mark()
        pong = await self._socket.ping(b"")
        assert isinstance(pong, asyncio.Future)
        pong.add_done_callback(lambda answered: self._ponged(answered, mark))

    def _ponged(self, answered: asyncio.Future[float], mark: int) -> None:
        if answered.cancelled() or answered.exception() is not None:
            return  # the connection is gone
        self._pinged_at = None
        self._outbox.received(mark, self._now)
        self._on_received()
        self._news.set()

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _why(error: ConnectionClosed) -> str:
    """Why a connection ended, as far as anybody said."""
    if error.rcvd is not None and (error.rcvd.reason or error.rcvd.code != 1000):
        reason = plain(error.rcvd.reason) if error.rcvd.reason else "no reason given"
        return f"it closed the connection: {reason} ({error.rcvd.code})"
    return "the connection ended"
