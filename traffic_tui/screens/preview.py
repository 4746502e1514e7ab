"""Below the Jobs list: what the job under the cursor is saying."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from traffic_tui.screens.no_output import no_output_words
from traffic_tui.screens.tail import Tail
from traffic_tui.screens.waiting_words import waiting_words

if TYPE_CHECKING:
    from server.wire.operator import JobView
    from traffic_tui.screens.desk import Desk
    from traffic_tui.widgets.output_view import OutputView

SETTLE_SECONDS = 0.15
"""The cursor has to rest this long on a row before its output is fetched."""
LEAST_LINES = 40
"""Screens below this height keep all lines for the list."""


class Preview:
    """Follows the cursor of a list with an output view."""

    def __init__(self, desk: Desk, view: OutputView) -> None:
        self._client = desk.client
        self._context = desk.context
        self._tail = Tail(desk, view)
        self._number = 0
        self._attempt = 0
        view.can_focus = False
        view.has_source = False

    def is_aimed_at(self, job: JobView) -> bool:
        """Whether this is what the view shows, or will show when the cursor rests."""
        return (job.number, job.attempts) == (self._number, self._attempt)

    def aim(self, job: JobView) -> None:
        """The cursor is on this job now."""
        self._number, self._attempt = job.number, job.attempts

    async def show(self, job: JobView) -> None:
        """Show a job's newest attempt, once the cursor rests."""
        await asyncio.sleep(SETTLE_SECONDS)
        detail = await self._client.job(job.id)
        attempt = detail.attempts[0] if detail.attempts else None
        why = ""
        if attempt is None:
            self._tail.close(job.number)
            if job.state == "pending":
                why = waiting_words(job.type, await self._client.explain(job.id))
        else:
            await self._tail.open(job.id, job.number, attempt)
            await self._tail.follow()
        words = no_output_words(detail.job, attempt, detail.job.can, self._context, why)
        self._tail.view.set_empty(words)

    async def follow(self) -> None:
        """There is more of what is shown."""
        await self._tail.follow()

    @property
    def number(self) -> int:
        return self._number

    def tick(self) -> None:
        self._tail.tick()
