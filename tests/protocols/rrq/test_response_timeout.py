"""``response_timeout``: a request without an answer is taken back and tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.model import RetryPolicy
from server.protocols.rrq.ladder import Pace
from tests.protocols.rrq.double import a_double
from tests.protocols.rrq.world import (
    QUICK,
    SAM,
    a_world,
    dialled,
    real_group,
    settings_with,
)

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = RetryPolicy(base_delay_ms=1, jitter=0)


async def test_a_runner_that_does_not_answer_is_asked_and_the_job_tried_again(
    tmp_path: Path,
) -> None:
    """Unlike a timeout of the job's own, which is never tried again."""
    settings = settings_with(py=real_group(response_timeout_ms=300))
    async with a_world(tmp_path, settings, pace=Pace()) as world:
        job = await world.one("py#sleep", params={"seconds": 60}, max_attempts=2, retry=AT_ONCE)
        found = await world.ended(job)
        assert found.outcome is not None
        assert (found.job.state, found.job.tries, found.job.losses) == ("failed", 2, 0)
        assert (found.outcome.kind, found.outcome.type) == ("error", "response_timeout")
        assert found.outcome.message == "the runner did not answer within 0.3 s"
        started = [line for line in world.log("py/0") if line.startswith("started as process")]
        assert len(started) == 1


async def test_a_blocked_process_is_ended_and_the_job_tried_on_a_fresh_one(tmp_path: Path) -> None:
    settings = settings_with(py=real_group(response_timeout_ms=300, stop_grace_ms=0))
    async with a_world(tmp_path, settings) as world:
        job = await world.one("py#block", params={"seconds": 50}, max_attempts=2, retry=AT_ONCE)
        found = await world.ended(job)
        assert found.outcome is not None
        assert (found.job.tries, found.outcome.type) == (2, "response_timeout")
        assert "its runner was ended" in found.outcome.message


async def test_an_answer_that_comes_in_time_after_all_counts(tmp_path: Path) -> None:
    settings = settings_with(py=real_group(response_timeout_ms=30_000, max_in_flight=2))
    async with a_world(tmp_path, settings) as world:
        assert await world.result(await world.one("py#sleep", params={"seconds": 0.01})) == "slept"


async def test_answers_to_the_cancel_mean_what_they_say(tmp_path: Path) -> None:
    async with (
        a_double() as runner,
        a_world(
            tmp_path,
            settings_with(py=dialled(runner.address, response_timeout_ms=100)),
            pace=Pace(),
        ) as world,
    ):
        answers = (
            ("success", {"result": 1}, "completed", ""),
            ("error", {"error": {"message": "no", "type": "mine"}}, "failed", "mine"),
            (
                "error",
                {"error": {"message": "Job cancelled", "type": "cancelled"}},
                "failed",
                "response_timeout",
            ),
        )
        for status, fields, state, kind in answers:
            job = await world.one("py#x")
            sent = await runner.request()
            await runner.cancel()
            runner.answer(sent, status, **fields)
            found = await world.ended(job)
            assert (found.job.state, found.outcome and found.outcome.type) == (state, kind or "")


async def test_a_deadline_that_comes_first_is_a_timeout(tmp_path: Path) -> None:
    async with (
        a_double() as runner,
        a_world(
            tmp_path, settings_with(py=dialled(runner.address, response_timeout_ms=60_000))
        ) as world,
    ):
        job = await world.one("py#x", timeout_ms=100, max_attempts=3)
        await runner.cancel()
        found = await world.ended(job)
        assert found.outcome is not None
        assert (found.outcome.kind, found.job.tries) == ("timeout", 1)


async def test_one_that_does_not_end_is_given_up_and_tried_again_beside_others(
    tmp_path: Path,
) -> None:
    """Its slot stays taken; what it says in the end is a late write."""
    async with (
        a_double() as runner,
        a_world(
            tmp_path,
            settings_with(py=dialled(runner.address, response_timeout_ms=2_000)),
            pace=QUICK._replace(answer=1.0),  # the other comes in that time, and is not late itself
        ) as world,
    ):
        silent = await world.one("py#x", max_attempts=2, retry=AT_ONCE)
        first = await runner.request()
        await runner.cancel()
        other = await world.one("py#y")  # keeps the runner from being ended
        kept = await runner.request()
        again = await runner.request()
        assert again.payload["job_id"] == silent.uuid
        runner.answer(again, result="at last")
        runner.answer(kept)
        assert await world.result(silent) == "at last"
        await world.result(other)
        assert first.id != again.id


async def test_a_stop_is_a_stop(tmp_path: Path) -> None:
    """Also where the request was asked to end for another reason before."""
    async with (
        a_double() as runner,
        a_world(
            tmp_path,
            settings_with(py=dialled(runner.address, response_timeout_ms=100)),
            pace=Pace(),
        ) as world,
    ):
        job = await world.one("py#x", max_attempts=3)
        sent = await runner.request()
        await runner.cancel()
        await world.coordinator.stop_job(SAM, job.id)
        runner.answer(sent, "error", error={"message": "Job cancelled", "type": "cancelled"})
        assert (await world.ended(job)).job.state == "stopped"
