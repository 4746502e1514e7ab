"""The line to the coordinator: what is heard, what is missed, how silence is noticed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from server.clock import ManualClock
from server.wire.operator import EventView, NoticeView, StatsView
from traffic_tui.client.base import Client, ClientError, KeepAlive, Resync, Unreachable
from traffic_tui.link import MAX_ITEMS, Link
from traffic_tui.state.freshness import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from traffic_tui.client.base import StreamItem


def event(seq: int, kind: str, jobs: list[int] | None = None, queue: str = "") -> EventView:
    return EventView(
        seq=seq,
        at=1,
        kind=kind,
        job=None,
        number=None,
        jobs=jobs or [],
        attempt=None,
        runner=None,
        queue=queue,
        actor="x",
        reason="",
        data=None,
    )


def stats(last_seq: int) -> StatsView:
    return StatsView(
        now=1,
        counts={},
        runners={},
        oldest_pending_at=0,
        done_buckets=[],
        done_last_minute=0,
        last_seq=last_seq,
        version="1",
        started_at=1,
        coordinator="c",
        free_bytes=None,
        min_free=0,
    )


class ScriptedClient:
    """Answers by a script: each life of the stream is a list of items, then it breaks."""

    def __init__(self, lives: list[list[StreamItem]]) -> None:
        self.lives = lives
        self.asked_after: list[int | None] = []
        self.connects = 0
        self.failure: ClientError | None = None

    async def connect(self) -> None:
        self.connects += 1
        if self.failure:
            raise self.failure

    async def stats(self) -> StatsView:
        return stats(10 + len(self.asked_after))

    async def follow(self, *, after: int | None = None) -> AsyncIterator[StreamItem]:
        self.asked_after.append(after)
        if not self.lives:
            await asyncio.Event().wait()
        for item in self.lives.pop(0):
            yield item
        raise Unreachable("the stream ended")


def linked(client: Any, clock: ManualClock | None = None) -> Link:
    return Link(cast("Client", client), clock or ManualClock())


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the link tells nobody
            await asyncio.sleep(0.01)


async def test_what_is_heard_is_gathered_until_it_is_taken() -> None:
    link = linked(ScriptedClient([]))
    notice = NoticeView(kind="output", number=3, attempt=1)
    link.hear(event(1, "submitted", [1, 2]))
    link.hear(KeepAlive())
    link.hear(notice)
    heard = link.take()
    assert heard.items == [event(1, "submitted", [1, 2]), notice]
    assert not heard.is_incomplete
    assert not link.take()


async def test_a_lost_stream_is_taken_up_again_from_where_the_counts_stand() -> None:
    client = ScriptedClient([[event(11, "submitted", [1])], [KeepAlive()]])
    link = linked(client)
    task = asyncio.create_task(link.run())
    try:
        await until(lambda: len(client.asked_after) == 3)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert client.asked_after == [10, 11, 12]
    assert client.connects == 1
    assert link.take().is_incomplete


async def test_what_went_wrong_is_told_and_the_next_try_announced() -> None:
    client = ScriptedClient([])
    client.failure = Unreachable("nobody listens on http://127.0.0.1:1")
    clock = ManualClock()
    link = linked(client, clock)
    task = asyncio.create_task(link.run())
    try:
        await until(lambda: link.state == "lost" and link.next_try_at > 0)
        assert link.problem == "nobody listens on http://127.0.0.1:1"
        assert not link.freshness.has_heard
        assert link.is_stale
        assert link.seconds_to_next_try() <= 1
        client.failure = None
        await until(lambda: link.state == "live")
        assert link.problem == ""
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_refusal_is_told_and_holds_actions_back() -> None:
    client = ScriptedClient([])
    client.failure = ClientError("the key is not known", code="unauthenticated", status=401)
    link = linked(client)
    task = asyncio.create_task(link.run())
    try:
        await until(lambda: link.state == "lost")
        assert link.reason_to_hold_back() == "not connected: the key is not known"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_silence_makes_stale_and_a_keep_alive_makes_live() -> None:
    clock = ManualClock()
    link = linked(ScriptedClient([]), clock)
    link.hear(KeepAlive())
    clock.advance(STALE_AFTER_SECONDS)
    assert not link.is_stale
    assert link.reason_to_hold_back() == ""
    clock.advance(9)
    assert "14s" in link.reason_to_hold_back()
    link.hear(KeepAlive())
    assert not link.is_stale


async def test_a_resync_and_a_flood_ask_for_everything_anew() -> None:
    link = linked(ScriptedClient([]))
    link.hear(Resync())
    assert link.take().is_incomplete
    for seq in range(MAX_ITEMS + 1):
        link.hear(event(seq, "submitted", [seq]))
    assert link.take().is_incomplete
