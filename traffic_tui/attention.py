"""How often the console looks whether there is anything to do."""

from __future__ import annotations

import asyncio
import contextlib
import time

LOOKS_A_SECOND = 10
ATTENTIVE_SECONDS = 2.0
"""So long after the last key or piece of news whatever these set off may still come."""
IDLE_SECONDS = 0.5
"""Between two looks when nothing is expected: waking up is most of what an idle console costs."""


class Attention:
    """Ten looks a second while anything goes on, few when nothing does, one at once when it begins.

    Made inside a running event loop and used within it.
    """

    def __init__(self) -> None:
        self._is_stirred = asyncio.Event()
        self._stirred_at = time.monotonic()

    def stir(self) -> None:
        """Something was heard or typed."""
        self._stirred_at = time.monotonic()
        self._is_stirred.set()

    async def pause(self, *, is_busy: bool) -> None:
        """Return when it is time for the next look; while busy nothing has to be heard for it."""
        if is_busy or time.monotonic() - self._stirred_at < ATTENTIVE_SECONDS:
            await asyncio.sleep(1 / LOOKS_A_SECOND)
            return
        self._is_stirred.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self._is_stirred.wait()
