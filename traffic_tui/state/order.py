"""In which order rows stand, and when they may be placed again.

An order by a value that moves by itself would shuffle rows under the operator's eyes, so rows are
placed again at most every two seconds and never shortly after a key.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from server.model import JOB_STATES
from traffic_tui.state.formats import fraction_done
from traffic_tui.state.job_columns import made_by
from traffic_tui.state.queue_columns import all_waiting
from traffic_tui.state.runner_columns import PROBLEM_ORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from server.wire.operator import GroupView, JobView, QueueView, RunnerView
    from server.wire.schedules import ScheduleView

PLACE_EVERY_SECONDS = 2.0
QUIET_AFTER_KEY_SECONDS = 3.0
_NEVER = 1 << 62
"""Later than any time: what has no time sorts last."""

View = TypeVar("View")
Key = TypeVar("Key", bound="int | str")


class SortOrder(NamedTuple, Generic[View]):
    """One way to sort, smallest first; ``is_descending`` turns it round."""

    name: str
    label: str
    value: Callable[[View], Any]
    is_moving: bool = False
    """Whether the value changes while nothing happens to the row's place in the world."""
    is_descending: bool = False

    def reversed(self) -> SortOrder[View]:
        return self._replace(is_descending=not self.is_descending)

    @property
    def wire(self) -> str:
        """As the operator API names it."""
        return f"-{self.name}" if self.is_descending else self.name


def _order(
    name: str, label: str, value: Callable[[Any], Any], *, moving: bool = False, down: bool = False
) -> SortOrder[Any]:
    return SortOrder(name, label, value, moving, down)


_STATE_RANK = {state: rank for rank, state in enumerate(JOB_STATES)}

JOB_ORDERS: Mapping[str, SortOrder[JobView]] = {
    order.name: order
    for order in (
        _order("number", "JOB", lambda job: job.number, down=True),
        _order("state", "STATE", lambda job: (_STATE_RANK[job.state], -job.number), moving=True),
        _order("type", "TYPE", lambda job: (job.type, -job.number)),
        _order("queue", "QUEUE", lambda job: (job.queue, -job.number)),
        _order("priority", "PRI", lambda job: (job.priority, -job.number), down=True),
        _order("runner", "RUNNER", lambda job: (_runner_name(job), -job.number), moving=True),
        _order("progress", "PROGRESS", lambda job: (_done(job), -job.number), moving=True),
        _order("for", "FOR", lambda job: (job.times.since, -job.number), moving=True),
        _order("quiet", "QUIET", lambda job: (_quiet_since(job), -job.number), moving=True),
        _order("owner", "BY", lambda job: (made_by(job), -job.number)),
    )
}

GROUP_ORDERS: Mapping[str, SortOrder[GroupView]] = {
    order.name: order
    for order in (
        _order("jobs", "JOBS", lambda one: (one.count, one.last), moving=True, down=True),
        _order("name", "name", lambda one: one.name),
        _order("first", "SINCE", lambda one: (one.first, one.name), down=True),
        _order("last", "LAST", lambda one: (one.last, one.name), moving=True, down=True),
    )
}

RUNNER_ORDERS: Mapping[str, SortOrder[RunnerView]] = {
    order.name: order
    for order in (
        _order("problem", "problem", lambda one: (PROBLEM_ORDER[one.state], one.name), moving=True),
        _order("name", "RUNNER", lambda one: (one.name, one.id)),
        _order("kind", "KIND", lambda one: (one.protocol, one.name)),
        _order("busy", "SLOTS", lambda one: (one.busy, one.name), moving=True, down=True),
        _order("beat", "BEAT", lambda one: (one.last_seen_at, one.name), moving=True),
        _order("quiet", "QUIET", lambda one: (one.quiet_since or _NEVER, one.name), moving=True),
        _order(
            "done", "DONE/h", lambda one: (one.done_last_hour, one.name), moving=True, down=True
        ),
        _order("fail", "FAIL", lambda one: (_fail_share(one), one.name), moving=True, down=True),
    )
}

QUEUE_ORDERS: Mapping[str, SortOrder[QueueView]] = {
    order.name: order
    for order in (
        _order("name", "QUEUE", lambda one: one.name),
        _order(
            "waiting", "WAITING", lambda one: (all_waiting(one), one.name), moving=True, down=True
        ),
        _order("oldest", "OLDEST", lambda one: (_oldest(one), one.name), moving=True),
        _order("running", "RUNNING", lambda one: (one.active, one.name), moving=True, down=True),
        _order("in", "IN/min", lambda one: (one.in_per_minute, one.name), moving=True, down=True),
        _order(
            "out", "OUT/min", lambda one: (one.out_per_minute, one.name), moving=True, down=True
        ),
        _order("state", "STATE", lambda one: (-one.paused_at, one.name), moving=True),
    )
}


SCHEDULE_ORDERS: Mapping[str, SortOrder[ScheduleView]] = {
    order.name: order
    for order in (
        _order("next", "NEXT", lambda one: (one.next_at or _NEVER, one.name), moving=True),
        _order("name", "SCHEDULE", lambda one: one.name),
        _order("last", "LAST JOB", lambda one: (_last_job(one), one.name), moving=True, down=True),
        _order("type", "TYPE", lambda one: (one.type, one.name)),
        _order("queue", "QUEUE", lambda one: (one.queue, one.name)),
        _order("fired", "MADE", lambda one: (one.fired, one.name), moving=True, down=True),
        _order("skipped", "LEFT OUT", lambda one: (one.skipped, one.name), moving=True, down=True),
        _order("state", "STATE", lambda one: (-one.paused_at, one.name), moving=True),
    )
}


def _last_job(schedule: ScheduleView) -> int:
    return schedule.last_job.number if schedule.last_job is not None else 0


def _runner_name(job: JobView) -> str:
    return job.runner.name if job.runner is not None else "\U0010ffff"


def _done(job: JobView) -> float:
    fraction = fraction_done(job.progress)
    return -1.0 if fraction is None else fraction


def _quiet_since(job: JobView) -> int:
    return job.quiet_since or _NEVER


def _oldest(queue: QueueView) -> int:
    return queue.oldest_pending_at or _NEVER


def _fail_share(runner: RunnerView) -> float:
    ended = runner.done_last_hour + runner.failed_last_hour
    return runner.failed_last_hour / ended if ended else -1.0


class PlacingPace:
    """When rows of a moving order may be placed again."""

    def __init__(self) -> None:
        self._placed_at = float("-inf")
        self._key_at = float("-inf")

    def key_pressed(self, now: float) -> None:
        """``now`` is a monotonic time in seconds, here and below."""
        self._key_at = now

    def placed(self, now: float) -> None:
        self._placed_at = now

    def may_place(self, now: float) -> bool:
        return (
            now - self._placed_at >= PLACE_EVERY_SECONDS
            and now - self._key_at >= QUIET_AFTER_KEY_SECONDS
        )


class OrderedRows(Generic[Key, View]):
    """Keys in order, over rows that somebody else holds.

    A row that comes finds its place by bisection; one that goes is taken out; all others stay
    where they are until :meth:`place_again`.
    """

    def __init__(self, rows: Mapping[Key, View], order: SortOrder[View]) -> None:
        self._rows = rows
        self.order = order
        self.keys: list[Key] = []
        """In order; the same list for as long as the order stays, changed in place."""
        self._values: list[Any] = []
        self._value_of: dict[Key, Any] = {}

    def place_again(
        self, keys: Iterable[Key] | None = None, order: SortOrder[View] | None = None
    ) -> None:
        """Sort anew: all rows that were listed, or those given."""
        self.order = order or self.order
        listed = list(self.keys if keys is None else keys)
        value = self.order.value
        self._value_of = {key: value(self._rows[key]) for key in listed if key in self._rows}
        rank = self._value_of.__getitem__
        self.keys[:] = sorted(self._value_of, key=rank)
        self._values = [rank(key) for key in self.keys]
        if self.order.is_descending:
            self.keys.reverse()

    def add(self, key: Key) -> None:
        """Put a row that was not listed at its place."""
        if key in self._value_of:
            return
        value = self.order.value(self._rows[key])
        place = bisect_left(self._values, value)
        self._values.insert(place, value)
        self._value_of[key] = value
        self.keys.insert(len(self.keys) - place if self.order.is_descending else place, key)

    def discard(self, key: Key) -> None:
        """Take a row out, if it is listed. Works after the row itself is gone."""
        if key not in self._value_of:
            return
        place = self._place_of(key)
        del self._value_of[key]
        del self._values[place]
        del self.keys[self._mirrored(place)]

    def _place_of(self, key: Key) -> int:
        place = bisect_left(self._values, self._value_of[key])
        while self.keys[self._mirrored(place)] != key:
            place += 1
        return place

    def _mirrored(self, place: int) -> int:
        return len(self.keys) - 1 - place if self.order.is_descending else place

    def __contains__(self, key: Key) -> bool:
        return key in self._value_of

    def __len__(self) -> int:
        return len(self.keys)
