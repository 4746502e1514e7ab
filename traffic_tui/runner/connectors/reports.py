"""Outcomes and refusals as native-v2 reports. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from server.model import Usage
from server.wire.native_v2 import ErrorReport, ProgressReport, Report, UsageReport
from traffic_tui.runner.outcome import encode
from traffic_tui.runner.words import fitting

if TYPE_CHECKING:
    from server.model import Progress
    from server.wire.native_v2 import ReportState
    from traffic_tui.runner.errors import JobError
    from traffic_tui.runner.outcome import ExecutionError, ExecutionOutcome

MAX_RETRY_AFTER_SECONDS = 31_536_000.0
MAX_ISOLATION = 1_000
MAX_DETAILS_BYTES = 64 * 1024
NOT_OURS = ("image_not_found", "maximum_concurrent_jobs", "not_compatible")
"""Kinds of refusals where another runner may well do the job."""


def final_report(attempt: str, outcome: ExecutionOutcome, result: bytes) -> Report:
    """How an attempt ended."""
    report = Report(
        attempt,
        outcome.status,
        error=None if outcome.error is None else _error(outcome.error),
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        retry_after=_seconds(outcome.retry_after_seconds),
    )
    if outcome.isolation or outcome.usage != Usage():
        report.isolation = fitting(outcome.isolation, MAX_ISOLATION)
        report.usage = UsageReport(*outcome.usage)
    if result:  # an empty one would be sent, as no JSON at all, unless it is left alone
        report.result = msgspec.Raw(result)
    return report


def refusal_report(attempt: str, error: JobError) -> Report:
    """Why an attempt was not begun."""
    state: ReportState = "refused" if error.kind in NOT_OURS else "error"
    words = fitting(error.description, 9_000)
    return Report(attempt, state, error=ErrorReport(words, error.kind))


def progress_report(attempt: str, progress: Progress) -> Report:
    return Report(
        attempt,
        "running",
        progress=ProgressReport(
            _number(progress.current), _number(progress.total), fitting(progress.text, 500)
        ),
    )


def isolation_report(attempt: str, words: str) -> Report:
    """What is around the process that was just started."""
    return Report(attempt, "running", isolation=fitting(words, MAX_ISOLATION))


def without_extras(report: Report) -> Report:
    """As coordinators read it that do not accept what is beside the protocol's first fields."""
    if not report.isolation and report.usage is None:
        return report
    return msgspec.structs.replace(report, isolation="", usage=None)


def unreadable_report(attempt: str, words: str) -> Report:
    """Stands in for an end that the coordinator refused to read."""
    message = f"the coordinator could not take what the job ended with: {words}"
    return Report(attempt, "error", error=ErrorReport(fitting(message, 9_000), "report_refused"))


def _error(error: ExecutionError) -> ErrorReport:
    details = b""
    if error.details is not None or error.code:
        told = error.details if not error.code else {"code": error.code, "details": error.details}
        details = encode(told)
    if len(details) > MAX_DETAILS_BYTES:
        details = b'"too long to be kept"'
    report = ErrorReport(error.message, error.type or "")
    if details:
        report.details = msgspec.Raw(details)
    return report


def _seconds(seconds: float | None) -> float | None:
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
