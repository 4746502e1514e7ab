"""NotifyRelay's poll: told of work at once, bounded, and never a hindrance."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from server.model import Actor, JobSpec
from server.protocols.runpack import relay
from server.protocols.runpack.canonical import job_hash
from tests.protocols.runpack.peer import FREE, HELLO, Peer, runpack_settings
from tests.protocols.world import SAM, a_world, eventually, key_of

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.protocols.world import World

TOPIC = "runpack_notifications"
CI = Actor("ci", "submit", "operator-api")


async def post(world: World, body: object, key: str = key_of("runner")) -> httpx.Response:
    headers = {"Authorization": key} if key else {}
    return await world.http.post("/poll", json=body, headers=headers)


def body_of(name: str = "one", **changes: object) -> dict[str, object]:
    return {
        "subscriber_id": name,
        "subscriber_name": name,
        "topics": [TOPIC],
        "timeout": 20_000,
        **changes,
    }


async def poll(world: World, name: str = "one", **changes: object) -> list[dict[str, Any]]:
    """The messages of one poll."""
    answer = await post(world, body_of(name, **changes))
    assert answer.status_code == 200, answer.text
    messages = answer.json()["messages"]
    assert set(messages) <= {TOPIC}
    return messages.get(TOPIC, [])  # type: ignore[no-any-return]


async def parked(world: World, name: str = "one") -> asyncio.Task[list[dict[str, Any]]]:
    """A poll that waits."""
    before = world.coordinator.bus.subscriber_count
    waiting = asyncio.create_task(poll(world, name))
    await eventually(lambda: world.coordinator.bus.subscriber_count > before, "it listens")
    return waiting


async def test_a_submit_is_told_at_once(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        waiting = [await parked(world, name) for name in ("one", "two", "three")]
        job_id = (await Peer(world).submit())["job_id"]
        for told in await asyncio.gather(*waiting):
            [message] = told
            assert message["timestamp"] == world.clock.now_ms()
            assert json.loads(message["message"]) == {
                "type": "new_job",
                "job_id": job_id,
                "job_hash": job_hash("hello_world", {"name": "Ada", "processing_time": 0.0}),
                "job_type": "hello_world",
                "timestamp": world.clock.now_ms(),
            }


async def test_nothing_to_tell_is_told_in_time(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await post(world, body_of(timeout=20))
        assert (answer.status_code, answer.json()) == (200, {"messages": {}})
        assert relay.MAX_POLL_SECONDS < 55


async def test_what_happens_between_two_polls_waits(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        assert await poll(world, timeout=1) == []
        await Peer(world).submit()
        assert len(await poll(world)) == 1
        assert await poll(world, timeout=1) == []


async def test_a_poll_that_ends_too_soon_loses_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        assert await poll(world, timeout=1) == []
        await Peer(world).submit()
        told = [await poll(world, timeout=0) for _ in range(3)]
        told.append(await poll(world))
        assert [len(messages) for messages in told if messages] == [1]


async def test_a_subscriber_that_comes_later_is_told_to_look(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        await Peer(world).submit()
        [message] = await poll(world)
        assert json.loads(message["message"])["type"] == "new_job"
        assert await poll(world, timeout=1) == []


async def test_two_polls_under_one_id_are_both_told(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        waiting = [await parked(world), await parked(world)]
        await Peer(world).submit()
        assert [len(told) for told in await asyncio.gather(*waiting)] == [1, 1]
        assert world.coordinator.bus.subscriber_count == 1


async def test_a_resubmit_and_a_queue_that_goes_on_are_told(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        await runner.fail(job_id)
        waiting = await parked(world)
        acted = await world.coordinator.resubmit(SAM, await runner.number(job_id))
        [message] = await waiting
        assert json.loads(message["message"])["job_id"] == acted.job.uuid
        await world.coordinator.pause_queue(SAM, "default")
        waiting = asyncio.create_task(poll(world))
        await world.coordinator.resume_queue(SAM, "default")
        assert len(await waiting) == 1


async def test_a_runner_that_is_done_is_told_of_what_still_waits(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        job_id = await runner.taken()
        await runner.submit({**HELLO, "n": 1})
        assert len(await poll(world)) == 1
        waiting = asyncio.create_task(poll(world))
        await runner.complete(job_id)
        assert len(await waiting) == 1
        [last] = await runner.available()
        await runner.claim(last["job_id"])
        await runner.complete(last["job_id"])
        assert await poll(world, timeout=50) == []


async def test_what_nobody_takes_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "RETELL_SECONDS", 0.05)
    async with a_world(tmp_path, settings=FREE) as world:
        runner = await Peer(world).register()
        await runner.submit()
        for _ in range(3):
            assert len(await poll(world)) == 1
        await world.coordinator.pause_queue(SAM, "default")
        assert await poll(world, timeout=200) == []


async def test_jobs_of_elsewhere_are_told_where_a_runner_here_does_them(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        await Peer(world).register()
        assert await poll(world, timeout=1) == []
        waiting = asyncio.create_task(poll(world))
        await world.coordinator.submit(CI, [JobSpec(type="something_else")])
        [submitted] = await world.coordinator.submit(CI, [JobSpec(type="hello_world")])
        [message] = await waiting
        assert json.loads(message["message"])["job_id"] == submitted.job.uuid


async def test_a_flood_is_cut_to_few_messages(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        actor = Actor("submit-key", "submit", "runpack")
        assert await poll(world, timeout=1) == []
        await world.coordinator.submit(actor, [JobSpec(type="t") for _ in range(500)])
        for _ in range(relay.BUFFERED_EVENTS + 1):
            await world.coordinator.submit(actor, [JobSpec(type="t")])
        assert len(await poll(world)) == 1
        await world.coordinator.submit(actor, [JobSpec(type="t") for _ in range(500)])
        assert len(await poll(world)) == relay.MAX_LOOKED_UP


async def test_other_topics_are_never_heard_of(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        await Peer(world).submit()
        assert await poll(world, topics=["else"], timeout=30) == []


@pytest.mark.parametrize(
    "key",
    ["", "nobody", key_of("submit"), key_of("admin"), f"Bearer {key_of('runner')}"],
)
async def test_the_key_is_sent_bare_and_is_a_runners(tmp_path: Path, key: str) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await post(world, body_of(), key)
        assert answer.status_code == 401
        assert answer.json() == {"error": "Invalid API key"}


@pytest.mark.parametrize(
    "changes",
    [
        {"subscriber_id": ""},
        {"subscriber_id": 5},
        {"subscriber_id": "x" * 201},
        {"topics": TOPIC},
        {"topics": [5]},
        {"timeout": "1"},
        {"timeout": -1},
    ],
)
async def test_what_is_no_poll(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        answer = await post(world, body_of(**changes))
        assert answer.status_code == 400
        assert answer.json()["error"] == "Failed to poll"


async def test_a_client_that_hangs_up_frees_its_poll(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        first, second = await parked(world), await parked(world)
        for waiting in (first, second):
            waiting.cancel()
        await asyncio.wait([first, second])
        await eventually(lambda: world.coordinator.bus.subscriber_count == 1, "one is kept")
        await Peer(world).submit()
        assert len(await poll(world)) == 1


async def test_polls_end_with_the_coordinator(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        waiting = await parked(world)
        world.coordinator.end_waits()
        assert await waiting == []


async def test_subscribers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MAX_SUBSCRIBERS", 3)
    async with a_world(tmp_path, settings=FREE) as world:
        for number in range(8):
            assert await poll(world, f"gone-{number}", timeout=1) == []
        assert world.coordinator.bus.subscriber_count == 3
        waiting = [asyncio.create_task(poll(world, f"here-{number}")) for number in range(4)]
        await eventually(lambda: world.coordinator.bus.subscriber_count == 4, "all four listen")
        await Peer(world).submit({**HELLO, "n": 1})
        assert [len(told) for told in await asyncio.gather(*waiting)] == [1] * 4
        assert world.coordinator.bus.subscriber_count == 3


async def test_who_does_not_come_back_is_forgotten(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=FREE) as world:
        await poll(world, "gone", timeout=1)
        world.clock.advance(relay.IDLE_SECONDS + 1)
        await poll(world, "here", timeout=1)
        assert world.coordinator.bus.subscriber_count == 1


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings=runpack_settings(notify_relay=False)) as world:
        answer = await post(world, body_of())
        assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})
