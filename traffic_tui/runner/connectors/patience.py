"""How long a connector that was told to stop may still take to tell how everything ended."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger(__name__)


class Patience:
    """Without end, until somebody says otherwise."""

    def __init__(self) -> None:
        self._limit: asyncio.Timeout | None = None

    @asynccontextmanager
    async def bounding(self, whom: str) -> AsyncIterator[None]:
        """Cut the block off when the time is over, and tell that ``whom`` was not reached."""
        try:
            async with asyncio.timeout(None) as self._limit:
                yield
        except TimeoutError:
            log.warning("%s was not told how everything ended: it is not reachable", whom)
        finally:
            self._limit = None

    def end_within(self, seconds: float) -> None:
        """The block has so long from now on; nothing happens where none runs."""
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)
