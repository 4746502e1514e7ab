"""Our RRQ runner, asked by a plain socket: every case that concerns a runner runtime."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from typing import TYPE_CHECKING, Any

import pytest

from server.wire.rrq_frames import MAX_FRAME_BYTES
from tests.runner.recording import open_descriptors, until
from tests.runner.rrq_jobs import Jobs
from tests.runner.rrq_peer import Peer, frame, in_seconds, message, peer, request, runner
from traffic_tui.runner import execution
from traffic_tui.runner.connectors import rrq, rrq_connection
from traffic_tui.runner.tcp_socket import TcpSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.runner.rrq_peer import Runner

BUSY = "Runner busy: too many in-flight requests"


@pytest.fixture
async def jobs() -> AsyncIterator[Jobs]:
    made = Jobs()
    yield made
    made.go.set()


@pytest.fixture
async def ours(jobs: Jobs) -> AsyncIterator[Runner]:
    async with runner(jobs.registry) as made:
        yield made
        jobs.go.set()
        await until(lambda: made.connector.is_told and not made.supervisor.running)


@pytest.fixture
async def asks(ours: Runner) -> AsyncIterator[Peer]:
    async with peer(ours.port) as connected:
        yield connected


def error(answer: dict[str, Any]) -> tuple[str, str, str | None]:
    return answer["status"], answer["error"]["message"], answer["error"]["type"]


CANCELLED = ("error", "Job cancelled", "cancelled")

# answers -------------------------------------------------------------------------------------


async def test_a_request_is_run_and_answered_with_every_field(asks: Peer) -> None:
    sent = asks.request("echo", params={"to": "ann"})
    assert await asks.receive() == {
        "job_id": sent["job_id"],
        "request_id": sent["request_id"],
        "status": "success",
        "result": {"to": "ann"},
        "error": None,
        "retry_after_seconds": None,
    }


async def test_the_handler_sees_what_was_sent(jobs: Jobs, asks: Peer) -> None:
    deadline = in_seconds(3600)
    told = {
        "attempt": 3,
        "trace_context": {"traceparent": "00-1-2-01"},
        "correlation_context": {"order": "17"},
        "something_new": [1],
    }
    await asks.call("see", params={"a": [1, None]}, deadline=deadline, context=told, extra="x")
    [seen] = jobs.seen
    context = seen.context
    assert (seen.function_name, seen.params, seen.args, seen.kwargs) == (
        "see",
        {"a": [1, None]},
        [],
        {},
    )
    assert (context.attempt, context.queue_name) == (3, "rrq:queue:default")
    assert context.enqueue_time is not None
    assert context.enqueue_time.isoformat() == "2026-01-02T03:04:05.123457+00:00"
    assert context.deadline is not None
    assert context.deadline.isoformat() == deadline
    assert context.trace_context == {"traceparent": "00-1-2-01"}
    assert context.correlation_context == {"order": "17"}
    assert context.worker_id == "rrq_worker_1_abcdef"


async def test_times_without_a_zone_are_utc_and_short_requests_will_do(
    jobs: Jobs, asks: Peer
) -> None:
    context = {
        "job_id": "j",
        "attempt": 1,
        "enqueue_time": "2026-01-02T03:04:05",
        "queue_name": "q",
    }
    sent = {"request_id": "r", "job_id": "j", "function_name": "see", "context": context}
    asks.send("request", sent)
    assert (await asks.receive())["status"] == "success"
    [seen] = jobs.seen
    assert seen.params == {}
    assert seen.context.enqueue_time is not None
    assert seen.context.enqueue_time.isoformat() == "2026-01-02T03:04:05+00:00"


async def test_an_unknown_handler_is_told_by_its_type(asks: Peer) -> None:
    words = "No handler registered for function 'nobody'"
    assert error(await asks.call("nobody")) == ("error", words, "handler_not_found")
    assert (await asks.call("echo"))["status"] == "success"


async def test_another_version_is_refused_and_the_connection_goes_on(asks: Peer) -> None:
    for version in ("1", "3", ""):
        answer = await asks.call("echo", protocol_version=version)
        assert error(answer) == ("error", "Unsupported protocol version", None)
    assert (await asks.call("echo"))["status"] == "success"


@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("fail", {"words": "no such order"}, ("error", "no such order", None)),
        ("fail_silently", {}, ("error", "Unhandled handler error", None)),
        ("time_out", {}, ("timeout", "Job execution timed out", "timeout")),
        ("time_out", {"words": "the site slept"}, ("timeout", "the site slept", "timeout")),
        ("quit", {}, ("error", "the handler called sys.exit(3)", None)),
    ],
)
async def test_what_is_raised_is_an_answer(
    name: str, params: dict[str, Any], told: tuple[str, str, str | None], asks: Peer
) -> None:
    assert error(await asks.call(name, params=params)) == told


@pytest.mark.parametrize(
    ("given", "arguments", "told"),
    [
        ("failure", ["no"], {"status": "error", "error": ["no", None, None, None]}),
        (
            "failure",
            ["no", "billing", "E17", {"at": [1]}],
            {"status": "error", "error": ["no", "billing", "E17", {"at": [1]}]},
        ),
        ("failure", ["", None], {"status": "error", "error": ["no reason was given"] + [None] * 3}),
        (
            "retry_after",
            ["busy", 1.5],
            {"status": "retry", "error": ["busy", None, None, None], "retry_after_seconds": 1.5},
        ),
        ("retry_after", ["busy", -1], {"status": "retry", "retry_after_seconds": 0.0}),
        ("retry_after", ["busy", "soon"], {"status": "retry", "retry_after_seconds": None}),
        (
            "timeout",
            [],
            {"status": "timeout", "error": ["Job execution timed out", "timeout", None, None]},
        ),
        (
            "cancelled",
            [],
            {"status": "error", "error": ["Job cancelled", "cancelled", None, None]},
        ),
        ("success", [{"a": 1}], {"status": "success", "result": {"a": 1}, "error": None}),
    ],
)
async def test_outcomes_on_the_wire(
    given: str, arguments: list[Any], told: dict[str, Any], asks: Peer
) -> None:
    answer = await asks.call("outcome", params={"given": given, "arguments": arguments})
    if answer["error"] is not None:
        answer["error"] = [answer["error"][key] for key in ("message", "type", "code", "details")]
    assert {name: answer[name] for name in told} == told


class NoJson:
    """A value that cannot be told."""


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"nan": float("nan"), "inf": [float("-inf")]}, {"nan": None, "inf": [None]}),
        ((1, 2), [1, 2]),
        ({1: 2**70}, {"1": 2**70}),
        ("Zoë \x1b[31m", "Zoë \x1b[31m"),
        (None, None),
        (False, False),
    ],
)
async def test_results(value: object, told: object, jobs: Jobs, asks: Peer) -> None:
    jobs.value_to_return = value
    answer = await asks.call("value")
    assert (answer["status"], answer["result"]) == ("success", told)


def endless() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (NoJson(), "the result is no JSON: Encoding objects of type NoJson is unsupported"),
        ({"a": NoJson}, "the result is no JSON"),
        ("\ud800", "the result is no JSON: 'utf-8' codec"),
        (endless(), "the result is no JSON: it is nested too deeply, or holds itself"),
        (deep(500), "nested deeper than 60 levels"),
    ],
)
async def test_a_result_that_cannot_be_told_is_an_answer(
    value: object, words: str, jobs: Jobs, asks: Peer
) -> None:
    jobs.value_to_return = value
    answer = await asks.call("value")
    status, message, kind = error(answer)
    assert (status, kind) == ("error", "invalid_result")
    assert words in message


async def test_a_result_beyond_a_frame_is_an_answer(jobs: Jobs, asks: Peer) -> None:
    jobs.value_to_return = "x" * (MAX_FRAME_BYTES + 1)
    status, words, kind = error(await asks.call("value"))
    assert (status, kind) == ("error", "result_too_large")
    assert "the result has 16777219 bytes" in words
    assert (await asks.call("echo"))["status"] == "success"


async def test_ids_that_leave_no_room_for_a_result_are_an_answer(jobs: Jobs, asks: Peer) -> None:
    jobs.value_to_return = "x" * (9 * 1024 * 1024)
    answer = await asks.call("value", request_id="r" * (8 * 1024 * 1024))
    assert error(answer)[2] == "result_too_large"


async def test_a_request_of_exactly_16_mib_is_taken(jobs: Jobs, asks: Peer) -> None:
    sent = request("see", params={"filling": ""})
    missing = MAX_FRAME_BYTES - (len(message("request", sent)) - 4)
    sent["params"]["filling"] = "x" * missing
    asks.send("request", sent)
    assert (await asks.receive())["status"] == "success"
    assert len(jobs.seen[0].params["filling"]) == missing


async def test_details_that_are_no_json_are_told_as_text(asks: Peer, jobs: Jobs) -> None:
    from traffic_tui.runner import ExecutionOutcome

    for details, told in (({"x": float("nan")}, {"x": None}), (NoJson, str(NoJson))):
        jobs.value_to_return = ExecutionOutcome.failure("?", "?", "no", details=details)
        assert (await asks.call("value"))["error"]["details"] == told


async def test_answers_come_in_any_order_with_their_own_ids(jobs: Jobs, asks: Peer) -> None:
    first = asks.request("hold")
    second = asks.request("echo")
    assert (await asks.receive())["request_id"] == second["request_id"]
    jobs.go.set()
    assert (await asks.receive())["request_id"] == first["request_id"]


async def test_an_id_used_twice_is_answered_twice(jobs: Jobs, ours: Runner, asks: Peer) -> None:
    for _ in range(2):
        asks.request("hold", request_id="same", job_id="job")
    await until(lambda: len(jobs.began) == 2)
    jobs.go.set()
    answers = [await asks.receive() for _ in range(2)]
    assert [answer["result"] for answer in answers] == ["held", "held"]
    assert {answer["request_id"] for answer in answers} == {"same"}
    await asks.call("echo", request_id="same")


# limits --------------------------------------------------------------------------------------


async def test_one_over_64_is_busy_and_other_connections_are_not(
    jobs: Jobs, ours: Runner, asks: Peer
) -> None:
    for _ in range(64):
        asks.request("hold")
    over = asks.request("hold")
    answer = await asks.receive()
    assert answer["request_id"] == over["request_id"]
    assert error(answer) == ("error", BUSY, None)
    async with peer(ours.port) as other:
        for _ in range(64):
            other.request("hold")
        assert error(await other.call("hold"))[1] == BUSY
        await until(lambda: len(jobs.began) == 128)
        jobs.go.set()
        for connection in (asks, other):
            results = [(await connection.receive())["result"] for _ in range(64)]
            assert results == ["held"] * 64


async def test_cancelling_one_of_64_frees_its_place(jobs: Jobs, asks: Peer) -> None:
    sent = [asks.request("hold") for _ in range(64)]
    asks.cancel(sent[7]["job_id"], sent[7]["request_id"])
    answer = await asks.receive()
    assert answer["request_id"] == sent[7]["request_id"]
    assert error(answer) == CANCELLED
    assert (await asks.call("echo"))["status"] == "success"


async def test_max_in_flight_and_the_number_of_jobs_can_be_smaller(jobs: Jobs) -> None:
    async with runner(jobs.registry, slots=2, max_in_flight=1) as small:
        async with peer(small.port) as one, peer(small.port) as two, peer(small.port) as three:
            one.request("hold")
            assert error(await one.call("hold"))[1] == BUSY
            two.request("hold")
            await until(lambda: len(jobs.began) == 2)
            assert error(await three.call("hold"))[1] == BUSY
            jobs.go.set()
            assert (await one.receive())["result"] == "held"


# deadlines -----------------------------------------------------------------------------------


async def test_a_deadline_that_is_over_is_answered_at_once(jobs: Jobs, asks: Peer) -> None:
    answer = await asks.call("see", deadline=in_seconds(-1))
    assert error(answer) == ("timeout", "Job deadline exceeded", "timeout")
    assert jobs.seen == []


async def test_a_deadline_to_come_changes_nothing(asks: Peer) -> None:
    for deadline in (in_seconds(60), "9999-12-31T23:59:59Z"):
        assert (await asks.call("echo", deadline=deadline))["status"] == "success"


async def test_a_deadline_that_is_hit_cancels(jobs: Jobs, asks: Peer) -> None:
    begin = asyncio.get_running_loop().time()
    answer = await asks.call("hold", deadline=in_seconds(0.5))
    assert error(answer) == ("timeout", "Job execution timed out", "timeout")
    assert 0.4 < asyncio.get_running_loop().time() - begin < 5
    assert jobs.cancelled == [answer["request_id"]]


async def test_a_handler_that_fails_while_it_is_ended_timed_out(jobs: Jobs, asks: Peer) -> None:
    answer = await asks.call("clumsy", deadline=in_seconds(0.1))
    assert error(answer) == ("timeout", "Job execution timed out", "timeout")


async def test_a_handler_that_blocks_beyond_its_deadline_has_succeeded(asks: Peer) -> None:
    answer = await asks.call("block", params={"seconds": 0.3}, deadline=in_seconds(0.1))
    assert (answer["status"], answer["result"]) == ("success", "blocked")


# cancels -------------------------------------------------------------------------------------


async def test_cancel_by_request_id_whatever_the_job_id(jobs: Jobs, asks: Peer) -> None:
    for job_id in (None, "another"):
        sent = asks.request("hold")
        await until(lambda key=sent["request_id"]: key in jobs.began)  # type: ignore[misc]
        asks.cancel(job_id or sent["job_id"], sent["request_id"])
        answer = await asks.receive()
        assert answer["job_id"] == sent["job_id"]
        assert error(answer) == CANCELLED
        assert jobs.cancelled[-1] == sent["request_id"]


async def test_cancel_by_job_id_ends_all_of_that_job_on_any_connection(
    jobs: Jobs, ours: Runner, asks: Peer
) -> None:
    sent = [asks.request("hold", job_id="job") for _ in range(3)]
    other = asks.request("hold", job_id="other")
    await until(lambda: len(jobs.began) == 4)
    async with peer(ours.port) as canceller:
        canceller.cancel("job")
        await canceller.close()
    answers = [await asks.receive() for _ in range(3)]
    assert {answer["request_id"] for answer in answers} == {one["request_id"] for one in sent}
    assert [error(answer) for answer in answers] == [CANCELLED] * 3
    jobs.go.set()
    assert (await asks.receive())["request_id"] == other["request_id"]
    assert ours.connector.is_told


async def test_cancels_that_mean_nothing_here(jobs: Jobs, ours: Runner, asks: Peer) -> None:
    asks.cancel("job", "early")
    asks.cancel("never heard of", None)
    early = asks.request("hold", job_id="job", request_id="early")
    await until(lambda: jobs.began == ["early"])
    asks.cancel("job", "early", protocol_version="1")
    asks.cancel("job", None, protocol_version="3")
    done = await asks.call("echo")
    asks.cancel(done["job_id"], done["request_id"])
    asks.cancel(done["job_id"])
    assert (await asks.call("echo"))["status"] == "success"
    assert ours.supervisor.running
    jobs.go.set()
    answer = await asks.receive()
    assert (answer["request_id"], answer["result"]) == (early["request_id"], "held")


async def test_a_cancel_that_crosses_a_success_is_a_success(jobs: Jobs, asks: Peer) -> None:
    sent = asks.request("swallow")
    await until(lambda: jobs.began)
    asks.cancel(sent["job_id"], sent["request_id"])
    asks.cancel(sent["job_id"], sent["request_id"])
    answer = await asks.receive()
    assert (answer["status"], answer["result"]) == ("success", "done all the same")


async def test_a_request_that_is_cancelled_in_the_same_breath_never_begins(
    jobs: Jobs, asks: Peer
) -> None:
    sent = request("hold")
    cancel = {"protocol_version": "2", "job_id": sent["job_id"], "request_id": None}
    asks.writer.write(message("request", sent) + message("cancel", cancel))
    assert error(await asks.receive()) == CANCELLED
    assert jobs.began == []


@pytest.mark.parametrize("hard_kill", [False, True])
async def test_a_handler_that_ignores_its_cancel_is_answered_for(
    hard_kill: bool, jobs: Jobs, ours: Runner, asks: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rrq, "CANCEL_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(execution, "LAST_WAIT_SECONDS", 0.1)
    sent = asks.request("ignore")
    await until(lambda: jobs.began)
    asks.cancel(sent["job_id"], sent["request_id"], hard_kill=hard_kill)
    status, words, kind = error(await asks.receive())
    assert (status, kind) == ("error", "cancelled")
    assert words.startswith("the handler ignores being cancelled")
    assert len(ours.supervisor.stuck) == 1
    assert (await asks.call("echo"))["status"] == "success"


async def test_a_handler_that_ignores_its_deadline_is_answered_for(
    jobs: Jobs, asks: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "TIMEOUT_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(execution, "LAST_WAIT_SECONDS", 0.1)
    status, words, kind = error(await asks.call("ignore", deadline=in_seconds(0.1)))
    assert (status, kind) == ("timeout", "timeout")
    assert words.startswith("Job execution timed out: the handler ignores being cancelled")


# connections ---------------------------------------------------------------------------------

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


# peers that do not read ----------------------------------------------------------------------


async def test_an_orchestrator_that_reads_slowly_costs_bounded_memory(
    jobs: Jobs, ours: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rrq_connection, "MAX_UNREAD_BYTES", 8 * 1024 * 1024)
    jobs.value_to_return = "x" * 1024 * 1024
    async with peer(ours.port) as slow:
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        sent = {slow.request("value")["request_id"] for _ in range(40)}
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


# protocol "1" --------------------------------------------------------------------------------


async def test_the_old_protocol_where_it_is_enabled(jobs: Jobs) -> None:
    async with runner(jobs.registry, takes_old_protocol=True) as old, peer(old.port) as asks:
        sent = request("see", protocol_version="1", args=[1, "two"], kwargs={"three": 3})
        del sent["params"]
        asks.send("request", sent)
        assert (await asks.receive())["status"] == "success"
        [seen] = jobs.seen
        assert (seen.args, seen.kwargs, seen.params) == ([1, "two"], {"three": 3}, {"three": 3})
        held = asks.request("hold", protocol_version="1")
        await until(lambda: jobs.began)
        asks.cancel(held["job_id"], protocol_version="1")
        assert error(await asks.receive()) == CANCELLED
        assert (await asks.call("echo"))["status"] == "success"


# the end -------------------------------------------------------------------------------------


async def test_draining_finishes_takes_nothing_new_and_ends(jobs: Jobs) -> None:
    async with runner(jobs.registry) as ours, peer(ours.port) as asks, peer(ours.port) as idle:
        held = asks.request("hold")
        await until(lambda: jobs.began)
        ours.connector.drain()
        assert error(await asks.call("echo"))[1] == BUSY
        with pytest.raises(OSError, match="onnect"):
            async with peer(ours.port) as late:
                await late.call("echo")
        jobs.go.set()
        answer = await asks.receive()
        assert (answer["request_id"], answer["result"]) == (held["request_id"], "held")
        assert await asks.is_closed()
        assert await idle.is_closed()
        await ours.drained()


async def test_draining_has_an_end(jobs: Jobs) -> None:
    async with runner(jobs.registry, drain_seconds=0.2) as ours, peer(ours.port) as asks:
        asks.request("hold")
        await until(lambda: jobs.began)
        ours.connector.drain()
        assert error(await asks.receive()) == CANCELLED
        await ours.drained()
        assert ours.connector.is_told


async def test_what_jobs_print_comes_out_of_the_process(
    capfd: pytest.CaptureFixture[str], jobs: Jobs
) -> None:
    @jobs.registry.handler("talk")
    async def talk(request: Any) -> None:
        request.print("to the console")
        await request.write(b"to stderr\n", "stderr")
        request.progress(1, 2)

    async with runner(jobs.registry) as ours, peer(ours.port) as asks:
        assert (await asks.call("talk"))["status"] == "success"
    assert capfd.readouterr() == ("to the console\n", "to stderr\n")


async def test_nothing_is_left_behind(jobs: Jobs) -> None:
    before = asyncio.all_tasks()
    async with runner(jobs.registry) as ours, peer(ours.port) as asks:
        await asks.call("echo")
        asks.request("hold")
        await until(lambda: jobs.began)
    assert ours.connector._in_flight.is_empty
    assert not ours.supervisor.running
    await until(lambda: asyncio.all_tasks() == before)


def test_answers_are_json_as_the_real_one_reads_it() -> None:
    protocol = pytest.importorskip("rrq.protocol", reason="the rrq package is not installed")
    from traffic_tui.runner.connectors import rrq_answers

    made = rrq_answers.frame_of(rrq_answers.busy("j", "r"), 10**6)
    assert made is not None
    kind, payload = protocol.decode_message(made[4:])
    assert (kind, payload) == ("response", json.loads(made[4:])["payload"])


# hostile text ----------------------------------------------------------------------------------


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
