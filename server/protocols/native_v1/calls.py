"""What runners say: hello, how much they can do, how their jobs are."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from server.coordinator import Introduction
from server.coordinator.brought import Speaker
from server.errors import Refused
from server.protocols.native_v1 import codec
from server.protocols.native_v1.places import Place, callback_place
from server.repeats import Repeats
from server.traits import NATIVE_V1

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.coordinator import Coordinator
    from server.model import Runner, Session
    from server.settings import NativeV1Settings

MAX_RUNNERS_PER_ADDRESS = 1_000
"""One box that names ever new ports must not fill the lists."""

logger = logging.getLogger(__name__)


class RunnerCalls:
    """Words of runners, taken in. What is about nothing they have has no effect, and is told."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._repeats = Repeats()

    async def hello(self, address: str, body: bytes) -> None:
        """A boot, or with the nonce of the boot that is known, a sign of life."""
        said = codec.hello(body)
        place = (
            callback_place(said.callback_url, address)
            if said.callback_url
            else Place(address, said.port or self._settings.webhook_port)
        )
        self._check_room(place)
        who = Introduction(
            protocol=NATIVE_V1.protocol,
            identity=place.identity,
            name=place.identity,
            capacity=self._capacity(place, said),
            types=self._settings.job_types,
            address=address,
            endpoint=said.callback_url,
        )
        try:
            await self._coordinator.open_session(who, nonce=said.nonce)
        except Refused as error:
            raise Refused(
                f"a newer process has said hello from {place.identity} since: this one has to "
                "name a port of its own, or start with a fresh nonce",
                code=error.code,
            ) from error

    async def update(self, address: str, body: bytes) -> None:
        """Of a job, of the runner's capacity, or of both."""
        said = codec.update(body)
        who = Speaker(NATIVE_V1.protocol, address, said.nonce)
        lives = list(self._lives_at(address, said.nonce))
        if not lives and await self._coordinator.revive(who):
            lives = list(self._lives_at(address, said.nonce))
        for runner, session in lives:
            self._coordinator.touch(session.id)
            if said.has_capacity:
                slots = self._default_capacity if said.capacity is None else said.capacity
                await self._coordinator.set_capacity(runner.id, slots)
        if said.job is not None:
            await self._update_job(who, said.job)
        elif not lives:
            self._tell(f"{address} speaks with a nonce nobody there has: no effect")

    async def _update_job(self, who: Speaker, job: codec.JobUpdate) -> None:
        heard = await self._coordinator.hear(who, job.job_id, job.outcome)
        if heard not in ("taken", "repeated"):
            kind = job.outcome.kind if job.outcome else "running"
            self._tell(f"{who.address} says a job is {kind}: no effect, it is {heard}", job.job_id)

    def _tell(self, words: str, job_id: str = "") -> None:
        """Once a minute, as whoever is admitted may say so without end."""
        if self._repeats.is_news(words, self._coordinator.clock.monotonic()):
            logger.info("%s%s", words, f" ({job_id[:80]!r})" if job_id else "")

    def _capacity(self, place: Place, said: codec.Hello) -> int | None:
        """A sign of life that states no capacity does not take back what was stated before."""
        if said.capacity is not None:
            return said.capacity
        for runner, _ in self._lives_at(place.address, said.nonce):
            if runner.identity == place.identity:
                return runner.capacity
        return None

    def _check_room(self, place: Place) -> None:
        neighbours = self._coordinator.known_at(NATIVE_V1.protocol, place.address)
        is_known = any(runner.identity == place.identity for runner in neighbours)
        if not is_known and len(neighbours) >= MAX_RUNNERS_PER_ADDRESS:
            raise Refused(
                f"{place.address} has {len(neighbours)} runners already; forget those that are gone"
            )

    def _lives_at(self, address: str, nonce: str) -> Iterator[tuple[Runner, Session]]:
        """Several runners of one box may have the same nonce: then all of them speak."""
        for runner, session in self._coordinator.open_sessions(NATIVE_V1.protocol):
            if runner.address == address and session.nonce == nonce:
                yield runner, session

    @property
    def _settings(self) -> NativeV1Settings:
        return self._coordinator.settings.protocols.native_v1

    @property
    def _default_capacity(self) -> int:
        return self._coordinator.settings.runners.max_jobs
