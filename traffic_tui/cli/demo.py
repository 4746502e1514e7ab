"""``traffic-tui demo``: everything at once, in a throw-away folder."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from traffic_tui.cli.command import local, standalone
from traffic_tui.cli.demo_jobs import RUNNERS
from traffic_tui.cli.failures import EXIT_FAILED, CommandFailed
from traffic_tui.cli.printing import Printer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from traffic_tui.cli.demo_summary import Summary
    from traffic_tui.cli.demo_world import DemoWorld

app = standalone()

HEADLESS_SECONDS = 15.0
LINE_SECONDS = 2.0


@local(app, "demo", "demo", "demo --headless --seconds 10")
def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="No console: lines, then a summary.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", metavar="N", help="End after so long; headless: 15.", min=0.1),
    ] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Plain letters, no glyphs.")] = False,
) -> None:
    """Run a coordinator, three local runners and a stream of varied jobs, and watch them.

    Nothing of it stays: no process, no file. Without a terminal it is headless.
    """
    from traffic_tui.cli.demo_world import DemoWorld

    is_headless = headless or not (sys.stdin.isatty() and sys.stdout.isatty())
    with ending_on_signals(), DemoWorld() as world:
        if is_headless:
            watch_headless(world, seconds or HEADLESS_SECONDS)
        else:
            watch_in_console(world, seconds, is_ascii=ascii_only)


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Being told to end, or losing the terminal, ends the demo as Ctrl+C does: cleaned up."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, _end_by_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_by_signal(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def watch_in_console(world: DemoWorld, seconds: float | None, *, is_ascii: bool) -> None:
    """The live console, until it is left or the time is over."""
    import threading

    from traffic_tui.cli.console import ConsoleWish, Seat, read_console_config, show
    from traffic_tui.hang_up import HangUp

    timer = threading.Timer(seconds or 0.0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.daemon = True
    if seconds:
        timer.start()
    try:
        seat = Seat("demo", world.folder, is_demo=True)
        with HangUp() as hang_up:
            show(world.client, ConsoleWish(is_ascii=is_ascii), seat, read_console_config(), hang_up)
    finally:
        timer.cancel()


def watch_headless(world: DemoWorld, seconds: float) -> None:
    """A line now and then, and the summary at the end."""
    import asyncio

    from traffic_tui.cli.connection import failure_of
    from traffic_tui.client.base import ClientError

    try:
        asyncio.run(_watch(world, seconds))
    except ClientError as error:
        raise failure_of(error) from error


async def _watch(world: DemoWorld, seconds: float) -> None:
    import asyncio
    import time

    from traffic_tui.cli.demo_summary import progress_line, summarise
    from traffic_tui.cli.jobs_read import read_jobs

    began_at = time.monotonic()
    typer.echo(f"coordinator {world.client.url}, {len(RUNNERS)} runners, {seconds:g} seconds")
    while (passed := time.monotonic() - began_at) < seconds:
        await asyncio.sleep(min(LINE_SECONDS, seconds - passed))
        stats = await world.client.stats()
        typer.echo(progress_line(time.monotonic() - began_at, stats.counts, stats.runners))
        if world.feed.problem:
            raise CommandFailed(f"no more jobs could be submitted: {world.feed.problem}")
    world.feed.stop()
    jobs = (await read_jobs(world.client, "", 0, "number")).jobs
    print_summary(summarise(jobs))


def print_summary(summary: Summary) -> None:
    """What came of it: facts, then a line for each runner."""
    from traffic_tui.cli.demo_summary import RUNNER_COLUMNS, summary_facts

    printer = Printer.for_stdout("table")
    typer.echo("")
    printer.facts(None, summary_facts(summary), "")
    typer.echo("")
    printer.table(None, summary.runners, RUNNER_COLUMNS, lambda tally: tally.name)
    if not summary.finished:
        raise CommandFailed("not a single job came to its end", exit_code=EXIT_FAILED)
