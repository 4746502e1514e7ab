"""What comes of a request: each answer, word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.wire.rrq_frames import MAX_FRAME_BYTES
from tests.runner.recording import until
from tests.runner.rrq_peer import error, in_seconds, message, request

if TYPE_CHECKING:
    from tests.runner.rrq_jobs import Jobs
    from tests.runner.rrq_peer import Peer, Runner


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
