"""A coordinator over HTTP: its operator API as a :class:`traffic_tui.client.base.Client`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.wire.operator import (
    CreatedKeyView,
    EventsView,
    EventView,
    ExplainView,
    FoundView,
    GroupsView,
    JobDetailView,
    JobsView,
    KeysView,
    LateWritesView,
    LimitRequest,
    NoticeView,
    OneJobView,
    OneQueueView,
    OneRunnerView,
    PriorityRequest,
    QueuesView,
    ReasonRequest,
    RunnersView,
    StatsView,
    SubmittedListView,
)
from server.wire.unreadable import UNREADABLE
from traffic_tui.client.base import KeepAlive, OutputPart, Resync, Unreachable
from traffic_tui.client.http_schedules import HttpSchedules
from traffic_tui.client.messages import misunderstood
from traffic_tui.client.sse import EventStreamError, EventStreamParser
from traffic_tui.client.transport import TIMEOUT_SECONDS, Transport, given, path_part
from traffic_tui.client.trust import Trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import httpx

    from server.wire.operator import (
        DrainRequest,
        KeyRequest,
        QueueView,
        ReassignRequest,
        Request,
        ResubmitRequest,
        RunnerView,
        StopRequest,
        SubmitRequest,
        SubmittedView,
    )
    from traffic_tui.client.base import StreamItem
    from traffic_tui.client.sse import ServerSentEvent


NOTHING_SAID = Trust()


class HttpClient(HttpSchedules):
    """Talks to the coordinator at ``url`` with one key.

    Args:
        url: the coordinator, without a path.
        key: sent as bearer; empty: none.
        trust: the files of encrypted connections.
        is_read_only: what the caller wants to be held to; the server enforces it by the key.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        trust: Trust = NOTHING_SAID,
        is_read_only: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._url = url.rstrip("/")
        self._is_read_only = is_read_only
        self._transport = Transport(self._url, key, trust, timeout_seconds)

    @property
    def url(self) -> str:
        return self._url

    @property
    def is_embedded(self) -> bool:
        return False

    @property
    def is_read_only(self) -> bool:
        return self._is_read_only

    async def connect(self) -> None:
        """Get ready to call. The first call tells whether anybody is there."""
        self._transport.open()

    async def close(self) -> None:
        await self._transport.close()

    # jobs ------------------------------------------------------------------------------------

    async def submit(
        self, jobs: Sequence[SubmitRequest], *, idempotency_key: str = ""
    ) -> list[SubmittedView]:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer = await self._transport.call(
            "POST", "/jobs", SubmittedListView, body=list(jobs), headers=headers
        )
        return answer.jobs

    async def jobs(
        self,
        *,
        filter: str = "",
        limit: int = 100,
        after: str | None = None,
        order: str = "-number",
        numbers: Sequence[int] | None = None,
    ) -> JobsView:
        if numbers is not None and not numbers:
            return JobsView(jobs=[], next=None, count=0, count_is_exact=True)
        named = ",".join(map(str, numbers)) if numbers is not None else None
        params = {"filter": filter or None, "limit": limit, "after": after, "order": order}
        return await self._transport.call(
            "GET", "/jobs", JobsView, params={**params, "numbers": named}
        )

    async def job_groups(
        self, *, by: str = "error", filter: str = "", limit: int = 100
    ) -> GroupsView:
        params = {"by": by, "filter": filter or None, "limit": limit}
        return await self._transport.call("GET", "/jobs/groups", GroupsView, params=params)

    async def job(self, job: str) -> JobDetailView:
        return await self._transport.call("GET", f"/jobs/{path_part(job)}", JobDetailView)

    async def output(
        self,
        job: str,
        *,
        attempt: str = "",
        stream: str = "",
        offset: int = 0,
        limit: int = 262_144,
    ) -> OutputPart:
        response = await self._transport.send(
            "GET",
            f"/jobs/{path_part(job)}/output",
            params={
                "attempt": attempt or None,
                "stream": stream or None,
                "offset": offset,
                "limit": limit,
            },
        )
        return _output_part(self._url, response)

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
        answer = await self._transport.call(
            "GET",
            f"/jobs/{path_part(job)}/output",
            FoundView,
            params={
                "search": text,
                "attempt": attempt or None,
                "stream": stream or None,
                "offset": offset,
                "direction": "backward" if backwards else "forward",
            },
        )
        return answer.offset

    async def explain(self, job: str) -> ExplainView:
        return await self._transport.call("GET", f"/jobs/{path_part(job)}/explain", ExplainView)

    async def stop(self, job: str, request: StopRequest) -> OneJobView:
        return await self._transport.call(
            "POST", f"/jobs/{path_part(job)}/stop", OneJobView, body=request
        )

    async def resubmit(self, job: str, request: ResubmitRequest) -> OneJobView:
        return await self._transport.call(
            "POST", f"/jobs/{path_part(job)}/resubmit", OneJobView, body=request
        )

    async def reassign(self, job: str, request: ReassignRequest) -> OneJobView:
        return await self._transport.call(
            "POST", f"/jobs/{path_part(job)}/reassign", OneJobView, body=request
        )

    async def set_priority(self, job: str, priority: int, *, reason: str = "") -> OneJobView:
        body = PriorityRequest(priority=priority, reason=reason)
        return await self._transport.call(
            "POST", f"/jobs/{path_part(job)}/priority", OneJobView, body=body
        )

    # runners and queues ----------------------------------------------------------------------

    async def runners(self) -> RunnersView:
        return await self._transport.call("GET", "/runners", RunnersView)

    async def runner(self, runner: str) -> RunnerView:
        return (await self.runner_with_log(runner)).runner

    async def runner_with_log(self, runner: str) -> OneRunnerView:
        return await self._transport.call("GET", f"/runners/{path_part(runner)}", OneRunnerView)

    async def drain(self, runner: str, request: DrainRequest) -> RunnerView:
        path = f"/runners/{path_part(runner)}/drain"
        return (await self._transport.call("POST", path, OneRunnerView, body=request)).runner

    async def resume_runner(self, runner: str, *, reason: str = "") -> RunnerView:
        path = f"/runners/{path_part(runner)}/resume"
        body = ReasonRequest(reason=reason)
        return (await self._transport.call("POST", path, OneRunnerView, body=body)).runner

    async def forget(self, runner: str, *, reason: str = "") -> None:
        params = {"reason": reason or None}
        await self._transport.send("DELETE", f"/runners/{path_part(runner)}", params=params)

    async def queues(self) -> QueuesView:
        return await self._transport.call("GET", "/queues", QueuesView)

    async def pause_queue(self, queue: str, *, reason: str = "") -> QueueView:
        return await self._change_queue(queue, "pause", ReasonRequest(reason=reason))

    async def resume_queue(self, queue: str, *, reason: str = "") -> QueueView:
        return await self._change_queue(queue, "resume", ReasonRequest(reason=reason))

    async def limit_queue(self, queue: str, limit: int | None, *, reason: str = "") -> QueueView:
        return await self._change_queue(queue, "limit", LimitRequest(limit=limit, reason=reason))

    async def _change_queue(self, queue: str, action: str, body: Request) -> QueueView:
        path = f"/queues/{path_part(queue)}/{action}"
        return (await self._transport.call("POST", path, OneQueueView, body=body)).queue

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
        params = {"job": job, "runner": runner, "actor": actor, "before": before, "after": after}
        return await self._transport.call(
            "GET", "/events", EventsView, params={**params, "limit": limit}
        )

    async def follow(self, *, after: int | None = None) -> AsyncIterator[StreamItem]:
        """Events as they happen; ends with Unreachable when the stream does."""
        params = given({"after": after})
        async with self._transport.stream("/events", params) as response:
            async for item in self._stream_items(response):
                yield item
        raise Unreachable(f"{self._url} ended the stream of events; it may be stopping")

    async def _stream_items(self, response: httpx.Response) -> AsyncIterator[StreamItem]:
        parser = EventStreamParser()
        try:
            async for data in response.aiter_raw():
                for event in parser.feed(data):
                    yield _stream_item(event)
        except (EventStreamError, *UNREADABLE) as error:
            raise misunderstood(self._url, response.status_code, error) from error

    async def late_writes(self, *, before: int | None = None, limit: int = 100) -> LateWritesView:
        params = {"before": before, "limit": limit}
        return await self._transport.call("GET", "/late-writes", LateWritesView, params=params)

    async def stats(self) -> StatsView:
        return await self._transport.call("GET", "/stats", StatsView)

    # keys ------------------------------------------------------------------------------------

    async def keys(self) -> KeysView:
        return await self._transport.call("GET", "/keys", KeysView)

    async def create_key(self, request: KeyRequest) -> CreatedKeyView:
        return await self._transport.call("POST", "/keys", CreatedKeyView, body=request)

    async def revoke_key(self, name: str, *, reason: str = "") -> None:
        params = {"reason": reason or None}
        await self._transport.send("DELETE", f"/keys/{path_part(name)}", params=params)


def _times(header: str) -> tuple[tuple[int, int], ...]:
    pairs = (pair.partition(":") for pair in header.split(",") if pair)
    return tuple((int(offset), int(at)) for offset, _, at in pairs)


def _output_part(url: str, response: httpx.Response) -> OutputPart:
    headers = response.headers
    try:
        gap_from, _, gap_to = headers.get("X-Output-Gap", "0-0").partition("-")
        return OutputPart(
            offset=int(headers["X-Output-Offset"]),
            data=response.content,
            size=int(headers["X-Output-Size"]),
            is_complete=headers["X-Output-Complete"] == "true",
            generation=int(headers["X-Output-Generation"]),
            gap_from=int(gap_from),
            gap_to=int(gap_to),
            at=int(headers.get("X-Output-Time", "0")),
            times=_times(headers.get("X-Output-Times", "")),
        )
    except (KeyError, ValueError) as error:
        raise misunderstood(url, response.status_code, error) from error


def _stream_item(event: ServerSentEvent) -> StreamItem:
    if event.is_comment:
        return KeepAlive()
    if event.event == "resync":
        return Resync()
    if event.event == "notice":
        return msgspec.json.decode(event.data, type=NoticeView)
    return msgspec.json.decode(event.data, type=EventView)
