"""The filter a Jobs list rests in: everything, or everything but pieces of ranges.

A range of a month is hundreds of jobs; among them no other job would be seen. So that what is
listed can be told, and asked for anywhere, leaving them out is an ordinary filter, and is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.wire.operator import EventView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from traffic_tui.client.base import Client

NO_PIECES = "parent:0"
PIECES = "parent>0"
WORDS = "without pieces of ranges; esc: all"


class RestingFilter:
    """Finds out whether there are pieces, and remembers whether the operator wants them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._has_pieces = False
        self._is_waived = False

    @property
    def text(self) -> str:
        """The filter to rest in."""
        return NO_PIECES if self._has_pieces and not self._is_waived else ""

    async def look(self) -> None:
        """Are there pieces at all? Without them nobody has to learn of this filter."""
        self._has_pieces = bool((await self._client.jobs(filter=PIECES, limit=1)).jobs)

    def hear(self, items: Iterable[object]) -> bool:
        """Whether there are pieces from now on."""
        had = self._has_pieces
        kinds = {item.kind for item in items if isinstance(item, EventView)}
        self._has_pieces = had or "range_planned" in kinds
        return self._has_pieces and not had

    def waive(self) -> None:
        """The operator asked for everything."""
        self._is_waived = True

    def insist(self) -> None:
        """The operator asked for the list as it begins."""
        self._is_waived = False
