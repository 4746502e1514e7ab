"""What is said of jobs, and when."""

from __future__ import annotations

import pytest

from traffic_tui.runner import ExecutionOutcome
from traffic_tui.runner.connectors.traffic_light_jobs import (
    MAX_MESSAGE,
    SETTLED_SECONDS,
    Outbox,
    Report,
    brought,
)

DONE = ExecutionOutcome.success("j", "j")


def said(outbox: Outbox, now: float) -> list[str]:
    """Say everything that is due, and be heard."""
    reports = outbox.due(now)
    for report in reports:
        outbox.told(report, now)
    return [report.word for report in reports]


def test_a_long_job_is_running_and_then_completed() -> None:
    outbox = Outbox()
    outbox.begin("j", 0)
    assert said(outbox, 0) == ["running"]
    assert (said(outbox, 50), outbox.next_due(), outbox.is_empty) == ([], None, False)
    outbox.end("j", DONE, 100)
    assert said(outbox, 100) == ["completed"]
    assert outbox.is_empty


def test_the_last_word_on_a_short_job_is_said_twice() -> None:
    outbox = Outbox()
    outbox.begin("j", 0)
    outbox.end("j", DONE, 0.1)
    assert said(outbox, 0.1) == ["completed"]  # that it ran needs no saying any more
    assert said(outbox, 0.2) == []
    assert outbox.next_due() == SETTLED_SECONDS
    assert said(outbox, SETTLED_SECONDS) == ["completed"]
    assert outbox.is_empty


def test_an_end_while_running_is_being_said_is_not_lost() -> None:
    outbox = Outbox()
    outbox.begin("j", 0)
    [running] = outbox.due(0)
    outbox.end("j", DONE, 5)
    outbox.told(running, 5)
    assert said(outbox, 5) == ["completed"]


def test_only_the_first_end_counts() -> None:
    outbox = Outbox()
    outbox.begin("j", 0)
    outbox.end("j", ExecutionOutcome.failure("j", "j", "no luck"), 5)
    outbox.end("j", DONE, 5)
    outbox.end("unknown", DONE, 5)
    assert outbox.due(5) == [Report("j", "error", "no luck")]


def test_what_nobody_wants_to_hear_is_dropped() -> None:
    outbox = Outbox()
    outbox.begin("j", 0)
    [running] = outbox.due(0)
    outbox.drop(running)
    assert outbox.due(1) == []
    outbox.end("j", DONE, 5)
    outbox.drop(running)
    [completed] = outbox.due(5)
    outbox.drop(completed)
    outbox.told(completed, 5)
    assert outbox.is_empty


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (DONE, "completed"),
        (ExecutionOutcome.failure("j", "j", "x" * 9_000), "error"),
        (ExecutionOutcome.timeout("j", "j"), "error"),
        (ExecutionOutcome.retry_after("j", "j", "later", 5), "error"),
        (ExecutionOutcome.cancelled("j", "j"), "stopped"),
    ],
)
def test_every_outcome_has_its_word(outcome: ExecutionOutcome, word: str) -> None:
    outbox = Outbox()
    outbox.begin("j", 0)
    outbox.end("j", outcome, 5)
    [report] = outbox.due(5)
    assert report.word == word
    assert len(report.message) <= MAX_MESSAGE


def test_jobs_are_brought_in_strings_or_numbers() -> None:
    written = {"job_id": "7", "cursor_from": " -5", "cursor_to": "9223372036854775807"}
    assert brought(written) == ("7", {"cursor_from": -5, "cursor_to": 2**63 - 1})
    numbers = {"job_id": 7, "cursor_from": -5, "cursor_to": 2**63 - 1, "more": None}
    assert brought(numbers) == brought(written)
