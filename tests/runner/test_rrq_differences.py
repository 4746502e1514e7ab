"""The same frames to RRQ's own Python runner and to ours: one answer, or a difference we state."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ports import free_port
from tests.runner.recording import until
from tests.runner.rrq_both import RESULTS
from tests.runner.rrq_peer import Peer, frame, in_seconds, message, peer, request
from tests.runner.rrq_world import is_open, process, program

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Scene = Callable[[Peer], Awaitable[Any]]

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).parents[2]
OURS = [sys.executable, "-m", "tests.runner.rrq_both"]
SOON = "soon"
"""A deadline shortly after the request is sent."""

scenes: dict[str, Scene] = {}


def scene(name: str) -> Callable[[Scene], Scene]:
    def kept(function: Scene) -> Scene:
        scenes[name] = function
        return function

    return kept


DIFFERENCES = {
    "deadline hit": "'Job execution timed out' as in the Rust runtime, with no full stop",
    "TimeoutError without words": "the same",
    "clumsy deadline": "what fails while it is ended by its deadline is a timeout, as in Rust",
    "clumsy cancel": "what fails while it is cancelled is cancelled, as in Rust",
    "unasked answer": "an error answer, as the Rust runtime; theirs closes the connection",
    "result object": "an error answer; theirs never answers",
    "result surrogate": "an error answer; theirs sends half a character, which is no JSON text",
    "result large": "an error answer; theirs sends a frame that nobody reads",
    "result bytes": "base64; theirs takes bytes for UTF-8, and never answers where they are none",
    "details as list": "any JSON; theirs knows objects only",
    "attempt as text": "closes the connection, as the Rust runtime; theirs reads '1' as 1",
    "handler's name too long to show": "we shorten it",
}
"""Scene -> how, and why, our answer differs."""


def call(name: str, **fields: Any) -> Scene:
    """One request, one answer."""

    async def asked(asks: Peer) -> Any:
        told = dict(fields)
        if told.get("deadline") == SOON:
            told["deadline"] = in_seconds(1.5)
        asks.request(name, request_id="r", job_id="j", **told)
        return await answer(asks)

    return asked


async def answer(asks: Peer) -> Any:
    """What comes: an answer, or the end of the connection."""
    try:
        return await asks.receive()
    except (asyncio.IncompleteReadError, ConnectionError):
        return "closed"


async def answers_until_another(asks: Peer) -> list[Any]:
    """What comes before the answer to one more request; nothing, where it is passed over."""
    asks.request("hold", request_id="another", job_id="another", params={"seconds": 0.2})
    found: list[Any] = []
    while not found or (found[-1] != "closed" and found[-1]["request_id"] != "another"):
        found.append(await answer(asks))
    return found


def given(what: str) -> Scene:
    """A handler's result, which may never be answered with."""

    async def asked(asks: Peer) -> Any:
        asks.request("give", request_id="r", job_id="j", params={"what": what})
        return await answers_until_another(asks)

    return asked


scenes |= {
    "echo": call("echo", params={"a": [1, {"b": None}]}),
    "unknown handler": call("nobody"),
    "handler's name too long to show": call("n" * 5000),
    "version 1": call("echo", protocol_version="1"),
    "raised": call("fail", params={"words": ["no such order"]}),
    "raised without words": call("fail", params={"words": []}),
    "raised with many": call("fail", params={"words": ["a", 2]}),
    "TimeoutError": call("time_out", params={"words": ["the site slept"]}),
    "TimeoutError without words": call("time_out", params={"words": []}),
    "too late": call("echo", deadline=in_seconds(-5)),
    "in time": call("echo", deadline=in_seconds(60)),
    "time without a zone": call("echo", deadline="2026-01-02T03:04:05"),
    "deadline hit": call("hold", deadline=SOON),
    "clumsy deadline": call("clumsy", deadline=SOON),
    "retry": call("retry"),
    "failure": call("failure", params={"details": {"at": [1]}}),
    "details as list": call("failure", params={"details": [1]}),
    "attempt as text": call("echo", context={"attempt": "1"}),
    "new fields": call("echo", something=1, context={"other": 2}),
    "params null": call("echo", params=None),
    "job id as number": call("echo", context={"job_id": 17}),
    **{f"result {name}": given(name) for name in RESULTS},
}


@scene("unasked answer")
async def unasked(asks: Peer) -> Any:
    asks.send("response", {"status": "success"})
    return await answer(asks)


@scene("busy")
async def busy(asks: Peer) -> Any:
    for number in range(64):
        asks.request("hold", request_id=f"busy {number}")
    asks.request("echo", request_id="one more", job_id="j")
    first = await answer(asks)
    asks.cancel("-", "busy 7")
    cancelled = await answer(asks)
    asks.request("echo", request_id="another", job_id="j")
    return first, cancelled["request_id"], await answer(asks)


@scene("cancel by request")
async def cancel_by_request(asks: Peer) -> Any:
    asks.request("hold", request_id="r", job_id="j")
    asks.request("echo", request_id="e", job_id="e")
    between = await answer(asks)  # so that it has begun
    asks.cancel("another job", "r")
    return between, await answer(asks)


@scene("cancel by job")
async def cancel_by_job(asks: Peer) -> Any:
    for number in range(3):
        asks.request("hold", request_id=f"r{number}", job_id="j")
    asks.request("echo", request_id="e", job_id="e")
    between = await answer(asks)
    asks.cancel("j")
    answers = [await answer(asks) for _ in range(3)]
    return between, sorted(answers, key=lambda one: str(one["request_id"]))


@scene("cancels passed over")
async def passed_over(asks: Peer) -> Any:
    asks.cancel("j", "early")
    asks.request("hold", request_id="early", job_id="j", params={"seconds": 0.3})
    asks.cancel("j", "early", protocol_version="1")
    asks.cancel("unknown")
    held = await answer(asks)
    asks.cancel("j", "early")
    return held, await answers_until_another(asks)


@scene("swallowed cancel")
async def swallowed(asks: Peer) -> Any:
    asks.request("swallow", request_id="r", job_id="j")
    asks.request("echo", request_id="e", job_id="e")
    between = await answer(asks)
    asks.cancel("j", "r")
    return between, await answer(asks)


@scene("clumsy cancel")
async def clumsy_cancel(asks: Peer) -> Any:
    asks.request("clumsy", request_id="r", job_id="j")
    asks.request("echo", request_id="e", job_id="e")
    between = await answer(asks)
    asks.cancel("j", "r")
    return between, await answer(asks)


@scene("the same id twice")
async def twice(asks: Peer) -> Any:
    for _ in range(2):
        asks.request("hold", request_id="same", job_id="j", params={"seconds": 0.2})
    return await answer(asks), await answer(asks)


@scene("half close")
async def half_close(asks: Peer) -> Any:
    asks.request("hold", request_id="r", job_id="j", params={"seconds": 5})
    asks.writer.write_eof()
    return await answer(asks)


BAD = {
    "no length": b"\0\0\0\0",
    "too long": b"\xff\xff\xff\xff",
    "no JSON": frame(b"hello"),
    "a list": frame(b"[]"),
    "unknown type": message("hello", {}),
    "no payload": frame(b'{"type":"request"}'),
    "job id of another type": message("request", request(job_id=17)),
    "params as list": message("request", request(params=[])),
    "cancel without a job": message("cancel", {"request_id": "r"}),
}


def unreadable(data: bytes) -> Scene:
    async def sent(asks: Peer) -> Any:
        asks.request("hold", request_id="r", job_id="j", params={"seconds": 5})
        asks.writer.write(data)
        return await answer(asks)

    return sent


scenes |= {f"bad frame: {name}": unreadable(data) for name, data in BAD.items()}


@contextmanager
def both(folder: Path) -> Iterator[tuple[int, int]]:
    """Their runner and ours, listening; their ports."""
    theirs, ours = free_port(), free_port()
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    env = {**os.environ, "PYTHONPATH": paths}
    command = [program("rrq-runner"), "--settings", "tests.runner.rrq_theirs.settings"]
    with (
        process([*command, "--tcp-socket", f"127.0.0.1:{theirs}"], folder / "theirs.log", env=env),
        process([*OURS, "--tcp-socket", f"127.0.0.1:{ours}"], folder / "ours.log", env=env),
    ):
        yield theirs, ours


async def played(name: str, port: int) -> Any:
    async with peer(port) as asks:
        return await scenes[name](asks)


async def test_we_answer_as_their_runner_does_but_where_we_say_so(tmp_path: Path) -> None:
    pytest.importorskip("rrq", reason="the rrq package has no wheel for this platform")
    found: dict[str, tuple[Any, Any]] = {}
    with both(tmp_path) as (theirs, ours):
        await until(lambda: is_open(theirs) and is_open(ours))
        for name in scenes:
            answers = await asyncio.gather(played(name, theirs), played(name, ours))
            if answers[0] != answers[1]:
                found[name] = (answers[0], answers[1])
    unexpected = {name: pair for name, pair in found.items() if name not in DIFFERENCES}
    assert unexpected == {}
    assert [name for name in DIFFERENCES if name not in found] == []
