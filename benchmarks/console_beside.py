"""What a console costs those who use its coordinator, and how soon it shows what they say.

    python -m benchmarks.console_beside [--quick]

Method: 32 connections live jobs through over the Runpack endpoints, 50 lives (200 requests) a
second together, on a coordinator by itself and on one in a console's process, in turn. The console
has a pseudo terminal of 160 by 50; all its rows change all the time, so it paints ten times a
second. Then one job runs whose runner adds a line to its output five times a second; the time
counts from the request to the line's bytes at the terminal. Clients run in a process of their own.

Budgets: p99 of a request at most 1.3 times that without a console; output to pixel p95 under
200 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import uvloop

from benchmarks.console_idle import console
from benchmarks.runpack_lives import CONNECTIONS, Lives
from benchmarks.service import CONFIGURATION, Service, service, service_in
from benchmarks.wire import connect, percentile, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.wire import Connection

LIVES_A_SECOND = 50
REQUESTS_A_LIFE = 4
PAUSE_SECONDS = CONNECTIONS / (LIVES_A_SECOND * REQUESTS_A_LIFE)
MAX_RATIO = 1.3
MAX_PIXEL_MS = 200.0
START_SECONDS = 10.0
SETTLE_SECONDS = 3.0
LINE_SECONDS = 0.2
SEEN_SECONDS = 2.0
"""A line that is not seen by then counts as that late."""


class PacedLives(Lives):
    """The same lives, at a pace."""

    async def _timed(self, connection: Connection, message: bytes) -> bytes:
        body = await super()._timed(connection, message)
        await asyncio.sleep(PAUSE_SECONDS)
        return body


class Screen:
    """Reads what a console paints, and when."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = bytearray()
        self._news = threading.Condition()
        self.painted = 0
        """Bytes so far."""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while data := os.read(self._terminal, 65_536):
                with self._news:
                    self.painted += len(data)
                    self._seen += data
                    del self._seen[:-65_536]
                    self._news.notify_all()
        except OSError:  # the console is gone
            return

    def wait_for(self, text: bytes, seconds: float) -> bool:
        with self._news:
            return self._news.wait_for(lambda: text in self._seen, seconds)


@contextmanager
def console_service() -> Iterator[tuple[Service, Screen]]:
    """A console with its own coordinator."""
    with tempfile.TemporaryDirectory(prefix="traffic-bench-") as made:
        data, config = Path(made) / "data", Path(made) / "bench.toml"
        config.write_text(CONFIGURATION.format(durability="full"))
        with console(data, "--config", str(config)) as (pid, terminal):
            screen = Screen(terminal)
            at = service_in(data, pid, START_SECONDS)
            time.sleep(SETTLE_SECONDS)
            yield at, screen


def p99_ms(at: Service, seconds: float) -> float:
    asyncio.run(PacedLives(at, "warm-up").run(1))
    lives = PacedLives(at, "run")
    asyncio.run(lives.run(seconds))
    assert not lives.failures
    return percentile(lives.latencies, 0.99) * 1000


async def until_seen(at: Service, screen: Screen, lines: int) -> list[float]:
    """Milliseconds from each request that adds a line until it is painted."""
    connection = await connect(at.host, at.port)
    submit = {"authorization": f"Bearer {at.keys['submit']}"}
    runner = {"authorization": f"Bearer {at.keys['runner']}"}

    async def call(path: str, body: object, headers: dict[str, str]) -> dict[str, str]:
        message = request("POST", path, json.dumps(body).encode(), headers)
        answer = await connection.send(message)
        assert answer.status < 300, answer
        told: dict[str, str] = json.loads(answer.body)
        return told

    made = await call("/api/runner/register", {"name": "lab", "capabilities": ["show"]}, runner)
    runner["x-runner-id"] = made["runner_id"]
    job = await call("/api/jobs/submit", {"job_type": "show", "input_params": {}}, submit)
    path = f"/api/runner/jobs/{job['job_id']}"
    await call(f"{path}/claim", {}, runner)
    await asyncio.sleep(SETTLE_SECONDS)
    text, times = "", []
    for number in range(lines):
        mark = f"mark-{number:06d}"
        text += f"{mark} of a line\n"
        begin = time.perf_counter()
        beat = {"console_output": text, "progress_current": None, "progress_total": None}
        await call(f"{path}/heartbeat", beat, runner)
        await asyncio.to_thread(screen.wait_for, mark.encode(), SEEN_SECONDS)
        times.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(LINE_SECONDS)
    connection.close()
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of five seconds")
    is_quick = parser.parse_args().quick
    rounds, seconds = (1, 5.0) if is_quick else (3, 10.0)
    uvloop.install()
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        with service() as at:
            alone.append(p99_ms(at, seconds))
        with console_service() as (at, screen):
            before = screen.painted
            beside.append(p99_ms(at, seconds))
            assert screen.painted > before, "the console painted nothing"
    with console_service() as (at, screen):
        seen = asyncio.run(until_seen(at, screen, 20 if is_quick else 100))
    ratio, p95 = median(beside) / median(alone), percentile(seen, 0.95)
    print(
        f"request p99 {median(alone):.1f} ms alone, {median(beside):.1f} ms with a console", end=""
    )
    print(f": {ratio:.2f} times, budget {MAX_RATIO:g}: {_verdict(ratio <= MAX_RATIO)}")
    print(f"output to pixel p50 {percentile(seen, 0.5):.0f} ms, p95 {p95:.0f} ms", end="")
    print(f", budget {MAX_PIXEL_MS:g} ms: {_verdict(p95 < MAX_PIXEL_MS)}")
    return 0 if ratio <= MAX_RATIO and p95 < MAX_PIXEL_MS else 1


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
