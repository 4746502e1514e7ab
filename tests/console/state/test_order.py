from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire.operator import ProgressView
from tests.console.views import NOW, job_times, job_view, queue_view, runner_view
from traffic_tui.state.order import (
    JOB_ORDERS,
    QUEUE_ORDERS,
    RUNNER_ORDERS,
    OrderedRows,
    PlacingPace,
)

changes = st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=60)


@given(changes, st.sampled_from(sorted(JOB_ORDERS)), st.booleans())
def test_rows_that_come_and_go_keep_the_order(
    steps: list[tuple[bool, int]], name: str, is_descending: bool
) -> None:
    jobs = {number: job_view(number, type=f"t{number % 3}") for number in range(1, 31)}
    order = JOB_ORDERS[name]._replace(is_descending=is_descending)
    rows = OrderedRows(jobs, order)
    for comes, number in steps:
        if comes:
            rows.add(number)
        else:
            rows.discard(number)
    values = [order.value(jobs[number]) for number in rows.keys]
    assert values == sorted(values, reverse=is_descending)
    listed = list(rows.keys)
    rows.place_again()
    assert rows.keys == listed
    assert len(rows) == len(set(listed))


def test_a_row_can_go_after_its_job_has_gone_or_changed() -> None:
    jobs = {number: job_view(number) for number in range(1, 6)}
    rows = OrderedRows(jobs, JOB_ORDERS["for"])
    rows.place_again(list(jobs))
    jobs[3].times.since += 50_000
    del jobs[2]
    rows.discard(2)
    rows.discard(3)
    rows.discard(99)
    assert rows.keys == [5, 4, 1]
    assert 3 not in rows


def test_a_changed_row_stays_until_rows_are_placed_again() -> None:
    jobs = {1: job_view(1), 2: job_view(2, times=job_times(since=NOW))}
    rows = OrderedRows(jobs, JOB_ORDERS["for"])
    rows.place_again([1, 2])
    jobs[1].times.since = NOW + 1
    assert rows.keys == [1, 2]
    rows.place_again()
    assert rows.keys == [2, 1]


def test_the_list_of_keys_stays_the_same_object() -> None:
    rows = OrderedRows({1: job_view(1), 2: job_view(2)}, JOB_ORDERS["number"])
    keys = rows.keys
    rows.place_again([1, 2], JOB_ORDERS["type"])
    rows.add(1)
    assert rows.keys is keys


def test_moving_orders_rest_after_a_key_and_after_placing() -> None:
    pace = PlacingPace()
    assert pace.may_place(100.0)
    pace.placed(100.0)
    assert not pace.may_place(101.9)
    assert pace.may_place(102.0)
    pace.key_pressed(102.0)
    assert not pace.may_place(104.9)
    assert pace.may_place(105.0)


def test_runners_are_sorted_worst_first() -> None:
    states = ("gone", "ok", "drained", "lost", "draining", "suspect", "faulty", "quiet")
    runners = {state: runner_view(state, state) for state in states}
    rows = OrderedRows(runners, RUNNER_ORDERS["problem"])
    rows.place_again(list(runners))
    assert rows.keys == [
        "lost",
        "quiet",
        "faulty",
        "suspect",
        "draining",
        "drained",
        "ok",
        "gone",
    ]


def test_unknown_values_sort_last_and_others_as_they_are_shown() -> None:
    jobs = {1: job_view(1, quiet_since=0), 2: job_view(2)}
    assert JOB_ORDERS["quiet"].value(jobs[1]) > JOB_ORDERS["quiet"].value(jobs[2])
    none = job_view(3, progress=None)
    some = job_view(4, progress=ProgressView(current=0, total=5))
    assert JOB_ORDERS["progress"].value(none) < JOB_ORDERS["progress"].value(some)
    never = queue_view("a", oldest_pending_at=0)
    assert QUEUE_ORDERS["oldest"].value(never) > QUEUE_ORDERS["oldest"].value(queue_view("b"))
    put_off = queue_view("c", waiting=0, scheduled=500)
    assert QUEUE_ORDERS["waiting"].value(put_off) > QUEUE_ORDERS["waiting"].value(never)
    fresh = runner_view("a", done_last_hour=0, failed_last_hour=0)
    assert RUNNER_ORDERS["fail"].value(fresh) < RUNNER_ORDERS["fail"].value(runner_view("b"))


@pytest.mark.parametrize("name", sorted(JOB_ORDERS))
def test_orders_say_how_the_wire_names_them(name: str) -> None:
    order = JOB_ORDERS[name]
    assert {order.wire, order.reversed().wire} == {name, f"-{name}"}
