"""Jobs over a cursor range for tests, and what is known of them, looked up from outside."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from server.model import JobSpec
from server.ranges import Range, units_of
from tests.server.core.world import CI, SETTINGS

if TYPE_CHECKING:
    from server.coordinator import Assigned
    from server.coordinator.results import Submitted
    from server.model import Job
    from server.settings import Settings
    from server.store.base import KeptRange, Tx
    from tests.server.core.world import FakeRunner, World

WIDTH = 1_000
"""Units of a piece: one millisecond of a cursor that counts microseconds."""


def range_settings(*, max_backfill_ms: int = 0, width_ms: int = 1) -> Settings:
    native = replace(
        SETTINGS.protocols.native_v1,
        max_assignable_cursor_ms=width_ms,
        max_backfill_ms=max_backfill_ms,
    )
    return replace(SETTINGS, protocols=replace(SETTINGS.protocols, native_v1=native))


async def submit_range(world: World, low: int, high: int, **wishes: Any) -> Submitted:
    spec = JobSpec(type="range", range=Range(low, high), **wishes)
    return (await world.coordinator.submit(CI, [spec]))[0]


async def kept(world: World, job: Job) -> KeptRange:
    found = await world.coordinator.store.apply(lambda tx: tx.range_of(job.id))
    assert found is not None
    return found


async def children(world: World, parent: Job) -> list[tuple[Job, Range]]:
    """All pieces that were ever made for a job and are still known, oldest first."""

    def read(tx: Tx) -> list[tuple[Job, Range]]:
        newest = tx.job(parent.id)
        assert newest is not None
        found: list[tuple[Job, Range]] = []
        number = parent.id + 1
        misses = 0
        while misses < 50:
            job, piece = tx.job(number), tx.piece(number)
            misses = misses + 1 if job is None else 0
            if job is not None and piece is not None and piece.parent == parent.id:
                found.append((job, piece.range))
            number += 1
        return found

    return await world.coordinator.store.apply(read)


def ends(assigned: Assigned) -> Range:
    """The part of the range that a runner was given."""
    params = msgspec.json.decode(assigned.task.params)
    return Range(params["cursor_from"], params["cursor_to"])


async def run_all(world: World, runner: FakeRunner) -> list[Range]:
    """Let a runner do everything there is; what it did, in order."""
    done: list[Range] = []
    while True:
        told = await runner.exchange()
        if not told.assign and not runner.held:
            return done
        for assigned in list(runner.held.values()):
            done.append(ends(assigned))
            await runner.end(assigned.attempt.uuid)


def covers_exactly(done: list[Range], whole: Range) -> bool:
    """Whether these ranges are all of it, each unit once."""
    ordered = sorted(done)
    joined = all(one.high + 1 == other.low for one, other in itertools.pairwise(ordered))
    return bool(ordered) and joined and units_of(ordered) == whole.units
