"""The coordinator of this very process as a :class:`traffic_tui.client.base.Client`.

Calls hop to the coordinator's own loop and back; roles, limits and errors are those that the
same calls have over HTTP, so that a console cannot tell the two apart.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from server.errors import TrafficError
from server.model import Actor
from server.operator import KeepAlive as FeedKeepAlive
from server.operator import Resync as FeedResync
from server.roles import require
from server.runtime import CoordinatorGone, CoordinatorThread, RuntimeProblem
from server.wire.operator import PriorityRequest, ReasonRequest
from traffic_tui.client.base import KeepAlive, OutputPart, Resync, Unreachable
from traffic_tui.client.embedded_fleet import EmbeddedFleet
from traffic_tui.client.embedded_schedules import EmbeddedSchedules
from traffic_tui.client.wire_bounds import (
    as_client_error,
    check_page,
    checked_grouping,
    checked_order,
    checked_request,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
    from pathlib import Path

    from server.model import Role
    from server.operator import FeedItem, OperatorApi
    from server.roles import Power
    from server.settings import Settings
    from server.wire.operator import (
        CreatedKeyView,
        EventsView,
        ExplainView,
        GroupsView,
        JobDetailView,
        JobsView,
        KeyRequest,
        KeysView,
        LateWritesView,
        OneJobView,
        ReassignRequest,
        ResubmitRequest,
        StatsView,
        StopRequest,
        SubmitRequest,
        SubmittedView,
    )
    from traffic_tui.client.base import StreamItem

__all__ = ["EmbeddedClient", "RuntimeProblem", "open_embedded"]

T = TypeVar("T")

ACTOR_NAME = "operator"
VIA = "operator-api"


def open_embedded(
    settings: Settings,
    folder: Path,
    *,
    on_crash: Callable[[BaseException], None],
    is_read_only: bool = False,
) -> EmbeddedClient:
    """Start a coordinator in this process and give the client that owns it: closing it ends both.

    Raises:
        RuntimeProblem: it cannot start, in words.
    """
    thread = CoordinatorThread(settings, folder, on_crash=on_crash)
    thread.start()
    return EmbeddedClient(thread, is_read_only=is_read_only, owns_thread=True)


class EmbeddedClient(EmbeddedFleet, EmbeddedSchedules):
    """Calls the coordinator in ``thread``.

    Args:
        is_read_only: refuse every change, as a read-only key would be.
        owns_thread: whether closing this client ends the coordinator.
    """

    def __init__(
        self,
        thread: CoordinatorThread,
        *,
        actor_name: str = ACTOR_NAME,
        is_read_only: bool = False,
        owns_thread: bool = False,
    ) -> None:
        self._thread = thread
        self._url = thread.server.url
        self._is_read_only = is_read_only
        self._owns_thread = owns_thread
        role: Role = "read-only" if is_read_only else "admin"
        self._actor = Actor(actor_name, role, VIA)

    @property
    def url(self) -> str:
        return self._url

    @property
    def is_embedded(self) -> bool:
        return True

    @property
    def is_read_only(self) -> bool:
        return self._is_read_only

    @property
    def warnings(self) -> list[str]:
        """What the coordinator found worth warning of when it started."""
        return list(self._thread.server.warnings) if self._thread.is_running else []

    async def connect(self) -> None:
        """Nothing to do: it runs already."""

    async def close(self) -> None:
        if self._owns_thread:
            await asyncio.to_thread(self._thread.stop)

    # jobs ------------------------------------------------------------------------------------

    async def submit(
        self, jobs: Sequence[SubmitRequest], *, idempotency_key: str = ""
    ) -> list[SubmittedView]:
        requests = [checked_request(job) for job in jobs]
        return await self._call(
            "submit",
            lambda api: api.submit(self._actor, requests, idempotency_key=idempotency_key),
        )

    async def jobs(
        self,
        *,
        filter: str = "",
        limit: int = 100,
        after: str | None = None,
        order: str = "-number",
        numbers: Sequence[int] | None = None,
    ) -> JobsView:
        check_page(limit)
        known_order = checked_order(order)
        return await self._call(
            "read_own",
            lambda api: api.jobs(
                self._actor,
                filter=filter,
                limit=limit,
                after=after,
                order=known_order,
                numbers=numbers,
            ),
        )

    async def job_groups(
        self, *, by: str = "error", filter: str = "", limit: int = 100
    ) -> GroupsView:
        check_page(limit)
        grouping = checked_grouping(by)
        return await self._call(
            "read_own",
            lambda api: api.job_groups(self._actor, by=grouping, filter=filter, limit=limit),
        )

    async def job(self, job: str) -> JobDetailView:
        return await self._call("read_own", lambda api: api.job(self._actor, job))

    async def output(
        self,
        job: str,
        *,
        attempt: str = "",
        stream: str = "",
        offset: int = 0,
        limit: int = 262_144,
    ) -> OutputPart:
        part = await self._call(
            "read_own",
            lambda api: api.output(
                self._actor, job, attempt=attempt, stream=stream, offset=offset, limit=limit
            ),
        )
        return OutputPart(
            offset=part.offset,
            data=part.data,
            size=part.size,
            is_complete=part.is_complete,
            generation=part.generation,
            gap_from=part.gap_from,
            gap_to=part.gap_to,
            at=part.at,
            times=part.times,
        )

    async def find_output(
        self,
        job: str,
        text: str,
        *,
        attempt: str = "",
        stream: str = "",
        offset: int = 0,
        backwards: bool = False,
    ) -> int | None:
        found = await self._call(
            "read_own",
            lambda api: api.find_output(
                self._actor,
                job,
                text,
                attempt=attempt,
                stream=stream,
                offset=offset,
                backwards=backwards,
            ),
        )
        return found.offset

    async def explain(self, job: str) -> ExplainView:
        return await self._call("read_own", lambda api: api.explain(self._actor, job))

    async def stop(self, job: str, request: StopRequest) -> OneJobView:
        body = checked_request(request)
        return await self._call("operate", lambda api: api.stop(self._actor, job, body))

    async def resubmit(self, job: str, request: ResubmitRequest) -> OneJobView:
        body = checked_request(request)
        return await self._call("operate", lambda api: api.resubmit(self._actor, job, body))

    async def reassign(self, job: str, request: ReassignRequest) -> OneJobView:
        body = checked_request(request)
        return await self._call("operate", lambda api: api.reassign(self._actor, job, body))

    async def set_priority(self, job: str, priority: int, *, reason: str = "") -> OneJobView:
        body = checked_request(PriorityRequest(priority=priority, reason=reason))
        return await self._call("operate", lambda api: api.set_priority(self._actor, job, body))

    # what happened ---------------------------------------------------------------------------

    async def events(
        self,
        *,
        job: str | None = None,
        runner: str | None = None,
        actor: str | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> EventsView:
        check_page(limit)
        return await self._call(
            "read",
            lambda api: api.events(
                self._actor,
                job=job,
                runner=runner,
                by=actor,
                before=before,
                after=after,
                limit=limit,
            ),
        )

    async def follow(self, *, after: int | None = None) -> AsyncIterator[StreamItem]:
        """Events as they happen; ends with Unreachable when the coordinator does."""

        async def open_feed(api: OperatorApi) -> tuple[Any, AsyncIterator[list[FeedItem]]]:
            feed = api.follow(self._actor, after=after)
            return feed, feed.items()

        feed, rounds = await self._call("read", open_feed)
        try:
            yield KeepAlive()
            while (items := await self._reach(_next_round(rounds))) is not None:
                for item in items:
                    yield _stream_item(item)
        finally:
            await self._close_feed(feed)
        raise Unreachable("the coordinator of this process is stopping")

    async def late_writes(self, *, before: int | None = None, limit: int = 100) -> LateWritesView:
        check_page(limit)
        return await self._call(
            "read", lambda api: api.late_writes(self._actor, before=before, limit=limit)
        )

    async def stats(self) -> StatsView:
        return await self._call("read", lambda api: api.stats(self._actor))

    # keys ------------------------------------------------------------------------------------

    async def keys(self) -> KeysView:
        return await self._call("keys", lambda api: api.keys(self._actor))

    async def create_key(self, request: KeyRequest) -> CreatedKeyView:
        body = checked_request(request)
        return await self._call("keys", lambda api: api.create_key(self._actor, body))

    async def revoke_key(self, name: str, *, reason: str = "") -> None:
        body = checked_request(ReasonRequest(reason=reason))
        await self._call("keys", lambda api: api.revoke_key(self._actor, name, body))

    # underneath ------------------------------------------------------------------------------

    async def _call(self, power: Power, call: Callable[[OperatorApi], Awaitable[T]]) -> T:
        """One call on the coordinator's loop, with its errors as ours."""

        async def there() -> T:
            require(self._actor.role, power)
            return await call(self._thread.server.operator)

        return await self._reach(there())

    async def _reach(self, coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            return await self._thread.call(coroutine)
        except TrafficError as error:
            raise as_client_error(error) from error
        except CoordinatorGone as error:
            raise Unreachable(str(error)) from error

    async def _close_feed(self, feed: Any) -> None:
        async def close() -> None:
            feed.close()

        try:
            await self._thread.call(close())
        except CoordinatorGone:
            return  # it went with the coordinator


async def _next_round(rounds: AsyncIterator[list[FeedItem]]) -> list[FeedItem] | None:
    """The next items, or None at the end. StopAsyncIteration cannot cross over as a result."""
    return await anext(rounds, None)


def _stream_item(item: FeedItem) -> StreamItem:
    if isinstance(item, FeedKeepAlive):
        return KeepAlive()
    if isinstance(item, FeedResync):
        return Resync()
    return item
