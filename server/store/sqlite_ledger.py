"""What a transaction keeps beside jobs: events, cache, keys, late writes, repeated requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.events import Event
from server.store.base import CachedJob, IdempotentAnswer, StoredKey, Tombstone
from server.store.codes import ids_of, json_ids, json_texts, members_text
from server.store.event_pages import INSERT_PAGE, PageRow
from server.store.sqlite_base import TxBase
from server.store.writer import Statement

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from server.events import EventKind
    from server.store.base import LateWrite
    from server.store.codes import Row

_INSERT_EVENT: Final = (
    "INSERT INTO events (seq, at, kind, job, attempt, runner, queue, actor, reason, data, members)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?)"
)
_INSERT_PLAIN_EVENT: Final = (
    "INSERT INTO events (seq, at, kind, job, attempt, runner, actor, queue, reason)"
    " VALUES (?,?,?,?,?,?,?,'','')"
)
"""Most events say no more. Binding a NULL costs as much as five numbers."""
_PUT_COUNT: Final = "INSERT OR REPLACE INTO counts (cls, state, n) VALUES (?,?,?)"
_PUT_ACTIVITY: Final = "INSERT OR REPLACE INTO activity (minute, kind, key, n) VALUES (?,?,?,?)"

_CACHED: Final = "SELECT key, job, expires_at FROM cache WHERE key = ?"
_CACHED_MANY: Final = (
    "SELECT key, job, expires_at FROM cache WHERE key IN (SELECT value FROM json_each(?))"
)
_PUT_CACHED: Final = Statement("INSERT OR REPLACE INTO cache (key, job, expires_at) VALUES (?,?,?)")


class LedgerOps(TxBase):
    """The part of a transaction that concerns events and small records."""

    # events ----------------------------------------------------------------------------

    def append(
        self,
        kind: EventKind,
        *,
        at: int,
        job: int = 0,
        attempt: int = 0,
        runner: int = 0,
        queue: str = "",
        actor: str = "coordinator",
        reason: str = "",
        data: bytes = b"",
        members: Sequence[tuple[int, int]] = (),
    ) -> None:
        seq = self.memory.high["event"] + 1 + len(self.events)
        fact = (seq, at, kind, job, attempt, runner, queue, actor, reason, data, tuple(members))
        self.events.append(Event._make(fact))

    def write_pending(self) -> list[Event]:
        """Write what waited for the end of the transaction: rows, events and counters."""
        self.db.settle()
        events = self._write_events() if self.events else []
        memory = self.memory
        if memory.dirty_counts:
            counts = memory.counts
            self.db.executemany(
                _PUT_COUNT, [(*key, counts.get(key, 0)) for key in memory.dirty_counts]
            )
        if memory.dirty_activity:
            activity = memory.activity
            self.db.executemany(
                _PUT_ACTIVITY, [(*key, activity.get(key, 0)) for key in memory.dirty_activity]
            )
        return events

    def _write_events(self) -> list[Event]:
        events = self.events
        self.memory.take_ids("event", len(events))
        plain: list[Row] = []
        whole: list[Row] = []
        pages: list[PageRow] = []
        codes = self.memory.event_kinds
        for event in events:
            seq, at, kind, job, attempt, runner, queue, actor, reason, data, members = event
            code = codes.get(kind) or self._new_kind(kind)
            if queue or reason or data or members:
                text = members_text(members) if members else None
                whole.append((seq, at, code, *event[3:9], data or None, text))
            else:
                plain.append((seq, at, code, job, attempt, runner, actor))
            pages += self.pages.note(event, code)
        for sql, rows in (
            (_INSERT_PLAIN_EVENT, plain),
            (_INSERT_EVENT, whole),
            (INSERT_PAGE, pages),
        ):
            if rows:
                self.db.executemany(sql, rows)
        return events

    def _new_kind(self, kind: str) -> int:
        cursor = self.db.execute("INSERT INTO event_kinds (name) VALUES (?)", (kind,))
        code = cursor.lastrowid or 0
        self.memory.put(self.memory.event_kinds, kind, code)
        return code

    # cache -----------------------------------------------------------------------------

    def look_up_cached(self, keys: Collection[str]) -> None:
        """Look up what several operations will ask for: at once it is a fraction of the work."""
        whole = [key for key in keys if "\0" not in key]  # SQLite's JSON would end there
        self.looked_up = dict.fromkeys(whole)
        for row in self.db.read(_CACHED_MANY, (json_texts(whole),)):
            self.looked_up[row[0]] = CachedJob(*row)

    def cached(self, key: str) -> CachedJob | None:
        if key in self.looked_up:
            return self.looked_up[key]
        row = self.db.look_up(("cache", key), _CACHED, (key,)).fetchone()
        return None if row is None else CachedJob(*row)

    def put_cached(self, key: str, job_id: int, expires_at: int) -> None:
        self.looked_up.pop(key, None)
        self.db.later(_PUT_CACHED, ("cache", key), (key, job_id, expires_at))

    def release_cached(self, key: str) -> None:
        self.looked_up.pop(key, None)
        self.db.execute("DELETE FROM cache WHERE key = ?", (key,))

    # repeated requests -----------------------------------------------------------------

    def idempotent(self, owner: str, key: str) -> IdempotentAnswer | None:
        row = self.db.read(
            "SELECT fingerprint, jobs FROM idempotency WHERE owner = ? AND key = ?", (owner, key)
        ).fetchone()
        return None if row is None else IdempotentAnswer(row[0], ids_of(row[1]))

    def put_idempotent(self, owner: str, key: str, answer: IdempotentAnswer, at: int) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO idempotency (owner, key, fingerprint, jobs, at)"
            " VALUES (?,?,?,?,?)",
            (owner, key, answer.fingerprint, json_ids(answer.jobs), at),
        )

    # keys, late writes, tombstones -----------------------------------------------------

    def keys(self) -> list[StoredKey]:
        return list(self.memory.keys.values())

    def put_key(self, key: StoredKey) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO keys (name, role, digest, created_at, expires_at, revoked_at)"
            " VALUES (?,?,?,?,?,?)",
            key,
        )
        self.memory.put(self.memory.keys, key.name, key)

    def add_late_write(self, late: LateWrite) -> None:
        self.db.execute(
            "INSERT INTO late_writes (at, job, attempt, runner, kind, detail) VALUES (?,?,?,?,?,?)",
            late[1:],
        )

    def tombstone(self, uuid: str) -> Tombstone | None:
        row = self.db.read(
            "SELECT uuid, job, type, deleted_at, deleted_by FROM tombstones WHERE uuid = ?",
            (uuid,),
        ).fetchone()
        return None if row is None else Tombstone(*row)
