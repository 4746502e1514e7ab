"""Each screen as text, at the smallest and at a large size. ``UPDATE_GOLDENS=1`` writes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.wire.operator import ErrorView, LateWriteView, RunnerRef, UsageView, VerdictView
from tests.console.screens.seeing import console, lab
from tests.console.screens.test_ranges import posts
from tests.console.screens.world import NOW, World, attempt, job, queue, runner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.console.screens.seeing import Seat

GOLDENS = Path(__file__).parent / "goldens"
SIZES = ((80, 24), (160, 50))


def busy_lab() -> World:
    """The laboratory, with output, events, verdicts and late writes."""
    world = lab()
    one = world.all_jobs[52118]
    first = attempt(
        1,
        one,
        state="ended",
        outcome="lost",
        runner=RunnerRef(id="id-lab-03", name="lab-03"),
        late_writes=1,
        started_at=NOW - 1_500_000,
        ended_at=NOW - 900_000,
    )
    one.attempts = 2
    newest = attempt(
        2,
        one,
        isolation="isolated: user, pid, mount, net, uts, ipc; memory 64 MiB by cgroup v1; "
        "pids 100 by cgroup v1",
    )
    world.attempts[52118] = [newest, first]
    lines = b"".join(b"decode tile %04d ok 2048x2048 lanczos3 q=92\n" % n for n in range(40))
    world.set_output(52118, lines, try_=2)
    world.all_events = []
    world.happen("submitted", 52118)
    world.happen("claimed", 52118, runner=RunnerRef(id="id-lab-07", name="lab-07"))
    world.happen("stop_requested", 52102, actor="sam", reason="bad deploy")
    world.happen("queue_paused", queue="cpu", actor="ana")
    world.verdicts = [
        VerdictView(runner=RunnerRef(id="id-lab-02", name="lab-02"), verdict="eligible", detail=""),
        VerdictView(
            runner=RunnerRef(id="id-lab-07", name="lab-07"), verdict="slot", detail="4 of 4 busy"
        ),
    ]
    world.late = [
        LateWriteView(
            id=1,
            at=NOW - 60_000,
            job="u",
            number=52118,
            attempt=1,
            runner=RunnerRef(id="id-lab-03", name="lab-03"),
            kind="report",
            detail="try 2 has begun",
        )
    ]
    return world


async def at_jobs(seat: Seat) -> None:
    """The note on the cursor's row comes with the next second."""
    await seat.press("j", "j")
    await seat.sees("52118 on lab-07: decode tile 0039")


async def at_job(seat: Seat) -> None:
    await seat.press("j", "j", "enter")
    await seat.sees("decode tile 0039", "lease ok")


async def at_output(seat: Seat) -> None:
    await seat.press("j", "j", "l")
    await seat.sees("decode tile 0039")


def by_command(word: str, *seen: str) -> Callable[[Seat], Awaitable[None]]:
    async def there(seat: Seat) -> None:
        await seat.press(":")
        await seat.type(word)
        await seat.press("enter")
        await seat.sees(*seen)

    return there


async def at_help(seat: Seat) -> None:
    await seat.press("?")
    await seat.sees("keys and commands")


async def at_stop(seat: Seat) -> None:
    await at_jobs(seat)
    await seat.press("s")
    await seat.dialog("Stop job 52118")


async def at_reassign(seat: Seat) -> None:
    await at_jobs(seat)
    await seat.press("a")
    await seat.dialog("Reassign job 52118")


async def at_filter(seat: Seat) -> None:
    await at_jobs(seat)
    await seat.press("/")
    await seat.type("state:nonsense")
    await seat.sees("there is no state nonsense")


SCREENS: dict[str, Callable[[Seat], Awaitable[None]]] = {
    "jobs": at_jobs,
    "job": at_job,
    "output": at_output,
    "runners": by_command("runners", "by problem", "lab-07"),
    "queues": by_command("queues", "by QUEUE", "cpu"),
    "schedules": by_command("schedules", "by NEXT", "nightly"),
    "events": by_command("events", "newest first", "bad deploy"),
    "late_writes": by_command("late", "try 2 has begun"),
    "welcome": by_command("welcome", "Start a runner on this box"),
    "help": at_help,
    "stop": at_stop,
    "reassign": at_reassign,
    "filter": at_filter,
}


def mixed_fleet() -> World:
    """Runners of all kinds, in all the trouble they can be in."""
    world = World()
    world.add_runners(
        runner("lab-07"),
        runner("10.3.12.9:3000", protocol="native-v1", state="faulty", fault="no answer in 5s"),
        runner("bench-1", protocol="treadmill", capacity=1, busy=1, phase="warm-up"),
        runner("python/0", protocol="rrq", busy=1, can="so..", labels={"group": "python"}),
        runner("lab-28", state="suspect", busy=2, last_seen_at=NOW - 38_000),
        runner("lab-20", state="drained", busy=0, draining_since=NOW - 60_000, drained_by="sam"),
        runner("10.3.12.8", protocol="runpack", busy=0, can=".olr", connected_at=0),
    )
    world.add_queues(queue("posts"))
    return world


def bad_deploy() -> World:
    """Many jobs with few causes."""
    world = World()
    told = (
        (41, "ImportError: no module named 'tiles_v3'", "resize-images", 12, 42),
        (12, "timeout after 600s", "train-nightly", 1, 75),
        (3, "exit 137: killed, out of memory", "fetch-tiles", 3, 1500),
    )
    number = 52000
    for count, message, type_, runners, minutes in told:
        for at in range(count):
            number += 1
            name = f"lab-{at % runners:02}"
            failed = job(number, "failed", type="a" if at == 5 else type_)
            failed.error = ErrorView(kind="error", message=message)
            failed.runner = RunnerRef(id=f"id-{name}", name=name)
            failed.times.since = NOW - minutes * 60_000 + at * 1_000
            world.add(failed)
    world.add_runners(runner("lab-07"))
    return world


async def at_groups(seat: Seat) -> None:
    await seat.press("b")
    await seat.sees("56 jobs in 3 groups", "no module named")


async def at_types(seat: Seat) -> None:
    await seat.press("b")
    await seat.sees("56 jobs in 3 groups")
    await seat.press("b")
    await seat.sees("Jobs by type", "56 jobs in 4 groups", "resize-images")


def tried_twice() -> World:
    """A job whose second try went another way."""
    world = World()
    one = job(52118, "failed")
    one.attempts = 3
    world.add(one)
    usage = UsageView(cpu_seconds=61.2, peak_memory_bytes=900 * 1024**2, io_bytes=3 * 1024**2)
    lost = ErrorView(kind="lost", message="its runner was not heard for 60s", code="runner_lost")
    world.attempts[52118] = [
        attempt(3, one, usage=usage),
        attempt(2, one, exit_code=1, runner=RunnerRef(id="id-lab-09", name="lab-09"),
                error=ErrorView(kind="error", type="OSError", message="no space left on device")),
        attempt(1, one, outcome="lost", error=lost, exit_code=None,
                runner=RunnerRef(id="id-lab-03", name="lab-03")),
    ]  # fmt: skip
    begin = [f"03:12:{number:02} decode tile {number:04}" for number in range(12)]
    end = ["03:12:14 writing", "03:12:14 OSError: no space left on device"]
    killed = ["03:12:14 writing", "03:12:15 tile 0012 is large", "03:12:16 loading it whole"]
    set_lines(world, 1, [*begin[:7]])
    set_lines(world, 2, [*begin, *end])
    set_lines(world, 3, [line.replace("03:12", "04:40") for line in [*begin, *killed]])
    return world


def set_lines(world: World, try_: int, lines: list[str]) -> None:
    world.set_output(52118, "".join(f"{line}\n" for line in lines).encode(), try_=try_)


async def at_tries(seat: Seat) -> None:
    await seat.press("enter")
    await seat.sees("exit 137")
    await seat.press("c")
    await seat.sees("differs from line 14 on", "TRY 2")


def waiting_job() -> World:
    world = World()
    world.add(job(52131, "pending", type="train-nightly"))
    world.verdicts = [
        VerdictView(runner=RunnerRef(id="r", name="lab-02"), verdict="slot", detail="4 of 4 busy"),
        VerdictView(runner=RunnerRef(id="s", name="lab-03"), verdict="draining", detail=""),
    ]
    return world


async def at_resting_list(seat: Seat) -> None:
    await seat.sees("parent:0", "52140 range")


async def at_waiting_job(seat: Seat) -> None:
    await seat.press("enter")
    await seat.sees("no free slot (1 runner), draining (1 runner)")


STATES: dict[str, tuple[Callable[[], World], Callable[[Seat], Awaitable[None]]]] = {
    "jobs-without-pieces": (posts, at_resting_list),
    "groups": (bad_deploy, at_groups),
    "groups-by-type": (bad_deploy, at_types),
    "tries": (tried_twice, at_tries),
    "job-that-waits": (waiting_job, at_waiting_job),
    "runners-mixed": (mixed_fleet, by_command("runners", "by problem", "bench-1")),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", STATES)
async def test_a_state_looks_as_it_should(name: str, size: tuple[int, int]) -> None:
    world, go = STATES[name]
    async with console(world(), size) as seat:
        await go(seat)
        await seat.settle()
        _compare(f"{name}-{size[0]}x{size[1]}.txt", seat.text)


def _compare(name: str, text: str) -> None:
    path = GOLDENS / name
    if os.environ.get("UPDATE_GOLDENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
async def test_a_screen_looks_as_it_should(name: str, size: tuple[int, int]) -> None:
    async with console(busy_lab(), size) as seat:
        await SCREENS[name](seat)
        await seat.settle()
        _compare(f"{name}-{size[0]}x{size[1]}.txt", seat.text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
async def test_ascii_draws_no_other_glyph(name: str, size: tuple[int, int]) -> None:
    world = busy_lab()
    for one in world.all_jobs.values():
        one.type = "a-type-with-a-name-that-fits-nowhere-" * 3
    async with console(world, size, ascii_only=True) as seat:
        await SCREENS[name](seat)
        assert seat.text.isascii(), [line for line in seat.text.splitlines() if not line.isascii()]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", STATES)
async def test_a_state_in_ascii_draws_no_other_glyph(name: str, size: tuple[int, int]) -> None:
    made, go = STATES[name]
    world = made()
    for one in world.all_jobs.values():
        one.type = f"{one.type}-and-a-name-that-fits-nowhere-" * 3
    for tries in world.attempts.values():
        for each in tries:
            if each.runner is not None:
                each.runner.name = "a-runner-that-fits-nowhere-" * 3
    async with console(world, size, ascii_only=True) as seat:
        await go(seat)
        assert seat.text.isascii(), [line for line in seat.text.splitlines() if not line.isascii()]


async def test_nothing_to_see_says_what_to_do() -> None:
    async with console(World()) as seat:
        await seat.sees("Nothing is connected to it yet", "Start a sample job")
