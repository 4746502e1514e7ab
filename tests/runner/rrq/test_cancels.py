"""Requests that are to end early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runner.recording import until
from tests.runner.rrq_peer import CANCELLED, error, in_seconds, message, peer, request
from traffic_tui.runner import execution
from traffic_tui.runner.connectors import rrq

if TYPE_CHECKING:
    from tests.runner.rrq_jobs import Jobs
    from tests.runner.rrq_peer import Peer, Runner


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
    status, words, kind = error(await asks.call("ignore", deadline=in_seconds(1)))
    assert (status, kind) == ("timeout", "timeout")
    assert words.startswith("Job execution timed out: the handler ignores being cancelled")
