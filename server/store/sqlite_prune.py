# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Deleting: on request, and when things are too old. Every step is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.model import JOB_STATES
from server.store.codes import FIRST_FINAL, json_ids
from server.store.event_pages import DELETE_PAGES, PAGE
from server.store.sqlite_attempts import ATTEMPT_CHAIN
from server.store.sqlite_base import TxBase

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

IDEMPOTENCY_MS: Final = 86_400_000
"""How long the answer to a repeated request is remembered."""
ACTIVITY_MINUTES: Final = 130
"""How long counters of a minute are kept."""

_IN: Final = "IN (SELECT value FROM json_each(?))"
_BY_ATTEMPT: Final = ("outcomes", "progress", "streams", "chunks", "surroundings")


class PruneOps(TxBase):
    """The part of a transaction that removes things."""

    def delete_jobs(self, job_ids: Sequence[int], *, at: int, by: str) -> None:
        rows = self.rows_in(f"SELECT id, uuid, cls, state FROM jobs WHERE id {_IN}", job_ids)
        if not rows:
            return
        ids = [row[0] for row in rows]
        attempts = [row[0] for row in self.rows_in(ATTEMPT_CHAIN + "SELECT id FROM chain", ids)]
        classes = self.memory.classes
        self.db.executemany(
            "INSERT OR REPLACE INTO tombstones (uuid, job, type, deleted_at, deleted_by)"
            " VALUES (?,?,?,?,?)",
            [(uuid, job, classes[cls].type, at, by) for job, uuid, cls, _ in rows],
        )
        for _, _, cls, state in rows:
            self.memory.bump(cls, state, -1)
        self._delete_attempts(attempts)
        for job_id in ids:
            self.memory.forget_young(job_id)
        self.looked_up.clear()
        self._delete("jobs", "id", ids)
        self._delete("job_details", "job", ids)
        self._delete("cache", "job", ids)
        self._delete_ranges(ids)
        self._raise_mark("job", max(ids))

    def _delete_ranges(self, jobs: Collection[int]) -> None:
        memory = self.memory
        self._delete("ranges", "job", jobs)
        self._delete("spans", "parent", jobs)
        self._delete("pieces", "job", jobs)
        for job in jobs:
            memory.drop(memory.open_ranges, job)
            memory.drop(memory.pieces_of, job)
            piece = memory.pieces.get(job)
            if piece is not None:
                memory.drop(memory.pieces, job)
                memory.drop(memory.pieces_of.get(piece.parent, {}), job)

    def _delete_attempts(self, attempts: Collection[int]) -> None:
        live = self.memory.attempts
        for attempt in attempts:
            if attempt in live:
                self.memory.drop_live([live[attempt]])
        for table in _BY_ATTEMPT:
            self._delete(table, "attempt", attempts)
        self._delete("attempts", "id", attempts)
        if attempts:
            self._raise_mark("attempt", max(attempts))

    def _delete(self, table: str, column: str, ids: Collection[int]) -> int:
        if not ids:
            return 0
        sql = f"DELETE FROM {table} WHERE {column} {_IN}"
        return self.db.execute(sql, (json_ids(ids),)).rowcount

    def _raise_mark(self, name: str, value: int) -> None:
        """Remember the highest there was, so that no id is ever given twice."""
        self.db.execute(
            "INSERT INTO marks (name, value) VALUES (?,?)"
            " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
            (name, value),
        )

    # retention -------------------------------------------------------------------------

    def retention_reached(self) -> int:
        row = self.db.read("SELECT value FROM marks WHERE name = 'retention'", ()).fetchone()
        return 0 if row is None else int(row[0])

    def keep_retention_reached(self, at: int) -> None:
        self._raise_mark("retention", at)

    def prune(
        self, *, jobs_before: int, output_before: int, events_before: int, now: int, limit: int
    ) -> int:
        return (
            self._prune_jobs(jobs_before, now, limit)
            + self._prune_output(output_before, limit)
            + self._prune_events(events_before, limit)
            + self._prune_records(events_before, now, limit)
            + self._prune_names(events_before, now, limit)
            + self._prune_schedules(events_before)
        )

    def _prune_jobs(self, before: int, now: int, limit: int) -> int:
        old: list[int] = []
        busy = json_ids(attempt.job for attempt in self.memory.attempts.values())
        for state in range(FIRST_FINAL, len(JOB_STATES)):
            rows = self.db.execute(
                "SELECT id FROM jobs WHERE state > 4 AND state = ? AND since < ?"
                " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY since LIMIT ?",
                (state, before, busy, limit - len(old)),
            )
            old += [row[0] for row in rows]
        self.delete_jobs(old, at=now, by="retention")
        return len(old)

    def _prune_output(self, before: int, limit: int) -> int:
        """Drop the bytes of attempts that ended long ago; what their sizes were stays known."""
        rows = self.db.execute(
            "SELECT DISTINCT a.id FROM streams s JOIN attempts a ON a.id = s.attempt"
            " WHERE s.is_kept = 1 AND a.is_live = 0 AND a.ended_at < ?"
            " AND s.attempt <= (SELECT coalesce(max(id), 0) FROM attempts WHERE id <= ?)"
            " ORDER BY s.attempt LIMIT ?",
            (before, self._last_attempt_before(before), limit),
        ).fetchall()
        ids = json_ids(row[0] for row in rows)
        self.db.execute(f"DELETE FROM chunks WHERE attempt {_IN}", (ids,))
        self.db.execute(
            f"UPDATE streams SET is_kept = 0, gap_from = 0, gap_to = size WHERE attempt {_IN}",
            (ids,),
        )
        return len(rows)

    def _last_attempt_before(self, before: int) -> int:
        """An attempt offered later cannot have ended earlier, so the search may stop there."""
        low, high = 0, self.memory.high["attempt"]
        while low < high:
            middle = (low + high + 1) // 2
            row = self.db.execute(
                "SELECT offered_at FROM attempts WHERE id >= ? ORDER BY id LIMIT 1", (middle,)
            ).fetchone()
            if row is not None and row[0] < before:
                low = middle
            else:
                high = middle - 1
        return low

    def _prune_events(self, before: int, limit: int) -> int:
        rows = self.db.execute(
            "SELECT seq FROM (SELECT seq, at FROM events ORDER BY seq LIMIT ?) WHERE at < ?",
            (limit, before),
        )
        old = [row[0] for row in rows]
        if not old:
            return 0
        self._raise_mark("event", old[-1])
        self._delete("events", "seq", old)
        oldest = self.db.execute("SELECT coalesce(min(seq), ?) FROM events", (old[-1] + 1,))
        self.db.execute(DELETE_PAGES, (oldest.fetchone()[0] // PAGE,))
        return len(old)

    def _prune_records(self, before: int, now: int, limit: int) -> int:
        gone = 0
        for table, key, condition, value in (
            ("late_writes", "id", "at < ?", before),
            ("tombstones", "uuid", "deleted_at < ?", before),
            ("idempotency", "at", "at < ?", now - IDEMPOTENCY_MS),
            ("cache", "key", "expires_at > 0 AND expires_at <= ?", now),
            ("sessions", "id", "ended_at > 0 AND ended_at < ?", before),
        ):
            gone += self.db.execute(
                f"DELETE FROM {table} WHERE {key} IN"
                f" (SELECT {key} FROM {table} WHERE {condition} LIMIT ?)",
                (value, limit),
            ).rowcount
        return gone

    def _prune_schedules(self, before: int) -> int:
        """Forget schedules deleted long ago that no job names any more. They are few."""
        schedules = self.memory.schedules
        gone = [
            schedule
            for schedule in schedules.values()
            if 0 < schedule.deleted_at < before
            and not self.db.read(
                "SELECT 1 FROM job_details WHERE schedule > 0 AND schedule = ? LIMIT 1",
                (schedule.id,),
            ).fetchone()
        ]
        self.memory.drop_all(schedules, [schedule.name for schedule in gone])
        return self._delete("schedules", "id", [schedule.id for schedule in gone])

    def _prune_names(self, before: int, now: int, limit: int) -> int:
        """Counters of minutes long gone, runners long forgotten, error texts nobody has."""
        memory = self.memory
        oldest = now // 60_000 - ACTIVITY_MINUTES
        self.db.execute("DELETE FROM activity WHERE minute < ?", (oldest,))
        for key in [key for key in memory.activity if key[0] < oldest]:
            memory.drop(memory.activity, key)
            memory.dirty_activity.discard(key)
        forgotten = [
            runner
            for runner in memory.runners.values()
            if runner.is_forgotten
            and runner.last_seen_at < before
            and not memory.by_runner.get(runner.id)
        ][:limit]
        for runner in forgotten:
            memory.drop_runner(runner)
        self._delete("runners", "id", [runner.id for runner in forgotten])
        return len(forgotten) + self._prune_causes(limit)

    def _prune_causes(self, limit: int) -> int:
        """Look at the next few error texts, round and round: a whole look would not be bounded."""
        rows = self.db.execute(
            "SELECT id, EXISTS (SELECT 1 FROM outcomes WHERE cause = causes.id AND cause > 0)"
            " FROM causes WHERE id > ? ORDER BY id LIMIT ?",
            (self.causes_seen, limit),
        ).fetchall()
        self.causes_seen = rows[-1][0] if len(rows) == limit else 0
        return self._delete("causes", "id", [row[0] for row in rows if not row[1]])
