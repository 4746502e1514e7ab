"""What became of a job of a built-in type, as a log: ``DATE TIME [TAG] text``."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from traffic_tui.cli.tailing import TailWish, tail_job

if TYPE_CHECKING:
    from server.wire.operator import JobDetailView
    from traffic_tui.cli.command import Call
    from traffic_tui.cli.output_sinks import Sink
    from traffic_tui.cli.printing import Printer

TAGS = {"noop": "NOOP", "fib": "FIB", "eval": "EVAL", "wait": "WAIT"}
"""Types whose jobs say little themselves, so that their log is more telling than their output."""
MAX_TEXT = 2_000
"""Longest text of a line, in characters."""


def has_log(job_type: str) -> bool:
    return job_type in TAGS


async def tell_log(call: Call, detail: JobDetailView) -> None:
    """Tell a job's log to its end, following it where it still runs."""
    job = detail.job
    log = Log(call.printer)
    tell_begin(log, detail)
    await tail_job(call, job.id, TailWish(is_followed=True), log_sinks(log, TAGS[job.type]))
    _tell_end(log, await call.client.job(job.id))


def tell_begin(log: Log, detail: JobDetailView) -> None:
    """Who sent the job, and where its newest try began, of which the output is told first."""
    from traffic_tui.state.job_columns import made_by

    job = detail.job
    log.line(job.times.created, "JOB", f"submitted by {made_by(job) or 'nobody known'}")
    newest = detail.attempts[0] if detail.attempts else None
    if newest is not None and newest.started_at and newest.runner is not None:
        log.line(newest.started_at, "JOB", f"started on {newest.runner.name}")


def _tell_end(log: Log, detail: JobDetailView) -> None:
    from traffic_tui.cli.job_tables import error_text, json_text

    job = detail.job
    if job.has_result and job.result is not None:
        log.line(job.times.ended, "RESULT", json_text(job.result))
    word = "finished" if job.state == "completed" else job.state
    why = error_text(job.error)
    log.line(job.times.ended, "JOB", f"{word}: {why}" if why else word)


def log_sinks(log: Log, tag: str) -> dict[str, Sink]:
    """One for each stream: a line of one may begin before a line of another ends."""
    return {stream: LogSink(log, tag) for stream in ("stdout", "stderr", "console")}


class Log:
    """Prints lines with their time and tag."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def line(self, at_ms: int, tag: str, text: str) -> None:
        from traffic_tui.state.formats import clean

        self._printer.line(f"{date_and_time(at_ms)} [{tag}] {clean(text, MAX_TEXT)}")


class LogSink:
    """One stream of a job's output as lines of its log."""

    def __init__(self, log: Log, tag: str) -> None:
        self._log = log
        self._tag = tag
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._at = 0

    def write(self, data: bytes, at: int) -> None:
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        self._at = at
        if len(self._rest) > MAX_TEXT:
            lines.append(self._rest)
            self._rest = ""
        for line in lines:
            self._log.line(at, self._tag, line)

    def end(self) -> None:
        if self._rest:
            self._log.line(self._at, self._tag, self._rest)
        self._rest = ""
        self._decoder.reset()


def date_and_time(at_ms: int) -> str:
    """``2026-11-24 19:05:01``, in the time zone of this box; ``-`` for what is no time."""
    from datetime import datetime

    try:
        return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):  # said by a server that is not to be trusted
        return "-"
