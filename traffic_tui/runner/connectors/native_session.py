"""The three calls of native-v2, and what every way in which they can fail calls for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from server.ids import new_uuid
from server.wire.native_v2 import Hello, Sync, SyncAnswer, Welcome
from traffic_tui.runner.connectors.backoff import Backoff
from traffic_tui.runner.connectors.link import (
    READ_SECONDS,
    Link,
    Rejected,
    Unreachable,
    decoded,
)
from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from traffic_tui.runner.connectors.link import Address

log = logging.getLogger(__name__)

PREFIX = "/api/native-v2/runner/"
TRIES_PER_LEASE = 3
LEAST_ANSWER_SECONDS = 1.0
LEAVING_SECONDS = 2.0
"""How long the coordinator may take to hear that the runner ends."""
WAKE_SECONDS = 25.0
"""How long a wake call stays parked."""
ENDING_PAUSE_SECONDS = 0.5
"""Longest pause between tries once the runner is to end."""
NO_ENTRY = (401, 403)
UNREADABLE = (400, 413, 422)
LEAVING = "leaving"
"""What a welcome accepts where a sync may say that its runner ends."""

_encoder = msgspec.json.Encoder()
_welcome_decoder = msgspec.json.Decoder(Welcome)
_answer_decoder = msgspec.json.Decoder(SyncAnswer)


@dataclass(frozen=True, slots=True)
class Introduction:
    """How a runner presents itself."""

    name: str
    capacity: int
    types: list[str]
    labels: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


class Unreadable(Exception):
    """The coordinator cannot read a sync; saying it again would not help."""


class NativeSession:
    """One boot of a runner at one coordinator, over as many sessions as it takes."""

    def __init__(self, address: Address, introduction: Introduction) -> None:
        self._link = Link(address)
        self._introduction = introduction
        self._nonce = new_uuid()
        self._welcome: Welcome | None = None
        self._ending = asyncio.Event()

    @property
    def url(self) -> str:
        return self._link.url

    @property
    def is_reached(self) -> bool:
        """The coordinator has let us in, if not now, then before."""
        return self._welcome is not None

    @property
    def welcome(self) -> Welcome:
        assert self._welcome is not None
        return self._welcome

    def end_soon(self) -> None:
        """Wait no longer than needed from now on."""
        self._ending.set()

    async def close(self) -> None:
        await self._link.close()

    async def hello(self) -> bool:
        """Open the session, however long it takes. False: the runner is to end instead.

        Raises:
            RunnerError: the coordinator does not want this runner.
        """
        said = self._introduction
        body = _encoder.encode(
            Hello(
                said.name, self._nonce, said.capacity, said.types, dict(said.labels), said.version
            )
        )
        backoff = Backoff()
        while True:
            try:
                _, content = await self._link.call("POST", PREFIX + "hello", body)
                welcome: Welcome = decoded(_welcome_decoder, content)
            except Unreachable as error:
                seconds = self._trouble(backoff, f"cannot reach {self.url}: {error}")
            except Rejected as error:
                self._refuse_to_go_on(error)
                seconds = self._trouble(backoff, f"{self.url} says: {error.message}", error)
            else:
                self._begin(welcome)
                return True
            if await self._pause(seconds):
                return False

    async def say(self, sync: Sync, is_over: Callable[[], bool]) -> SyncAnswer | None:
        """Say it until an answer comes; the same number makes repeats harmless.

        None: it has to be said anew, in another session, or not at all since all ``is_over``.

        Raises:
            Unreadable: it has to be said another way.
            RunnerError: the coordinator does not want this runner any more.
        """
        path = f"{PREFIX}{self.welcome.runner_id}/sync"
        body = _encoder.encode(sync)
        backoff = Backoff()
        while True:
            try:
                _, content = await self._link.call(
                    "POST", path, body, read_seconds=self._answer_seconds
                )
                answer: SyncAnswer = decoded(_answer_decoder, content)
            except Unreachable as error:
                seconds = self._trouble(backoff, f"lost {self.url}: {error}")
            except Rejected as error:
                if await self._is_to_be_said_anew(error):
                    return None
                seconds = self._trouble(backoff, f"{self.url} says: {error.message}", error)
            else:
                if backoff.failures:
                    log.info("%s answers again", self.url)
                self.welcome.pace = answer.pace
                return answer
            if await self._pause(seconds) and is_over():
                return None

    async def wake(self) -> bool:
        """Parked until a sync would bring something; False: it would not.

        Raises:
            Unreachable, Rejected: as they come; whoever syncs meets the same trouble.
        """
        status, _ = await self._link.call(
            "GET",
            f"{PREFIX}{self.welcome.runner_id}/wake",
            params=[
                ("session", self.welcome.session),
                ("secret", self.welcome.secret),
                ("wait_seconds", f"{WAKE_SECONDS:g}"),
            ],
            read_seconds=WAKE_SECONDS + 10,
        )
        return status == 200

    async def leave(self, sequence: int) -> None:
        """Say that this runner ends. Said once: whoever does not hear it has the lease."""
        welcome = self.welcome
        if LEAVING not in welcome.accepts:
            return
        body = _encoder.encode(Sync(welcome.session, welcome.secret, sequence, leaving=True))
        path = f"{PREFIX}{welcome.runner_id}/sync"
        try:
            async with asyncio.timeout(LEAVING_SECONDS):
                await self._link.call("POST", path, body)
        except (Unreachable, Rejected, TimeoutError) as error:
            words = plain(str(error)) or "no answer in time"
            log.info("%s did not hear that this runner ends: %s", self.url, words)

    @property
    def _answer_seconds(self) -> float:
        """How long to wait for the answer to a sync: one that was lost on the way without a word
        must be missed while the lease still leaves time to say it again."""
        lease_seconds = self.welcome.pace.lease_seconds
        return min(READ_SECONDS, max(LEAST_ANSWER_SECONDS, lease_seconds / TRIES_PER_LEASE))

    # inside ------------------------------------------------------------------------------------

    def _begin(self, welcome: Welcome) -> None:
        if self._welcome is None:
            name, capacity = self._introduction.name, self._introduction.capacity
            log.info("serving %s as %r with %d slots", self.url, name, capacity)
        else:
            log.info("the session with %s is open again", self.url)
        self._welcome = welcome

    def _refuse_to_go_on(self, error: Rejected) -> None:
        """Raise where trying again makes no sense: superseded, or never let in."""
        if error.code == "superseded":
            name = self._introduction.name
            raise RunnerError(f"another runner named {name!r} has taken over: {error.message}")
        if self.is_reached or error.is_temporary:
            return
        if error.status in NO_ENTRY:
            raise RunnerError(f"{self.url} does not let this runner in: {error.message}")
        raise RunnerError(f"{self.url} refuses this runner: {error.message}")

    async def _is_to_be_said_anew(self, error: Rejected) -> bool:
        """What a refused sync calls for, other than saying the same again a little later."""
        self._refuse_to_go_on(error)
        if error.code == "unknown_session":
            log.info("%s does not know this session any more, saying hello again", self.url)
            await self.hello()
            return True
        if error.status == 409:
            log.warning("%s refuses a sync: %s", self.url, error.message)
            await self._pause(1.0)
            return True
        if error.status in UNREADABLE:
            log.warning("%s cannot read a sync: %s", self.url, error.message)
            await self._pause(0.1)
            raise Unreadable(error.message)
        return False

    async def _pause(self, seconds: float) -> bool:
        """Wait; the answer is whether the runner is to end, which also cuts a long wait."""
        if self._ending.is_set():
            await asyncio.sleep(min(seconds, ENDING_PAUSE_SECONDS))
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        return self._ending.is_set()

    def _trouble(self, backoff: Backoff, words: str, error: Rejected | None = None) -> float:
        """Tell of trouble, rarely: a log full of the same is of no use. How long to wait."""
        if backoff.is_worth_telling:
            log.warning("%s; trying again", plain(words))
        seconds = backoff.next_seconds()
        return seconds if error is None or error.retry_after is None else error.retry_after
