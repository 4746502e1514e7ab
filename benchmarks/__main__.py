"""All benchmarks, one after the other, each in a process of its own, and one table at the end.

    python -m benchmarks [--quick]

They measure wall time, so a busy machine makes them fail: the load is printed with the table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import NamedTuple


class Benchmark(NamedTuple):
    """A module of this package and what it is held to."""

    module: str
    budget: str
    has_quick: bool = True


BENCHMARKS = (
    Benchmark("native_drain", "at least 40,000 jobs/s drained, 16 a sync"),
    Benchmark("runpack_lives", "at least 2,500 lives/s, p99 under 15 ms"),
    Benchmark("start_latency", "start p50 2.4 ms, p99 6.8 ms; idle 1%; ready in 2 s"),
    Benchmark("rrq_throughput", "2 times RRQ's orchestrator, synced; start 2.4/6.8 ms; idle 1%"),
    Benchmark("peers", "2 times pgqueuer, huey and rrq, each synced, those that are installed"),
    Benchmark("store_claim", "claim at 1,000,000 waiting: 2.5 times one at 1,000, p99 1 ms"),
    Benchmark("store_lifecycle", "9 us a job to submit, 18 us to drain"),
    Benchmark("console_rows", "one changed row among 100,000 under 1 ms", has_quick=False),
    Benchmark("console_output", "200,000 lines/s taken in, memory bounded", has_quick=False),
    Benchmark("console_idle", "a console that nobody uses: under 1% of a core"),
    Benchmark("console_scale", "1,000,000 jobs: first paint 400 ms, keys 100 ms, memory 150 MB"),
    Benchmark("console_beside", "request p99 1.3 times that without; output to pixel p95 200 ms"),
    Benchmark("cli_start", "--help under 300 ms", has_quick=False),
)


class Result(NamedTuple):
    benchmark: Benchmark
    is_met: bool
    seconds: float
    figures: list[str]


def run(benchmark: Benchmark, *, is_quick: bool) -> Result:
    """Run one; what it prints are its figures."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark.module}"]
    if is_quick and benchmark.has_quick:
        command.append("--quick")
    begin = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    figures = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    return Result(benchmark, done.returncode == 0, time.perf_counter() - begin, figures)


def show(result: Result) -> None:
    verdict = "met" if result.is_met else "MISSED"
    module, budget, _ = result.benchmark
    print(f"{module:<16} {verdict:<7} {result.seconds:>5.0f} s  {budget}")
    for line in result.figures:
        print(f"{'':<16} {line}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    options = parser.parse_args()
    results: list[Result] = []
    for benchmark in BENCHMARKS:
        print(f"running {benchmark.module} ...", file=sys.stderr, flush=True)
        results.append(run(benchmark, is_quick=options.quick))
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    for result in results:
        show(result)
    return 0 if all(result.is_met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
