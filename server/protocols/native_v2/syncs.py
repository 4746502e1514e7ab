"""Syncs of one session, one at a time: a repeated one gets the answer it had, byte for byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class SyncLine:
    """The newest sequence number of a session with its answer.

    A sync that failed was not answered: the same number may be tried again.
    """

    __slots__ = ("_answer", "_in_turn", "_sequence")

    def __init__(self) -> None:
        self._in_turn = asyncio.Lock()
        self._sequence = -1
        self._answer = b""

    async def answer(self, sequence: int, exchange: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer to a sync; ``exchange`` is called only where there is none yet.

        Raises:
            Refused: ``out_of_order``: a later one was answered already.
        """
        async with self._in_turn:
            if sequence < self._sequence:
                raise Refused(
                    f"sequence {sequence} comes after {self._sequence} was answered; count up",
                    code="out_of_order",
                )
            if sequence > self._sequence:
                self._answer = await exchange()
                self._sequence = sequence
            return self._answer


class SyncLines:
    """Lines of all sessions that are open; kept in memory only, as repeats are harmless."""

    def __init__(self, is_open: Callable[[str], bool]) -> None:
        self._is_open = is_open
        self._lines: dict[str, SyncLine] = {}

    def begin(self, session: str) -> None:
        """A hello: counting starts anew, and lines of ended sessions are dropped."""
        self._lines = {uuid: line for uuid, line in self._lines.items() if self._is_open(uuid)}
        self._lines[session] = SyncLine()

    def line(self, session: str) -> SyncLine:
        """The line of an open session, which may be older than this process."""
        line = self._lines.get(session)
        if line is None:
            line = self._lines[session] = SyncLine()
        return line

    def __len__(self) -> int:
        return len(self._lines)
