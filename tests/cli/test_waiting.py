"""Waiting for jobs: over lost connections, each told once, the exit by outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import typer

from server.wire.operator import ExplainView, RunnerRef, VerdictView
from tests.cli.test_tailing import Call, ScriptedCoordinator, goes_away
from traffic_tui.cli import news, waiting
from traffic_tui.cli.failures import EXIT_FAILED, CommandFailed
from traffic_tui.cli.printing import Printer
from traffic_tui.cli.waiting import exit_by_outcome, wait_for_jobs
from traffic_tui.client.base import Unreachable

if TYPE_CHECKING:
    from server.wire.operator import JobDetailView


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "LOOK_AGAIN_SECONDS", 0.001)
    monkeypatch.setattr(news, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(news, "RECONNECT_SECONDS", 0.001)


async def wait(
    script: ScriptedCoordinator, *, timeout_seconds: float | None = None
) -> list[JobDetailView]:
    call = Call(script, Printer("table", False))
    async with asyncio.timeout(10):
        return await wait_for_jobs(call, ["12"], timeout_seconds=timeout_seconds)  # type: ignore[arg-type]


async def test_a_job_is_waited_for_over_restarts(capsys: pytest.CaptureFixture[str]) -> None:
    script = ScriptedCoordinator(
        lambda job: None, goes_away, goes_away, lambda job: job.ends("failed")
    )
    [detail] = await wait(script)
    assert detail.job.state == "failed"
    assert capsys.readouterr().out == "job 12 failed\n"
    with pytest.raises(typer.Exit) as raised:
        exit_by_outcome([detail])
    assert raised.value.exit_code == EXIT_FAILED


async def test_what_is_over_already_is_found_however_short_the_time() -> None:
    script = ScriptedCoordinator(lambda job: job.ends())
    assert [detail.job.state for detail in await wait(script, timeout_seconds=0)] == ["completed"]
    with pytest.raises(CommandFailed, match="not over after 0s: 12"):
        await wait(ScriptedCoordinator(lambda job: None), timeout_seconds=0)


class NobodyCan(ScriptedCoordinator):
    """A coordinator without a runner for the job."""

    async def explain(self, job: str) -> ExplainView:
        runner = RunnerRef(id="r", name="lab-1")
        reason = VerdictView(runner=runner, verdict="type", detail="does not do it")
        return ExplainView(
            state="pending",
            summary="none of 1 runners can take it now",
            reasons=[reason],
            suggestion="start a runner that does this type",
        )


async def test_a_job_that_nobody_can_take_is_no_riddle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.0)
    nothing = [lambda job: None] * 5
    script = NobodyCan(*nothing, lambda job: job.ends())
    script.state = "pending"
    await wait(script)
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "job 12: none of 1 runners can take it now: "
        "start a runner that does this type; still waiting"
    ]


async def test_a_completed_job_is_a_good_end() -> None:
    exit_by_outcome(await wait(ScriptedCoordinator(lambda job: job.ends())))


async def test_giving_up_names_what_is_not_over() -> None:
    with pytest.raises(CommandFailed, match=r"not over after 0.05s: 12; wait longer"):
        await wait(ScriptedCoordinator(), timeout_seconds=0.05)


async def test_nobody_there_at_all_is_told_at_once() -> None:
    script = ScriptedCoordinator(*[goes_away] * 1000)
    with pytest.raises(Unreachable):
        await wait(script)


async def test_waiting_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    await wait(ScriptedCoordinator(lambda job: job.ends()))
    assert asyncio.all_tasks() == before
