"""Connections that are read in turns, however much comes over one of them.

uvloop hands over up to 32 buffers of 256 KiB of a connection before it looks at any other. Filled
with the smallest messages there are, that is seconds of work, for which everybody else waits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MUCH_BYTES = 64 * 1024
"""Who sent less at once has nothing more to be read just now."""


def let_others_read(transport: asyncio.Transport, size: int, may_go_on: Callable[[], bool]) -> None:
    """Read no more of a connection until the others had their turn.

    Args:
        size: bytes that were read of it at once.
        may_go_on: asked afterwards; False: its owner wants it left unread.
    """
    if size < MUCH_BYTES or transport.is_closing():
        return
    transport.pause_reading()
    asyncio.get_running_loop().call_soon(_go_on, transport, may_go_on)


def _go_on(transport: asyncio.Transport, may_go_on: Callable[[], bool]) -> None:
    if not transport.is_closing() and may_go_on():
        transport.resume_reading()
