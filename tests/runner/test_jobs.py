"""The built-in job types, through a supervisor as the agent runs them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.runner.double import serving
from tests.runner.recording import RecordingConnector, open_descriptors, order, until
from traffic_tui.runner import JobError, Supervisor
from traffic_tui.runner.jobs import built_in
from traffic_tui.runner.jobs.fibonacci import small
from traffic_tui.runner.processes import ProcessGroups
from traffic_tui.runner.seam import StartOrder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping


@pytest.fixture
def connector() -> RecordingConnector:
    made = RecordingConnector()
    made.max_result_bytes = 2_000_000
    return made


@pytest.fixture
async def supervisor(connector: RecordingConnector) -> AsyncIterator[Supervisor]:
    descriptors, children = open_descriptors(), set(psutil.Process().children())
    groups = ProcessGroups()
    async with Supervisor(built_in(groups, allow_command=False), connector, slots=3) as made:
        yield made
    groups.close()
    assert not set(psutil.Process().children()) - children
    assert open_descriptors() <= descriptors


async def test_noop(supervisor: Supervisor, connector: RecordingConnector) -> None:
    supervisor.start(order("noop"))
    outcome = await connector.ended()
    assert (outcome.status, outcome.result) == ("success", None)
    assert connector.console == {}


@pytest.mark.parametrize(
    ("n", "value"), [(1, 0), (2, 1), (3, 1), (4, 2), (10, 34), (78, 5527939700884757)]
)
async def test_small_fibonacci_numbers(
    n: int, value: int, supervisor: Supervisor, connector: RecordingConnector
) -> None:
    supervisor.start(order("fib", {"n": n}))
    assert (await connector.ended()).result == value


@pytest.mark.parametrize("n", [80, 2_000, 2_001, 30_000])
async def test_big_ones_are_exact_and_come_as_text(
    n: int, supervisor: Supervisor, connector: RecordingConnector
) -> None:
    supervisor.start(order("fib", {"n": n}))
    result = (await connector.ended()).result
    assert isinstance(result, str)
    assert int(result[-15:]) == small(n) % 10**15
    assert abs(len(result) - n * 0.20898764) < 2


async def test_huge_ones_are_printed(supervisor: Supervisor, connector: RecordingConnector) -> None:
    supervisor.start(order("fib", {"n": 5_000_000}))
    outcome = await connector.ended()
    assert outcome.result["digits"] == len(connector.text("stdout")) == 1_044_938
    told = [update.progress for _, update in connector.updates if update.progress]
    assert told[-1].total == 5_000_000


async def test_endless_work_is_stopped_at_once(
    supervisor: Supervisor, connector: RecordingConnector
) -> None:
    supervisor.start(order("fib", {"n": 2 * 10**9}))
    await until(lambda: any(update.progress for _, update in connector.updates))
    supervisor.stop("attempt-1")
    async with asyncio.timeout(3):
        assert (await connector.ended()).status == "cancelled"


async def test_evaluation(supervisor: Supervisor, connector: RecordingConnector) -> None:
    supervisor.start(order("eval", {"expression": "2x * 3y", "args": {"x": 1, "y": 2.5}}))
    assert (await connector.ended()).result == 15.0
    supervisor.start(order("eval", {"expression": "1 / 0"}, request_id="a2"))
    outcome = await connector.ended("a2")
    assert outcome.error is not None
    assert "it divides by zero" in outcome.error.message


class Receiver:
    """Takes POSTs and answers as it is told."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.calls: list[tuple[str, bytes]] = []

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        self.calls.append((scope["method"], body))
        headers = [(b"location", b"/elsewhere")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize(("status", "ends"), [(200, "success"), (500, "error"), (302, "error")])
async def test_waiting_ends_with_one_bare_post(
    status: int, ends: str, supervisor: Supervisor, connector: RecordingConnector
) -> None:
    receiver = Receiver(status)
    async with serving(receiver) as url:
        supervisor.start(order("wait", {"seconds": 0.2, "url": url}))
        outcome = await connector.ended()
    assert receiver.calls == [("POST", b"")]
    assert outcome.status == ends
    told = [update.progress for _, update in connector.updates if update.progress]
    assert told[-1][:2] == (0.2, 0.2)


async def test_waiting_without_an_address(
    supervisor: Supervisor, connector: RecordingConnector
) -> None:
    supervisor.start(order("wait", {"seconds": 0}))
    assert (await connector.ended()).result == {"waited_seconds": 0}


async def test_a_post_that_does_not_get_through_is_a_failure(
    supervisor: Supervisor, connector: RecordingConnector
) -> None:
    supervisor.start(order("wait", {"seconds": 0, "url": "http://127.0.0.1:9/x"}))
    outcome = await connector.ended()
    assert outcome.error is not None
    assert outcome.error.type == "post_failed"


@pytest.mark.parametrize(
    ("job_type", "params", "words"),
    [
        ("noop", {"x": 1}, "this job takes: none"),
        ("noop", [1], "an object is needed"),
        ("fib", {}, "'n' is missing"),
        ("fib", {"n": 0}, "between 1 and"),
        ("fib", {"n": 10**400}, "bits"),
        ("fib", {"n": 1.5}, "whole number"),
        ("fib", {"n": True}, "whole number"),
        ("fib", {"n": "7"}, "whole number"),
        ("fib", {"n": 7, "\x1b[31m": 1}, "there is no parameter"),
        ("eval", {"expression": ""}, "empty"),
        ("eval", {"expression": 7}, "a text is needed"),
        ("eval", {"expression": "2x"}, "no value was given for x"),
        ("eval", {"expression": "1 +"}, "no complete expression"),
        ("eval", {"expression": "(1"}, "not closed"),
        ("eval", {"expression": "x" * 4001}, "characters"),
        ("eval", {"expression": "x", "args": [1]}, "no object"),
        ("eval", {"expression": "x", "args": {"x": "1"}}, "not a number"),
        ("eval", {"expression": "x", "args": {"x": 10**400}}, "not a number"),
        ("wait", {"seconds": -1}, "between 0"),
        ("wait", {"seconds": float("nan")}, "between 0"),
        ("wait", {"seconds": 10**400}, "between 0"),
        ("wait", {"seconds": 1, "url": "ftp://x"}, "no address"),
        ("wait", {"seconds": 1, "url": "http://[::1"}, "no address"),
        ("wait", {"seconds": 1, "url": "http://a:b/"}, "no address"),
        ("wait", {"seconds": 1, "url": 3}, "no address"),
    ],
)
async def test_arguments_are_checked_before_anything_starts(
    job_type: str, params: Any, words: str, supervisor: Supervisor, connector: RecordingConnector
) -> None:
    with pytest.raises(JobError, match=words) as error:
        supervisor.start(StartOrder("attempt-1", "job-1", job_type, params))
    assert error.value.kind == "invalid"
    assert connector.updates == []
    assert "\x1b" not in str(error.value)
