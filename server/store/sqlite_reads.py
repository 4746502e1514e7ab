"""Long reads, off the loop. In memory there is one connection, so they run on it, at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

from server.errors import Busy
from server.store.base import JobPage, LateWrite
from server.store.event_rows import MAX_SEQ, find_events
from server.store.filter_sql import install_functions
from server.store.group_reads import find_groups
from server.store.job_rows import job_detail, job_rows
from server.store.output_reads import find_in_output, read_output
from server.store.read_pool import ReadPool
from server.store.sqlite_queries import find_jobs
from server.store.trace_reads import traced_attempts, traced_jobs
from server.store.work_reads import (
    finished_per_bucket,
    queue_flow,
    queue_work,
    runner_work,
    state_counts,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection
    from pathlib import Path

    from server.clock import Clock
    from server.events import Event
    from server.model import JobState, Stream
    from server.store.base import (
        EventQuery,
        Flow,
        GroupQuery,
        JobDetail,
        JobGroups,
        JobQuery,
        OutputSlice,
        QueueWork,
        RunnerWork,
        TracedAttempt,
        TracedJob,
    )

T = TypeVar("T")

_LAST_SEQ: Final = (
    "SELECT max(coalesce((SELECT max(seq) FROM events), 0),"
    " coalesce((SELECT value FROM marks WHERE name = 'event'), 0))"
)


class SqliteReads:
    """Implements :class:`server.store.base.Reads`."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._pool: ReadPool | None = None
        self._inline: sqlite3.Connection | None = None

    def start(self, writer: sqlite3.Connection) -> None:
        if self._path is None:
            install_functions(writer)
            self._inline = writer
        else:
            self._pool = ReadPool(self._path)

    async def close(self) -> None:
        self._inline = None
        if self._pool is not None:
            self._pool.close()

    async def _run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        if self._pool is not None:
            return await self._pool.run(read)
        if self._inline is None:
            raise Busy("The store is not open.")
        return read(self._inline)

    async def job_page(self, query: JobQuery) -> JobPage:
        now = self._clock.now_ms()

        def read(db: sqlite3.Connection) -> JobPage:
            found = find_jobs(db, query, now)
            return JobPage(job_rows(db, found.ids), found.next, found.total, found.total_is_exact)

        return await self._run(read)

    async def job_groups(self, query: GroupQuery) -> JobGroups:
        now = self._clock.now_ms()
        return await self._run(lambda db: find_groups(db, query, now))

    async def job_detail(self, job_id: int) -> JobDetail | None:
        return await self._run(lambda db: job_detail(db, job_id))

    async def output(self, attempt_id: int, stream: Stream, offset: int, limit: int) -> OutputSlice:
        return await self._run(lambda db: read_output(db, attempt_id, stream, offset, limit))

    async def find_output(
        self, attempt_id: int, stream: Stream, needle: bytes, offset: int, *, backwards: bool
    ) -> int | None:
        return await self._run(
            lambda db: find_in_output(db, attempt_id, stream, needle, offset, backwards=backwards)
        )

    async def events(self, query: EventQuery) -> list[Event]:
        return await self._run(lambda db: find_events(db, query))

    async def runner_work(self, now: int) -> dict[int, RunnerWork]:
        return await self._run(lambda db: runner_work(db, now))

    async def queue_work(self, now: int) -> dict[str, QueueWork]:
        return await self._run(lambda db: queue_work(db, now))

    async def queue_flow(self, now: int, bucket_ms: int, count: int) -> Flow:
        return await self._run(lambda db: queue_flow(db, now, bucket_ms, count))

    async def finished_per_bucket(self, now: int, bucket_ms: int, count: int) -> list[int]:
        return await self._run(lambda db: finished_per_bucket(db, now, bucket_ms, count))

    async def late_writes(self, *, before: int | None, limit: int) -> list[LateWrite]:
        sql = (
            "SELECT id, at, job, attempt, runner, kind, detail FROM late_writes"
            " WHERE id < ? ORDER BY id DESC LIMIT ?"
        )
        values = (MAX_SEQ if before is None else before, limit)
        return await self._run(lambda db: [LateWrite._make(row) for row in db.execute(sql, values)])

    async def traced_jobs(self, ids: Collection[int]) -> list[TracedJob]:
        return await self._run(lambda db: traced_jobs(db, ids))

    async def traced_attempts(self, ids: Collection[int]) -> list[TracedAttempt]:
        return await self._run(lambda db: traced_attempts(db, ids))

    async def state_counts(self, origin: str | None = None) -> dict[JobState, int]:
        return await self._run(lambda db: state_counts(db, origin))

    async def last_seq(self) -> int:
        return await self._run(lambda db: _number(db, _LAST_SEQ))

    async def first_seq(self) -> int:
        return await self._run(lambda db: _number(db, "SELECT min(seq) FROM events"))

    async def free_bytes(self) -> int | None:
        """Space left where the store lives; None: it lives in memory."""
        if self._path is None:
            return None
        status = os.statvfs(self._path.parent)
        return status.f_bavail * status.f_frsize


def _number(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0] or 0)
