"""Connections that end, fall silent, or are half dead; and what is told after that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.recording import open_descriptors, until
from tests.runner.treadmill.serving import handlers, supervisor
from tests.runner.treadmill.switchboard import CONFIG_S2, Switchboard, serving
from traffic_tui.runner import ExecutionRequest, Registry
from traffic_tui.runner.errors import NeverReached
from traffic_tui.runner.journal import JournalLimits

if TYPE_CHECKING:
    from pathlib import Path

HANDSHAKE = "traffic_tui.runner.connectors.treadmill"
QUICK = '{"keepalive":{"ping_interval":"0.1s","keepalive":"0.3s"}}'
LIFE = ["starting", "booting", "ready", "terminated"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traffic_tui.runner.connectors.treadmill.RECONNECT_SECONDS", 0.05)


class Gate:
    """A handler that goes on when it is let."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def image(self, request: ExecutionRequest) -> str:
        await self.opened.wait()
        request.print("done")
        return "fine"

    @property
    def registry(self) -> Registry:
        return handlers(image=self.image)


# keepalive -------------------------------------------------------------------------------------


async def test_a_switchboard_that_stops_pinging_is_left(
    switchboard: Switchboard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    switchboard.config = QUICK
    async with supervisor(switchboard.url, tmp_path, Registry()):
        await switchboard.connected(3)
    assert "no ping came for 0.3 s" in caplog.text


async def test_pings_keep_a_connection(switchboard: Switchboard, tmp_path: Path) -> None:
    switchboard.config = '{"keepalive":{"ping_interval":"0.05s","keepalive":"1s"}}'
    switchboard.ping_seconds = 0.05
    async with supervisor(switchboard.url, tmp_path, Registry()):
        await until(lambda: switchboard.pongs >= 50)
    assert len(switchboard.connections) == 1
    assert switchboard.connection.pings == [], "who is pinged does not ping"


async def test_a_switchboard_that_promises_no_pings_is_pinged(
    switchboard: Switchboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{HANDSHAKE}_line.PING_SECONDS", 0.05)
    switchboard.config = CONFIG_S2
    async with supervisor(switchboard.url, tmp_path, Registry()):
        await switchboard.connected()
        await until(lambda: len(switchboard.connection.pings) >= 5)
    assert set(switchboard.connection.pings) == {b""}
    assert len(switchboard.connections) == 1


@pytest.mark.parametrize("config", [CONFIG_S2, None])
async def test_a_half_dead_switchboard_is_left_and_told_again(
    config: str | None,
    switchboard: Switchboard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It holds its socket and reads nothing: what was written there was not received."""
    monkeypatch.setattr(f"{HANDSHAKE}_line.PING_SECONDS", 0.05)
    monkeypatch.setattr(f"{HANDSHAKE}_line.PONG_SECONDS", 0.4)
    switchboard.config = config or switchboard.config
    gate = Gate()
    async with supervisor(switchboard.url, tmp_path, gate.registry):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: "ready" in switchboard.states(job_id))
        switchboard.connection.transport.pause_reading()
        gate.opened.set()
        await switchboard.connected(2)
        await switchboard.ended(job_id)
    assert "it did not answer a ping for 0.4 s" in caplog.text
    assert switchboard.states(job_id) == LIFE
    assert switchboard.console(job_id) == b"done\n"
    assert switchboard.declared(job_id) == [("success", "fine")]


async def test_a_connection_that_is_closed_is_opened_again(
    switchboard: Switchboard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with supervisor(switchboard.url, tmp_path, Registry()):
        await switchboard.connected()
        await switchboard.connection.close(4003, "superseded")
        await switchboard.connected(2)
        switchboard.connection.transport.abort()
        await switchboard.connected(3)
        body = {"code": "internal_error", "detail": "over \x1b[31mworked"}
        await switchboard.send("protocol_error", body)
        await switchboard.connection.close(1000)
        await switchboard.connected(4)
        assert await switchboard.ask() == {"type": "idle"}
    assert "it closed the connection: superseded (4003)" in caplog.text
    assert "says: internal_error: over  [31mworked" in caplog.text


# what is told after that -----------------------------------------------------------------------


async def test_what_happens_offline_is_told_in_order(tmp_path: Path) -> None:
    gate = Gate()
    before, after = Switchboard(), Switchboard()
    async with serving(before):
        port = int(before.url.rpartition(":")[2])
        registry = gate.registry
        made = supervisor(before.url, tmp_path, registry)
        serving_it = await made.__aenter__()
        await before.connected()
        job_id = await before.start()
        await before.hears(lambda: "ready" in before.states(job_id))
        await until(lambda: not serving_it.connector.is_told)
        before.connection.transport.abort()
    try:
        gate.opened.set()
        await until(lambda: not serving_it.supervisor.running)
        async with serving(after, port):
            await after.ended(job_id)
            assert await after.ask() == {"type": "idle"}
    finally:
        await made.__aexit__(None, None, None)
    told = [event["type"] for event in after.events(job_id)]
    assert told[-3:] == ["console_log", "declare_exit_status", "state_transition"]
    assert after.states(job_id)[-1] == "terminated"
    assert after.console(job_id) == b"done\n"


async def test_a_job_whose_end_is_not_told_yet_is_said_to_be_ending(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    """A switchboard that heard ``idle`` would take its end for lost."""
    gate = Gate()

    async def image(request: ExecutionRequest) -> str:
        await request.write(b"x" * 1_000_000)
        return await gate.image(request)

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)) as serving_it:
        await switchboard.connected()
        switchboard.reads = False
        job_id = await switchboard.start()
        gate.opened.set()
        journal, running = serving_it.journal, serving_it.supervisor
        await until(lambda: journal.streams(job_id) and not running.running)
        request_id = await switchboard.question()
        switchboard.read_on()
        status = await switchboard.answer(request_id)
        assert status == {
            "type": "ongoing_job",
            "job_id": job_id,
            "job_state": {"state": "terminating"},
        }
        await switchboard.ended(job_id)
        assert await switchboard.ask() == {"type": "idle"}
    assert switchboard.console(job_id) == b"x" * 1_000_000 + b"done\n"


async def test_an_end_is_told_again_to_who_may_have_died_with_it(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    """Received is not kept. Once, in answer to the first question, and before the status."""
    gate = Gate()
    gate.opened.set()
    async with supervisor(switchboard.url, tmp_path, gate.registry) as serving_it:
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.ended(job_id)
        await until(lambda: serving_it.connector.is_told)
        switchboard.connection.transport.abort()
        await switchboard.connected(2)
        assert switchboard.states(job_id).count("terminated") == 1, "nobody asked"
        heard = len(switchboard.said)
        assert await switchboard.ask() == {"type": "idle"}
        assert await switchboard.ask() == {"type": "idle"}
        again = switchboard.said[heard:]
        events = ["supervisor_event"] * 3  # console, declaration, end
        assert [message["type"] for message in again] == [*events, *["status_response"] * 2]
        assert switchboard.declared(job_id) == [("success", "fine")] * 2
        places = [event.get("console_offset") for event in switchboard.events(job_id)]
        assert [place for place in places if place is not None] == [0, 0]
        other = await switchboard.start()
        await switchboard.ended(other)
        assert switchboard.states(other) == LIFE


async def test_an_end_is_not_told_again_once_there_is_another_job(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    gate = Gate()
    gate.opened.set()
    async with supervisor(switchboard.url, tmp_path, gate.registry) as serving_it:
        await switchboard.connected()
        first = await switchboard.start()
        await switchboard.ended(first)
        await until(lambda: serving_it.connector.is_told)
        gate.opened.clear()
        second = await switchboard.start()
        await switchboard.hears(lambda: "ready" in switchboard.states(second))
        switchboard.connection.transport.abort()
        await switchboard.connected(2)
        assert (await switchboard.ask())["job_id"] == second
        gate.opened.set()
        await switchboard.ended(second)
    assert switchboard.states(first).count("terminated") == 1


async def test_output_waits_within_bounds_while_nobody_is_there(tmp_path: Path) -> None:
    flood = bytes(range(256)) * 400
    limits = JournalLimits(spill=1024, attempt=8192, total=8192)

    async def image(request: ExecutionRequest) -> str:
        await request.write(flood)
        return "all written"

    before, after = Switchboard(), Switchboard()
    async with serving(before):
        port = int(before.url.rpartition(":")[2])
        made = supervisor(before.url, tmp_path, handlers(image=image), limits=limits)
        serving_it = await made.__aenter__()
        await before.connected()
        before.connection.transport.pause_reading()
        job_id = await before.start()
        await until(lambda: serving_it.journal.room(job_id) == 0)
        assert serving_it.supervisor.running == [job_id]
        before.connection.transport.abort()
    try:
        assert serving_it.supervisor.running == [job_id], "it waits, it is not cut"
        async with serving(after, port):
            await after.ended(job_id)
    finally:
        await made.__aexit__(None, None, None)
    assert after.console(job_id) == flood
    assert after.declared(job_id) == [("success", "all written")]


async def test_questions_without_end_are_answered_as_they_are_taken(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    async with supervisor(switchboard.url, tmp_path, Registry()):
        await switchboard.connected()
        asked = [await switchboard.question() for _ in range(2000)]
        for request_id in asked[-1:]:
            await switchboard.answer(request_id)
    answered = [message["message"]["response_to_request_id"] for message in switchboard.said]
    assert answered == asked


# the end ---------------------------------------------------------------------------------------


async def test_an_idle_supervisor_that_is_drained_ends(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    async with supervisor(switchboard.url, tmp_path, Registry()) as serving_it:
        await switchboard.connected()
        serving_it.supervisor.drain()
        serving_it.connector.drain()
        async with asyncio.timeout(5):
            await serving_it.task
        await switchboard.connection.wait_closed()
        assert switchboard.connection.close_code == 1000


async def test_a_draining_supervisor_ends_its_job_and_takes_no_other(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    gate = Gate()
    async with supervisor(switchboard.url, tmp_path, gate.registry, slots=2) as serving_it:
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: "ready" in switchboard.states(job_id))
        serving_it.supervisor.drain()
        serving_it.connector.drain()
        other = await switchboard.start()
        await switchboard.hears(lambda: switchboard.kinds(other) == ["MaxConcurrentJobs"])
        gate.opened.set()
        async with asyncio.timeout(5):
            await serving_it.task
    assert switchboard.declared(job_id) == [("success", "fine")]
    assert switchboard.states(job_id) == LIFE


async def test_a_job_that_is_stopped_with_its_supervisor_is_unknown(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    """Nothing declared would mean that all went well, or that somebody asked for its end."""
    gate = Gate()
    async with supervisor(switchboard.url, tmp_path, gate.registry) as serving_it:
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: "ready" in switchboard.states(job_id))
        serving_it.supervisor.drain()
        serving_it.supervisor.stop_all()
        serving_it.connector.stop(5)
        async with asyncio.timeout(5):
            await serving_it.task
    assert switchboard.declared(job_id) == [("unknown", "the job was cancelled")]
    assert switchboard.states(job_id)[-2:] == ["terminating", "terminated"]


async def test_an_end_that_nobody_hears_is_given_up_in_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    async with serving(Switchboard()) as switchboard:
        made = supervisor(switchboard.url, tmp_path, gate.registry)
        serving_it = await made.__aenter__()
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: "ready" in switchboard.states(job_id))
    try:
        serving_it.supervisor.drain()
        serving_it.supervisor.stop_all()
        serving_it.connector.stop(0.3)
        async with asyncio.timeout(5):
            await serving_it.task
        assert not serving_it.connector.is_told
    finally:
        await made.__aexit__(None, None, None)
    assert "was not told how everything ended" in caplog.text


async def test_a_switchboard_that_was_never_there(tmp_path: Path) -> None:
    async with supervisor("ws://127.0.0.1:9", tmp_path, Registry()) as serving_it:
        serving_it.supervisor.drain()
        serving_it.connector.drain()
        with pytest.raises(NeverReached, match="was never reached"):
            async with asyncio.timeout(5):
                await serving_it.task


async def test_nothing_is_left_behind(switchboard: Switchboard, tmp_path: Path) -> None:
    async def tasks() -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks()

    gate = Gate()
    gate.opened.set()
    for round_number in range(3):
        async with supervisor(switchboard.url, tmp_path, gate.registry):
            await switchboard.connected(round_number + 1)
            await switchboard.ended(await switchboard.start())
        await switchboard.connection.wait_closed()
        if round_number == 0:
            descriptors, before = open_descriptors(), len(await tasks())
    await until(lambda: len(asyncio.all_tasks()) <= before)
    await until(lambda: open_descriptors() <= descriptors)
    assert list((tmp_path / "spool").iterdir()) == []
