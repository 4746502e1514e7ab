"""The stream of events: from the store, then live, with no hole and nothing twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from server.events import Notice
from server.http.routes import PREFIX
from server.operator import feed as feeds
from server.operator import happenings
from tests.server.http.world import DEADLINE_SECONDS, World, secret_of, served, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


class Heard(NamedTuple):
    """One block of the stream."""

    event: str
    id: int | None
    data: Any


class Listener:
    """Reads a stream block by block."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> Heard:
        """The next event, notice or resync; comments are passed over."""
        while True:
            heard = await self.next_block()
            if heard.data is not None:
                return heard

    async def next_block(self) -> Heard:
        event, number, data = "message", None, None
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if not line:
                    return Heard(event, number, data)
                if name == "event":
                    event = value
                elif name == "id":
                    number = int(value)
                elif name == "data":
                    data = msgspec.json.decode(value)
        raise EOFError

    async def events_until(self, kind: str) -> list[Heard]:
        heard = [await self.next()]
        while heard[-1].data.get("kind") != kind:
            heard.append(await self.next())
        return heard


@asynccontextmanager
async def listening(
    world: World, *, after: int | None = None, last_id: str = "", secret: str = ""
) -> AsyncIterator[Listener]:
    headers = {
        "Authorization": f"Bearer {secret or secret_of('read-only')}",
        "Accept": "text/event-stream",
        **({"Last-Event-ID": last_id} if last_id else {}),
    }
    params = {} if after is None else {"after": str(after)}
    async with world.http.stream(
        "GET", f"{PREFIX}/events", headers=headers, params=params
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        listener = Listener(answer.aiter_lines())
        await listener.next_block()  # the greeting: from here on nothing is missed
        yield listener


async def test_events_come_as_they_happen() -> None:
    async with served() as world, listening(world) as listener:
        number = await world.submit()
        heard = await listener.next()
        assert (heard.data["kind"], heard.data["number"]) == ("submitted", number)
        assert heard.data["job"]
        assert heard.id == heard.data["seq"]


async def test_a_batch_is_one_event() -> None:
    async with served() as world, listening(world) as listener:
        await world.good("POST", "/jobs", [{"type": "a"}] * 3, role="submit")
        heard = await listener.next()
        assert heard.data["jobs"] == [1, 2, 3]
        assert heard.data["job"] is None
        assert heard.data["number"] is None


async def test_a_stream_goes_on_where_it_was_left() -> None:
    async with served() as world:
        for _ in range(5):
            await world.submit()
        async with listening(world, after=2) as listener:
            assert [(await listener.next()).id for _ in range(4)] == [3, 4, 5, 6]
            await world.submit()
            assert (await listener.next()).id == 7
        async with listening(world, last_id="6", after=1) as listener:
            assert (await listener.next()).id == 7


async def test_no_hole_and_no_repeat_between_store_and_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeds, "REPLAY_PAGE", 3)
    async with served() as world:
        for _ in range(20):
            await world.submit()
        submitting = asyncio.create_task(submit_many(world, 60))
        heard: list[int] = []
        async with listening(world, after=0) as listener:
            while len(heard) < 81:
                found = await listener.next()
                if found.id is not None:
                    heard.append(found.id)
        await submitting
        assert heard == list(range(1, 82))


async def submit_many(world: World, count: int) -> None:
    for _ in range(count):
        await world.submit()


async def test_notices_have_no_id_and_are_gathered() -> None:
    async with served() as world, listening(world) as listener:
        notices = [Notice("progress", job=1, attempt=0, runner=0)] * 500
        world.coordinator.bus.publish(notices)
        await world.submit()
        heard = await listener.events_until("submitted")
        progress = [one for one in heard if one.event == "notice"]
        assert 1 <= len(progress) <= 3
        assert progress[0].id is None
        assert progress[0].data == {"kind": "progress", "number": 1, "attempt": 0, "runner": ""}


async def test_progress_and_output_reach_the_listener() -> None:
    async with served() as world:
        runner = await world.runner()
        number = await world.submit()
        [assigned] = await runner.take()
        async with listening(world) as listener:
            await runner.print(assigned, b"hello")
            heard = await listener.next()
            assert heard.event == "notice"
            assert heard.data["kind"] == "output"
            assert heard.data["number"] == number
            assert heard.data["attempt"] == 1
            assert heard.data["runner"] == world.api.find_runner("lab-1").uuid


async def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "KEEP_ALIVE_SECONDS", 0.02)
    async with served() as world, listening(world) as listener:
        for _ in range(3):
            assert await listener.next_block() == Heard("message", None, None)
        await world.submit()
        assert (await listener.next()).data["kind"] == "submitted"


async def test_a_slow_listener_is_told_to_reload_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(happenings, "CAPACITY", 5)
    async with served() as world, listening(world) as listener:
        world.coordinator.bus.publish([Notice("progress", job=job) for job in range(50)])
        heard = await listener.next()
        assert (heard.event, heard.id) == ("resync", None)
        number = await world.submit()
        after = await listener.next()
        assert after.data["number"] == number


async def test_points_that_are_not_kept_ask_for_a_reload() -> None:
    async with served() as world:
        await world.submit()
        async with listening(world, after=10_000) as listener:
            assert (await listener.next()).event == "resync"
            await world.submit()
            assert (await listener.next()).data["kind"] == "submitted"
        for text in ("-1", "abc", "9" * 30, "0" * 20 + "9" * 30, "9" * 5_000, "1.5"):
            await world.bad(
                400,
                "GET",
                "/events",
                headers={"Accept": "text/event-stream", "Last-Event-ID": text},
            )
        await world.bad(
            400, "GET", "/events", headers={"Accept": "text/event-stream"}, params={"job": "1"}
        )


async def test_revoking_its_key_ends_a_stream() -> None:
    async with served() as world:
        made = await world.good(
            "POST", "/keys", {"name": "visitor", "role": "read-only"}, role="admin"
        )
        async with listening(world, secret=made["secret"]) as listener:
            await world.submit()
            assert (await listener.next()).data["kind"] == "submitted"
            await world.good("DELETE", "/keys/visitor", role="admin")
            await world.submit()
            async with asyncio.timeout(DEADLINE_SECONDS):
                await drain(listener)
        assert world.api.feed_count == 0


async def test_closing_ends_streams_at_once() -> None:
    async with served() as world, listening(world) as listener:
        world.app.close()
        with_end = asyncio.create_task(drain(listener))
        async with asyncio.timeout(2):
            await with_end
        assert world.api.feed_count == 0
        await world.bad(503, "GET", "/events", headers={"Accept": "text/event-stream"})


async def drain(listener: Listener) -> None:
    try:
        while True:
            await listener.next_block()
    except EOFError:
        return


async def test_a_stream_ends_with_the_coordinator() -> None:
    async with served() as world, listening(world) as listener:
        await world.coordinator.stop()
        await drain(listener)
        await until(lambda: world.api.feed_count == 0)


async def test_a_listener_that_goes_leaves_nothing_behind() -> None:
    async with served() as world:
        async with listening(world), listening(world):
            assert world.api.feed_count == 2
        await until(lambda: world.api.feed_count == 0)
        assert world.coordinator.bus.subscriber_count == 0


async def test_a_listener_that_stops_reading_neither_grows_nor_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeds, "PACE_SECONDS", 0)
    monkeypatch.setattr(happenings, "CAPACITY", 100)
    async with served() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1024)
        request = (
            f"GET {PREFIX}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {secret_of('admin')}\r\n\r\n"
        )
        writer.write(request.encode())
        await reader.readuntil(b"\r\n\r\n")
        for round_ in range(3_000):
            world.coordinator.bus.publish(
                [Notice("progress", job=round_ * 50 + job) for job in range(50)]
            )
            await asyncio.sleep(0)
        size = 0
        async with asyncio.timeout(DEADLINE_SECONDS):
            while b"event: resync" not in (data := await reader.read(65_536)):
                size += len(data)
        assert size < 5_000_000  # of 13 MB of notices
        world.app.close()
        await until(lambda: world.api.feed_count == 0, seconds=2)
        writer.close()


async def test_streams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happenings, "MAX_FEEDS", 1)
    async with served() as world, listening(world):
        words = await world.bad(503, "GET", "/events", headers={"Accept": "text/event-stream"})
        assert "1 event streams are open" in words
