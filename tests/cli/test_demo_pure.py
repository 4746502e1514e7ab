"""The demo's made-up work and its summary."""

from __future__ import annotations

from itertools import islice

import msgspec
import pytest

from server.wire.operator import JobTimes, JobView, RunnerRef
from traffic_tui.cli.demo_feed import submit_request
from traffic_tui.cli.demo_jobs import RUNNERS, demo_jobs, impossible_job
from traffic_tui.cli.demo_summary import percentile, progress_line, summarise, summary_facts
from traffic_tui.runner.jobs import built_in
from traffic_tui.runner.processes import ProcessGroups


def test_the_stream_is_repeatable_and_varied() -> None:
    first, again = (list(islice(demo_jobs(7), 300)) for _ in range(2))
    assert first == again
    assert {job.type for job in first} == {"noop", "fib", "eval", "wait", "command"}
    assert {job.queue for job in first} == {"default", "batch"}
    assert len({job.priority for job in first}) > 1
    assert any(job.max_attempts > 1 for job in first)


def test_the_first_job_is_one_that_nobody_can_run() -> None:
    [first] = islice(demo_jobs(7), 1)
    assert first == impossible_job()
    assert all(
        runner.labels.get(name) != value
        for runner in RUNNERS
        for name, value in first.requires.items()
    )


def test_every_job_is_one_that_the_built_in_handlers_take() -> None:
    groups = ProcessGroups()
    try:
        registry = built_in(groups, allow_command=True)
        for job in islice(demo_jobs(11), 200):
            entry = registry.get(job.type)
            assert entry is not None
            if entry.check is not None:
                entry.check(job.params)
    finally:
        groups.close()


def test_jobs_become_submits() -> None:
    for job in islice(demo_jobs(3), 100):
        request = submit_request(job)
        assert msgspec.json.decode(request.params) == job.params
        assert (request.max_attempts or 1) == job.max_attempts


def job(state: str, runner: str | None = "a", started: int = 1_250, attempts: int = 1) -> JobView:
    times = JobTimes(created=1_000, since=0, due=0, started=started, ended=0, deadline=0)
    return JobView(
        id="x", number=1, type="noop", state=state, queue="default", priority=0, requires={},  # type: ignore[arg-type]
        runner=RunnerRef(id=runner, name=runner) if runner else None, attempt=None,
        attempts=attempts, tries=attempts, max_attempts=1, phase="", progress=None, times=times,
        quiet_since=0, error=None, owner="", origin="", wanted="run",
    )  # fmt: skip


def test_the_summary_counts_by_state_and_runner() -> None:
    jobs = [job("completed"), job("failed"), job("in_progress", "b"), job("pending", None, 0, 0)]
    summary = summarise(jobs)
    assert (summary.submitted, summary.finished) == (4, 2)
    assert [(each.name, each.completed, each.failed, each.running) for each in summary.runners] == [
        ("a", 1, 1, 0),
        ("b", 0, 0, 1),
    ]
    facts = {fact.name: fact.value.text for fact in summary_facts(summary)}
    assert facts["submitted"] == "4"
    assert facts["completed"] == "1"
    assert facts["submit to start"] == "p50 250 ms, p95 250 ms"


def test_nothing_started_is_said_so() -> None:
    facts = {fact.name: fact.value.text for fact in summary_facts(summarise([]))}
    assert facts == {"submitted": "0", "submit to start": "nothing started"}


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([], 0.5, None), ([5], 0.95, 5), ([1, 2], 0.5, 1), ([1, 2, 3], 0.5, 2),
     (list(range(100)), 0.95, 94)],
)  # fmt: skip
def test_percentiles(values: list[int], share: float, wanted: int | None) -> None:
    assert percentile(values, share) == wanted


def test_a_line_says_how_it_goes() -> None:
    line = progress_line(4.2, {"completed": 3, "in_progress": 1, "failed": 0}, {"ok": 2, "lost": 1})
    assert line == "   4s  running 1  completed 3  runners 2"
    assert "no jobs yet" in progress_line(0, {}, {})
