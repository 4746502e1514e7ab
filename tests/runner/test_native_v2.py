"""The native-v2 connector against a coordinator that loses, refuses, forgets and goes away."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import pytest

from server.wire.native_v2 import Pace
from tests.ports import free_port
from tests.runner import double
from tests.runner.double import Double, serving
from tests.runner.recording import open_descriptors, until
from tests.runner.serving import runner
from traffic_tui.runner import ExecutionRequest, Registry
from traffic_tui.runner.errors import NeverReached, RunnerError
from traffic_tui.runner.journal import JournalLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def coordinator() -> AsyncIterator[Double]:
    made = Double()
    async with serving(made) as made.url:
        yield made


def talker() -> Registry:
    """Prints as many numbered lines as it is asked to, one after the other."""
    registry = Registry()

    @registry.handler("talk")
    async def talk(request: ExecutionRequest) -> int:
        for number in range(request.params["lines"]):
            await request.write(b"line %d\n" % number)
            if number % 50 == 0:
                await asyncio.sleep(0)
        return int(request.params["lines"])

    @registry.handler("forever")
    async def forever(request: ExecutionRequest) -> None:
        await asyncio.Event().wait()

    return registry


def lines(count: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(count))


async def test_work_starts_at_once_and_its_end_is_told_at_once(
    coordinator: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting for a heartbeat: there is none within the deadline."""
    monkeypatch.setattr(double, "PACE", Pace(36_000, 3_600, 0.01, 4096, 10**9))
    async with runner(coordinator.url, tmp_path):
        await until(lambda: coordinator.syncs)
        coordinator.submit("fib", {"n": 10})
        await until(lambda: coordinator.reports)
    assert coordinator.reports[0].state == "success"
    assert bytes(coordinator.reports[0].result) == b"34"
    hello = coordinator.hellos[0]
    assert (hello.name, hello.capacity) == ("box", 4)
    assert hello.types == ["command", "eval", "fib", "noop", "wait"]


async def test_no_more_is_held_than_there_are_slots(coordinator: Double, tmp_path: Path) -> None:
    coordinator.submit("forever", times=9)
    async with runner(coordinator.url, tmp_path, registry=talker(), slots=3) as serving_runner:
        await until(lambda: coordinator.syncs and len(coordinator.syncs[-1].held) == 3)
        assert coordinator.syncs[-1].free == 0
        assert len(serving_runner.supervisor.running) == 3
        assert len(coordinator.waiting) == 6


async def test_a_lost_answer_costs_nothing(coordinator: Double, tmp_path: Path) -> None:
    coordinator.submit("talk", {"lines": 2000}, times=6)
    coordinator.lose = 3
    async with runner(coordinator.url, tmp_path, registry=talker()):
        await until(lambda: len(coordinator.reports) >= 3)
        coordinator.lose = 2
        await until(lambda: len(coordinator.reports) == 6)
    assert coordinator.states() == ["success"] * 6
    for attempt in coordinator.assigned:
        assert coordinator.output[attempt, "stdout"] == lines(2000)
    sequences = [sync.sequence for sync in coordinator.syncs]
    assert sequences == sorted(set(sequences))


async def test_an_end_comes_with_or_after_all_its_output(
    coordinator: Double, tmp_path: Path
) -> None:
    coordinator.submit("talk", {"lines": 100_000})
    async with runner(coordinator.url, tmp_path, registry=talker()):
        await until(lambda: coordinator.reports)
    assert coordinator.output["attempt-1", "stdout"] == lines(100_000)
    assert max(len(chunk.data) for sync in coordinator.syncs for chunk in sync.output) <= 4096


async def test_a_forgotten_session_is_opened_again_with_what_is_held(
    coordinator: Double, tmp_path: Path
) -> None:
    coordinator.submit("forever")
    async with runner(coordinator.url, tmp_path, registry=talker()):
        await until(lambda: coordinator.syncs and coordinator.syncs[-1].held == ["attempt-1"])
        coordinator.forget_session()
        await until(lambda: len(coordinator.hellos) == 2)
        await until(lambda: coordinator.syncs[-1].session == "session-1")
        assert coordinator.syncs[-1].held == ["attempt-1"]
    assert coordinator.hellos[0].nonce == coordinator.hellos[1].nonce


async def test_a_coordinator_that_is_away_loses_nothing(tmp_path: Path) -> None:
    coordinator = Double()
    limits = JournalLimits(spill=4096, attempt=50_000, total=120_000)
    coordinator.submit("talk", {"lines": 40_000})
    async with serving(coordinator) as url:
        port = int(url.rpartition(":")[2])
        async with runner(url, tmp_path, registry=talker(), limits=limits) as at_work:
            await until(lambda: len(coordinator.output["attempt-1", "stdout"]) > 10_000)
            break_off = at_work
            coordinator.is_taking_output = False
            await until(lambda: break_off.journal.room("attempt-1") == 0)
            assert sum(f.stat().st_size for f in (tmp_path / "spool/boot").iterdir()) < 60_000
            coordinator.is_taking_output = True
            await until(lambda: coordinator.reports)
        assert coordinator.output["attempt-1", "stdout"] == lines(40_000)
    assert port


async def test_restarts_in_the_middle_of_output(tmp_path: Path) -> None:
    coordinator = Double()
    coordinator.submit("talk", {"lines": 60_000}, times=2)
    limits = JournalLimits(spill=4096, attempt=60_000, total=100_000)
    port = free_port()
    stack = serving(coordinator, port)
    url = await stack.__aenter__()
    async with runner(url, tmp_path, registry=talker(), limits=limits):
        for round_number in range(3):
            seen = len(coordinator.output["attempt-1", "stdout"])
            await until(
                lambda seen=seen: (
                    coordinator.reports  # type: ignore[misc]
                    or len(coordinator.output["attempt-1", "stdout"]) > seen + 20_000
                )
            )
            await stack.__aexit__(None, None, None)
            if round_number == 1:
                coordinator.forget_session()
            stack = serving(coordinator, port)
            await stack.__aenter__()
        await until(lambda: len(coordinator.reports) == 2)
    await stack.__aexit__(None, None, None)
    for attempt in coordinator.assigned:
        assert coordinator.output[attempt, "stdout"] == lines(60_000)


async def test_ends_are_told_even_where_output_is_not_taken(
    coordinator: Double, tmp_path: Path
) -> None:
    coordinator.is_taking_output = False
    coordinator.submit("talk", {"lines": 3_000})
    async with runner(coordinator.url, tmp_path, registry=talker()) as at_work:
        await until(lambda: coordinator.reports)
        count = len(coordinator.syncs)
        assert not at_work.connector.is_told
        coordinator.is_taking_output = True
        await until(lambda: at_work.connector.is_told)
        assert len(coordinator.syncs) - count < 50
    assert coordinator.output["attempt-1", "stdout"] == lines(3_000)


async def test_a_gap_rewinds_and_bytes_that_are_gone_are_given_up(
    coordinator: Double, tmp_path: Path
) -> None:
    coordinator.submit("talk", {"lines": 30_000})
    async with runner(coordinator.url, tmp_path, registry=talker()):
        await until(lambda: len(coordinator.output["attempt-1", "stdout"]) > 50_000)
        del coordinator.output["attempt-1", "stdout"][1000:]  # an older state, from a backup
        await until(lambda: coordinator.reports)
    assert coordinator.reports[0].state == "success"


async def test_stop_orders(coordinator: Double, tmp_path: Path) -> None:
    coordinator.submit("forever", times=2)
    async with runner(coordinator.url, tmp_path, registry=talker()):
        await until(lambda: coordinator.syncs and len(coordinator.syncs[-1].held) == 2)
        coordinator.stop("attempt-2")
        coordinator.stop("nobody-knows")
        await until(lambda: coordinator.reports)
        assert coordinator.reports[0].attempt == "attempt-2"
        assert coordinator.reports[0].state == "cancelled"
        assert coordinator.syncs[-1].held == ["attempt-1"]


async def test_a_refused_attempt_is_stopped_and_its_output_forgotten(
    coordinator: Double, tmp_path: Path
) -> None:
    coordinator.submit("forever")
    async with runner(coordinator.url, tmp_path, registry=talker()) as at_work:
        await until(lambda: coordinator.syncs and coordinator.syncs[-1].held)
        coordinator.refuse["attempt-1"] = "the attempt was given up"
        await until(lambda: at_work.connector.is_told and not at_work.supervisor.running)


async def test_what_cannot_be_started_is_told(coordinator: Double, tmp_path: Path) -> None:
    coordinator.submit("unheard-of")
    coordinator.submit("fib", {"n": "x"})
    coordinator.submit("command", {"argv": ["/no/such/program"]})
    async with runner(coordinator.url, tmp_path):
        await until(lambda: len(coordinator.reports) == 3)
    told = [(r.state, r.error.type if r.error else "") for r in coordinator.reports]
    assert told == [("refused", "image_not_found"), ("error", "invalid"), ("error", "invalid")]


async def test_a_wrong_key_ends_in_words(coordinator: Double, tmp_path: Path) -> None:
    async with runner(coordinator.url, tmp_path, key="another") as at_work:
        with pytest.raises(RunnerError, match="does not let this runner in: this key is not"):
            await at_work.task


async def test_a_key_that_is_revoked_later_is_waited_for(
    coordinator: Double, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with runner(coordinator.url, tmp_path) as at_work:
        await until(lambda: coordinator.syncs)
        coordinator.key = "another"
        with caplog.at_level(logging.WARNING):
            await until(lambda: "this key is not known" in caplog.text)
        coordinator.key = "the-key"
        coordinator.submit("noop")
        await until(lambda: coordinator.reports)
        assert not at_work.task.done()


async def test_being_superseded_ends_in_words(coordinator: Double, tmp_path: Path) -> None:
    async with runner(coordinator.url, tmp_path) as at_work:
        await until(lambda: coordinator.syncs)
        failure = {"code": "superseded", "message": "a newer one is here"}
        coordinator.fail_with.append((409, failure, {}))
        with pytest.raises(RunnerError, match="another runner named 'box' has taken over"):
            await at_work.task


async def test_asked_to_wait_it_waits(coordinator: Double, tmp_path: Path) -> None:
    busy = (503, {"code": "busy", "message": "busy"}, {"retry-after": "0.4"})
    async with runner(coordinator.url, tmp_path):
        await until(lambda: coordinator.syncs)
        coordinator.fail_with.append(busy)
        begin = time.monotonic()
        coordinator.submit("noop")
        await until(lambda: coordinator.reports)
        assert time.monotonic() - begin > 0.35


async def test_a_report_that_cannot_be_read_does_not_block_the_others(
    coordinator: Double, tmp_path: Path
) -> None:
    bad: tuple[int, dict[str, str], dict[str, str]] = (
        400,
        {"code": "invalid", "message": "result of attempt 1 is bad"},
        {},
    )
    async with runner(coordinator.url, tmp_path):
        await until(lambda: coordinator.syncs)
        coordinator.fail_with += [bad, bad]
        coordinator.submit("fib", {"n": 3}, times=1)
        await until(lambda: coordinator.reports)
        coordinator.submit("fib", {"n": 3}, times=5)
        await until(lambda: len(coordinator.reports) == 6)
    assert coordinator.states().count("success") >= 5


async def test_draining_finishes_what_runs_and_takes_nothing(
    coordinator: Double, tmp_path: Path
) -> None:
    release = asyncio.Event()
    registry = Registry()

    @registry.handler("held")
    async def held(request: ExecutionRequest) -> None:
        await release.wait()

    coordinator.submit("held")
    async with runner(coordinator.url, tmp_path, registry=registry) as at_work:
        await until(lambda: coordinator.syncs and coordinator.syncs[-1].held)
        at_work.supervisor.drain()
        at_work.connector.drain()
        coordinator.submit("held")
        await until(lambda: coordinator.syncs[-1].free == 0)
        release.set()
        async with asyncio.timeout(5):
            await at_work.task
        assert coordinator.states() == ["success"]
        assert len(coordinator.waiting) == 1


async def test_a_sync_that_nobody_answers_is_said_again_within_the_lease(
    coordinator: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As through a box that swallows the end of a connection."""
    monkeypatch.setattr(double, "PACE", Pace(3, 0.3, 0.01, 4096, 10**9))
    async with runner(coordinator.url, tmp_path):
        await until(lambda: coordinator.syncs)
        said = len(coordinator.syncs)
        coordinator.hang = 1
        await until(lambda: not coordinator.hang)
        await until(lambda: len(coordinator.syncs) > said)
    assert len(coordinator.hellos) == 1


@pytest.mark.parametrize("is_lost", [False, True])
async def test_good_bye_is_said_once(coordinator: Double, tmp_path: Path, is_lost: bool) -> None:
    coordinator.accepts, coordinator.loses_good_byes = ["leaving"], is_lost
    async with runner(coordinator.url, tmp_path) as at_work:
        await until(lambda: coordinator.syncs)
        at_work.connector.drain()
        await at_work.task
    assert [(said.held, said.free) for said in coordinator.left] == [([], 0)]
    assert at_work.connector.is_told
    assert len(coordinator.hellos) == 1


async def test_good_bye_is_not_said_where_it_is_not_understood(
    coordinator: Double, tmp_path: Path
) -> None:
    async with runner(coordinator.url, tmp_path) as at_work:
        await until(lambda: coordinator.syncs)
        at_work.connector.drain()
        await at_work.task
    assert coordinator.left == []


async def test_never_reached_is_told_apart(tmp_path: Path) -> None:
    async with runner("http://127.0.0.1:9", tmp_path) as at_work:
        at_work.connector.drain()
        with pytest.raises(NeverReached):
            await at_work.task


async def test_an_idle_runner_only_beats(
    coordinator: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(double, "PACE", Pace(10, 0.2, 0.01, 4096, 10**9))
    async with runner(coordinator.url, tmp_path):
        await until(lambda: len(coordinator.syncs) >= 4)
        begin = time.monotonic()
        count = len(coordinator.syncs)
        await until(lambda: len(coordinator.syncs) >= count + 6)  # two may have been due already
        assert time.monotonic() - begin > 0.6


async def test_many_short_jobs_go_in_few_calls(coordinator: Double, tmp_path: Path) -> None:
    coordinator.submit("noop", times=2_000)
    async with runner(coordinator.url, tmp_path, slots=64):
        await until(lambda: len(coordinator.reports) == 2_000)
    assert coordinator.states() == ["success"] * 2_000
    assert len(coordinator.syncs) < 120


async def test_nothing_is_left_behind(coordinator: Double, tmp_path: Path) -> None:
    coordinator.submit("talk", {"lines": 100}, times=3)
    coordinator.submit("forever")
    descriptors = open_descriptors()
    tasks = asyncio.all_tasks()
    async with runner(coordinator.url, tmp_path, registry=talker()) as at_work:
        await until(lambda: len(coordinator.reports) == 3)
        at_work.supervisor.stop_all()
        at_work.connector.drain()
        await at_work.task
    assert {task for task in asyncio.all_tasks() - tasks if "uvicorn" not in repr(task)} == set()
    await until(lambda: open_descriptors() <= descriptors)
    assert list((tmp_path / "spool").iterdir()) == []
