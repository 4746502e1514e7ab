from __future__ import annotations

import pytest

from server.wire.operator import JobsView, NoticeView, RunnerRef
from tests.console.views import NOW, event_view, job_times, job_view
from traffic_tui.state.mirror import Mirror


def page(*numbers: int, count: int = 0, next_page: str | None = None) -> JobsView:
    jobs = [job_view(number, "pending") for number in numbers]
    return JobsView(jobs=jobs, next=next_page, count=count or len(jobs), count_is_exact=True)


@pytest.fixture
def mirror() -> Mirror:
    filled = Mirror()
    filled.load_jobs(page(3, 2, 1, count=12_480))
    filled.take_changes()
    return filled


def test_a_first_page_replaces_and_a_further_one_adds(mirror: Mirror) -> None:
    assert mirror.count == 12_480
    assert mirror.add_page(page(2, 0, next_page="x")) == [0]
    assert mirror.next_page == "x"
    mirror.load_jobs(page(9))
    assert list(mirror.jobs) == [9]
    assert mirror.take_changes().is_reloaded


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("claimed", "claimed"),
        ("started", "in_progress"),
        ("stop_requested", "stopping"),
        ("completed", "completed"),
        ("failed", "failed"),
        ("queued", "pending"),
        ("priority_changed", "pending"),
    ],
)
def test_an_event_shows_at_once_and_asks_for_the_row(mirror: Mirror, kind: str, state: str) -> None:
    runner = RunnerRef(id="r9", name="lab-09")
    mirror.apply(event_view(7, kind, 2, runner=runner, attempt=3, at=NOW + 5))
    changes = mirror.take_changes()
    assert mirror.jobs[2].state == state
    assert changes.jobs == changes.outdated == {2}
    assert mirror.last_seq == 7
    if state != "pending":
        assert mirror.jobs[2].times.since == NOW + 5
        assert mirror.jobs[2].runner == runner


@pytest.mark.parametrize(("kind", "state"), [("queued", "pending"), ("scheduled", "scheduled")])
def test_a_job_back_in_the_line_has_nothing_of_its_last_try(
    mirror: Mirror, kind: str, state: str
) -> None:
    """As the coordinator tells of it: until its row is fetched it looks the same."""
    mirror.put_jobs([job_view(2, phase="booting", times=job_times(since=NOW))])
    mirror.apply(event_view(2, kind, 2, at=NOW))
    times = job_times(since=NOW, started=0)
    assert mirror.jobs[2] == job_view(2, state, times=times)


def test_an_event_seen_before_changes_nothing(mirror: Mirror) -> None:
    mirror.apply(event_view(5, "claimed", 2))
    mirror.apply(event_view(5, "failed", 2))
    mirror.apply(event_view(4, "failed", 2))
    assert mirror.jobs[2].state == "claimed"


def test_one_event_may_concern_many_jobs(mirror: Mirror) -> None:
    mirror.apply(event_view(1, "submitted", jobs=[4, 5, 6], queue="gpu"))
    changes = mirror.take_changes()
    assert changes.arrived == {4, 5, 6}
    mirror.put_jobs([job_view(4)])
    assert mirror.take_changes().jobs == {4}


def test_jobs_that_are_not_listed_may_belong_here_after_a_change(mirror: Mirror) -> None:
    mirror.apply(event_view(1, "failed", 77))
    mirror.apply(event_view(2, "priority_changed", 78))
    assert mirror.take_changes().arrived == {77}


def test_deleted_jobs_go(mirror: Mirror) -> None:
    mirror.set_note(2, "waits")
    mirror.apply(event_view(1, "deleted", 2))
    assert 2 not in mirror.jobs and 2 not in mirror.notes
    assert mirror.take_changes().gone == {2}


def test_the_same_row_again_is_no_change(mirror: Mirror) -> None:
    mirror.put_jobs([job_view(1, "pending")])
    assert not mirror.take_changes()
    mirror.put_jobs([job_view(1, "failed")])
    assert mirror.take_changes().jobs == {1}


def test_notices_ask_for_rows_but_change_none(mirror: Mirror) -> None:
    mirror.apply(NoticeView(kind="progress", number=2))
    mirror.apply(NoticeView(kind="output", number=99))
    mirror.apply(NoticeView(kind="runner", runner="r7"))
    changes = mirror.take_changes()
    assert changes.outdated == {2}
    assert changes.output == {99}
    assert not changes.jobs


def test_notes_are_changes_of_listed_rows_only(mirror: Mirror) -> None:
    mirror.set_note(1, "waits")
    mirror.set_note(1, "waits")
    mirror.set_note(99, "elsewhere")
    assert mirror.take_changes().jobs == {1}
    mirror.set_note(1, "")
    assert 1 not in mirror.notes
