"""Hearing of new Runpack jobs through NotifyRelay, so that they need not be asked for."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import msgspec

from traffic_tui.runner.connectors.backoff import Backoff
from traffic_tui.runner.connectors.link import Address, Link, Rejected, Unreachable, decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from traffic_tui.runner.options import NotifyRelay

log = logging.getLogger(__name__)

TOPIC = "runpack_notifications"
POLL_MS = 55_000
LEAST_POLL_SECONDS = 0.2
"""From the beginning of one poll to that of the next, whatever answers at once."""


class _Message(msgspec.Struct):
    message: str


class _Messages(msgspec.Struct):
    messages: dict[str, list[_Message]] | None = None


_decoder = msgspec.json.Decoder(_Messages)


class RelayListener:
    """Keeps a poll parked at the relay and calls back for every new job."""

    def __init__(self, relay: NotifyRelay, on_new_job: Callable[[], None]) -> None:
        self._link = Link(Address(relay.url), headers={"authorization": relay.key})
        self._on_new_job = on_new_job
        self.is_connected = False
        """The relay answered the last time it was asked."""
        self._body = json.dumps(
            {
                "subscriber_id": relay.subscriber,
                "subscriber_name": relay.subscriber,
                "topics": [TOPIC],
                "timeout": POLL_MS,
            }
        ).encode()

    async def run(self) -> None:
        """Listen until cancelled, or until the relay refuses the key."""
        backoff = Backoff(first_seconds=1.0, most_seconds=30.0)
        loop = asyncio.get_running_loop()
        try:
            while True:
                next_at = loop.time() + LEAST_POLL_SECONDS
                try:
                    await self._poll()
                    backoff.reset()
                    await asyncio.sleep(next_at - loop.time())
                except Rejected as error:
                    self.is_connected = False
                    if error.status == 401:
                        log.warning("the relay refuses the key, polling instead: %s", error)
                        return
                    await asyncio.sleep(error.retry_after or backoff.next_seconds())
                except Unreachable as error:
                    self.is_connected = False
                    if not backoff.failures:
                        log.warning("the relay cannot be reached, polling meanwhile: %s", error)
                    await asyncio.sleep(backoff.next_seconds())
        finally:
            await self._link.close()

    async def _poll(self) -> None:
        _, content = await self._link.call(
            "POST", "/poll", self._body, read_seconds=POLL_MS / 1000 + 10
        )
        self.is_connected = True
        answer: _Messages = decoded(_decoder, content)
        messages = (answer.messages or {}).get(TOPIC, [])
        if any(_is_new_job(message.message) for message in messages):
            self._on_new_job()


def _is_new_job(message: str) -> bool:
    try:
        told = json.loads(message)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("type") == "new_job"
