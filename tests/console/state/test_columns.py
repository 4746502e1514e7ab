from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.events import EventKind
from server.model import JOB_STATES
from server.wire.operator import ErrorView, ProgressView
from server.wire.schedules import ScheduledJobView
from tests.console.screens.world import schedule
from tests.console.views import (
    HOSTILE_NAMES,
    MINUTE,
    NOW,
    SECOND,
    attempt_view,
    event_view,
    job_times,
    job_view,
    queue_view,
    runner_view,
)
from traffic_tui.screens.fleet_notes import runner_note
from traffic_tui.state.attempt_columns import attempt_cell, attempt_mark
from traffic_tui.state.columns import Column, PlacedColumn, fit_columns
from traffic_tui.state.event_columns import EVENT_COLUMNS, EVENT_WORDS, event_cell, event_note
from traffic_tui.state.formats import cells, fit
from traffic_tui.state.glyphs import ASCII
from traffic_tui.state.job_columns import JOB_COLUMNS, job_cell, job_note, job_wants
from traffic_tui.state.queue_columns import QUEUE_COLUMNS, queue_cell
from traffic_tui.state.row_context import RowContext
from traffic_tui.state.runner_columns import runner_cell, runner_columns
from traffic_tui.state.schedule_columns import SCHEDULE_COLUMNS, is_failing, schedule_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from traffic_tui.state.columns import Cell


def keys(placed: Sequence[PlacedColumn]) -> list[str]:
    return [one.column.key for one in placed]


def row(placed: Sequence[PlacedColumn], cell: Callable[[str, int], Cell]) -> str:
    return " ".join(
        fit(cell(one.column.key, one.width).text, one.width, right=one.column.is_right)
        for one in placed
    ).rstrip()


def job_row(number: int, state: str, width: int = 80, **changes: object) -> str:
    job = job_view(number, state, **changes)
    placed = fit_columns(JOB_COLUMNS, width)
    return row(placed, lambda key, wide: job_cell(job, key, RowContext(NOW), wide))


columns = st.lists(
    st.builds(
        Column,
        key=st.uuids().map(str),
        label=st.just("L"),
        priority=st.integers(0, 6),
        width=st.integers(1, 30),
        max_width=st.integers(30, 60),
        is_right=st.booleans(),
        grows=st.booleans(),
        wide_width=st.just(0),
    ),
    min_size=1,
    max_size=12,
)


@given(columns, st.integers(1, 200))
def test_chosen_columns_fit_and_only_the_least_important_are_left_out(
    defined: list[Column], width: int
) -> None:
    placed = fit_columns(defined, width)
    kept = [one.column for one in placed]
    left_out = [column for column in defined if column not in kept]
    end = max((one.x + one.width for one in placed), default=0)
    assert end <= width or all(column.priority == 0 for column in kept)
    assert all(one.width >= one.column.width for one in placed)
    assert all(column.priority > max(k.priority for k in kept) for column in left_out if kept)
    for before, after in itertools.pairwise(placed):
        assert after.x == before.x + before.width + 1


def test_jobs_at_eighty_cells_show_what_the_design_shows() -> None:
    placed = fit_columns(JOB_COLUMNS, 80)
    expected = ["state", "number", "type", "queue", "runner", "progress", "for", "quiet"]
    assert keys(placed) == expected
    assert placed[-1].x + placed[-1].width <= 80


def test_columns_go_one_priority_at_a_time() -> None:
    seen = [keys(fit_columns(JOB_COLUMNS, width)) for width in range(160, 20, -1)]
    order = []
    for before, after in itertools.pairwise(seen):
        if set(before) - set(after):
            order.append(set(before) - set(after))
    gone = [{"owner"}, {"priority"}, {"try"}, {"note"}, {"queue"}, {"progress", "quiet"}]
    assert order[:6] == gone
    assert order[6:] == [{"runner"}, {"for"}]


def test_what_is_left_over_goes_to_type_then_note() -> None:
    placed = {one.column.key: one for one in fit_columns(JOB_COLUMNS, 200)}
    assert placed["type"].width == 24
    assert placed["note"].x + placed["note"].width == 200
    assert placed["progress"].width == 16


def test_a_type_that_has_what_it_wants_leaves_the_rest_to_the_note() -> None:
    wants = job_wants([job_view(7, type="fib"), job_view(8, type="resize-images")])
    placed = {one.column.key: one for one in fit_columns(JOB_COLUMNS, 160, wants)}
    assert placed["type"].width == len("resize-images")
    assert placed["note"].x + placed["note"].width == 160
    alone = {one.column.key: one for one in fit_columns(JOB_COLUMNS, 80, wants)}
    assert alone["type"].width > len("resize-images")


def test_numbers_are_never_cropped() -> None:
    wants = job_wants([job_view(123_456_789), job_view(7)])
    placed = {one.column.key: one for one in fit_columns(JOB_COLUMNS, 80, wants)}
    assert placed["number"].width == 9


def test_rows_of_the_design() -> None:
    assert job_row(52131, "pending", type="train-nightly", runner=None, progress=None) == (
        " ○ pending    52131 train-nightly       gpu                            12m"
    )
    text = job_row(52118, "in_progress")
    assert text.startswith(" ▸ running    52118 resize-images       gpu     lab-07    ███▋   61%")
    assert text.endswith("  12m    4s")
    rows = ProgressView(current=1200.0, total=None, text="rows")
    assert "1.2k rows" in job_row(1, "in_progress", progress=rows)


def test_silence_past_its_limit_is_bad_and_marked() -> None:
    context = RowContext(NOW, quiet_limit=lambda job: 40 * SECOND)
    job = job_view(1, quiet_since=NOW - 41 * MINUTE)
    assert job_cell(job, "quiet", context, 5)[:2] == ("41m!", "bad")
    job.quiet_since = NOW - 4 * SECOND
    assert job_cell(job, "quiet", context, 5)[:2] == ("4s", "plain")


def test_a_job_that_waits_too_long_is_a_warning() -> None:
    context = RowContext(NOW, late_limit=lambda queue: 10 * MINUTE)
    assert job_cell(job_view(1, "pending"), "state", context, 12).role == "warn"
    assert job_cell(job_view(1, "scheduled"), "state", context, 12).role == "waiting"


def test_a_stale_screen_doubts_its_ages() -> None:
    context = RowContext(NOW, is_stale=True)
    assert job_cell(job_view(1), "for", context, 5).text == "12m?"
    assert job_cell(job_view(1), "quiet", context, 5).text == "4s?"
    assert runner_cell(runner_view("a"), "beat", context, 5).text == "2s?"
    assert queue_cell(queue_view("gpu"), "oldest", context, 6).text == "4m?"


def test_notes() -> None:
    context = RowContext(NOW, notes={7: "decode tile \x1b[31m0612"})
    assert job_note(job_view(7), context) == "decode tile 0612"
    error = ErrorView(kind="error", message="exit 137\nkilled", type="OutOfMemory")
    assert job_note(job_view(8, "failed", error=error), context) == "OutOfMemory: exit 137 killed"
    due = job_view(9, "scheduled", times=job_times(due=NOW + MINUTE))
    assert job_note(due, context) == "again at 22:14:20"
    due.attempts = 0
    assert job_note(due, context) == "due at 22:14:20"
    assert job_note(job_view(10, "stopping", wanted="move"), context) == "moving elsewhere"
    assert job_note(job_view(11, "pending"), context) == ""
    assert job_note(job_view(12, "pending", error=error), context) == "OutOfMemory: exit 137 killed"


def test_runner_rows_of_the_design() -> None:
    placed = fit_columns(runner_columns(80), 80)
    assert keys(placed)[-1] == "kind"

    def text(name: str, state: str, **changes: object) -> str:
        view = runner_view(name, state, **changes)
        return row(placed, lambda key, wide: runner_cell(view, key, RowContext(NOW), wide))

    lost = text("lab-31", "lost", busy=3, capacity=8, last_seen_at=NOW - 4 * MINUTE)
    assert lost.startswith(" ✗ lost     lab-31")
    assert "3 of 8" in lost and " 4m! " in lost and lost.endswith("-    native-v2")
    assert " ████ 4/4 " in text("lab-03", "quiet", busy=4)
    assert " █▌  100/200 " in text("x", "ok", busy=100, capacity=200)
    assert ".olr" in text("x", "ok", can="olr")
    assert "0% " in text("x", "ok", failed_last_hour=0)


def test_slots_in_a_wide_list() -> None:
    cell = runner_cell(runner_view("a", busy=4), "slots", RowContext(NOW), 14)
    assert cell.text == "████████  4/4"


def test_slots_of_a_runner_without_any() -> None:
    cell = runner_cell(runner_view("a", capacity=0, busy=0), "slots", RowContext(NOW), 11)
    assert cell.text.endswith("0/0")


@pytest.mark.parametrize(
    ("phase", "width", "text"),
    [
        ("booting", 14, "booting    1/1"),
        ("fetching_image", 14, "fetching_i 1/1"),
        ("ready", 11, "ready   1/1"),
        ("a\x1b[31m\u202eb", 14, "ab         1/1"),
    ],
)
def test_the_only_slot_of_a_runner_with_phases(phase: str, width: int, text: str) -> None:
    runner = runner_view("a", capacity=1, busy=1, phase=phase)
    assert runner_cell(runner, "slots", RowContext(NOW), width).text == text


def test_queue_cells() -> None:
    paused = queue_view("gpu", paused_at=NOW - MINUTE, paused_by="sam", pause_reason="bad fan")
    cell = queue_cell(paused, "state", RowContext(NOW), 40)
    assert cell.text == 'paused by sam 22:12:20 "bad fan"'
    assert queue_cell(paused, "in", RowContext(NOW), 7).text == "1.5"
    assert queue_cell(paused, "out", RowContext(NOW), 8).text == "20"
    assert queue_cell(paused, "flow", RowContext(NOW), 25).text == " ▁▁▂▃▄▅▅▆▇██  ▅▅▅▅▅▅▅▅▅▅▅"
    late = RowContext(NOW, late_limit={"gpu": 3 * MINUTE}.get)
    assert queue_cell(queue_view("gpu"), "oldest", late, 6)[:2] == ("4m!", "bad")
    assert queue_cell(queue_view("gpu"), "name", late, 16).text == " ! gpu"
    assert queue_cell(queue_view("cpu"), "oldest", late, 6)[:2] == ("4m", "plain")
    full = queue_cell(queue_view("a", limit=3), "running", RowContext(NOW), 13)
    assert full[:2] == ("3/3", "warn")


def test_attempt_cells() -> None:
    error = ErrorView(kind="lost", message="rebooted", code="runner_rebooted")
    lost = attempt_view(
        1, "ended", outcome="lost", error=error, ended_at=NOW - 11 * MINUTE, late_writes=1
    )
    context = RowContext(NOW)
    assert attempt_mark(lost).word == "rebooted"
    assert attempt_cell(lost, "ran", context, 7).text == "1m00"
    assert attempt_cell(lost, "exit", context, 5).text == "-"
    assert attempt_cell(lost, "note", context, 30).text == "1 late write refused"
    killed = attempt_view(2, "ended", outcome="error", exit_code=137)
    assert attempt_cell(killed, "exit", context, 5)[:2] == ("137", "bad")
    assert attempt_cell(attempt_view(3), "output", context, 8).text == "1.2 MB"


@pytest.mark.parametrize("kind", get_args(EventKind))
def test_every_kind_of_event_has_words_that_fit_their_column(kind: EventKind) -> None:
    assert 3 <= len(EVENT_WORDS[kind][0]) <= 16
    assert "_" not in EVENT_WORDS[kind][0]


def test_a_kind_of_a_later_coordinator_is_said_as_it_is() -> None:
    event = event_view(1, "moon_landed", 1)
    assert event_cell(event, "kind", RowContext(NOW), 16)[:2] == ("moon landed", "plain")


def test_the_note_of_an_event_tells_what_a_narrow_list_cannot() -> None:
    many = event_view(2, "submitted", jobs=list(range(1, 12)), actor="sam", reason="again")
    note = event_note(many, RowContext(NOW))
    assert "submitted: jobs 1, 2, 3, 4, 5, 6, 7, 8 and 3 more; by sam; again" in note


def test_event_cells() -> None:
    event = event_view(1, "lease_lost", 52118, reason="silent")
    context = RowContext(NOW)
    assert event_cell(event, "kind", context, 16)[:2] == ("lease lost", "bad")
    assert event_cell(event, "at", context, 9).text == " 22:13:20"
    many = event_view(2, "submitted", jobs=[1, 2, 3])
    assert event_cell(many, "job", context, 8).text == "3 jobs"
    left_out = event_view(3, "schedule_skipped", reason="late", data={"schedule": "nightly"})
    assert event_cell(left_out, "kind", context, 16)[:2] == ("schedule skipped", "warn")
    assert event_cell(left_out, "reason", context, 30).text == "nightly: late"
    fired = event_view(4, "schedule_fired", 7, data={"schedule": "nightly"})
    assert event_cell(fired, "reason", context, 30).text == "schedule nightly"
    assert event_cell(event_view(5, "x", data=["schedule"]), "reason", context, 30).text == ""


def test_schedule_cells() -> None:
    context = RowContext(NOW)
    on = schedule("nightly", next_at=NOW + 200 * MINUTE)
    assert schedule_cell(on, "name", context, 20).text.split()[-1] == "nightly"
    assert schedule_cell(on, "in", context, 6).text == "3h20"
    assert schedule_cell(on, "last", context, 20).text == "✓ 52081 completed"
    assert schedule_cell(on, "state", context, 8).text == "on"
    late = schedule("nightly", next_at=NOW - 5_000)
    assert schedule_cell(late, "in", context, 6).text == "0s"
    paused = schedule("nightly", next_at=0, paused_at=NOW, paused_by="sam", last_job=None)
    assert schedule_cell(paused, "in", context, 6).text == ""
    assert schedule_cell(paused, "last", context, 20).text == ""
    assert schedule_cell(paused, "state", context, 30)[:2] == ("paused by sam 22:13:20", "warn")
    assert not is_failing(on)
    failed = ScheduledJobView(id="x", number=1, state="failed")
    assert is_failing(schedule("nightly", last_job=failed))


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("width", [60, 80, 160])
def test_hostile_names_keep_to_their_cells(name: str, width: int) -> None:
    context = RowContext(NOW, glyphs=ASCII, notes={1: name})
    job = job_view(1, "failed", type=name, queue=name, owner=name, phase=name)
    job.error = ErrorView(kind="error", message=name, type=name)
    for placed in fit_columns(JOB_COLUMNS, width):
        text = fit(job_cell(job, placed.column.key, context, placed.width).text, placed.width)
        assert cells(text) == placed.width
        assert text.isprintable()
    runner = runner_view(name, labels={name: name}, protocol=name, address=name)
    queue = queue_view(name, paused_at=1, paused_by=name, pause_reason=name)
    event = event_view(1, name, 1, queue=name, actor=name, reason=name, data={"schedule": name})
    made = schedule(name, cron=name, time_zone=name, type=name, queue=name, pause_reason=name)
    made.paused_at, made.paused_by = 1, name
    attempt = attempt_view(1, error=ErrorView(kind="error", message=name))
    shown = [runner_cell(runner, one.key, context, 20).text for one in runner_columns(width)]
    shown += [queue_cell(queue, one.key, context, 20).text for one in QUEUE_COLUMNS]
    shown += [schedule_cell(made, one.key, context, 20).text for one in SCHEDULE_COLUMNS]
    shown += [event_cell(event, one.key, context, 20).text for one in EVENT_COLUMNS]
    shown += [attempt_cell(attempt, key, context, 20).text for key in ("runner", "note")]
    assert all(text.isprintable() for text in shown)


@pytest.mark.parametrize("state", JOB_STATES)
def test_every_state_is_said_in_words(state: str) -> None:
    cell = job_cell(job_view(1, state), "state", RowContext(NOW), 12)
    assert cells(cell.text) <= 12
    assert cell.text.split()[-1].isalpha()


def test_a_faulty_runner_says_so_by_word_mark_and_reason() -> None:
    runner = runner_view("10.3.12.7:3000", "faulty", fault="answered [red]500\x1b[2J")
    cell = runner_cell(runner, "state", RowContext(NOW), 11)
    assert (cell.text, cell.role) == (" △ faulty", "warn")
    note = runner_note(runner, RowContext(NOW))
    assert note.startswith("10.3.12.7:3000: work cannot be brought to it: answered [red]500")
    assert "\x1b" not in note
