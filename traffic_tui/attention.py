"""How often the console looks whether there is anything to do."""

from __future__ import annotations

import asyncio
import time

LOOKS_A_SECOND = 10
"""While anything goes on, and at most so many for news on a line of full pace."""
ATTENTIVE_SECONDS = 2.0
"""So long after the last key or piece of news whatever these set off may still come."""
IDLE_SECONDS = 0.5
"""Between two looks when nothing is expected: waking up is most of what an idle console costs."""


class Attention:
    """Looks at once when something begins, ten times a second while it goes on, else seldom.

    Made inside a running event loop and used within it.
    """

    def __init__(self) -> None:
        self._is_stirred = asyncio.Event()
        self._stirred_at = time.monotonic()
        self._answered_at = 0.0
        """When there was a look because something had been heard or typed."""

    def stir(self) -> None:
        """Something was heard or typed."""
        self._stirred_at = time.monotonic()
        self._is_stirred.set()

    async def pause(self, *, is_busy: bool, most_a_second: int = LOOKS_A_SECOND) -> None:
        """Return when it is time for the next look.

        Args:
            is_busy: whether there is something to do that nothing will be heard of.
            most_a_second: bounds the looks for what is heard.
        """
        shortest = 1 / most_a_second
        try:
            async with asyncio.timeout(self._longest(shortest, is_busy=is_busy)):
                await self._is_stirred.wait()
        except TimeoutError:
            return
        await asyncio.sleep(self._answered_at + shortest - time.monotonic())
        self._is_stirred.clear()
        self._answered_at = time.monotonic()

    def _longest(self, shortest: float, *, is_busy: bool) -> float:
        is_attentive = time.monotonic() - self._stirred_at < ATTENTIVE_SECONDS
        return shortest if is_busy or is_attentive else IDLE_SECONDS
