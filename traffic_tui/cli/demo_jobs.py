"""The made-up work of the demo: an endless, varied and repeatable stream of real jobs. Pure."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FAST_QUEUE = "default"
BATCH_QUEUE = "batch"
IMPOSSIBLE_LABEL = ("gpu", "a100")
"""No runner of the demo has it, so that there is something to ask ``e`` (why) about."""

PROGRESS_SCRIPT = """\
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
  echo "$n/12 tile $n of set {number}"
  [ $((n % 4)) -eq 0 ] && echo "warn: tile $n has no alpha, filling" >&2
  sleep {pause}
done
echo "set {number} is done"
"""
FAILING_SCRIPT = """\
echo "reading set {number}"
echo "error: set {number} is empty" >&2
exit 3
"""


class DemoJob(NamedTuple):
    """One job to submit."""

    type: str
    params: dict[str, Any]
    queue: str = FAST_QUEUE
    priority: int = 0
    requires: dict[str, str] = {}  # noqa: RUF012 (never changed)
    max_attempts: int = 1
    retry_delay_seconds: float = 0.0


class DemoRunner(NamedTuple):
    """One local runner of the demo."""

    name: str
    capacity: int
    labels: dict[str, str]
    types: tuple[str, ...]
    """Empty: whatever is built in, without commands."""


RUNNERS = (
    DemoRunner("demo-1", 4, {"rack": "r1", "os": "linux"}, ()),
    DemoRunner("demo-2", 2, {"rack": "r2", "size": "small"}, ()),
    DemoRunner("demo-3", 3, {"rack": "r2", "shell": "yes"},
               ("noop", "fib", "eval", "wait", "command")),
)  # fmt: skip


def impossible_job() -> DemoJob:
    """A job that nobody here can run."""
    name, value = IMPOSSIBLE_LABEL
    return DemoJob("fib", {"n": 90}, BATCH_QUEUE, 5, {name: value})


def demo_jobs(seed: int) -> Iterator[DemoJob]:
    """The stream. The same seed gives the same jobs."""
    chance = random.Random(seed)  # noqa: S311 (nothing secret)
    number = 0
    yield impossible_job()
    while True:
        number += 1
        yield _job(chance, number)


def _job(chance: random.Random, number: int) -> DemoJob:
    makers = (_noop, _fib, _eval, _wait, _progress, _failing, _retrying, _bad_eval)
    weights = (6, 5, 5, 6, 5, 2, 1, 1)
    [maker] = chance.choices(makers, weights)
    return maker(chance, number)


def _noop(chance: random.Random, number: int) -> DemoJob:
    return DemoJob("noop", {}, priority=chance.choice((0, 0, 0, 5)))


def _fib(chance: random.Random, number: int) -> DemoJob:
    return DemoJob("fib", {"n": chance.randint(10, 300)}, chance.choice((FAST_QUEUE, BATCH_QUEUE)))


def _eval(chance: random.Random, number: int) -> DemoJob:
    a, b = chance.randint(2, 9), chance.randint(1, 99)
    return DemoJob("eval", {"expression": f"{a}x + {b}", "args": {"x": number}})


def _wait(chance: random.Random, number: int) -> DemoJob:
    seconds = round(chance.uniform(1.0, 8.0), 1)
    return DemoJob("wait", {"seconds": seconds}, BATCH_QUEUE, chance.choice((0, 0, 9)))


def _progress(chance: random.Random, number: int) -> DemoJob:
    pause = round(chance.uniform(0.1, 0.8), 2)
    return _shell(PROGRESS_SCRIPT.format(number=number, pause=pause), BATCH_QUEUE)


def _failing(chance: random.Random, number: int) -> DemoJob:
    return _shell(FAILING_SCRIPT.format(number=number), FAST_QUEUE)


def _retrying(chance: random.Random, number: int) -> DemoJob:
    job = _shell(FAILING_SCRIPT.format(number=number), FAST_QUEUE)
    return job._replace(max_attempts=3, retry_delay_seconds=2.0)


def _bad_eval(chance: random.Random, number: int) -> DemoJob:
    return DemoJob("eval", {"expression": f"{number} / (y - y)", "args": {"y": 1}})


def _shell(script: str, queue: str) -> DemoJob:
    return DemoJob("command", {"argv": ["sh", "-c", script]}, queue)
