"""A claim among 1,000 waiting jobs against one among 1,000,000.

    python -m benchmarks.store_claim [--quick]

Jobs are spread over classes and priorities; each claim asks for one job of the three classes that
a runner may take, and is rolled back, so that the depth stays. Timed inside the transaction: the
commit costs the same at any depth. Quick mode compares with 100,000.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.clock import SystemClock
from server.ids import new_uuid
from server.model import Job, JobDetails
from server.store.base import Change, NewAttempt, NewJob
from server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from server.store.base import Tx

CLASSES = 20
RUNNER_CLASSES = 3
BATCH = 2_000
CLAIMS = 3_000
ROUNDS = 3
SMALL = 1_000
P50_RATIO = 2.5
P99_BUDGET_US = 1_000.0


class Timing(NamedTuple):
    p50: float
    """Microseconds."""
    p99: float


class _Undone(Exception):
    """Ends an operation without a trace."""


def fill(tx: Tx, number: int, now: int, chance: random.Random) -> None:
    details = JobDetails(b'{"value": 7}', "ci", "native-v2")
    classes = [tx.intern_class("default", f"type-{one}", {}, 0).id for one in range(CLASSES)]
    tx.insert_jobs(
        [
            NewJob(
                Job(
                    0,
                    new_uuid(),
                    chance.choice(classes),
                    "pending",
                    -chance.randrange(10),
                    now,
                    now,
                    0,
                    0,
                    0,
                    0,
                    1,
                    0,
                    "run",
                    0,
                    0,
                ),
                details,
            )
            for _ in range(number)
        ]
    )


def claim_one(tx: Tx, classes: list[int], now: int, times: list[float]) -> None:
    begin = time.perf_counter()
    ((job, _),) = tx.claimable(classes, 1)
    (attempt,) = tx.insert_attempts([NewAttempt(new_uuid(), job.id, 1, 1, 1, False, 0)], at=now)
    claimed = job._replace(state="claimed", since=now, attempt=attempt.id, attempts=1)
    tx.save([Change(job, claimed)])
    times.append((time.perf_counter() - begin) * 1e6)
    raise _Undone


async def measure(store: SqliteStore, chance: random.Random) -> Timing:
    clock = SystemClock()
    times: list[float] = []
    for _ in range(CLAIMS):
        classes = chance.sample(range(1, CLASSES + 1), RUNNER_CLASSES)
        now = clock.now_ms()
        with suppress(_Undone):
            await store.apply(partial(claim_one, classes=classes, now=now, times=times))
    cuts = statistics.quantiles(times, n=100)
    return Timing(statistics.median(times), cuts[98])


async def filled(folder: Path, depth: int) -> SqliteStore:
    store = SqliteStore(folder / str(depth) / "jobs.db", clock=SystemClock(), durability="normal")
    await store.open()
    chance = random.Random(depth)
    number, now = min(BATCH, depth), SystemClock().now_ms()
    for _ in range(0, depth, number):
        await store.apply(partial(fill, number=number, now=now, chance=chance))
    return store


async def run(depths: tuple[int, int], folder: Path) -> dict[int, Timing]:
    """Rounds take turns, so that a noisy neighbour hits both; the best of each counts."""
    stores = {depth: await filled(folder, depth) for depth in depths}
    gc.freeze()
    rounds: dict[int, list[Timing]] = {depth: [] for depth in depths}
    for number in range(ROUNDS):
        for depth, store in stores.items():
            rounds[depth].append(await measure(store, random.Random(number)))
    for store in stores.values():
        await store.close()
    return {
        depth: Timing(*(min(column) for column in zip(*timings, strict=True)))
        for depth, timings in rounds.items()
    }


def main() -> int:
    large = 100_000 if "--quick" in sys.argv else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run((SMALL, large), Path(folder)))
    print(f"{'waiting':>10} {'claim p50 us':>14} {'p99 us':>10}")
    for depth, timing in found.items():
        print(f"{depth:>10,} {timing.p50:>14.1f} {timing.p99:>10.1f}")
    ratio = found[large].p50 / found[SMALL].p50
    is_met = ratio <= P50_RATIO and found[large].p99 < P99_BUDGET_US
    print(
        f"p50 ratio {ratio:.2f} (budget {P50_RATIO}), p99 budget {P99_BUDGET_US:.0f} us: "
        f"{'met' if is_met else 'MISSED'}"
    )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
