"""How long the command line takes to answer, as a whole process: what a person feels.

Method: each command runs in a fresh process of this interpreter, wall clock from before the fork
to after the wait, a few warm-up runs first so that the byte code is compiled. The smallest and
the median are told: the first is what the program costs, the second what it feels like here.

    python benchmarks/cli_start.py [--runs N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = (
    ["--help"],
    ["--version"],
    ["jobs", "--help"],
    ["jobs", "submit", "--help"],
    ["jobs", "list", "--no-such-option"],
)
BUDGET_MS = 300.0
"""For ``--help``; the others are told beside it, since what they cost is Typer's own start."""
WARM_UPS = 2


def wall_ms(arguments: list[str]) -> float:
    """One run, in milliseconds."""
    began_at = time.perf_counter()
    subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return (time.perf_counter() - began_at) * 1000


def measure(arguments: list[str], runs: int) -> list[float]:
    """Several runs after the warm-ups."""
    for _ in range(WARM_UPS):
        wall_ms(arguments)
    return [wall_ms(arguments) for _ in range(runs)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    bare = measure([sys.executable, "-c", "pass"], runs)
    print(f"{'command':<32} {'min ms':>8} {'median ms':>10}")
    print(f"{'python alone':<32} {min(bare):>8.0f} {statistics.median(bare):>10.0f}")
    help_ms = 0.0
    for command in COMMANDS:
        times = measure([sys.executable, "-m", "traffic_tui", *command], runs)
        if command == ["--help"]:
            help_ms = statistics.median(times)
        words = " ".join(command)
        print(f"{words:<32} {min(times):>8.0f} {statistics.median(times):>10.0f}")
    print(f"--help in {BUDGET_MS:.0f} ms: {'kept' if help_ms < BUDGET_MS else 'missed'}")
    return 0 if help_ms < BUDGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
