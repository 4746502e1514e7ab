"""What explains a job's state, line by line."""

from __future__ import annotations

from server.wire.operator import ExplainView, JobDetailView, JobFullView, JobTimes, LineageView
from tests.console.screens.world import MINUTE, NOW, job
from traffic_tui.screens.explaining import explanation
from traffic_tui.state.formats import day_and_time
from traffic_tui.state.row_context import RowContext

CONTEXT = RowContext(NOW)


def lines(of: JobFullView) -> list[str]:
    detail = JobDetailView(
        job=of,
        attempts=[],
        events=[],
        lineage=LineageView(resubmitted_from=None, resubmitted_as=[]),
    )
    return explanation(ExplainView(of.state, "as it is", [], ""), detail, CONTEXT)


def at(moment: int) -> str:
    return day_and_time(moment, CONTEXT.zone, now=NOW)


def times(*, started: int = 0, deadline: int = 0) -> JobTimes:
    return JobTimes(created=NOW, since=NOW, due=NOW, started=started, ended=0, deadline=deadline)


def test_the_try_that_runs_counts_as_in_the_list() -> None:
    assert "try        1 of 3" in lines(job(7, tries=0, max_attempts=3))


def test_a_running_job_must_end_when_its_timeout_is_over() -> None:
    running = job(7, times=times(started=NOW - 5 * MINUTE), timeout_seconds=1800.0)
    assert f"must end   by {at(NOW + 25 * MINUTE)}" in lines(running)


def test_what_a_job_had_to_start_by_says_nothing_of_its_end() -> None:
    late = times(started=NOW - 5 * MINUTE, deadline=NOW - MINUTE)
    running = job(7, times=late, timeout_seconds=0.0)
    assert not [line for line in lines(running) if "must end" in line]
    claimed = job(7, "claimed", times=times(), timeout_seconds=1800.0)
    assert not [line for line in lines(claimed) if "must end" in line]


def test_a_waiting_job_tells_when_it_expires() -> None:
    soon = times(deadline=NOW + 9 * MINUTE)
    words = f"expires at {at(NOW + 9 * MINUTE)}, unless it has started by then"
    assert words in lines(job(7, "pending", times=soon))
    assert words in lines(job(7, "scheduled", times=soon))
    assert not [line for line in lines(job(7, "pending", times=times())) if "expires" in line]
