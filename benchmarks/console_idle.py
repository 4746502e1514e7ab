"""What a console costs that nobody uses: its CPU time while nothing happens.

    python -m benchmarks.console_idle [--quick]

Method: the console with its own coordinator, on a pseudo terminal of 160 by 50, in a process of
its own: on its first-run screen, and with 1,000 jobs in the list that wait in vain, for longer
than the minute in which ages are told in seconds and every line changes with each. It is left
alone for a while, then its CPU time (user and system, all threads) is read at both ends of a
stretch in which nobody presses a key. What it paints is read away.

Budget: under 1% of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from benchmarks.native_drain import submit
from benchmarks.service import service

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PERCENT = 1.0
WAITING = 1_000
COLUMNS, LINES = 160, 50
SETTLE_SECONDS = 8.0
"""Start, first load, and the first notes of what is in view."""
MINUTE_SECONDS = 62.0


@contextmanager
def console(folder: Path, *options: str) -> Iterator[tuple[int, int]]:
    """A console on a pseudo terminal: its process id, and the terminal to read from."""
    terminal, its_end = os.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "traffic_tui", "--port", "0", "--data-dir", str(folder)]
    command += options
    surroundings = {**os.environ, "TERM": "xterm-256color", "XDG_CONFIG_HOME": str(folder)}
    process = subprocess.Popen(
        command, stdin=its_end, stdout=its_end, stderr=its_end, env=surroundings
    )
    os.close(its_end)
    try:
        yield process.pid, terminal
        assert process.poll() is None, f"the console ended with {process.returncode}"
    finally:
        process.send_signal(signal.SIGTERM)
        read_away(terminal, 2.0)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(terminal)


def read_away(terminal: int, seconds: float) -> int:
    """Read what is painted for so long; the answer is how many bytes it was."""
    size, until = 0, time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select([terminal], [], [], left)
        if readable:
            try:
                size += len(os.read(terminal, 65_536))
            except OSError:  # the console is gone, and its end of the terminal with it
                break
    return size


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads so far, to the nanosecond where the system counts so."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def idle_percent(folder: Path, settle_seconds: float, seconds: float) -> float:
    """Percent of one core that a console on these data takes."""
    with console(folder) as (pid, terminal):
        assert read_away(terminal, settle_seconds), "the console painted nothing"
        before, began = cpu_seconds(pid), time.monotonic()
        read_away(terminal, seconds)
        return (cpu_seconds(pid) - before) / (time.monotonic() - began) * 100


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="watch for ten seconds, not forty")
    seconds = 10.0 if parser.parse_args().quick else 40.0
    uvloop.install()
    is_met = True
    for name, jobs in (("first-run screen", 0), (f"{WAITING:,} waiting jobs listed", WAITING)):
        with tempfile.TemporaryDirectory(prefix="traffic-bench-") as made:
            settle_seconds = SETTLE_SECONDS
            if jobs:
                settle_seconds += MINUTE_SECONDS
                with service(folder=Path(made)) as at:
                    asyncio.run(submit(at, jobs))
            percent = idle_percent(Path(made) / "data", settle_seconds, seconds)
        is_met = is_met and percent < MAX_PERCENT
        verdict = "met" if percent < MAX_PERCENT else "MISSED"
        print(f"{name:<28} {percent:>6.2f} % of a core, budget {MAX_PERCENT:g} %: {verdict}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
