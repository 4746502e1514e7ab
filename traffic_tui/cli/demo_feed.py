"""The demo's steady stream of submits, from a thread of its own: the console owns the main one."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from traffic_tui.client.base import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.wire.operator import SubmitRequest
    from traffic_tui.cli.demo_jobs import DemoJob
    from traffic_tui.client.base import Client

TICK_SECONDS = 0.25
FIRST_BATCH = 12
"""Enough to keep every slot busy at once."""
ENOUGH_WAITING = 15
"""With so many in line nothing is added, however slow this box is."""
STOP_SECONDS = 5.0


class DemoFeed:
    """Submits jobs until it is stopped or the coordinator is gone."""

    def __init__(self, client: Client, jobs: Iterator[DemoJob]) -> None:
        self._client = client
        self._jobs = jobs
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo feed", daemon=True)
        self.problem = ""
        """Why it ended before it was told to, in words."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it and wait for that, in bounded time."""
        self._is_stopping.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._feed())
        except ClientError as error:
            self.problem = error.message

    async def _feed(self) -> None:
        await self._submit(FIRST_BATCH)
        while not self._is_stopping.is_set():
            counts = (await self._client.stats()).counts
            if counts.get("pending", 0) < ENOUGH_WAITING:
                await self._submit(1)
            await asyncio.sleep(TICK_SECONDS)

    async def _submit(self, count: int) -> None:
        await self._client.submit([submit_request(next(self._jobs)) for _ in range(count)])


def submit_request(job: DemoJob) -> SubmitRequest:
    """The message for one made-up job."""
    import msgspec

    from server.wire.operator import RetryRequest, SubmitRequest

    retry = RetryRequest(base_delay=job.retry_delay_seconds) if job.max_attempts > 1 else None
    return SubmitRequest(
        type=job.type,
        params=msgspec.Raw(msgspec.json.encode(job.params)),
        queue=job.queue,
        priority=job.priority,
        requires=job.requires,
        max_attempts=job.max_attempts,
        retry=retry,
    )
