"""Following output over lost connections, new tries and replaced text: no byte lost or repeated."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from server.wire.operator import JobDetailView, LineageView
from tests.console.screens.world import attempt, job
from traffic_tui.cli import news
from traffic_tui.cli.failures import CommandFailed
from traffic_tui.cli.job_log import Log, log_sinks, tell_begin
from traffic_tui.cli.output_sinks import LineSink
from traffic_tui.cli.printing import Printer
from traffic_tui.cli.tailing import Tail, TailWish
from traffic_tui.client.base import OutputPart, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from server.model import JobState
    from traffic_tui.client.base import StreamItem


@dataclass
class Written:
    """One stream of one try."""

    data: bytes = b""
    generation: int = 0
    times: dict[int, int] = field(default_factory=dict)
    is_kept: bool = True


@dataclass
class Try:
    state: str = "running"
    streams: dict[str, Written] = field(default_factory=lambda: {"stdout": Written()})


class ScriptedCoordinator:
    """One job whose output grows by a script: each look at it is one step further."""

    def __init__(self, *steps: Callable[[ScriptedCoordinator], None]) -> None:
        self.tries: list[Try] = [Try()]
        self.state = "in_progress"
        self.largest_part = 1_000_000
        self._steps = list(steps)

    async def job(self, job: str) -> JobDetailView:
        if self._steps:
            self._steps.pop(0)(self)
        return msgspec.convert(job_detail(self), JobDetailView)

    async def output(
        self, job: str, *, attempt: str = "", stream: str = "", offset: int = 0, limit: int = 0
    ) -> OutputPart:
        written = self.tries[int(attempt.removeprefix("try-")) - 1].streams[stream]
        limit = min(limit, self.largest_part) if written.is_kept else 0
        data = written.data[offset : offset + limit]
        at = max((when for place, when in written.times.items() if place <= offset), default=0)
        return OutputPart(offset, data, len(written.data), False, written.generation, 0, 0, at)

    async def follow(self, *, after: int | None = None) -> AsyncIterator[StreamItem]:
        nothing: tuple[StreamItem, ...] = ()
        for item in nothing:
            yield item
        raise Unreachable("gone")

    def says(self, data: bytes, stream: str = "stdout") -> None:
        written = self.tries[-1].streams.setdefault(stream, Written())
        written.data += data

    def says_at_last(self, data: bytes) -> None:
        self.says(data)
        self.ends()

    def ends(self, state: str = "completed") -> None:
        self.tries[-1].state = "ended"
        self.state = state


def job_detail(script: ScriptedCoordinator) -> dict[str, Any]:
    """A job as the wire has it."""
    times = dict.fromkeys(("created", "since", "due", "started", "ended", "deadline"), 0)
    job = {
        "id": "job", "number": 12, "type": "command", "state": script.state, "queue": "default",
        "priority": 0, "requires": {}, "runner": None, "attempt": None, "tries": 1,
        "attempts": len(script.tries), "max_attempts": 3, "phase": "", "progress": None,
        "times": times, "quiet_since": 0, "error": None, "owner": "", "origin": "",
        "wanted": "run", "params": {}, "result": None, "has_result": False,
        "timeout_seconds": 0.0, "lease": "", "lease_seconds": None, "can": "solr",
    }  # fmt: skip
    attempts = [attempt_view(number, each) for number, each in enumerate(script.tries, 1)]
    lineage: dict[str, Any] = {"resubmitted_from": None, "resubmitted_as": []}
    return {"job": job, "attempts": attempts[::-1], "events": [], "lineage": lineage}


def attempt_view(number: int, tried: Try) -> dict[str, Any]:
    zeros = dict.fromkeys(
        ("offered_at", "started_at", "ended_at", "stop_requested_at", "quiet_since"), 0
    )
    output = [
        {"stream": name, "size": len(each.data), "generation": each.generation,
         "gap_from": 0, "gap_to": 0}
        for name, each in tried.streams.items()
    ]  # fmt: skip
    return {
        "id": f"try-{number}", "number": number, "job": "job", "runner": None,
        "protocol": "native-v2", "state": tried.state, "outcome": None, "error": None,
        "exit_code": None, "signal": None, "progress": None, "output": output, "late_writes": 0,
        **zeros,
    }  # fmt: skip


class Collected:
    """A sink that keeps what it got."""

    def __init__(self) -> None:
        self.data = b""
        self.ends = 0

    def write(self, data: bytes, at: int) -> None:
        self.data += data

    def end(self) -> None:
        self.ends += 1


@dataclass
class Call:
    """As much of a call as telling output needs."""

    client: ScriptedCoordinator
    printer: Printer


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "LOOK_AGAIN_SECONDS", 0.001)
    monkeypatch.setattr(news, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(news, "RECONNECT_SECONDS", 0.001)


async def tell(script: ScriptedCoordinator, wish: TailWish) -> dict[str, Collected]:
    sinks = {name: Collected() for name in ("stdout", "stderr", "console")}
    tail = Tail(Call(script, Printer("table", False)), "12", wish, sinks)  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        await (tail.run() if wish.is_followed else tail.run_once())
    return sinks


FOLLOW = TailWish(is_followed=True)


async def test_what_there_is_is_told_once_each_stream_by_itself() -> None:
    script = ScriptedCoordinator()
    script.says(b"out")
    script.says(b"err\xff\x00", "stderr")
    script.largest_part = 2
    sinks = await tell(script, TailWish())
    assert (sinks["stdout"].data, sinks["stderr"].data) == (b"out", b"err\xff\x00")


async def test_streams_are_told_in_the_order_in_which_they_came_in() -> None:
    script = ScriptedCoordinator()
    script.says(b"1\n")
    script.says(b"2\n", "stderr")
    script.says(b"3\n")
    script.tries[-1].streams["stdout"].times = {0: 10, 2: 30}
    script.tries[-1].streams["stderr"].times = {0: 20}
    script.largest_part = 2
    one_end = Collected()
    tail = Tail(
        Call(script, Printer("table", False)),  # type: ignore[arg-type]
        "12",
        TailWish(),
        {"stdout": one_end, "stderr": one_end},
    )
    await tail.run_once()
    assert one_end.data == b"1\n2\n3\n"


async def test_one_stream_alone() -> None:
    script = ScriptedCoordinator()
    script.says(b"out")
    script.says(b"err", "stderr")
    sinks = await tell(script, TailWish(stream="stderr"))
    assert (sinks["stdout"].data, sinks["stderr"].data) == (b"", b"err")


@pytest.mark.parametrize("is_followed", [False, True])
async def test_output_that_is_no_longer_kept_is_said_to_be_missing(
    capsys: pytest.CaptureFixture[str], is_followed: bool
) -> None:
    script = ScriptedCoordinator()
    script.says_at_last(b"gone")
    script.tries[-1].streams["stdout"].is_kept = False
    assert (await tell(script, TailWish(is_followed)))["stdout"].data == b""
    assert capsys.readouterr().err == "--- 4 bytes were not kept ---\n"


async def test_following_goes_on_to_the_end_of_the_job() -> None:
    script = ScriptedCoordinator(
        lambda job: job.says(b"a\n"), lambda job: job.says(b"b"), lambda job: job.ends()
    )
    assert (await tell(script, FOLLOW))["stdout"].data == b"a\nb"


def goes_away(job: ScriptedCoordinator) -> None:
    raise Unreachable("restarting")


async def test_a_coordinator_that_goes_away_costs_and_repeats_nothing() -> None:
    script = ScriptedCoordinator(
        lambda job: job.says(b"one\n"),
        goes_away,
        goes_away,
        lambda job: job.says(b"two\n"),
        goes_away,
        lambda job: job.says_at_last(b"three\n"),
    )
    assert (await tell(script, FOLLOW))["stdout"].data == b"one\ntwo\nthree\n"


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news.Patience.__init__, "__defaults__", (0.0,))
    script = ScriptedCoordinator(lambda job: job.says(b"a"), *[goes_away] * 1000)
    with pytest.raises(Unreachable, match="restarting"):
        await tell(script, FOLLOW)


def tries_again(job: ScriptedCoordinator) -> None:
    job.tries[-1].state = "ended"
    job.tries.append(Try())
    job.says(b"again\n")


async def test_following_goes_on_with_the_next_try_from_its_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = ScriptedCoordinator(
        lambda job: job.says(b"1\n2\n3\n"),
        tries_again,
        lambda job: job.says_at_last(b"end\n"),
    )
    sinks = await tell(script, TailWish(is_followed=True, last_lines=1))
    assert sinks["stdout"].data == b"3\nagain\nend\n"
    assert "--- try 2 ---" in capsys.readouterr().err


async def test_a_stream_that_appears_later_is_told_from_its_start() -> None:
    script = ScriptedCoordinator(
        lambda job: job.says(b"1\n2\n"),
        lambda job: job.says(b"x\ny\n", "stderr"),
        lambda job: job.ends(),
    )
    sinks = await tell(script, TailWish(is_followed=True, last_lines=1))
    assert (sinks["stdout"].data, sinks["stderr"].data) == (b"2\n", b"x\ny\n")


def replaces(job: ScriptedCoordinator) -> None:
    job.tries[-1].streams["stdout"] = Written(b"new text\n", generation=1)


async def test_a_replaced_text_is_told_whole_and_said_to_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = ScriptedCoordinator(
        lambda job: job.says(b"old text\n"), replaces, lambda job: job.ends()
    )
    assert (await tell(script, FOLLOW))["stdout"].data == b"old text\nnew text\n"
    assert "replaced" in capsys.readouterr().err


async def test_an_earlier_try_is_told_alone() -> None:
    script = ScriptedCoordinator()
    script.says(b"first")
    tries_again(script)
    assert (await tell(script, TailWish(attempt="1")))["stdout"].data == b"first"
    assert (await tell(script, TailWish(attempt="try-2")))["stdout"].data == b"again\n"


async def test_a_try_that_was_never_made_is_refused_with_those_that_were() -> None:
    with pytest.raises(CommandFailed, match="job 12 has no try 7; its tries are: 1"):
        await tell(ScriptedCoordinator(), TailWish(attempt="7"))


async def test_since_a_time() -> None:
    script = ScriptedCoordinator()
    script.says(b"oldnew")
    script.tries[0].streams["stdout"].times = {0: 100, 3: 200}
    assert (await tell(script, TailWish(since_ms=150)))["stdout"].data == b"new"


def test_a_terminal_gets_clean_lines(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    sink = LineSink(sys.stdout)
    for piece in (b"10%\r20", b"%\r\n\x1b[3", b"1mred\x1b[0m [/x]\n", "ä".encode()[:1]):
        sink.write(piece, 0)
    sink.write("ä".encode()[1:], 0)
    assert capsys.readouterr().out == "20%\nred [/x]\n"
    sink.end()
    assert capsys.readouterr().out == "ä\n"


def test_streams_of_a_log_are_cut_into_lines_each_for_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sinks = log_sinks(Log(Printer("table", False)), "FIB")
    text = "5 €\n".encode()
    sinks["stdout"].write(text[:3], 0)
    sinks["stderr"].write(b"warning\n", 0)
    sinks["stdout"].write(text[3:], 0)
    for sink in sinks.values():
        sink.end()
    said = [line.partition("[FIB] ")[2] for line in capsys.readouterr().out.splitlines()]
    assert said == ["warning", "5 €"]


@pytest.mark.parametrize("state", ["in_progress", "pending"])
def test_a_log_says_where_the_newest_try_began_also_when_it_is_over(
    capsys: pytest.CaptureFixture[str], state: JobState
) -> None:
    waits_or_runs = job(7, state)
    detail = JobDetailView(
        job=waits_or_runs,
        attempts=[attempt(1, job(7))],
        events=[],
        lineage=LineageView(resubmitted_from=None, resubmitted_as=[]),
    )
    tell_begin(Log(Printer("table", False)), detail)
    told = [line.partition("[JOB] ")[2] for line in capsys.readouterr().out.splitlines()]
    assert told == ["submitted by ci-main", "started on lab-07"]
