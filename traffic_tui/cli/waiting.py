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

    However short the time is, what is over already is found: 0 asks without waiting.

    Raises:
        CommandFailed: when ``timeout_seconds`` are over first, naming what is still running.
    """
    begun = asyncio.get_running_loop().time()
    wait = _Wait(call, list(jobs))
    try:
        async with News(call.client) as news:
            await wait.look()
            until = None if timeout_seconds is None else begun + timeout_seconds
            async with asyncio.timeout_at(until):
                while wait.jobs:
                    await news.wait()
                    await wait.look()
    except TimeoutError:
        raise CommandFailed(
            f"not over after {timeout_seconds:g}s: {', '.join(wait.jobs)}; "
            "wait longer with --timeout"
        ) from None
    return [wait.ended[job] for job in jobs]


class _Wait:
    """Jobs that are waited for, and those of them that have ended."""

    def __init__(self, call: Call, jobs: list[str]) -> None:
        self._call = call
        self._patience = Patience()
        self._hints = IdleHints()
        self.jobs = jobs
        self.ended: dict[str, JobDetailView] = {}

    async def look(self) -> None:
        """Ask for all that have not ended yet, once."""
        try:
            for job in list(self.jobs):
                detail = await self._call.client.job(job)
                if detail.job.state in FINAL_STATES:
                    self.jobs.remove(job)
                    self.ended[job] = detail
                    print_final(self._call, detail)
                else:
                    await self._hints.look(self._call, job, detail)
            self._patience.answered()
        except Unreachable as error:
            self._patience.unanswered(error)


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
