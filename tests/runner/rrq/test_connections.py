"""Connections that end, break, or are not read."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import TYPE_CHECKING

import pytest
from msgspec import Raw

from server.wire.rrq import Response
from server.wire.rrq_frames import MAX_FRAME_BYTES
from tests.runner.recording import open_descriptors, until
from tests.runner.rrq_peer import error, frame, message, peer, request, runner
from traffic_tui.runner.connectors import rrq, rrq_connection
from traffic_tui.runner.tcp_socket import TcpSocket

if TYPE_CHECKING:
    from tests.runner.rrq_jobs import Jobs
    from tests.runner.rrq_peer import Peer, Runner


BAD_FRAMES = {
    "no length": b"\0\0\0\0",
    "too long": (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
    "no JSON": frame(b"hello"),
    "no UTF-8": frame(b'{"type":"cancel","payload":{"job_id":"\xff"}}'),
    "no object": frame(b"[]"),
    "deep": frame(b"[" * 100_000),
    "unknown type": message("hello", {}),
    "no type": frame(b'{"payload":{}}'),
    "no payload": frame(b'{"type":"request"}'),
    "wrong type": message("request", request(job_id=17)),
    "no context": message("request", {"request_id": "r", "job_id": "j", "function_name": "echo"}),
    "text as attempt": message("request", request(context={"attempt": "one"})),
    "params as list": message("request", request(params=[])),
    "no time": message("request", request(deadline="soon")),
    "cancel without job": message("cancel", {"request_id": "r"}),
}


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
async def test_what_cannot_be_read_closes_the_connection_and_ends_its_work(
    bad: bytes, jobs: Jobs, ours: Runner, asks: Peer
) -> None:
    asks.request("hold")
    await until(lambda: jobs.began)
    asks.writer.write(bad + message("request", request()))
    assert await asks.is_closed()
    await until(lambda: jobs.cancelled and ours.connector.is_told)
    async with peer(ours.port) as another:
        assert (await another.call("echo"))["status"] == "success"


async def test_an_unasked_answer_is_answered_and_the_connection_goes_on(asks: Peer) -> None:
    asks.send("response", {"status": "success"})
    answer = await asks.receive()
    assert (answer["job_id"], answer["request_id"]) == ("unknown", None)
    assert error(answer) == ("error", "unexpected response message", None)
    assert (await asks.call("echo"))["status"] == "success"


@pytest.mark.parametrize("ending", ["close", "half close", "reset"])
async def test_the_end_of_a_connection_ends_its_work_and_no_other(
    ending: str, jobs: Jobs, ours: Runner, asks: Peer
) -> None:
    async with peer(ours.port) as other:
        kept = other.request("hold")
        lost = {asks.request("hold")["request_id"] for _ in range(3)}
        await until(lambda: len(jobs.began) == 4)
        if ending == "close":
            await asks.close()
        elif ending == "half close":
            asks.writer.write_eof()
            assert await asks.is_closed()
        else:
            handle = asks.writer.get_extra_info("socket")
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            asks.writer.transport.abort()
        await until(lambda: set(jobs.cancelled) == lost)
        await until(lambda: len(ours.supervisor.running) == 1)
        jobs.go.set()
        assert (await other.receive())["request_id"] == kept["request_id"]
    await until(lambda: ours.connector.is_told)


@pytest.mark.parametrize("beginning", [b"", b"\0", b"\0\0\0", b"\0\0\0\x09{"])
async def test_an_end_before_a_whole_frame_is_quiet(
    beginning: bytes, ours: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    async with peer(ours.port) as probe:
        probe.writer.write(beginning)
    async with peer(ours.port) as another:
        assert (await another.call("echo"))["status"] == "success"
    assert not [record for record in caplog.records if record.levelname != "INFO"]


async def test_frames_in_pieces_and_many_at_once(asks: Peer) -> None:
    whole = b"".join(message("request", request("echo", params={"n": n})) for n in range(20))
    for place in range(0, len(whole), 700):
        asks.writer.write(whole[place : place + 700])
        await asks.writer.drain()
        await asyncio.sleep(0)
    asks.writer.write(whole)
    results = [(await asks.receive())["result"]["n"] for _ in range(40)]
    assert sorted(results) == sorted([*range(20)] * 2)


async def test_answers_are_not_held_back(ours: Runner, asks: Peer) -> None:
    assert (await asks.call("echo"))["status"] == "success"
    [connection] = ours.connector._connections
    handle = connection._transport.get_extra_info("socket")
    assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_too_many_connections_are_turned_away(
    ours: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rrq, "MAX_CONNECTIONS", 1)
    async with peer(ours.port) as first:
        assert (await first.call("echo"))["status"] == "success"
        async with peer(ours.port) as second:
            assert await second.is_closed()
        assert (await first.call("echo"))["status"] == "success"


async def test_an_orchestrator_that_reads_slowly_costs_bounded_memory(
    jobs: Jobs, ours: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rrq_connection, "MAX_UNREAD_BYTES", 8 * 1024 * 1024)
    jobs.value_to_return = "x" * 1024 * 1024
    async with peer(ours.port) as slow:
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        sent = {slow.request("value")["request_id"] for _ in range(40)}
        await until(lambda: ours.connector._connections)
        [connection] = ours.connector._connections
        await until(lambda: ours.connector.is_told and not ours.supervisor.running)
        assert connection._transport.get_write_buffer_size() < 9 * 1024 * 1024
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        answers = [await slow.receive() for _ in range(40)]
        assert {answer["request_id"] for answer in answers} == sent
        dropped = [answer for answer in answers if answer["status"] == "error"]
        assert 10 < len(dropped) < 40
        assert "the orchestrator does not read" in dropped[0]["error"]["message"]


async def test_a_flood_from_one_that_never_reads_is_held_up_and_ended(
    jobs: Jobs, ours: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rrq_connection, "STALLED_SECONDS", 0.5)
    async with peer(ours.port) as flood:
        flood.writer.transport.pause_reading()  # type: ignore[attr-defined]
        block = b"".join(message("request", request("nobody")) for _ in range(2000))
        await until(lambda: ours.connector._connections)
        [connection] = ours.connector._connections

        async def pour() -> None:
            while True:
                flood.writer.write(block)
                await flood.writer.drain()

        pouring = asyncio.create_task(pour())
        largest = 0
        while ours.connector._connections:
            largest = max(largest, connection._transport.get_write_buffer_size())
            await asyncio.sleep(0.01)
        assert 0 < largest < 2 * 1024 * 1024
        with pytest.raises((ConnectionError, asyncio.CancelledError)):
            pouring.cancel()
            await pouring


async def test_one_that_went_away_unread_is_not_watched_any_more(
    jobs: Jobs, ours: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rrq_connection, "STALLED_SECONDS", 5.0)
    jobs.value_to_return = "x" * 1024 * 1024
    async with peer(ours.port) as slow:
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(8):
            slow.request("value")
        await until(lambda: ours.connector._connections)
        [connection] = ours.connector._connections
        await until(lambda: connection._stall is not None)
        slow.writer.transport.abort()
        await until(lambda: not ours.connector._connections)
    assert connection._stall is None


async def test_one_that_reads_slower_than_answers_come_is_not_taken_for_dead(
    jobs: Jobs, ours: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rrq_connection, "STALLED_SECONDS", 1.0)
    jobs.value_to_return = "x" * 14 * 1024 * 1024
    async with peer(ours.port) as slow:
        slow.request("value")
        await until(lambda: ours.connector._connections)
        [connection] = ours.connector._connections
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: connection._stall is not None)
        unread = connection._transport.get_write_buffer_size()
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await slow.reader.readexactly(1024 * 1024)
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: connection._transport.get_write_buffer_size() < unread)
        connection.send(Response("j", "r", "success", Raw(b'"%b"' % (b"x" * 4 * 1024 * 1024))))
        watched = connection._stall
        assert watched is not None
        await until(lambda: connection._stall is not watched)
        assert ours.connector._connections == {connection}


async def test_whatever_comes_is_answered_or_closes_and_nothing_breaks(
    jobs: Jobs, ours: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(17)  # the same frames each time
    for _ in range(400):
        body = bytearray(message("request", request("echo", params={"a": [1, "ö\x1b"]}))[4:])
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(body))
            if chance.random() < 0.5:
                body[place] = chance.randrange(256)
            else:
                del body[place : place + chance.randint(1, 30)]
        async with peer(ours.port) as asks:
            asks.writer.write(frame(bytes(body)))
            asks.writer.write_eof()
            await asks.reader.read()
    async with peer(ours.port) as asks:
        assert (await asks.call("echo"))["status"] == "success"
    await until(lambda: ours.connector.is_told and not ours.supervisor.running)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not [record for record in caplog.records if "\x1b" in record.getMessage()]


async def test_names_and_ids_may_hold_anything(asks: Peer) -> None:
    odd = "\x1b[31m\u202e[bold]\n" + "x" * 10_000
    answer = await asks.call(odd, job_id=odd, request_id="\x00")
    assert answer["job_id"] == odd
    assert answer["error"]["type"] == "handler_not_found"
    assert len(answer["error"]["message"]) < 400
    assert "\x1b" not in answer["error"]["message"]


async def test_connections_leave_no_descriptors(ours: Runner) -> None:
    async with peer(ours.port) as asks:
        assert (await asks.call("echo"))["status"] == "success"
    await until(lambda: not ours.connector._connections)
    before = open_descriptors()
    for _ in range(50):
        async with peer(ours.port) as asks:
            asks.request("hold")
    await until(lambda: not ours.connector._connections and not ours.supervisor.running)
    await until(lambda: open_descriptors() <= before)


async def test_the_other_kind_of_address(jobs: Jobs) -> None:
    if not has_ipv6():
        pytest.skip("there is no IPv6 loopback here")
    async with runner(jobs.registry, address=TcpSocket("::1", 0)) as ours:
        async with peer(ours.port, "::1") as asks:
            assert (await asks.call("echo"))["status"] == "success"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
