"""Placement: who may take what, why not, and what would help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.model import JobClass, Queue, Runner
from server.placement import Candidate, Line, fits, matches_type, place, suggestion, verdict
from tests.server.core.test_transitions import make_job


def make_runner(number: int = 1, **changes: Any) -> Runner:
    facts: dict[str, Any] = {
        "id": number,
        "uuid": f"r{number}",
        "protocol": "native-v2",
        "identity": f"lab-{number}",
        "name": f"lab-{number}",
        "capacity": 2,
        "types": ("fib",),
        "labels": {"os": "linux"},
        "address": "",
        "version": "",
        "registered_at": 0,
        "last_seen_at": 0,
    }
    return Runner(**{**facts, **changes})


def found(
    job_class: JobClass, *, queue: Queue | None = None, active: int = 0, **runner: Any
) -> tuple[str, str]:
    busy, connected = runner.pop("busy", 0), runner.pop("is_connected", True)
    candidate = Candidate(make_runner(**runner), connected, busy)
    result = verdict(job_class, Line(queue or Queue("default"), active), candidate)
    return result.kind, result.detail


FIB = JobClass(1, "default", "fib")


def test_every_obstacle_has_its_verdict() -> None:
    needs_gpu = JobClass(2, "default", "fib", {"gpu": "a100"})
    paused = Queue("default", paused_at=1, paused_by="sam")
    assert found(FIB)[0] == "eligible"
    assert found(JobClass(3, "default", "eval"))[0] == "type"
    assert found(needs_gpu) == ("label", "needs gpu=a100, has no gpu")
    assert found(needs_gpu, labels={"gpu": "t4"}) == ("label", "needs gpu=a100, has gpu=t4")
    assert found(FIB, is_connected=False)[0] == "disconnected"
    assert found(FIB, draining_since=1)[0] == "draining"
    assert found(FIB, queue=paused)[0] == "pause"
    assert found(FIB, queue=Queue("default", limit=1), active=1)[0] == "limit"
    assert found(FIB, busy=2)[0] == "slot"
    assert found(JobClass(4, "default", "fib", pin=9))[0] == "pin"


def test_types_may_end_in_a_wildcard() -> None:
    assert matches_type(("python#*",), "python#greet")
    assert matches_type(("*",), "anything")
    assert not matches_type(("python#*",), "node#greet")


def test_the_least_loaded_runner_is_chosen_and_the_rest_explained() -> None:
    jobs = [make_job(id=number, uuid=str(number)) for number in range(1, 6)]
    candidates = [
        Candidate(make_runner(1), True, 1),
        Candidate(make_runner(2, capacity=4), True, 1),
    ]
    placed = place(jobs, {1: FIB}, {"default": Line(Queue("default"), 2)}, candidates)
    assert [one.runner.id for one in placed.assignments] == [2, 1, 2, 2]
    ((left, verdicts),) = placed.left_over
    assert left.id == 5
    assert {one.kind for one in verdicts} == {"slot"}


def test_the_smallest_change_comes_first() -> None:
    queue = Queue("default", limit=1)
    full = verdict(FIB, Line(queue, 1), Candidate(make_runner(), True, 0))
    other = verdict(
        JobClass(3, "default", "eval"), Line(queue, 1), Candidate(make_runner(), True, 0)
    )
    assert "raise the limit" in suggestion([other, full], queue)
    assert "start a runner" in suggestion([other], queue)
    assert suggestion([], queue) == "connect a runner: none is known"
    gone = full._replace(kind="disconnected")
    assert suggestion([gone], queue).startswith(f"start {gone.runner.name} again")
    called = gone._replace(runner=replace(gone.runner, protocol="rrq"))
    assert f"traffic-tui runners show {gone.runner.name}" in suggestion([called], queue)
    assert suggestion([full._replace(kind="eligible")], queue) == ""


@given(
    capacities=st.lists(st.integers(0, 3), max_size=4),
    limit=st.none() | st.integers(1, 5),
    count=st.integers(0, 15),
)
def test_no_slot_and_no_limit_is_ever_exceeded(
    capacities: list[int], limit: int | None, count: int
) -> None:
    jobs = [make_job(id=number, uuid=str(number)) for number in range(1, count + 1)]
    candidates = [
        Candidate(make_runner(number, capacity=capacity), True, 0)
        for number, capacity in enumerate(capacities, 1)
    ]
    placed = place(jobs, {1: FIB}, {"default": Line(Queue("default", limit=limit), 0)}, candidates)
    taken = len(placed.assignments)
    room = sum(capacities) if limit is None else min(sum(capacities), limit)
    assert taken == min(count, room)
    assert taken + len(placed.left_over) == count
    for candidate in candidates:
        on_it = sum(one.runner.id == candidate.runner.id for one in placed.assignments)
        assert on_it <= candidate.runner.capacity
    assert all(fits(one.runner, FIB) for one in placed.assignments)
