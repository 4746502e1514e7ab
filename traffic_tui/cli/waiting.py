"""Waiting for jobs to end, over restarts of the coordinator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from server.model import FINAL_STATES
from traffic_tui.cli.failures import EXIT_FAILED, CommandFailed
from traffic_tui.cli.news import News, Patience
from traffic_tui.client.base import Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import JobDetailView
    from traffic_tui.cli.command import Call


async def wait_for_jobs(
    call: Call, jobs: Sequence[str], *, timeout_seconds: float | None
) -> list[JobDetailView]:
    """Every job as it ended, each printed as soon as it did.

    Raises:
        CommandFailed: when ``timeout_seconds`` are over first, naming what is still running.
    """
    ended: dict[str, JobDetailView] = {}
    try:
        async with asyncio.timeout(timeout_seconds), News(call.client) as news:
            await _until_ended(call, list(jobs), ended, news)
    except TimeoutError:
        waiting = ", ".join(job for job in jobs if job not in ended)
        raise CommandFailed(
            f"not over after {timeout_seconds:g}s: {waiting}; wait longer with --timeout"
        ) from None
    return [ended[job] for job in jobs]


async def _until_ended(
    call: Call, jobs: list[str], ended: dict[str, JobDetailView], news: News
) -> None:
    patience = Patience()
    while jobs:
        try:
            for job in list(jobs):
                detail = await call.client.job(job)
                if detail.job.state in FINAL_STATES:
                    jobs.remove(job)
                    ended[job] = detail
                    print_final(call, detail)
            patience.answered()
        except Unreachable as error:
            patience.unanswered(error)
        if jobs:
            await news.wait()


def print_final(call: Call, detail: JobDetailView) -> None:
    """One ended job: a line, or a line of JSON."""
    if call.printer.is_json:
        call.printer.json_line(detail)
    elif call.printer.format == "name":
        call.printer.names([str(detail.job.number)])
    else:
        from traffic_tui.cli.job_tables import final_words

        call.printer.line(final_words(detail.job))


def exit_by_outcome(details: Sequence[JobDetailView]) -> None:
    """0 where all completed, else 1."""
    if any(detail.job.state != "completed" for detail in details):
        raise typer.Exit(EXIT_FAILED)
