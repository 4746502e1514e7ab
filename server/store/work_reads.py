"""What runners and queues did lately, from counters: history is never walked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.model import JOB_STATES, NOBODY
from server.store.base import Flow, QueueFlow, QueueWork, RunnerWork
from server.store.codes import PENDING
from server.store.memory import ARRIVED, DONE, FAILED, LEFT

if TYPE_CHECKING:
    import sqlite3

    from server.model import JobState
    from server.store.codes import Row

MINUTE_MS: Final = 60_000
HOUR: Final = 60
"""Minutes."""
RANKS: Final = 50
"""Priorities of a class that are looked at for its oldest job, from the highest down."""
FRONT: Final = 16
"""Jobs of each that are looked at: one that came back stands before those that always waited."""
_FRONT_OF_NEXT_RANK: Final = (
    "SELECT rank, min(since) FROM (SELECT rank, since FROM jobs WHERE state = 1 AND cls = ?1"
    " AND rank = (SELECT min(rank) FROM jobs WHERE state = 1 AND cls = ?1 AND rank > ?2)"
    " ORDER BY id LIMIT ?3)"
)
_LIVE: Final = (
    "SELECT a.runner, count(*), max(max(a.started_at, coalesce(p.heard_at, 0), coalesce("
    "(SELECT max(updated_at) FROM streams WHERE attempt = a.id), 0), a.offered_at))"
    " FROM attempts a LEFT JOIN progress p ON p.attempt = a.id WHERE a.is_live = 1"
    " GROUP BY a.runner"
)
# Classes that only one origin uses are read from the counters; of the others, jobs are counted.
_OF_ORIGIN: Final = (
    "WITH mine AS (SELECT f.id, f.cls FROM facets f JOIN submitters s ON s.id = f.submitter"
    " WHERE s.origin = ?), shared AS (SELECT f.cls FROM facets f JOIN submitters s"
    " ON s.id = f.submitter WHERE s.origin <> ?)"
    " SELECT state, sum(n) FROM (SELECT state, n FROM counts"
    " WHERE cls IN (SELECT cls FROM mine) AND cls NOT IN (SELECT cls FROM shared)"
    " UNION ALL SELECT state, 1 FROM jobs"
    " WHERE facet IN (SELECT id FROM mine WHERE cls IN (SELECT cls FROM shared)))"
    " GROUP BY state"
)
_BY_RUNNER: Final = (
    "SELECT key, sum(CASE kind WHEN ? THEN n ELSE 0 END), sum(CASE kind WHEN ? THEN n ELSE 0 END)"
    " FROM activity WHERE minute > ? AND kind >= 2 GROUP BY key"
)
_BY_QUEUE_AND_MINUTE: Final = (
    "SELECT c.queue, y.kind, y.minute, sum(y.n) FROM activity y JOIN classes c ON c.id = y.key"
    " WHERE y.minute >= ? AND y.minute < ? AND y.kind < 2 GROUP BY c.queue, y.kind, y.minute"
)
_BY_QUEUE: Final = (
    "SELECT c.queue, sum(CASE y.kind WHEN ? THEN n ELSE 0 END),"
    " sum(CASE y.kind WHEN ? THEN n ELSE 0 END)"
    " FROM activity y JOIN classes c ON c.id = y.key"
    " WHERE y.minute > ? AND y.kind < 2 GROUP BY c.queue"
)


def state_counts(db: sqlite3.Connection, origin: str | None) -> dict[JobState, int]:
    """Jobs by state, all or those of one origin."""
    if origin is None:
        rows = db.execute("SELECT state, sum(n) FROM counts GROUP BY state")
    else:
        rows = db.execute(_OF_ORIGIN, (origin, origin))
    found = dict(rows)
    return {state: found.get(code, 0) for code, state in enumerate(JOB_STATES)}


def runner_work(db: sqlite3.Connection, now: int) -> dict[int, RunnerWork]:
    live = {row[0]: row[1:] for row in db.execute(_LIVE)}
    past = {row[0]: row[1:] for row in db.execute(_BY_RUNNER, (DONE, FAILED, _hour_ago(now)))}
    return {
        runner: _runner_work(runner, live.get(runner, (0, 0)), past.get(runner, (0, 0)))
        for runner in live.keys() | past.keys()
    }


def _runner_work(runner: int, live: Row, past: Row) -> RunnerWork:
    held, heard_at = live
    done, failed = past
    return RunnerWork(runner, held, done, failed, heard_at)


def queue_work(db: sqlite3.Connection, now: int) -> dict[str, QueueWork]:
    counts: dict[str, dict[JobState, int]] = {}
    pending: dict[str, list[int]] = {}
    for cls, queue, state, number in db.execute(
        "SELECT c.id, c.queue, n.state, n.n FROM counts n JOIN classes c ON c.id = n.cls"
        " WHERE n.n > 0 AND c.pin <> ?",
        (NOBODY,),
    ):
        of_queue = counts.setdefault(queue, {})
        of_queue[JOB_STATES[state]] = of_queue.get(JOB_STATES[state], 0) + number
        if state == PENDING:
            pending.setdefault(queue, []).append(cls)
    past = {row[0]: row[1:] for row in db.execute(_BY_QUEUE, (ARRIVED, LEFT, _hour_ago(now)))}
    return {
        queue: QueueWork(
            queue,
            counts.get(queue, {}),
            _oldest_pending(db, pending.get(queue, [])),
            *past.get(queue, (0, 0)),
        )
        for queue in counts.keys() | past.keys()
    }


def _oldest_pending(db: sqlite3.Connection, classes: list[int]) -> int:
    return min((oldest for cls in classes if (oldest := _oldest_of_class(db, cls))), default=0)


def _oldest_of_class(db: sqlite3.Connection, cls: int) -> int:
    """``since`` of a class's oldest pending job: those at the front of the line are looked at."""
    oldest = 0
    rank = -(2**62)
    for _ in range(RANKS):
        rank, since = db.execute(_FRONT_OF_NEXT_RANK, (cls, rank, FRONT)).fetchone()
        if rank is None:
            break
        oldest = min(oldest or since, since)
    return oldest


def queue_flow(db: sqlite3.Connection, now: int, bucket_ms: int, count: int) -> Flow:
    """What came into queues and left them in each of the last closed buckets, oldest first."""
    bucket, minute = max(1, bucket_ms // MINUTE_MS), now // MINUTE_MS
    end = minute // bucket
    begin = end - count
    buckets: dict[tuple[str, int], list[int]] = {}
    lately: dict[tuple[str, int], int] = {}
    for queue, kind, at, number in db.execute(_BY_QUEUE_AND_MINUTE, (begin * bucket, minute)):
        line = buckets.setdefault((queue, kind), [0] * count)
        if at < end * bucket:
            line[at // bucket - begin] += number
        if at >= minute - bucket:
            lately[queue, kind] = lately.get((queue, kind), 0) + number
    first = db.execute("SELECT min(minute) FROM activity").fetchone()[0]
    nothing = [0] * count
    flows = {
        queue: QueueFlow(
            tuple(buckets.get((queue, ARRIVED), nothing)),
            tuple(buckets.get((queue, LEFT), nothing)),
            lately.get((queue, ARRIVED), 0),
            lately.get((queue, LEFT), 0),
        )
        for queue, _ in buckets
    }
    return Flow(flows, (first or 0) * MINUTE_MS, end * bucket * MINUTE_MS)


def finished_per_bucket(db: sqlite3.Connection, now: int, bucket_ms: int, count: int) -> list[int]:
    """Jobs finished in each of the last closed buckets, oldest first."""
    bucket = max(1, bucket_ms // MINUTE_MS)
    end = now // MINUTE_MS // bucket
    found = dict(
        db.execute(
            "SELECT minute / ?, sum(n) FROM activity WHERE kind = ? AND minute >= ?"
            " AND minute < ? GROUP BY 1",
            (bucket, LEFT, (end - count) * bucket, end * bucket),
        )
    )
    return [found.get(one, 0) for one in range(end - count, end)]


def _hour_ago(now: int) -> int:
    return now // MINUTE_MS - HOUR
