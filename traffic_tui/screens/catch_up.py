"""Loading what is out of date: one thing at a time, and never faster than answers come."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from traffic_tui.client.base import ClientError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from traffic_tui.screens.desk import Desk

SHORTEST_PAUSE_SECONDS = 0.3
PAUSE_SHARE = 4.0
"""After a load, the next waits at least this many times as long as the load took."""
FAILURE_PAUSE_SECONDS = 2.0
"""After a load that failed for a reason that may pass."""


def may_pass(error: ClientError) -> bool:
    """Whether the same call may succeed a moment later: it was one too many, or in trouble."""
    return (
        isinstance(error, Unreachable)
        or error.status == HTTPStatus.TOO_MANY_REQUESTS
        or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


class CatchUp:
    """Keeps one list up to date; :meth:`step` is called ten times a second while it is behind."""

    def __init__(
        self,
        desk: Desk,
        start: Callable[[Coroutine[object, object, None]], object],
        *,
        reload: Callable[[], Awaitable[None]],
        failed: Callable[[str], None],
        refresh: Callable[[Sequence[int]], Awaitable[None]] | None = None,
        shortest_pause: float = SHORTEST_PAUSE_SECONDS,
    ) -> None:
        self._desk = desk
        self._start = start
        self._reload = reload
        self._refresh = refresh
        self._failed = failed
        self._shortest_pause = shortest_pause
        self._is_busy = False
        self._not_before = 0.0
        self._failed_until = 0.0
        self._is_hurried = False
        """What is under way was begun before the operator's last change."""
        self.is_outdated = True
        """Whether the list as a whole is to be loaded anew."""
        self.rows: set[int] = set()
        """Rows of which something is not known."""

    def hurry(self) -> None:
        """Load at the next step: the operator just changed something."""
        self.is_outdated, self._not_before, self._is_hurried = True, 0.0, True
        self._failed_until = 0.0

    def step(self, in_view: Sequence[int] = ()) -> None:
        """Start what is most wanted now, if nothing is under way."""
        now = self._desk.clock.monotonic()
        if self._is_busy or self._desk.link.state != "live" or now < self._failed_until:
            return
        if self.is_outdated and now >= self._not_before:
            self._is_busy = True
            self._start(self._load())
        elif self._refresh is not None and (rows := [n for n in in_view if n in self.rows]):
            self._is_busy = True
            self._start(self._load_rows(rows))

    async def _load(self) -> None:
        self.is_outdated = self._is_hurried = False
        started = self._desk.clock.monotonic()
        try:
            await self._reload()
        except ClientError as error:
            self.is_outdated = self._fail(error) or self.is_outdated
        finally:
            self._is_busy = False
            if not self._is_hurried:
                now = self._desk.clock.monotonic()
                self._not_before = now + max(self._shortest_pause, PAUSE_SHARE * (now - started))

    async def _load_rows(self, rows: Sequence[int]) -> None:
        self.rows.difference_update(rows)
        assert self._refresh is not None
        try:
            await self._refresh(rows)
        except ClientError as error:
            if self._fail(error):
                self.rows.update(rows)
        finally:
            self._is_busy = False

    def _fail(self, error: ClientError) -> bool:
        """Tell of it; whether it is worth another try, which then waits a while."""
        self._failed(error.message)
        if may_pass(error) and not self._is_hurried:
            self._failed_until = self._desk.clock.monotonic() + FAILURE_PAUSE_SECONDS
        return may_pass(error)
