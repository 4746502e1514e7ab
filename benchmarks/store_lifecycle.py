"""What a job's life costs the store: batch submit, then claim and finish 16 at a time, synced.

    python -m benchmarks.store_lifecycle [--quick]

Submits batches of 100 jobs. Drains like native-v2 does: one operation says that 16 jobs ended and
claims the next 16, with one event for each of the two. ``neighbours`` operations share a commit,
as those of that many runners would. The budget leaves room for HTTP within 40,000 jobs a second.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.clock import SystemClock
from server.ids import new_uuid
from server.model import Job, JobDetails
from server.store.base import NewAttempt, NewJob
from server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from server.model import Attempt
    from server.store.base import Tx

SUBMIT_BUDGET_US = 9.0
DRAIN_BUDGET_US = 18.0
BATCH = 100
AT_ONCE = 16
ROUNDS = 3


class Measured(NamedTuple):
    """Microseconds a job."""

    submit: float
    drain: float


def submit(tx: Tx, number: int, now: int) -> None:
    cls = tx.intern_class("default", "noop", {}, 0).id
    details = JobDetails(b'{"value": 7}', "ci", "native-v2")
    jobs = tx.insert_jobs(
        [
            NewJob(
                Job(0, new_uuid(), cls, "pending", 0, now, now, 0, 0, 0, 0, 1, 0, "run", 0, 0),
                details,
            )
            for _ in range(number)
        ]
    )
    tx.append("submitted", at=now, actor="ci", members=[(job.id, 0) for job in jobs])


def exchange(tx: Tx, runner: int, held: list[str], now: int) -> list[Attempt]:
    """End what is held, claim the next."""
    if held:
        _finish(tx, runner, held, now)
    cls = tx.intern_class("default", "noop", {}, 0).id
    jobs = [job for job, _ in tx.claimable([cls], AT_ONCE)]
    if not jobs:
        return []
    attempts = tx.insert_attempts(
        [NewAttempt(new_uuid(), job.id, 1, runner, runner, False, 0) for job in jobs], at=now
    )
    claimed = [
        job._replace(state="claimed", since=now, attempt=attempt.id, attempts=1)
        for job, attempt in zip(jobs, attempts, strict=True)
    ]
    tx.save_claims(jobs, claimed)
    members = [(attempt.job, attempt.id) for attempt in attempts]
    tx.append("claimed", at=now, runner=runner, actor="lab", members=members)
    return attempts


def _finish(tx: Tx, runner: int, held: list[str], now: int) -> None:
    ended = list(tx.attempts_by_uuid(held).values())
    tx.save_successes(ended, at=now)
    members = [(job.id, attempt.id) for job, attempt in ended]
    tx.append("completed", at=now, runner=runner, actor="lab", members=members)


async def measure(store: SqliteStore, jobs: int, neighbours: int) -> Measured:
    clock = SystemClock()
    begin = time.perf_counter()
    for _ in range(0, jobs, BATCH * 4):
        now = clock.now_ms()
        await asyncio.gather(
            *(store.apply(partial(submit, number=BATCH, now=now)) for _ in range(4))
        )
    submitted = time.perf_counter() - begin
    begin = time.perf_counter()
    held: dict[int, list[str]] = {runner: [] for runner in range(1, neighbours + 1)}
    is_done = False
    while not is_done:
        now = clock.now_ms()
        answers = await asyncio.gather(
            *(
                store.apply(partial(exchange, runner=runner, held=uuids, now=now))
                for runner, uuids in held.items()
            )
        )
        is_done = not any(answers)
        for runner, answer in zip(held, answers, strict=True):
            held[runner] = [attempt.uuid for attempt in answer]
    drained = time.perf_counter() - begin
    return Measured(submitted / jobs * 1e6, drained / jobs * 1e6)


async def run(jobs: int) -> dict[int, Measured]:
    best: dict[int, Measured] = {}
    for neighbours in (1, 8):
        measured = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                store = SqliteStore(Path(folder) / "jobs.db", clock=SystemClock())
                await store.open()
                measured.append(await measure(store, jobs, neighbours))
                await store.close()
        best[neighbours] = Measured(*(min(column) for column in zip(*measured, strict=True)))
    return best


def main() -> int:
    jobs = 8_000 if "--quick" in sys.argv else 40_000
    best = asyncio.run(run(jobs))
    print(f"{jobs} jobs, best of {ROUNDS} rounds, every commit synced")
    print(f"{'runners a commit':>18} {'submit us/job':>15} {'drain us/job':>14}")
    for neighbours, one in best.items():
        print(f"{neighbours:>18} {one.submit:>15.1f} {one.drain:>14.1f}")
    is_met = best[8].submit <= SUBMIT_BUDGET_US and best[8].drain <= DRAIN_BUDGET_US
    verdict = "met" if is_met else "MISSED"
    print(
        f"budget, 8 runners a commit: {SUBMIT_BUDGET_US:.0f} and {DRAIN_BUDGET_US:.0f}: {verdict}"
    )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
