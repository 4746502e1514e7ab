"""The rows of the Jobs list: pages of a filtered, ordered set, kept up to date in place.

The coordinator filters and orders; the console holds the pages it has looked at and, between
them, trusts the event stream (:class:`~traffic_tui.state.mirror.Mirror`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.state.mirror import Mirror
from traffic_tui.state.order import JOB_ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.wire.operator import JobView
    from traffic_tui.client.base import Client
    from traffic_tui.state.order import SortOrder

PAGE = 200
"""Jobs a page: a screen or four, and small enough for an answer in milliseconds."""
MAX_KEPT = 5 * PAGE
"""Rows that are loaded anew at once; what was looked at beyond is loaded when scrolled to."""
MAX_AT_ONCE = 200
"""Jobs asked for by number in one call."""
MAX_OF_FILTER = 10_000
"""Jobs that are acted on at once, one after the other."""
LARGEST_PAGE = 1_000
"""Jobs of a filter asked for in one call."""
SERVER_ORDERS = {"number": "number", "for": "since", "priority": "priority"}
"""Orders the coordinator knows, by their name here; any other sorts the rows that are loaded."""
NEWEST_FIRST = JOB_ORDERS["number"]


class JobPages:
    """What is loaded of one filtered list, in its order."""

    def __init__(self, client: Client, *, filter_text: str = "") -> None:
        self._client = client
        self.mirror = Mirror()
        self.filter = filter_text
        self.order: SortOrder[JobView] = NEWEST_FIRST
        self.numbers: list[int] = []
        """In the list's order."""
        self.is_loaded = False
        self._asked = 0
        """Loads that were begun."""
        self._answered = 0
        """The last of them that was answered."""

    @property
    def is_local_order(self) -> bool:
        """Whether the rows are ordered here, among those that are loaded."""
        return self.order.name not in SERVER_ORDERS

    async def load(
        self,
        filter_text: str | None = None,
        *,
        order: SortOrder[JobView] | None = None,
        may_place: bool = True,
    ) -> set[int]:
        """Load the list anew, as far down as it was loaded before; which rows look different.

        A filter that is refused leaves the old one in place, and so does an answer that comes after
        that to what was asked later. Without ``may_place`` rows that
        were listed keep their order, for as long as the order is by a moving value.
        """
        filter_text = self.filter if filter_text is None else filter_text
        order = self.order if order is None else order
        is_same = (filter_text, order.wire) == (self.filter, self.order.wire)
        self._asked += 1
        mine = self._asked
        view = await self._client.jobs(
            filter=filter_text, limit=self._wanted(order, is_same=is_same), order=_wire(order)
        )
        if mine < self._answered:
            return set()
        self._answered = mine
        self.filter, self.order = filter_text, order
        before = self.mirror.jobs
        self.mirror.load_jobs(view)
        self._place(keep=is_same and order.is_moving and not may_place)
        self.is_loaded = True
        return {job.number for job in view.jobs if before.get(job.number) != job}

    def _wanted(self, order: SortOrder[JobView], *, is_same: bool) -> int:
        if order.name not in SERVER_ORDERS:
            return MAX_KEPT
        return max(PAGE, min(len(self.numbers), MAX_KEPT)) if is_same else PAGE

    def _place(self, *, keep: bool) -> None:
        """Bring the rows into order; with ``keep`` those listed before stay as they stand."""
        jobs = self.mirror.jobs
        numbers = list(jobs)
        if self.is_local_order:
            rank, descending = self.order.value, self.order.is_descending
            numbers.sort(key=lambda number: rank(jobs[number]), reverse=descending)
        if keep:
            listed = [number for number in self.numbers if number in jobs]
            known = set(listed)
            numbers = [number for number in numbers if number not in known] + listed
        self.numbers = numbers

    async def load_more(self) -> bool:
        """Load the next page; whether there was one, of the list as it is then."""
        after, self.mirror.next_page = self.mirror.next_page, None
        if after is None:
            return False
        answered = self._answered
        try:
            view = await self._client.jobs(
                filter=self.filter, limit=PAGE, after=after, order=_wire(self.order)
            )
        except BaseException:
            if answered == self._answered:  # failed or given up: there is more all the same
                self.mirror.next_page = after
            raise
        if answered != self._answered:
            return False
        added = self.mirror.add_page(view)
        self.numbers = [*self.numbers, *added]
        return bool(added)

    @property
    def has_more(self) -> bool:
        return self.mirror.next_page is not None

    async def refresh(self, numbers: Iterable[int]) -> None:
        """Load some rows anew, without moving any."""
        wanted = [number for number in numbers if number in self.mirror.jobs][:MAX_AT_ONCE]
        if wanted:
            view = await self._client.jobs(numbers=wanted, limit=len(wanted))
            self.mirror.put_jobs(view.jobs)


def _wire(order: SortOrder[JobView]) -> str:
    """The order as it is asked for; newest first where the rows are ordered here."""
    if order.name not in SERVER_ORDERS:
        return NEWEST_FIRST.wire
    return order._replace(name=SERVER_ORDERS[order.name]).wire


async def jobs_of_filter(client: Client, filter_text: str) -> list[JobView]:
    """The newest jobs of a filter, as they are now; at most :data:`MAX_OF_FILTER`."""
    found: list[JobView] = []
    after: str | None = None
    while len(found) < MAX_OF_FILTER:
        page = await client.jobs(filter=filter_text, limit=LARGEST_PAGE, after=after)
        found += page.jobs
        after = page.next
        if after is None:
            break
    return found[:MAX_OF_FILTER]


async def jobs_by_number(client: Client, numbers: Iterable[int]) -> list[JobView]:
    """These jobs, in the order asked for; those that are gone are left out."""
    wanted = list(numbers)
    found: dict[int, JobView] = {}
    for start in range(0, len(wanted), MAX_AT_ONCE):
        part = wanted[start : start + MAX_AT_ONCE]
        view = await client.jobs(numbers=part, limit=len(part))
        found.update((job.number, job) for job in view.jobs)
    return [found[number] for number in wanted if number in found]
