"""The store in SQLite: a file, or memory for tests and throw-away use."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Literal, TypeVar

from server.errors import Busy, StoreError
from server.store.group_commit import GroupCommit
from server.store.loading import load
from server.store.lock import FolderLock
from server.store.memory import Memory
from server.store.migrations import migrate
from server.store.sqlite_reads import SqliteReads
from server.store.sqlite_tx import SqliteTx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from pathlib import Path

    from server.clock import Clock
    from server.store.base import Committed, Tx

T = TypeVar("T")

CACHED_STATEMENTS = 256
MAX_WAITING = 20_000


class SqliteStore:
    """Implements :class:`server.store.base.Store`.

    Args:
        path: the database file; None keeps everything in memory.
        durability: ``full`` syncs every commit; ``normal`` survives a crash of the process, but
            may lose the last commits when the power goes.
        clock: time, for what is kept only so long.
        max_waiting: operations that may wait for a commit; beyond it callers are told to wait.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        clock: Clock,
        durability: Literal["full", "normal"] = "full",
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.path = path
        self.backup: Path | None = None
        """The copy made before this opening migrated the file, if it did."""
        self.reads = SqliteReads(path, clock)
        self._durability = durability
        self._clock = clock
        self._max_waiting = max_waiting
        self._lock: FolderLock | None = None
        self._db: sqlite3.Connection | None = None
        self._commits: GroupCommit | None = None
        self._memory = Memory()
        self._listeners: list[Callable[[Committed], None]] = []
        self._last: list[Callable[[Tx], None]] = []

    @property
    def first_due(self) -> int:
        return self._memory.first_at["due"]

    @property
    def first_deadline(self) -> int:
        return self._memory.first_at["deadline"]

    async def open(self) -> None:
        """Lock, open, migrate, load. Leaves nothing open where it fails."""
        if self._db is not None:
            raise StoreError("The store is open already.")
        try:
            self._open()
        except BaseException as error:
            self._release()
            if isinstance(error, sqlite3.Error):
                raise StoreError(f"{self.path} cannot be opened: {error}.") from error
            raise

    def _open(self) -> None:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.path)
            self._lock.acquire()
        self._db = db = _connect(self.path, self._durability)
        self.backup = migrate(db, self.path)
        self._memory = memory = Memory()
        load(db, memory, self._clock.now_ms())
        self._commits = GroupCommit(db, SqliteTx(db, memory), self._max_waiting)
        for listener in self._listeners:
            self._commits.on_commit(listener)
        for operation in self._last:
            self._commits.before_commit(operation)
        self.reads.start(db)

    async def close(self) -> None:
        """Commit what waits, end reads, close. Idempotent."""
        try:
            if self._commits is not None:
                self._commits.close()
            await self.reads.close()
        finally:
            self._release()

    def _release(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def apply(
        self, operation: Callable[[Tx], T], *, cache_keys: Collection[str] = ()
    ) -> Awaitable[T]:
        if self._commits is None:
            raise Busy("The store is not open.")
        return self._commits.apply(operation, cache_keys)

    def before_commit(self, operation: Callable[[Tx], None]) -> None:
        self._last.append(operation)
        if self._commits is not None:
            self._commits.before_commit(operation)

    def on_commit(self, listener: Callable[[Committed], None]) -> None:
        self._listeners.append(listener)
        if self._commits is not None:
            self._commits.on_commit(listener)


def _connect(path: Path | None, durability: Literal["full", "normal"]) -> sqlite3.Connection:
    db = sqlite3.connect(
        ":memory:" if path is None else path,
        isolation_level=None,
        cached_statements=CACHED_STATEMENTS,
        timeout=5.0,
    )
    try:
        _prepare(db, path, durability)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(
    db: sqlite3.Connection, path: Path | None, durability: Literal["full", "normal"]
) -> None:
    if path is not None:
        path.chmod(0o600)
    for pragma in (
        "page_size = 4096",
        "journal_mode = WAL",
        f"synchronous = {'FULL' if durability == 'full' else 'NORMAL'}",
        "temp_store = MEMORY",
        "cache_size = -49152",  # KiB: with a million jobs the whole process stays under 150 MiB
    ):
        db.execute(f"PRAGMA {pragma}")
