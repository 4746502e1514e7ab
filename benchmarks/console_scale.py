"""A console over a million jobs and a thousand runners: first paint, keys of a filter, memory.

    python -m benchmarks.console_scale [--quick]

Method: a coordinator is filled with 1,000,000 jobs that wait. A console with its own coordinator is
opened on these data, on a pseudo terminal of 160 by 50; the first paint is counted from when it
takes the terminal until jobs are listed, and shown beside the time since its process began. 1,000
runners say hello. Then a filter is typed, key by key; the time counts from each key until the
terminal shows the text so far, and from the last key of each word until it shows how many jobs the
filter leaves, less the pause in typing that the console waits for. Resident memory is that of the
whole process, console and coordinator, after all this.

Budgets: first paint under 400 ms; each key under 100 ms; memory under 150 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyte
import uvloop

from benchmarks.console_idle import COLUMNS, LINES, console
from benchmarks.native_drain import submit
from benchmarks.service import CONFIGURATION, service, service_in
from benchmarks.wire import connect, request
from traffic_tui.screens.filters import TYPING_PAUSE_SECONDS

if TYPE_CHECKING:
    from benchmarks.service import Service

JOBS, QUICK_JOBS = 1_000_000, 50_000
RUNNERS = 1_000
START_SECONDS = 30.0
SEEN_SECONDS = 5.0
"""What is not seen by then fails the benchmark."""
PAUSE_SECONDS = 0.3
TAKES_TERMINAL = b"\x1b[?1049h"
LISTED = r"○ pending"
WORDS = (("type:noop", r"(\S+) of \1 "), (" state:failed", r" 0 of "))
"""All jobs fit the first word, none fits both; and what the console says then."""


class Figure(NamedTuple):
    name: str
    value: float
    unit: str
    budget: float | None = None

    @property
    def is_met(self) -> bool:
        return self.budget is None or self.value < self.budget

    def __str__(self) -> str:
        told = f"{self.name:<44} {self.value:>7.0f} {self.unit}"
        if self.budget is None:
            return told
        return f"{told}, budget {self.budget:g}: {'met' if self.is_met else 'MISSED'}"


class Terminal:
    """What a console shows, and when."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._news = threading.Condition()
        self.taken_at: float | None = None
        """When the console took it."""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while data := os.read(self._terminal, 65_536):
                with self._news:
                    if self.taken_at is None and TAKES_TERMINAL in data:
                        self.taken_at = time.perf_counter()
                    self._stream.feed(data)
                    self._news.notify_all()
        except OSError:  # the console is gone
            return

    def until(self, pattern: str) -> float:
        """Wait until this is shown; the answer is when it was."""
        with self._news:
            is_seen = self._news.wait_for(
                lambda: any(re.search(pattern, line) for line in self._screen.display),
                SEEN_SECONDS,
            )
        assert is_seen, f"not shown: {pattern}"
        return time.perf_counter()

    def type(self, text: str) -> float:
        """Press keys; the answer is when."""
        os.write(self._terminal, text.encode())
        return time.perf_counter()


async def say_hello(at: Service, count: int) -> None:
    """Runners that have something to say of themselves, and take nothing."""
    key = {"authorization": f"Bearer {at.keys['runner']}"}
    connection = await connect(at.host, at.port)
    for number in range(count):
        hello = {
            "name": f"lab-{number:04d}",
            "nonce": f"{number}",
            "capacity": 4,
            "types": ["render"],
            "labels": {"site": f"hall-{number % 8}", "gpu": "yes"},
        }
        body = json.dumps(hello).encode()
        path = "/api/native-v2/runner/hello"
        answer = await connection.send(request("POST", path, body, key))
        assert answer.status < 300, answer
    connection.close()


def typed(terminal: Terminal) -> tuple[float, float]:
    """Milliseconds until a key is shown, and until the list is filtered: the longest of each."""
    shown, filtered = [], []
    terminal.type("/")
    so_far = ""
    for word, told in WORDS:
        for letter in word:
            time.sleep(PAUSE_SECONDS)
            so_far += letter
            pressed = terminal.type(letter)
            shown.append(terminal.until(re.escape(so_far)) - pressed)
        filtered.append(terminal.until(told) - pressed - TYPING_PAUSE_SECONDS)
    return max(shown) * 1000, max(filtered) * 1000


def measured(jobs: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="traffic-bench-") as made:
        with service(folder=Path(made)) as at:
            asyncio.run(submit(at, jobs))
        data, config = Path(made) / "data", Path(made) / "bench.toml"
        config.write_text(CONFIGURATION.format(durability="full"))
        begin = time.perf_counter()
        with console(data, "--config", str(config)) as (pid, descriptor):
            terminal = Terminal(descriptor)
            listed = terminal.until(LISTED)
            assert terminal.taken_at is not None
            at = service_in(data, pid, START_SECONDS)
            asyncio.run(say_hello(at, RUNNERS))
            time.sleep(PAUSE_SECONDS)
            shown, filtered = typed(terminal)
            memory = at.resident_mib()
    return [
        Figure(
            "first paint, since it took the terminal",
            (listed - terminal.taken_at) * 1000,
            "ms",
            400.0,
        ),
        Figure("first paint, since its process began", (listed - begin) * 1000, "ms"),
        Figure("a key of a filter until shown", shown, "ms", 100.0),
        Figure("a pause in typing until filtered", filtered, "ms", 100.0),
        Figure(f"memory, {jobs:,} jobs, {RUNNERS:,} runners", memory, "MiB", 150.0),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_JOBS:,} jobs")
    jobs = QUICK_JOBS if parser.parse_args().quick else JOBS
    uvloop.install()
    figures = measured(jobs)
    for figure in figures:
        print(figure)
    return 0 if all(figure.is_met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
