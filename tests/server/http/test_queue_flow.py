"""What of a queue's hour is told, and what is not known."""

from __future__ import annotations

import pytest

from server.model import Queue
from server.operator.line_views import FLOW_BUCKETS, queue_view
from server.store.base import Flow, QueueFlow

NOW = 1_700_000_100_000
MINUTE = 60_000
FLOW = QueueFlow(tuple(range(FLOW_BUCKETS)), (3,) * FLOW_BUCKETS, 12, 1)


def told(*, since: int, started_at: int, name: str = "gpu") -> list[int | None]:
    queue = Queue(name, None)
    view = queue_view(queue, None, Flow({"gpu": FLOW}, since, NOW), started_at)
    assert [value is None for value in view.in_buckets] == [
        value is None for value in view.out_buckets
    ]
    return view.in_buckets


def test_rates_are_means_of_the_last_closed_minutes() -> None:
    view = queue_view(Queue("gpu", None), None, Flow({"gpu": FLOW}, 1, NOW), 1)
    assert (view.in_per_minute, view.out_per_minute) == (2.4, 0.2)
    assert view.out_buckets == [3] * FLOW_BUCKETS


@pytest.mark.parametrize(
    ("since", "started_at", "unknown"),
    [
        (NOW - 60 * MINUTE, NOW, 0),
        (NOW - 11 * MINUTE, NOW, 9),
        (NOW, NOW - 11 * MINUTE, 9),
        (0, NOW - 5 * MINUTE, 11),
        (NOW + MINUTE, NOW + MINUTE, 12),
    ],
)
def test_what_was_not_counted_is_not_known(since: int, started_at: int, unknown: int) -> None:
    buckets = told(since=since, started_at=started_at)
    assert buckets == [None] * unknown + list(range(FLOW_BUCKETS))[unknown:]


def test_a_queue_in_which_nothing_happened_has_zeros() -> None:
    assert told(since=1, started_at=1, name="idle") == [0] * FLOW_BUCKETS
