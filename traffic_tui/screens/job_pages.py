"""The rows of the Jobs list: pages of a filtered, ordered set, kept up to date in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.wire.operator import JobsView, JobView
    from traffic_tui.client.base import Client

PAGE = 200
"""Jobs a page: a screen or four, and small enough for an answer in milliseconds."""
MAX_AT_ONCE = 200
"""Jobs asked for by number in one call."""
DEFAULT_ORDER = "-number"


class JobPages:
    """What is loaded of one filtered list, in its order."""

    def __init__(self, client: Client, *, order: str = DEFAULT_ORDER) -> None:
        self._client = client
        self.filter = ""
        self.order = order
        self.numbers: list[int] = []
        """In the list's order."""
        self.rows: dict[int, JobView] = {}
        self.count = 0
        self.count_is_exact = True
        self.is_loaded = False
        self._next: str | None = None

    async def load(self, filter_text: str | None = None, *, order: str | None = None) -> None:
        """Load the list anew, as far down as it was loaded before. A filter that is refused
        leaves the old one in place."""
        is_other = filter_text is not None and filter_text != self.filter
        is_other = is_other or (order is not None and order != self.order)
        filter_text = self.filter if filter_text is None else filter_text
        order = self.order if order is None else order
        wanted = PAGE if is_other else max(PAGE, min(len(self.numbers), 5 * PAGE))
        view = await self._client.jobs(filter=filter_text, limit=wanted, order=order)
        self.filter, self.order = filter_text, order
        self.numbers = [job.number for job in view.jobs]
        self.rows = {job.number: job for job in view.jobs}
        self._take_counts(view)

    async def load_more(self) -> bool:
        """Load the next page; whether there was one."""
        if self._next is None:
            return False
        after, self._next = self._next, None
        view = await self._client.jobs(
            filter=self.filter, limit=PAGE, after=after, order=self.order
        )
        fresh = [job for job in view.jobs if job.number not in self.rows]
        self.numbers.extend(job.number for job in fresh)
        self.rows.update((job.number, job) for job in fresh)
        self._take_counts(view)
        return bool(fresh)

    def _take_counts(self, view: JobsView) -> None:
        self.count, self.count_is_exact = view.count, view.count_is_exact
        self._next = view.next
        self.is_loaded = True

    @property
    def has_more(self) -> bool:
        return self._next is not None

    async def refresh(self, numbers: Iterable[int]) -> list[int]:
        """Load some rows anew, without moving any; the numbers of those that changed."""
        wanted = [number for number in numbers if number in self.rows][:MAX_AT_ONCE]
        if not wanted:
            return []
        view = await self._client.jobs(numbers=wanted, limit=len(wanted))
        changed = [job for job in view.jobs if self.rows.get(job.number) not in (None, job)]
        self.rows.update((job.number, job) for job in changed)
        return [job.number for job in changed]


async def jobs_by_number(client: Client, numbers: Iterable[int]) -> list[JobView]:
    """These jobs, in the order asked for; those that are gone are left out."""
    wanted = list(numbers)
    found: dict[int, JobView] = {}
    for start in range(0, len(wanted), MAX_AT_ONCE):
        part = wanted[start : start + MAX_AT_ONCE]
        view = await client.jobs(numbers=part, limit=len(part))
        found.update((job.number, job) for job in view.jobs)
    return [found[number] for number in wanted if number in found]
