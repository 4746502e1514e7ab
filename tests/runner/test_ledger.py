"""What is said in which order, and what has to be heard before it is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.model import Progress, Usage
from server.wire.native_v2 import NextOffset, Pace, Refusal, Report, SyncAnswer, UsageReport
from traffic_tui.runner.connectors.ledger import Budget, Ledger
from traffic_tui.runner.journal import Journal
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.seam import JobUpdate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from traffic_tui.runner.connectors.ledger import Draft

BUDGET = Budget(chunk_bytes=4, output_bytes=10)
DONE = JobUpdate("terminated", outcome=ExecutionOutcome.success("job", "a", None))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    journal = Journal(tmp_path / "spool" / "boot")
    journal.open()
    yield Ledger(journal)
    journal.close()


def draft(ledger: Ledger, sequence: int = 1, *, capacity: int = 3, **options: bool) -> Draft:
    return ledger.draft(("session", "secret"), sequence, BUDGET, capacity=capacity, **options)  # type: ignore[arg-type]


def answer(*offsets: tuple[str, str, int], refused: str = "") -> SyncAnswer:
    refusals = [Refusal(refused, "late")] if refused else []
    pace = Pace(10, 1, 0.1, 4, 100)
    return SyncAnswer([], [], [NextOffset(*offset) for offset in offsets], refusals, pace)


def told(made: Draft) -> list[tuple[str, str]]:
    return [(report.attempt, report.state) for report in made.sync.reports]


def test_an_end_waits_until_its_output_is_in_the_same_sync(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.print("a", "stdout", b"0123456789abcdef")
    ledger.update("a", DONE)
    first = draft(ledger)
    assert [chunk.data for chunk in first.sync.output] == [b"0123", b"4567", b"89"]
    assert (told(first), first.sync.held, first.sync.free) == ([], ["a"], 2)
    ledger.heard(first, answer(("a", "stdout", 10)))
    second = draft(ledger, 2)
    assert [(chunk.offset, chunk.data) for chunk in second.sync.output] == [
        (10, b"abcd"),
        (14, b"ef"),
    ]
    assert (told(second), second.sync.held, second.sync.free) == ([("a", "success")], [], 3)
    ledger.heard(second, answer(("a", "stdout", 16)))
    assert ledger.is_empty


def test_a_session_that_is_opened_again_hears_everything_again(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.print("a", "stdout", b"01234567")
    ledger.update("a", DONE)
    assert told(draft(ledger)) == [("a", "success")]
    ledger.rewind()  # the answer to that never came
    again = draft(ledger, 2)
    assert told(again) == [("a", "success")]
    assert [chunk.offset for chunk in again.sync.output] == [0, 4]


def test_a_gap_rewinds(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.print("a", "stdout", b"0123456789")
    ledger.heard(draft(ledger), answer(("a", "stdout", 3)))
    assert draft(ledger, 2).sync.output[0].offset == 3


def test_bytes_that_are_gone_break_only_their_stream(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.print("a", "stdout", b"0123")
    ledger.heard(draft(ledger), answer(("a", "stdout", 4)))
    ledger.print("a", "stdout", b"4567")
    ledger.print("a", "stderr", b"xy")
    ledger.heard(draft(ledger, 2), answer(("a", "stdout", 1), ("a", "stderr", 2)))
    assert ledger.print("a", "stdout", b"more") == 4
    ledger.update("a", DONE)
    last = draft(ledger, 3)
    assert last.sync.output == []
    ledger.heard(last, answer())
    assert ledger.is_empty


def test_output_that_is_not_taken_is_offered_less_often_and_ends_are_told(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.print("a", "stdout", b"0123456789abcdef")
    ledger.update("a", DONE)
    ledger.heard(draft(ledger), answer(("a", "stdout", 0)))
    assert ledger.is_stalled
    assert ledger.is_urgent
    without = draft(ledger, 2, with_output=False)
    assert told(without) == [("a", "success")]
    ledger.heard(without, answer())
    assert (draft(ledger, 3).sync.held, told(draft(ledger, 3))) == ([], [])
    ledger.heard(draft(ledger, 3), answer(("a", "stdout", 10)))
    ledger.heard(draft(ledger, 4), answer(("a", "stdout", 16)))
    assert ledger.is_empty


def test_progress_is_told_once_and_only_the_newest(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.update("a", JobUpdate("ready", progress=Progress(1, 9)))
    ledger.update("a", JobUpdate("ready", progress=Progress(2, 9, "two")))
    first = draft(ledger)
    assert told(first) == [("a", "running")]
    ledger.update("a", JobUpdate("ready", progress=Progress(3, 9)))
    ledger.heard(first, answer())
    second = draft(ledger, 2)
    assert second.sync.reports[0].progress is not None
    assert second.sync.reports[0].progress.current == 3
    ledger.heard(second, answer())
    assert draft(ledger, 3).sync.reports == []


def test_the_last_progress_goes_with_the_end(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.update("a", JobUpdate("ready", progress=Progress(9, 9)))
    ledger.update("a", DONE)
    made = draft(ledger)
    assert told(made) == [("a", "success")]
    assert made.sync.reports[0].progress is not None


def test_what_is_refused_is_stopped_once_and_its_output_dropped(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.print("a", "stdout", b"01234567")
    assert ledger.heard(draft(ledger), answer(refused="a")) == ["a"]
    assert ledger.print("a", "stdout", b"more") == 4
    assert draft(ledger, 2).sync.output == []
    assert draft(ledger, 2).sync.held == ["a"]
    ledger.update("a", DONE)
    last = draft(ledger, 3)
    assert ledger.heard(last, answer(refused="a")) == []
    assert ledger.is_empty


def test_an_assignment_counts_once(ledger: Ledger) -> None:
    assert ledger.begin("a")
    assert not ledger.begin("a")


def test_a_stuck_handler_keeps_its_slot_after_its_end_was_told(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.update("a", DONE)
    made = ledger.draft(("s", "s"), 1, BUDGET, capacity=3, stuck=["a"])
    assert made.sync.free == 2


ISOLATED = JobUpdate("ready", isolation="isolated: pid")
USED = JobUpdate(
    "terminated",
    outcome=replace(
        ExecutionOutcome.success("job", "a", None),
        isolation="isolated: pid",
        usage=Usage(cpu_seconds=1.5),
    ),
)


def test_what_is_around_a_process_is_told_once_and_again_with_the_end(ledger: Ledger) -> None:
    ledger.tells_surroundings = True
    ledger.begin("a")
    ledger.update("a", ISOLATED)
    first = draft(ledger)
    assert [(report.state, report.isolation) for report in first.sync.reports] == [
        ("running", "isolated: pid")
    ]
    ledger.heard(first, answer())
    assert draft(ledger, 2).sync.reports == []
    ledger.update("a", USED)
    (final,) = draft(ledger, 3).sync.reports
    assert (final.state, final.isolation) == ("success", "isolated: pid")
    assert final.usage == UsageReport(cpu_seconds=1.5)


def test_a_coordinator_that_does_not_accept_it_hears_nothing_of_it(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.update("a", ISOLATED)
    first = draft(ledger)
    assert first.sync.reports == []
    ledger.heard(first, answer())
    assert not ledger.has_news
    ledger.update("a", USED)
    assert draft(ledger, 2).sync.reports == [Report("a", "success")]
