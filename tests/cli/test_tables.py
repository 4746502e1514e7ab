"""Tables: aligned, cut where they have to be, harmless."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from server.wire.operator import (
    ErrorView,
    EventView,
    JobDetailView,
    JobView,
    LineageView,
    UsageView,
)
from tests.console.screens.seeing import lab
from tests.console.screens.world import attempt, job
from traffic_tui.cli.fleet_tables import event_spans
from traffic_tui.cli.job_tables import JOB_COLUMNS, changed_words, job_facts
from traffic_tui.cli.tables import Column, Fact, Look, lay_out, sheet, span
from traffic_tui.state.formats import cells
from traffic_tui.state.glyphs import ASCII, JOB_MARKS, Span


class Thing(NamedTuple):
    name: str
    size: int


COLUMNS: tuple[Column[Thing], ...] = (
    Column("NAME", lambda thing, _: span(thing.name), is_flexible=True),
    Column("SIZE", lambda thing, _: span(thing.size), is_right=True),
)


def texts(lines: list[list[Span]]) -> list[str]:
    return ["".join(part.text for part in line) for line in lines]


def test_columns_are_aligned() -> None:
    lines = lay_out(COLUMNS, [Thing("a", 5), Thing("bcdef", 1234)], Look(), None)
    assert texts(lines) == ["NAME   SIZE", "a         5", "bcdef  1234"]


def test_a_flexible_column_gives_way() -> None:
    lines = lay_out(COLUMNS, [Thing("x" * 50, 5)], Look(), 24)
    assert [cells(text) for text in texts(lines)] == [24, 24]
    assert "…" in texts(lines)[1]


def test_what_does_not_fit_even_so_is_left_out_instead_of_breaking_the_line() -> None:
    columns = (
        *COLUMNS,
        Column[Thing]("TYPES", lambda thing, _: span("t" * 40), is_flexible=True),
        Column[Thing]("LABELS", lambda thing, _: span("l" * 40), is_flexible=True),
    )
    lines = texts(lay_out(columns, [Thing("x" * 50, 5)], Look(), 34))
    assert lines[0].split() == ["NAME", "SIZE", "TYPES"]
    assert all(cells(line) <= 34 for line in lines)
    assert "LABELS" in texts(lay_out(columns, [Thing("x", 5)], Look(), None))[0]


def test_what_a_row_is_called_is_never_left_out() -> None:
    assert texts(lay_out(COLUMNS, [Thing("x" * 50, 5)], Look(), 5))[0].startswith("NAME")


def test_wide_characters_count_as_they_are_shown() -> None:
    lines = lay_out(COLUMNS, [Thing("日本語", 1), Thing("abc", 2)], Look(), None)
    assert len({cells(text) for text in texts(lines)}) == 1


def test_hostile_names_stay_one_harmless_line() -> None:
    [_, line] = texts(lay_out(COLUMNS, [Thing("x\x1b[2J[/nope]\nY", 1)], Look(), None))
    assert line == "x[/nope] Y     1"


def test_an_empty_cell_is_a_dash_so_that_columns_can_be_counted() -> None:
    assert span("").text == "-"


def test_states_have_glyphs_on_terminals_only() -> None:
    mark = JOB_MARKS["in_progress"]
    assert Look().mark(mark).text == "running"
    assert Look(is_terminal=True).mark(mark).text == "▸ running"
    assert Look(is_terminal=True, glyphs=ASCII).mark(mark).text == "> running"


def test_a_sheet_has_its_values_below_each_other() -> None:
    assert texts(sheet([Fact("a", span("1")), Fact("long", span("2"))])) == ["a     1", "long  2"]


def test_what_was_around_a_job_and_what_it_used() -> None:
    one = lab().all_jobs[52118]
    lineage = LineageView(resubmitted_from=None, resubmitted_as=[])
    usage = UsageView(cpu_seconds=1.234, peak_memory_bytes=56 * 1024**2, io_bytes=3 * 1024**2)
    isolation = "not isolated: switched off; memory 64 MiB by cgroup v1"
    newest = attempt(1, one, isolation=isolation, usage=usage)
    facts = {
        fact.name: fact.value
        for fact in job_facts(
            JobDetailView(job=one, attempts=[newest], events=[], lineage=lineage), Look()
        )
    }
    assert facts["isolation"] == Span(isolation, "warn")
    assert facts["used"].text == "processor 1.2 s, memory 56 MB at most, disk 3.0 MB"
    plain = JobDetailView(job=one, attempts=[attempt(1, one)], events=[], lineage=lineage)
    without = [fact.name for fact in job_facts(plain, Look())]
    assert "isolation" not in without and "used" not in without


def test_what_a_runner_said_of_an_error_beside_its_text_is_shown() -> None:
    error = ErrorView(
        kind="error", message="no money", type="Billing", code="E17", details={"sum": 3}
    )
    one = msgspec.structs.replace(lab().all_jobs[52118], error=error)
    lineage = LineageView(resubmitted_from=None, resubmitted_as=[])
    detail = JobDetailView(job=one, attempts=[attempt(1, one)], events=[], lineage=lineage)
    [fact] = [fact for fact in job_facts(detail, Look()) if fact.name == "details"]
    assert fact.value.text == 'type Billing, code E17, {"sum":3}'


def test_the_line_of_an_event_says_from_what_to_what() -> None:
    limited = EventView(
        seq=7, at=1_700_000_000_000, kind="queue_limited", job=None, number=None, jobs=[],
        attempt=None, runner=None, queue="gpu", actor="sam", reason="heat",
        data={"from": 3, "to": None, "other": 1},
    )  # fmt: skip
    [line] = texts([event_spans(limited, Look())])
    assert line.endswith("queue_limited      queue gpu  from 3 to none  by sam  heat")


def test_a_job_that_was_changed_is_told_with_where_it_is() -> None:
    assert changed_words(job(8)).startswith("job 8 running on lab-07  queue gpu")
    assert changed_words(job(7, "pending")).startswith("job 7 pending  queue gpu")


def test_lost_and_moved_attempts_are_no_tries() -> None:
    columns = [column for column in JOB_COLUMNS if column.title in ("JOB", "TRY")]
    rows: list[JobView] = [job(7, attempts=4, tries=0), job(8, "failed", attempts=5, tries=3)]
    assert texts(lay_out(columns, rows, Look(), None)) == ["JOB  TRY", "  7  1/3", "  8  3/3"]
