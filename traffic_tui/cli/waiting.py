"""Waiting for jobs to end, over restarts of the coordinator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from server.model import FINAL_STATES
from traffic_tui.cli.failures import EXIT_FAILED, CommandFailed
from traffic_tui.cli.news import News, Patience
from traffic_tui.client.base import ClientError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import JobDetailView
    from traffic_tui.cli.command import Call


PATIENCE_SECONDS = 2.0
"""A job that waits this long for a runner is looked into, once."""


class IdleHints:
    """Tells on stderr, once for each job, that nobody can take it: else the silence is a riddle."""

    def __init__(self) -> None:
        self._seen_at: dict[str, float] = {}
        self._told: set[str] = set()

    async def look(self, call: Call, job: str, detail: JobDetailView) -> None:
        """Note how long a job has been waiting, and say why when it has been long."""
        now = asyncio.get_running_loop().time()
        waits_since = self._seen_at.setdefault(job, now)
        if detail.job.state != "pending":
            self._seen_at.pop(job)
            return
        if job in self._told or now - waits_since < PATIENCE_SECONDS:
            return
        self._told.add(job)
        try:
            explained = await call.client.explain(job)
        except ClientError:  # the hint is not worth ending the wait, say for want of a role
            return
        if all(reason.verdict != "eligible" for reason in explained.reasons):
            advice = explained.suggestion or f"'traffic-tui jobs explain {job}' says more"
            from traffic_tui.state.clean_text import clean

            words = f"job {detail.job.number}: {explained.summary}: {advice}; still waiting"
            typer.echo(clean(words), err=True)


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
    hints = IdleHints()
    while jobs:
        try:
            for job in list(jobs):
                detail = await call.client.job(job)
                if detail.job.state in FINAL_STATES:
                    jobs.remove(job)
                    ended[job] = detail
                    print_final(call, detail)
                else:
                    await hints.look(call, job, detail)
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
