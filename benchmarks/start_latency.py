"""How soon a job starts on an idle system, and what an idle or restarted coordinator costs.

    python -m benchmarks.start_latency [--quick | --full]

Method: one runner is parked in ``wake``. Another connection submits one job; the clock runs from
there until the runner's sync, made when ``wake`` answers, has brought it the job. Then the
coordinator is left alone and its CPU time read; then it is filled with 100,000 jobs, killed with
SIGKILL, and timed from its start to the line that says it is ready. ``--full`` also fills a
coordinator with 1,000,000 jobs and reads its resident memory.

Budgets: start p50 under 2.4 ms, p99 under 6.8 ms; idle CPU under 1%; ready in under 2 s; resident
memory under 150 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import uvloop

from benchmarks.native_drain import submit
from benchmarks.service import service
from benchmarks.wire import connect, percentile, request

if TYPE_CHECKING:
    from benchmarks.service import Service
    from benchmarks.wire import Connection

WARM_UP = 20
STORED = 100_000
MANY = 1_000_000


class Figure(NamedTuple):
    name: str
    value: float
    budget: float
    unit: str

    @property
    def is_met(self) -> bool:
        return self.value < self.budget


class Runner:
    """A runner with one connection for syncs and one that is parked."""

    def __init__(self, at: Service) -> None:
        self._at = at
        self._key = {"authorization": f"Bearer {at.keys['runner']}"}
        self._sequence = 0

    async def open(self) -> None:
        self._syncs: Connection = await connect(self._at.host, self._at.port)
        self._wakes: Connection = await connect(self._at.host, self._at.port)
        hello = {"name": "lab", "nonce": str(time.time_ns()), "capacity": 1, "types": ["*"]}
        welcome = await self._call("/hello", hello)
        self._session = {"session": welcome["session"], "secret": welcome["secret"]}
        self._path = f"/{welcome['runner_id']}"
        await self.sync([])

    async def sync(self, ended: list[str]) -> list[str]:
        """Report ends; the answer is which attempts were handed out."""
        self._sequence += 1
        reports = [{"attempt": attempt, "state": "success"} for attempt in ended]
        said = {**self._session, "sequence": self._sequence, "free": 1, "reports": reports}
        told = await self._call(f"{self._path}/sync", said)
        return [one["attempt"] for one in told["assign"]]

    async def wake(self) -> None:
        """Parked until there is something."""
        path = f"/api/native-v2/runner{self._path}/wake"
        query = "&".join(f"{name}={value}" for name, value in self._session.items())
        await self._wakes.send(request("GET", f"{path}?{query}&wait_seconds=30", b"", self._key))

    async def _call(self, path: str, said: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(said).encode()
        message = request("POST", f"/api/native-v2/runner{path}", body, self._key)
        answer = await self._syncs.send(message)
        assert answer.status == 200, answer
        told: dict[str, Any] = json.loads(answer.body)
        return told

    def close(self) -> None:
        self._syncs.close()
        self._wakes.close()


async def starts(at: Service, number: int) -> list[float]:
    """Milliseconds from submit to start, one job after the other."""
    runner = Runner(at)
    await runner.open()
    client = await connect(at.host, at.port)
    key = {"authorization": f"Bearer {at.keys['submit']}"}
    job = request("POST", "/api/native-v2/jobs", b'{"jobs": [{"type": "noop"}]}', key)
    times: list[float] = []
    for _ in range(number):
        parked = asyncio.create_task(runner.wake())
        await asyncio.sleep(0.01)  # the wait is part of the method: the system is idle
        begin = time.perf_counter()
        sent = asyncio.create_task(client.send(job))
        attempts: list[str] = []
        while not attempts:
            await parked
            attempts = await runner.sync([])
            if not attempts:
                parked = asyncio.create_task(runner.wake())
        times.append((time.perf_counter() - begin) * 1000)
        await sent
        await runner.sync(attempts)
    client.close()
    runner.close()
    return times[WARM_UP:]


def idle_share(at: Service, seconds: float) -> float:
    """Percent of one core."""
    time.sleep(1)
    before = at.cpu_seconds()
    time.sleep(seconds)
    return (at.cpu_seconds() - before) / seconds * 100


def ready_again(folder: Path) -> float:
    """Seconds until a coordinator that was killed is ready again."""
    with service(folder=folder) as at:
        asyncio.run(submit(at, STORED))
        os.kill(at.pid, signal.SIGKILL)
    begin = time.perf_counter()
    with service(folder=folder):
        return time.perf_counter() - begin


def figures(*, is_quick: bool, is_full: bool) -> list[Figure]:
    with service() as at:
        times = asyncio.run(starts(at, WARM_UP + (100 if is_quick else 1_000)))
        idle = idle_share(at, 5 if is_quick else 20)
    with tempfile.TemporaryDirectory(prefix="traffic-bench-") as folder:
        seconds = ready_again(Path(folder))
    found = [
        Figure("submit to start, p50", percentile(times, 0.5), 2.4, "ms"),
        Figure("submit to start, p99", percentile(times, 0.99), 6.8, "ms"),
        Figure("idle CPU", idle, 1.0, "%"),
        Figure(f"ready after kill -9, {STORED:,} jobs", seconds, 2.0, "s"),
    ]
    if is_full:
        with service() as at:
            asyncio.run(submit(at, MANY))
            found.append(Figure(f"memory, {MANY:,} jobs stored", at.resident_mib(), 150.0, "MiB"))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer jobs, less waiting")
    parser.add_argument("--full", action="store_true", help="also 1,000,000 stored jobs")
    options = parser.parse_args()
    uvloop.install()
    found = figures(is_quick=options.quick, is_full=options.full)
    for figure in found:
        verdict = "met" if figure.is_met else "MISSED"
        print(f"{figure.name:<36} {figure.value:>8.2f} {figure.unit:<4}", end="")
        print(f" budget {figure.budget:g} {figure.unit}: {verdict}")
    return 0 if all(figure.is_met for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
