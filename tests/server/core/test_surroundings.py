"""What was around an attempt's process, and what it used: kept, replaced, removed with the job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.coordinator import AttemptReport
from server.model import Outcome, Surroundings, Usage
from server.operator.job_views import attempt_view
from tests.server.core.world import a_world

if TYPE_CHECKING:
    from server.wire.operator import AttemptView
    from tests.server.core.world import World

ISOLATED = "isolated: pid, net; memory 64 MiB by cgroup v2"
USED = Usage(1.25, 64 * 1024 * 1024, 4096)


async def shown(world: World, number: int) -> AttemptView:
    detail = await world.coordinator.store.reads.job_detail(number)
    assert detail is not None
    return attempt_view(detail.attempts[0], "u")


async def test_it_is_known_while_the_attempt_runs_and_afterwards() -> None:
    async with a_world() as world:
        runner = await world.runner()
        (job,) = await world.submit("fib")
        taken = await runner.take_one()
        view = await shown(world, job.id)
        assert (view.isolation, view.usage) == ("", None)
        running = AttemptReport(taken.attempt.uuid, surroundings=Surroundings(ISOLATED))
        await runner.exchange(running, free=0)
        view = await shown(world, job.id)
        assert (view.isolation, view.usage) == (ISOLATED, None)
        outcome = Outcome("error", "killed", type="memory_limit", signal=9)
        ended = AttemptReport(
            taken.attempt.uuid, outcome, surroundings=Surroundings(ISOLATED, USED)
        )
        await runner.exchange(ended, free=0)
        view = await shown(world, job.id)
        assert view.isolation == ISOLATED
        assert view.usage is not None
        used = view.usage
        assert (used.cpu_seconds, used.peak_memory_bytes, used.io_bytes) == USED
        assert view.error is not None and view.error.type == "memory_limit"


async def test_a_plain_success_can_have_used_something() -> None:
    async with a_world() as world:
        runner = await world.runner()
        (job,) = await world.submit("fib")
        taken = await runner.take_one()
        used = Surroundings(usage=Usage(cpu_seconds=0.5))
        await runner.exchange(
            AttemptReport(taken.attempt.uuid, Outcome("success"), surroundings=used), free=0
        )
        view = await shown(world, job.id)
        assert (view.outcome, view.isolation) == ("success", "")
        assert view.usage is not None and view.usage.cpu_seconds == 0.5
        assert view.usage.peak_memory_bytes is None


async def test_it_goes_with_its_job() -> None:
    async with a_world() as world:
        runner = await world.runner()
        (job,) = await world.submit("fib")
        taken = await runner.take_one()
        report = AttemptReport(
            taken.attempt.uuid, Outcome("success"), surroundings=Surroundings(ISOLATED, USED)
        )
        await runner.exchange(report, free=0)
        store = world.coordinator.store
        await store.apply(lambda tx: tx.delete_jobs([job.id], at=1, by="test"))
        assert await store.reads.job_detail(job.id) is None
        assert await store.apply(_rows_left) == 0


def _rows_left(tx: object) -> int:
    """How many attempts have something kept of their surroundings."""
    db = tx.db  # type: ignore[attr-defined]
    return int(db.execute("SELECT count(*) FROM surroundings").fetchone()[0])
