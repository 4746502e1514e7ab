"""Views as a coordinator would send them, for tests of state and widgets."""

from __future__ import annotations

from typing import Any

from server.model import WAITING_STATES
from server.wire.operator import (
    AttemptRef,
    AttemptView,
    EventView,
    JobTimes,
    JobView,
    ProgressView,
    QueueView,
    RunnerRef,
    RunnerView,
    StreamView,
)

NOW = 1_700_000_000_000
SECOND = 1_000
MINUTE = 60_000

HOSTILE_NAMES = (
    "x[/nope]",
    "[bold red]x",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1bc",
    "\u202egnitsaf\u202c",
    "漢字" * 30,
    "e" + "\u0301" * 50,
    "👩‍👩‍👧‍👦 family",
    "line\nbreak\ttab\rreturn",
    "\ud800 lone",
    "a" * 10_000,
    "",
)


def job_view(number: int, state: str = "in_progress", **changes: Any) -> JobView:
    """A job of that state as the coordinator tells of it, in or after its second try."""
    waits = state in WAITING_STATES
    fields: dict[str, Any] = {
        "id": f"uuid-{number}",
        "number": number,
        "type": "resize-images",
        "state": state,
        "queue": "gpu",
        "priority": 5,
        "requires": {},
        "runner": None if waits else RunnerRef(id="r7", name="lab-07"),
        "attempt": AttemptRef(id=f"attempt-{number}", number=2),
        "attempts": 2,
        "tries": 2,
        "max_attempts": 3,
        "phase": "",
        "progress": None if waits else ProgressView(current=61.0, total=100.0),
        "times": job_times(started=0) if waits else job_times(),
        "quiet_since": 0 if waits else NOW - 4 * SECOND,
        "error": None,
        "owner": "ci-main",
        "origin": "native-v2",
        "wanted": "run",
    }
    return JobView(**{**fields, **changes})


def job_times(**changes: int) -> JobTimes:
    fields = {
        "created": NOW - 20 * MINUTE,
        "since": NOW - 12 * MINUTE,
        "due": 0,
        "started": NOW - 12 * MINUTE,
        "ended": 0,
        "deadline": 0,
    }
    return JobTimes(**{**fields, **changes})


def runner_view(name: str, state: str = "ok", **changes: Any) -> RunnerView:
    fields: dict[str, Any] = {
        "id": f"id-{name}",
        "name": name,
        "protocol": "native-v2",
        "state": state,
        "capacity": 4,
        "busy": 2,
        "types": ["*"],
        "labels": {"rack": "r12", "gpu": "a100"},
        "address": "10.3.12.7",
        "version": "1",
        "can": "solr",
        "registered_at": NOW - 60 * MINUTE,
        "last_seen_at": NOW - 2 * SECOND,
        "connected_at": NOW - 60 * MINUTE,
        "quiet_since": NOW - 3 * SECOND,
        "done_last_hour": 60,
        "failed_last_hour": 2,
        "draining_since": 0,
        "drain_deadline": 0,
        "drain_reason": "",
        "drained_by": "",
    }
    return RunnerView(**{**fields, **changes})


def queue_view(name: str, **changes: Any) -> QueueView:
    fields: dict[str, Any] = {
        "name": name,
        "limit": None,
        "paused_at": 0,
        "paused_by": "",
        "pause_reason": "",
        "waiting": 12,
        "scheduled": 0,
        "active": 3,
        "failed": 0,
        "completed": 100,
        "oldest_pending_at": NOW - 4 * MINUTE,
        "in_last_hour": 90,
        "out_last_hour": 1200,
        "in_per_minute": 1.5,
        "out_per_minute": 20.0,
        "in_buckets": [None, 0, *range(10)],
        "out_buckets": [None, *[5] * 11],
    }
    return QueueView(**{**fields, **changes})


def attempt_view(number: int, state: str = "running", **changes: Any) -> AttemptView:
    fields: dict[str, Any] = {
        "id": f"attempt-{number}",
        "number": number,
        "job": "uuid-1",
        "runner": RunnerRef(id="r7", name="lab-07"),
        "protocol": "native-v2",
        "state": state,
        "outcome": None,
        "error": None,
        "exit_code": None,
        "signal": None,
        "offered_at": NOW - 12 * MINUTE,
        "started_at": NOW - 12 * MINUTE,
        "ended_at": 0,
        "stop_requested_at": 0,
        "progress": None,
        "quiet_since": 0,
        "output": [StreamView(stream="stdout", size=1_258_291, generation=0, gap_from=0, gap_to=0)],
        "late_writes": 0,
    }
    return AttemptView(**{**fields, **changes})


def event_view(seq: int, kind: str, number: int | None = None, **changes: Any) -> EventView:
    fields: dict[str, Any] = {
        "seq": seq,
        "at": NOW,
        "kind": kind,
        "job": None if number is None else f"uuid-{number}",
        "number": number,
        "jobs": [] if number is None else [number],
        "attempt": None,
        "runner": None,
        "queue": "",
        "actor": "sam",
        "reason": "",
        "data": None,
    }
    return EventView(**{**fields, **changes})
