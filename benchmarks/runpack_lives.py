"""Lives of jobs over the Runpack endpoints: submit, claim, heartbeat, complete.

Method: 32 keep-alive connections, each doing the four requests of one life after the other, one
at a time; every answer is synced to disk before it is sent. The client runs in a process of its
own. Prints lives a second and the time of single requests.

Budget: at least 2,500 lives/s, p99 of a request under 15 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import uvloop

from benchmarks.service import service
from benchmarks.wire import connect, percentile, request

if TYPE_CHECKING:
    from benchmarks.service import Service
    from benchmarks.wire import Connection

CONNECTIONS = 32
MIN_LIVES = 2_500
MAX_P99_MS = 15.0


class Lives:
    """The load: connections that live jobs through until the time is up."""

    def __init__(self, at: Service, tag: str) -> None:
        self._at = at
        self._tag = tag  # equal parameters would be answered from the cache
        self.latencies: list[float] = []
        self.lives = 0
        self.failures = 0

    async def run(self, seconds: float) -> None:
        connections = [await connect(self._at.host, self._at.port) for _ in range(CONNECTIONS)]
        until = time.perf_counter() + seconds
        await asyncio.gather(
            *(self._live(number, conn, until) for number, conn in enumerate(connections))
        )
        for connection in connections:
            connection.close()

    async def _live(self, number: int, connection: Connection, until: float) -> None:
        submit = {"authorization": f"Bearer {self._at.keys['submit']}"}
        runner_key = {"authorization": f"Bearer {self._at.keys['runner']}"}
        registered = await connection.send(
            request(
                "POST",
                "/api/runner/register",
                json.dumps({"name": f"bench-{number}", "capabilities": ["noop"]}).encode(),
                runner_key,
            )
        )
        runner = {**runner_key, "x-runner-id": json.loads(registered.body)["runner_id"]}
        beat = json.dumps(
            {
                "console_output": "line of console output\n" * 4,
                "progress_current": 1,
                "progress_total": 2,
            }
        ).encode()
        done = json.dumps({"output_data": {"ok": True}, "console_output": "done\n"}).encode()
        life = 0
        while time.perf_counter() < until:
            life += 1
            params = {
                "job_type": "noop",
                "input_params": {"n": number, "life": life, "tag": self._tag},
            }
            made = await self._timed(
                connection,
                request("POST", "/api/jobs/submit", json.dumps(params).encode(), submit),
            )
            job = f"/api/runner/jobs/{json.loads(made)['job_id']}"
            await self._timed(connection, request("POST", f"{job}/claim", b"", runner))
            await self._timed(connection, request("POST", f"{job}/heartbeat", beat, runner))
            await self._timed(connection, request("POST", f"{job}/complete", done, runner))
            self.lives += 1

    async def _timed(self, connection: Connection, message: bytes) -> bytes:
        start = time.perf_counter()
        answer = await connection.send(message)
        self.latencies.append(time.perf_counter() - start)
        if answer.status >= 300:
            self.failures += 1
        return answer.body


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--quick", action="store_true", help="measure for two seconds")
    parser.add_argument("--durability", default="full")
    options = parser.parse_args()
    uvloop.install()
    with service(durability=options.durability) as at:
        asyncio.run(Lives(at, "warm-up").run(1))
        lives, cpu, start = Lives(at, "run"), at.cpu_seconds(), time.perf_counter()
        asyncio.run(lives.run(2 if options.quick else options.seconds))
        passed = time.perf_counter() - start
        used = (at.cpu_seconds() - cpu) / passed
    rate = lives.lives / passed
    p50, p99 = (percentile(lives.latencies, share) * 1000 for share in (0.5, 0.99))
    print(f"{rate:,.0f} lives/s, request p50 {p50:.1f} ms p99 {p99:.1f} ms", end=", ")
    print(f"{used:.2f} cores, {used / rate * 1e6:.0f} us CPU a life", end=", ")
    print(f"{lives.failures} failures, durability {options.durability}")
    is_good = rate >= MIN_LIVES and p99 < MAX_P99_MS and not lives.failures
    print("within budget" if is_good else f"MISSED: {MIN_LIVES} lives/s, p99 {MAX_P99_MS} ms")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
