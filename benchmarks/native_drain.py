"""native-v2: batch submit, then drain with 16 jobs a sync.

Method: jobs are submitted 500 a request over 4 connections. Then 32 runners, one connection each,
sync in a loop: every sync reports the 16 jobs of the one before as done and takes 16 new ones.
Beside it stands what submitting costs where eight types take turns in every request.
Every answer is synced to disk before it is sent. The client runs in a process of its own.

Budget: at least 40,000 jobs drained a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import uvloop

from benchmarks.service import service
from benchmarks.wire import connect, request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.service import Service

RUNNERS = 32
BATCH = 16
SUBMIT_BATCH = 500
SUBMIT_CONNECTIONS = 4
MIN_DRAINED = 40_000
MIXED_TYPES = tuple(f"type-{number}" for number in range(8))


class Drained(NamedTuple):
    jobs: int
    per_second: float


async def submit(
    at: Service,
    count: int,
    *,
    batch: int = SUBMIT_BATCH,
    connections: int = SUBMIT_CONNECTIONS,
    types: Sequence[str] = ("noop",),
) -> float:
    """Submit ``count`` jobs, of these types in turn; the answer is how many a second."""
    key = {"authorization": f"Bearer {at.keys['submit']}"}
    jobs = [{"type": types[n % len(types)], "params": {"n": n}} for n in range(batch)]
    body = json.dumps({"jobs": jobs}).encode()
    message = request("POST", "/api/native-v2/jobs", body, key)
    left = count // batch
    start = time.perf_counter()

    async def work() -> None:
        nonlocal left
        connection = await connect(at.host, at.port)
        while left > 0:
            left -= 1
            answer = await connection.send(message)
            assert answer.status < 300, answer
        connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return count / (time.perf_counter() - start)


async def drain(at: Service) -> Drained:
    """Run all jobs that wait."""
    key = {"authorization": f"Bearer {at.keys['runner']}"}
    done = 0

    async def work(number: int) -> None:
        nonlocal done
        connection = await connect(at.host, at.port)
        hello = {
            "name": f"bench-{number}",
            "nonce": str(time.time_ns()),
            "capacity": BATCH,
            "types": ["noop"],
        }
        path = "/api/native-v2/runner"
        answer = await connection.send(
            request("POST", f"{path}/hello", json.dumps(hello).encode(), key)
        )
        welcome = json.loads(answer.body)
        path = f"{path}/{welcome['runner_id']}/sync"
        head = {"session": welcome["session"], "secret": welcome["secret"], "held": []}
        sequence = 0
        attempts: list[str] = []
        while True:
            sequence += 1
            reports = [{"attempt": attempt, "state": "success"} for attempt in attempts]
            said = {**head, "sequence": sequence, "free": BATCH, "reports": reports}
            answer = await connection.send(request("POST", path, json.dumps(said).encode(), key))
            assert answer.status == 200, answer
            done += len(attempts)
            attempts = [one["attempt"] for one in json.loads(answer.body)["assign"]]
            if not attempts:
                break
        connection.close()

    start = time.perf_counter()
    await asyncio.gather(*(work(number) for number in range(RUNNERS)))
    return Drained(done, done / (time.perf_counter() - start))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--quick", action="store_true", help="50,000 jobs")
    parser.add_argument("--durability", default="full")
    options = parser.parse_args()
    uvloop.install()
    with service(durability=options.durability) as at:
        submitted = asyncio.run(submit(at, 50_000 if options.quick else options.jobs))
        cpu, start = at.cpu_seconds(), time.perf_counter()
        drained = asyncio.run(drain(at)).per_second
        used = (at.cpu_seconds() - cpu) / (time.perf_counter() - start)
        memory = at.resident_mib()
    with service(durability=options.durability) as at:
        mixed = asyncio.run(submit(at, 50_000, types=MIXED_TYPES))
    print(
        f"submitted {submitted:,.0f}/s ({mixed:,.0f}/s in turn), drained {drained:,.0f}/s", end=", "
    )
    print(f"{used:.2f} cores, {used / drained * 1e6:.1f} us CPU a job", end=", ")
    print(f"{memory:.0f} MiB, durability {options.durability}")
    print("within budget" if drained >= MIN_DRAINED else f"MISSED: {MIN_DRAINED:,} drained/s")
    return 0 if drained >= MIN_DRAINED else 1


if __name__ == "__main__":
    sys.exit(main())
