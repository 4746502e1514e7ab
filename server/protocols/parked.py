"""Calls that are answered later: they end when there is an answer, or when nobody waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from server.http.exchange import ClientGone

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from server.http.exchange import Receive

T = TypeVar("T")


async def while_connected(receive: Receive, waiting: Coroutine[Any, Any, T]) -> T:
    """The result of ``waiting``, which is cancelled when the client hangs up.

    Raises:
        ClientGone: there is nobody left to answer.
    """
    answer = asyncio.ensure_future(waiting)
    hang_up = asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait((answer, hang_up), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            hang_up.result()
            raise ClientGone
        return answer.result()
    finally:
        answer.cancel()
        hang_up.cancel()
        await asyncio.wait((answer, hang_up))


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
