"""Beside other queues: pgqueuer on PostgreSQL, huey on SQLite, rrq on Redis, all of them synced.

    python -m benchmarks.peers [--quick] [--only pgqueuer,huey,rrq]

Method: no-op jobs are submitted one a call by 32 clients, then 100 a call by 4 where the queue can
take batches, then all are drained. That is a round; the queues take turns, and the middle of the
rounds counts; a smaller one before them warms up. Nothing is acknowledged before it is on disk.
Settings stand in each one's file (``peer_*.py``): theirs are drained by their own workers with a
handler that does nothing, the worker's start not counted. Ours is the coordinator as a process;
native-v2 submits, and 32 runners drain with 16 jobs a sync. These are connections of a lean client
which report success and run no handler: what is compared is how fast a queue hands out work and
takes it back.
Clients run in this process, which thus has its share of the two cores. CPU is that of all
processes that take part, for each job.

Goal: ahead of each by 2 times or more, in every row. A peer that is not installed is not measured;
the extra ``bench`` has all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import uvloop

from benchmarks import native_drain, peer_huey, peer_pgqueuer, peer_rrq
from benchmarks.processes import Measured, Meter
from benchmarks.service import service

if TYPE_CHECKING:
    from benchmarks.service import Service

TIMES_AHEAD = 2.0
CLIENTS = 32
BATCH = 100
BATCH_CLIENTS = 4
ROUNDS, LIMIT_SECONDS = 5, 130.0
QUICK_ROUNDS, QUICK_LIMIT_SECONDS = 3, 12.0
QUICK_PART = 4
WARM_UP_PART = 5

Phase = Literal["submit, one a call", "submit, 100 a call", "drain"]
Figures = dict[Phase, Measured]


class Queue(Protocol):
    """A queue that runs, and what is done to it in a round."""

    name: str

    def submit_single(self, count: int) -> Measured: ...
    def submit_batches(self, count: int) -> Measured | None: ...
    def drain(self) -> Measured: ...


class Ours:
    """The coordinator over native-v2."""

    def __init__(self, at: Service) -> None:
        self.name = "traffic-tui on SQLite, durability full"
        self._at = at
        self._waiting = 0

    def submit_single(self, count: int) -> Measured:
        return self._submit(count, batch=1, connections=CLIENTS)

    def submit_batches(self, count: int) -> Measured | None:
        return self._submit(count, batch=BATCH, connections=BATCH_CLIENTS)

    def _submit(self, count: int, *, batch: int, connections: int) -> Measured:
        meter = Meter(self._at.pid)
        asyncio.run(native_drain.submit(self._at, count, batch=batch, connections=connections))
        self._waiting += count
        return meter.stop(count)

    def drain(self) -> Measured:
        meter = Meter(self._at.pid)
        done = asyncio.run(native_drain.drain(self._at)).jobs
        assert done == self._waiting, f"{done} of {self._waiting} jobs were drained"
        self._waiting = 0
        return meter.stop(done)


class Load(NamedTuple):
    """How many jobs a round has: enough for about a second, by the pace of each."""

    singles: int
    batched: int

    def quick(self) -> Load:
        return Load(self.singles // QUICK_PART, self.batched // QUICK_PART)


OUR_LOAD = Load(12_000, 40_000)
LOADS = {"pgqueuer": Load(2_000, 12_000), "huey": Load(4_000, 0), "rrq": Load(3_000, 0)}
PEERS = {"pgqueuer": peer_pgqueuer, "huey": peer_huey, "rrq": peer_rrq}


class Contestant(NamedTuple):
    queue: Queue
    load: Load
    rounds: list[Figures]

    def warm_up(self) -> None:
        """A small round that does not count: connections and prepared statements are made."""
        self._played(Load(self.load.singles // WARM_UP_PART, self.load.batched // WARM_UP_PART))

    def play(self) -> None:
        """One round."""
        self.rounds.append(self._played(self.load))

    def _played(self, load: Load) -> Figures:
        figures: Figures = {"submit, one a call": self.queue.submit_single(load.singles)}
        in_batches = self.queue.submit_batches(load.batched)
        if in_batches is not None:
            figures["submit, 100 a call"] = in_batches
        figures["drain"] = self.queue.drain()
        return figures

    def middle(self) -> Figures:
        """The medians of the rounds."""
        return {
            phase: Measured(
                median(one[phase].per_second for one in self.rounds),
                median(one[phase].cpu_us for one in self.rounds),
            )
            for phase in self.rounds[0]
        }


def entered(ends: ExitStack, folder: Path, names: list[str], *, is_quick: bool) -> list[Contestant]:
    """Start ours and the peers that are here; say of the others that they are not measured."""

    def contestant(queue: Queue, load: Load) -> Contestant:
        return Contestant(queue, load.quick() if is_quick else load, [])

    found = [contestant(Ours(ends.enter_context(service())), OUR_LOAD)]
    for name in names:
        why_not = PEERS[name].missing()
        if why_not is not None:
            print(f"{name}: not measured, {why_not} (pip install 'traffic-tui[bench]')")
            continue
        place = folder / name
        place.mkdir()
        found.append(contestant(ends.enter_context(PEERS[name].started(place)), LOADS[name]))
    return found


def play(contestants: list[Contestant], *, is_quick: bool) -> int:
    """Rounds in turn, no new one after the limit: a slow disk must not make it endless."""
    rounds = QUICK_ROUNDS if is_quick else ROUNDS
    until = time.monotonic() + (QUICK_LIMIT_SECONDS if is_quick else LIMIT_SECONDS)
    for one in contestants:
        one.warm_up()
    for played in range(rounds):
        if played and time.monotonic() > until:
            return played
        for one in contestants:
            one.play()
    return rounds


def show(ours: Figures, peer: Contestant) -> bool:
    """A row for each thing both can do; whether all are met."""
    print(peer.queue.name)
    is_met = True
    for phase, theirs in peer.middle().items():
        own = ours[phase]
        ahead = own.per_second / theirs.per_second
        is_met = is_met and ahead >= TIMES_AHEAD
        print(
            f"  {phase:<19} ours {_words(own)}  theirs {_words(theirs)}"
            f"  {ahead:5.1f} times  {'met' if ahead >= TIMES_AHEAD else 'MISSED'}"
        )
    return is_met


def _words(figure: Measured) -> str:
    return f"{figure.per_second:>7,.0f}/s {figure.cpu_us:>5,.0f} us CPU"


def _peer_names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(PEERS)}")
    return names


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the jobs, 3 rounds of 5")
    parser.add_argument("--only", type=_peer_names, default=list(PEERS), help="names, by commas")
    options = parser.parse_args()
    uvloop.install()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))  # and to end what it started
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="traffic-bench-")))
        ours, *peers = entered(ends, folder, options.only, is_quick=options.quick)
        played = play([ours, *peers], is_quick=options.quick)
    print(f"rounds: {played}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    if not peers:
        print("nothing to be ahead of: no other queue is installed")
        return 1
    figures = ours.middle()
    verdicts = [show(figures, peer) for peer in peers]
    print(
        "within budget beside those measured"
        if all(verdicts)
        else f"MISSED: {TIMES_AHEAD:g} times ahead of each"
    )
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
